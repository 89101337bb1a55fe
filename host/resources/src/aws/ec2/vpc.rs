//! `ec2.vpc`

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_ec2::types::{AttributeBooleanValue, ResourceType, VpcAttributeName, VpcState};
use futures::FutureExt;
use llmhost_engine::kind::{Created, DeclareContext, Intent, Kind, Observed, OpError, Outputs, Progress, Sampled};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::blockers::{self, Held};
use super::{Operation, cidr, made, made_by, observed, outputs, present, settled, sync_tags, tagged, with_tags};
use crate::aws::blank;
use crate::aws::clients::Aws;
use crate::aws::errors::gone_is_none;
use crate::aws::tags::Tags;
use crate::aws::wait::until;

/// A virtual private cloud.
pub(in crate::aws) struct Vpc(pub(in crate::aws) Arc<Aws>);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::aws) struct Spec {
    cidr_block: String,
    dns_support: bool,
    dns_hostnames: bool,
    tags: Tags,
}

#[async_trait]
impl Kind for Vpc {
    type Spec = Spec;
    const NAME: &'static str = "ec2.vpc";
    const REPEATS: bool = true;
    const ACTIONS: &'static [&'static str] = &[
        "ec2:CreateVpc",
        "ec2:ModifyVpcAttribute",
        "ec2:DescribeVpcs",
        "ec2:DescribeVpcAttribute",
        "ec2:DeleteVpc",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeRouteTables",
        "ec2:DescribeInternetGateways",
        "ec2:DescribeVpcEndpoints",
        "ec2:CreateTags",
        "ec2:DeleteTags",
    ];
    const IMMUTABLE: &'static [&'static str] = &["cidr_block"];
    const IDENTITIES: &'static [&'static str] = &["id"];

    fn complete(&self, spec: &mut Spec, context: &DeclareContext<'_>) -> Result<(), String> {
        cidr::of_network("cidr_block", &spec.cidr_block)?;
        if spec.dns_hostnames && !spec.dns_support {
            return Err("dns_hostnames needs dns_support".to_owned());
        }
        spec.tags.complete(context)
    }

    fn sample(&self, _: &str, _: &Spec, sampled: &Sampled<'_>) -> Option<serde_json::Value> {
        Some(sampled.id("vpc"))
    }

    async fn create(&self, spec: &Spec, intent: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
        let request = self.0.ec2_once().await.create_vpc().cidr_block(&spec.cidr_block);
        let request = request.tag_specifications(tagged(ResourceType::Vpc, &spec.tags, intent));
        let answer = request.send().await.operation("ec2:CreateVpc")?;
        Ok(made(present("ec2:CreateVpc", answer.vpc.and_then(|vpc| vpc.vpc_id))?))
    }

    async fn configure(&self, id: &str, spec: &Spec, was: Option<&Spec>, _: &dyn Progress) -> Result<Outputs, OpError> {
        let ec2 = self.0.ec2().await;
        until("ec2:DescribeVpcs", self.0.settings.wait, || {
            async move {
                let answer = settled(|| {
                    async move { ec2.describe_vpcs().vpc_ids(id).send().await.operation("ec2:DescribeVpcs") }.boxed()
                });
                Ok(answer.await?.vpcs().iter().any(|vpc| vpc.state() == Some(&VpcState::Available)).then_some(()))
            }
            .boxed()
        })
        .await?;
        let value = |on| AttributeBooleanValue::builder().value(on).build();
        let modify = || ec2.modify_vpc_attribute().vpc_id(id);
        // One attribute a call, support before hostnames: the one needs the other.
        if was.is_none_or(|was| was.dns_support != spec.dns_support) {
            let request = modify().enable_dns_support(value(spec.dns_support));
            request.send().await.operation("ec2:ModifyVpcAttribute")?;
        }
        if was.is_none_or(|was| was.dns_hostnames != spec.dns_hostnames) {
            let request = modify().enable_dns_hostnames(value(spec.dns_hostnames));
            request.send().await.operation("ec2:ModifyVpcAttribute")?;
        }
        sync_tags(&self.0, id, was.map(|was| &was.tags), &spec.tags).await?;
        Ok(Outputs::new())
    }

    fn blank(&self, name: &str) -> Option<Spec> {
        blank(json!({ "cidr_block": "", "dns_support": false, "dns_hostnames": false, "tags": {} }))
    }

    async fn read(&self, id: &str, _: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        let ec2 = self.0.ec2().await;
        let answer = ec2.describe_vpcs().vpc_ids(id).send().await.operation("ec2:DescribeVpcs");
        let Some(vpc) = gone_is_none(answer)?.and_then(|answer| answer.vpcs?.pop()) else { return Ok(None) };
        let attribute = async |name: VpcAttributeName| {
            let request = ec2.describe_vpc_attribute().vpc_id(id).attribute(name);
            request.send().await.operation("ec2:DescribeVpcAttribute")
        };
        let support = attribute(VpcAttributeName::EnableDnsSupport).await?;
        let hostnames = attribute(VpcAttributeName::EnableDnsHostnames).await?;
        let is_on = |value: Option<AttributeBooleanValue>| value.and_then(|value| value.value).unwrap_or(false);
        let spec = Spec {
            cidr_block: vpc.cidr_block().unwrap_or_default().to_owned(),
            dns_support: is_on(support.enable_dns_support),
            dns_hostnames: is_on(hostnames.enable_dns_hostnames),
            tags: observed(vpc.tags()),
        };
        Ok(Some(Observed { spec, outputs: outputs([("id", id)]) }))
    }

    async fn find(&self, _: &Spec, intent: &Intent) -> Result<Option<Created>, OpError> {
        let request = self.0.ec2().await.describe_vpcs().filters(made_by(intent));
        let answer = request.send().await.operation("ec2:DescribeVpcs")?;
        Ok(answer.vpcs.and_then(|mut vpcs| vpcs.pop()?.vpc_id).map(made))
    }

    async fn by_tags(&self, tags: &BTreeMap<String, String>) -> Result<Option<Vec<String>>, OpError> {
        with_tags(&self.0, ResourceType::Vpc, tags).await.map(Some)
    }

    async fn delete(&self, id: &str, _: &Spec, _: &dyn Progress) -> Result<(), OpError> {
        let ec2 = self.0.ec2().await;
        blockers::delete(&self.0, Held::Vpc(id), || {
            async move { ec2.delete_vpc().vpc_id(id).send().await.operation("ec2:DeleteVpc").map(drop) }.boxed()
        })
        .await
    }
}
