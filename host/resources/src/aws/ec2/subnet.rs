//! `ec2.subnet`

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_ec2::types::{AttributeBooleanValue, ResourceType, SubnetState};
use futures::FutureExt;
use llmhost_engine::kind::{
    Created, DeclareContext, Intent, Kind, Neighbours, Observed, OpError, Outputs, Progress, Sampled,
};
use llmhost_engine::names::ResourceAddress;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::blockers::{self, Held};
use super::{
    Operation, cidr, filter, made, made_by, observed, outputs, present, settled, sync_tags, tagged, with_tags,
};
use crate::aws::blank;
use crate::aws::clients::Aws;
use crate::aws::errors::gone_is_none;
use crate::aws::tags::Tags;
use crate::aws::wait::until;

/// A range of a VPC in one zone.
pub(in crate::aws) struct Subnet(pub(in crate::aws) Arc<Aws>);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::aws) struct Spec {
    vpc_id: String,
    cidr_block: String,
    availability_zone: String,
    map_public_ip_on_launch: bool,
    tags: Tags,
}

#[async_trait]
impl Kind for Subnet {
    type Spec = Spec;
    const NAME: &'static str = "ec2.subnet";
    const ACTIONS: &'static [&'static str] = &[
        "ec2:CreateSubnet",
        "ec2:ModifySubnetAttribute",
        "ec2:DescribeSubnets",
        "ec2:DeleteSubnet",
        "ec2:DescribeNetworkInterfaces",
        "ec2:CreateTags",
        "ec2:DeleteTags",
    ];
    const IMMUTABLE: &'static [&'static str] = &["vpc_id", "cidr_block", "availability_zone"];
    const UNIQUE: &'static [&'static str] = &["vpc_id", "cidr_block"];
    /// Ranges that overlap clash as well.
    const BY_RANGE: bool = true;
    const IDENTITIES: &'static [&'static str] = &["id"];

    fn complete(&self, spec: &mut Spec, context: &DeclareContext<'_>) -> Result<(), String> {
        cidr::of_network("cidr_block", &spec.cidr_block)?;
        spec.tags.complete(context)
    }

    fn check(&self, address: &ResourceAddress, spec: &Spec, declared: &dyn Neighbours) -> Result<(), String> {
        let Some(own) = cidr::parse("cidr_block", &spec.cidr_block)? else { return Ok(()) };
        let text = |spec: &Value, field: &str| spec[field].as_str().unwrap_or_default().to_owned();
        if let Some(vpc) = declared.by_identity(&spec.vpc_id)
            && let Some(range) = cidr::parse("cidr_block", &text(&vpc.spec, "cidr_block"))?
            && !range.contains(&own)
        {
            return Err(format!("{own} lies outside {range}, the range of {}", vpc.address));
        }
        for other in declared.of_kind(Self::NAME) {
            // Each pair is looked at twice; the one that comes later by name says it.
            if other.address >= *address || text(&other.spec, "vpc_id") != spec.vpc_id {
                continue;
            }
            if let Some(range) = cidr::parse("cidr_block", &text(&other.spec, "cidr_block"))?
                && cidr::overlap(own, range)
            {
                return Err(format!("{own} overlaps {range} of {}", other.address));
            }
        }
        Ok(())
    }

    fn clashes(&self, old: &Spec, new: &Spec) -> bool {
        let range = |spec: &Spec| cidr::parse("cidr_block", &spec.cidr_block).ok().flatten();
        let overlap = || range(old).zip(range(new)).is_none_or(|(old, new)| cidr::overlap(old, new));
        old.vpc_id == new.vpc_id && overlap()
    }

    fn sample(&self, _: &str, _: &Spec, sampled: &Sampled<'_>) -> Option<Value> {
        Some(sampled.id("subnet"))
    }

    async fn create(&self, spec: &Spec, intent: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
        let request = self.0.ec2_once().await.create_subnet().vpc_id(&spec.vpc_id).cidr_block(&spec.cidr_block);
        let request = request.availability_zone(&spec.availability_zone);
        let request = request.tag_specifications(tagged(ResourceType::Subnet, &spec.tags, intent));
        let answer = request.send().await.operation("ec2:CreateSubnet")?;
        Ok(made(present("ec2:CreateSubnet", answer.subnet.and_then(|subnet| subnet.subnet_id))?))
    }

    async fn configure(&self, id: &str, spec: &Spec, was: Option<&Spec>, _: &dyn Progress) -> Result<Outputs, OpError> {
        let ec2 = self.0.ec2().await;
        until("ec2:DescribeSubnets", self.0.settings.wait, || {
            async move {
                let answer = settled(|| {
                    async move { ec2.describe_subnets().subnet_ids(id).send().await.operation("ec2:DescribeSubnets") }
                        .boxed()
                });
                Ok(answer.await?.subnets().iter().any(|s| s.state() == Some(&SubnetState::Available)).then_some(()))
            }
            .boxed()
        })
        .await?;
        if was.is_none_or(|was| was.map_public_ip_on_launch != spec.map_public_ip_on_launch) {
            let value = AttributeBooleanValue::builder().value(spec.map_public_ip_on_launch).build();
            let request = ec2.modify_subnet_attribute().subnet_id(id).map_public_ip_on_launch(value);
            request.send().await.operation("ec2:ModifySubnetAttribute")?;
        }
        sync_tags(&self.0, id, was.map(|was| &was.tags), &spec.tags).await?;
        Ok(Outputs::new())
    }

    fn blank(&self, _: &str) -> Option<Spec> {
        blank(
            json!({ "vpc_id": "", "cidr_block": "", "availability_zone": "", "map_public_ip_on_launch": false, "tags": {} }),
        )
    }

    async fn read(&self, id: &str, _: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        let answer = self.0.ec2().await.describe_subnets().subnet_ids(id).send().await.operation("ec2:DescribeSubnets");
        let Some(subnet) = gone_is_none(answer)?.and_then(|answer| answer.subnets?.pop()) else { return Ok(None) };
        let spec = Spec {
            vpc_id: subnet.vpc_id().unwrap_or_default().to_owned(),
            cidr_block: subnet.cidr_block().unwrap_or_default().to_owned(),
            availability_zone: subnet.availability_zone().unwrap_or_default().to_owned(),
            map_public_ip_on_launch: subnet.map_public_ip_on_launch().unwrap_or(false),
            tags: observed(subnet.tags()),
        };
        Ok(Some(Observed { spec, outputs: outputs([("id", id)]) }))
    }

    async fn find(&self, _: &Spec, intent: &Intent) -> Result<Option<Created>, OpError> {
        let request = self.0.ec2().await.describe_subnets().filters(made_by(intent));
        let answer = request.send().await.operation("ec2:DescribeSubnets")?;
        Ok(answer.subnets.and_then(|mut subnets| subnets.pop()?.subnet_id).map(made))
    }

    /// Ranges of a VPC do not overlap.
    async fn by_place(&self, spec: &Spec) -> Result<Option<Vec<String>>, OpError> {
        let filters = [filter("vpc-id", &spec.vpc_id), filter("cidr-block", &spec.cidr_block)];
        let request = self.0.ec2().await.describe_subnets().set_filters(Some(filters.into()));
        let found = request.send().await.operation("ec2:DescribeSubnets")?.subnets.unwrap_or_default();
        Ok(Some(found.into_iter().filter_map(|subnet| subnet.subnet_id).collect()))
    }

    async fn by_tags(&self, tags: &BTreeMap<String, String>) -> Result<Option<Vec<String>>, OpError> {
        with_tags(&self.0, ResourceType::Subnet, tags).await.map(Some)
    }

    async fn delete(&self, id: &str, _: &Spec, _: &dyn Progress) -> Result<(), OpError> {
        let ec2 = self.0.ec2().await;
        blockers::delete(&self.0, Held::Subnet(id), || {
            async move { ec2.delete_subnet().subnet_id(id).send().await.operation("ec2:DeleteSubnet").map(drop) }
                .boxed()
        })
        .await
    }
}
