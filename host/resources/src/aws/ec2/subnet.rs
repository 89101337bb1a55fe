//! `ec2.subnet`

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_ec2::types::{AttributeBooleanValue, ResourceType, Subnet as Found, SubnetCidrBlockStateCode, SubnetState};
use futures::FutureExt;
use ipnet::Ipv6Net;
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ipv6: Option<Ipv6>,
    tags: Tags,
}

/// A /64 of the VPC's IPv6 range, which may be known only when the VPC has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Ipv6 {
    vpc_range: String,
    index: u32,
}

impl Ipv6 {
    /// The /64.
    fn range(&self) -> Result<Option<Ipv6Net>, String> {
        let Some(vpc) = cidr::parse_v6("ipv6.vpc_range", &self.vpc_range)? else { return Ok(None) };
        let range = cidr::sixty_four(vpc, self.index);
        range.map(Some).ok_or_else(|| format!("ipv6.index {} is beyond the /64 ranges of {vpc}", self.index))
    }

    /// What a /64 that is there is called in a spec.
    fn observe(range: &str) -> Option<Self> {
        let net: Ipv6Net = range.parse().ok()?;
        let vpc = Ipv6Net::new(net.network(), 56).ok()?.trunc();
        let index = (u128::from(net.network()) >> 64) & 0xff;
        Some(Self { vpc_range: vpc.to_string(), index: u32::try_from(index).ok()? })
    }
}

/// The association of the IPv6 range that a subnet has, and the range.
fn ipv6_of(subnet: &Found) -> Option<(String, String)> {
    let there = subnet.ipv6_cidr_block_association_set().iter().find(|found| {
        use SubnetCidrBlockStateCode::{Associated, Associating};
        let state = found.ipv6_cidr_block_state().and_then(|state| state.state());
        state.is_none_or(|state| matches!(state, Associated | Associating))
    })?;
    Some((there.association_id()?.to_owned(), there.ipv6_cidr_block()?.to_owned()))
}

impl Subnet {
    async fn look(&self, id: &str) -> Result<Option<Found>, OpError> {
        let answer = self.0.ec2().await.describe_subnets().subnet_ids(id).send().await.operation("ec2:DescribeSubnets");
        Ok(gone_is_none(answer)?.and_then(|answer| answer.subnets?.pop()))
    }

    /// Gives the subnet the IPv6 range that it should have, and takes another one away. A subnet has one at most.
    async fn set_ipv6(&self, id: &str, spec: &Spec) -> Result<(), OpError> {
        let wanted = spec.ipv6.as_ref().map(Ipv6::range).transpose();
        let wanted = wanted.map_err(|error| OpError::local("ec2:AssociateSubnetCidrBlock", error))?.flatten();
        let wanted = wanted.map(|range| range.to_string());
        let ec2 = self.0.ec2().await;
        let there = self.look(id).await?.as_ref().and_then(ipv6_of);
        let has = there.as_ref().map(|(_, range)| range.clone());
        let assign = |on: bool| {
            let value = AttributeBooleanValue::builder().value(on).build();
            ec2.modify_subnet_attribute().subnet_id(id).assign_ipv6_address_on_creation(value)
        };
        if let Some((association, _)) = there.filter(|_| has != wanted) {
            assign(false).send().await.operation("ec2:ModifySubnetAttribute")?;
            let request = ec2.disassociate_subnet_cidr_block().association_id(association);
            request.send().await.operation("ec2:DisassociateSubnetCidrBlock")?;
            until("ec2:DescribeSubnets", self.0.settings.wait, || {
                async move { Ok(self.look(id).await?.as_ref().and_then(ipv6_of).is_none().then_some(())) }.boxed()
            })
            .await?;
        }
        let Some(wanted) = wanted else { return Ok(()) };
        if has.as_ref() != Some(&wanted) {
            let request = ec2.associate_subnet_cidr_block().subnet_id(id).ipv6_cidr_block(wanted);
            request.send().await.operation("ec2:AssociateSubnetCidrBlock")?;
        }
        let request = assign(true);
        request.send().await.operation("ec2:ModifySubnetAttribute").map(drop)
    }
}

#[async_trait]
impl Kind for Subnet {
    type Spec = Spec;
    const NAME: &'static str = "ec2.subnet";
    const ACTIONS: &'static [&'static str] = &[
        "ec2:CreateSubnet",
        "ec2:ModifySubnetAttribute",
        "ec2:AssociateSubnetCidrBlock",
        "ec2:DisassociateSubnetCidrBlock",
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
        spec.ipv6.as_ref().map(Ipv6::range).transpose()?;
        spec.tags.complete(context)
    }

    /// Its range may be one that the VPC gets later than its first one.
    fn after(&self, spec: &Spec, declared: &dyn Neighbours) -> Vec<ResourceAddress> {
        let Ok(Some(own)) = cidr::parse("cidr_block", &spec.cidr_block) else { return Vec::new() };
        let blocks = declared.of_kind("ec2.vpc-cidr-block").into_iter();
        let blocks = blocks.filter(|block| block.spec["vpc_id"] == spec.vpc_id.as_str());
        let holds = |range: &Value| {
            let range = cidr::parse("range", range.as_str().unwrap_or_default()).ok().flatten();
            range.is_some_and(|range| range.contains(&own))
        };
        blocks.filter(|block| holds(&block.spec["range"]["ipv4"])).map(|block| block.address).collect()
    }

    fn check(&self, address: &ResourceAddress, spec: &Spec, declared: &dyn Neighbours) -> Result<(), String> {
        let Some(own) = cidr::parse("cidr_block", &spec.cidr_block)? else { return Ok(()) };
        let text = |spec: &Value, field: &str| spec[field].as_str().unwrap_or_default().to_owned();
        if let Some(vpc) = declared.by_identity(&spec.vpc_id)
            && let Some(range) = cidr::parse("cidr_block", &text(&vpc.spec, "cidr_block"))?
            && !range.contains(&own)
            && self.after(spec, declared).is_empty()
        {
            return Err(format!("{own} is outside {range}, the range of {}", vpc.address));
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
            if let Some(ipv6) = &spec.ipv6
                && other.spec["ipv6"]["vpc_range"] == ipv6.vpc_range.as_str()
                && other.spec["ipv6"]["index"] == ipv6.index
            {
                return Err(format!("{} has the IPv6 range with index {} already", other.address, ipv6.index));
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
        let has_ipv6 = was.is_some_and(|was| was.ipv6.is_some());
        if spec.ipv6.is_some() || has_ipv6 {
            self.set_ipv6(id, spec).await?;
        }
        sync_tags(&self.0, id, was.map(|was| &was.tags), &spec.tags).await?;
        Ok(Outputs::new())
    }

    fn blank(&self, _: &str) -> Option<Spec> {
        blank(
            json!({ "vpc_id": "", "cidr_block": "", "availability_zone": "", "map_public_ip_on_launch": false, "tags": {} }),
        )
    }

    async fn read(&self, id: &str, was: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        let Some(subnet) = self.look(id).await? else { return Ok(None) };
        let spec = Spec {
            vpc_id: subnet.vpc_id().unwrap_or_default().to_owned(),
            cidr_block: subnet.cidr_block().unwrap_or_default().to_owned(),
            availability_zone: subnet.availability_zone().unwrap_or_default().to_owned(),
            map_public_ip_on_launch: subnet.map_public_ip_on_launch().unwrap_or(false),
            // A range that somebody else gave a subnet without one is theirs.
            ipv6: was.ipv6.as_ref().and(ipv6_of(&subnet)).and_then(|(_, range)| Ipv6::observe(&range)),
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
