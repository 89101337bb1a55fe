//! `ec2.vpc-cidr-block`

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_ec2::types::{Vpc as Found, VpcCidrBlockState, VpcCidrBlockStateCode as Code};
use futures::FutureExt;
use llmhost_engine::kind::{
    Created, DeclareContext, ErrorClass, Intent, Kind, Neighbours, Observed, OpError, Outputs, Progress, Sampled,
};
use llmhost_engine::names::ResourceAddress;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Operation, cidr, filter, outputs, present, settled};
use crate::aws::clients::Aws;
use crate::aws::errors::gone_is_none;
use crate::aws::wait::{until, unused};

/// A range that a VPC has besides its first one.
pub(in crate::aws) struct VpcCidrBlock(pub(in crate::aws) Arc<Aws>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::aws) struct Spec {
    vpc_id: String,
    range: Range,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Range {
    #[serde(alias = "Ipv4")]
    Ipv4(String),
    #[serde(alias = "AmazonIpv6")]
    AmazonIpv6,
}

/// A range as EC2 tells it.
struct Block {
    id: String,
    vpc_id: String,
    cidr: String,
    is_amazons: bool,
    state: Option<Code>,
    message: Option<String>,
}

impl Block {
    /// Every range of a VPC.
    fn of(vpc: &Found) -> Vec<Self> {
        let first = vpc.cidr_block();
        let block = |id: Option<&str>, cidr: Option<&str>, state: Option<&VpcCidrBlockState>| {
            let (code, message) = (state.and_then(|state| state.state()), state.and_then(|s| s.status_message()));
            Some(Self {
                id: id?.to_owned(),
                vpc_id: vpc.vpc_id()?.to_owned(),
                cidr: cidr.unwrap_or_default().to_owned(),
                is_amazons: false,
                state: code.cloned(),
                message: message.map(str::to_owned),
            })
        };
        let ipv4 = vpc.cidr_block_association_set().iter().filter(|found| found.cidr_block() != first);
        let ipv4 = ipv4.filter_map(|f| block(f.association_id(), f.cidr_block(), f.cidr_block_state()));
        let ipv6 = vpc.ipv6_cidr_block_association_set().iter().filter_map(|found| {
            let state = found.ipv6_cidr_block_state();
            let is_amazons = found.ipv6_pool().is_none_or(|pool| pool == "Amazon");
            Some(Self { is_amazons, ..block(found.association_id(), found.ipv6_cidr_block(), state)? })
        });
        ipv4.chain(ipv6).collect()
    }

    fn is_there(&self) -> bool {
        !matches!(self.state, Some(Code::Disassociating | Code::Disassociated | Code::Failed))
    }

    fn has(&self, range: &Range) -> bool {
        match range {
            Range::Ipv4(cidr) => self.cidr == *cidr,
            Range::AmazonIpv6 => self.is_amazons,
        }
    }

    fn created(&self) -> Created {
        Created {
            id: self.id.clone(),
            outputs: outputs([("id", self.id.as_str()), ("cidr_block", self.cidr.as_str())]),
        }
    }
}

impl VpcCidrBlock {
    /// The ranges of the VPCs for which a filter holds.
    async fn blocks(&self, name: &str, value: &str) -> Result<Vec<Block>, OpError> {
        let request = self.0.ec2().await.describe_vpcs().filters(filter(name, value));
        let vpcs = gone_is_none(request.send().await.operation("ec2:DescribeVpcs"))?;
        Ok(vpcs.and_then(|answer| answer.vpcs).iter().flatten().flat_map(Block::of).collect())
    }

    async fn look(&self, id: &str, spec: &Spec) -> Result<Option<Block>, OpError> {
        Ok(self.blocks("vpc-id", &spec.vpc_id).await?.into_iter().find(|block| block.id == id))
    }
}

#[async_trait]
impl Kind for VpcCidrBlock {
    type Spec = Spec;
    const NAME: &'static str = "ec2.vpc-cidr-block";
    const ACTIONS: &'static [&'static str] =
        &["ec2:AssociateVpcCidrBlock", "ec2:DescribeVpcs", "ec2:DisassociateVpcCidrBlock"];
    const IMMUTABLE: &'static [&'static str] = &["vpc_id", "range"];
    const UNIQUE: &'static [&'static str] = &["vpc_id", "range"];
    const IDENTITIES: &'static [&'static str] = &["id", "cidr_block"];

    fn complete(&self, spec: &mut Spec, _: &DeclareContext<'_>) -> Result<(), String> {
        match &spec.range {
            Range::Ipv4(range) => cidr::of_network("range", range).map(drop),
            Range::AmazonIpv6 => Ok(()),
        }
    }

    fn check(&self, address: &ResourceAddress, spec: &Spec, declared: &dyn Neighbours) -> Result<(), String> {
        let Range::Ipv4(own) = &spec.range else { return Ok(()) };
        let Some(own) = cidr::parse("range", own)? else { return Ok(()) };
        let first = declared.by_identity(&spec.vpc_id).map(|vpc| (vpc.spec["cidr_block"].clone(), vpc.address));
        let others = declared.of_kind(Self::NAME).into_iter();
        let others = others.filter(|other| other.address < *address && other.spec["vpc_id"] == spec.vpc_id.as_str());
        let others = others.map(|other| (other.spec["range"]["ipv4"].clone(), other.address));
        for (range, whose) in first.into_iter().chain(others) {
            if let Some(range) = cidr::parse("range", range.as_str().unwrap_or_default()).ok().flatten()
                && cidr::overlap(own, range)
            {
                return Err(format!("{own} overlaps {range} of {whose}"));
            }
        }
        Ok(())
    }

    fn foreknown(&self, spec: &Spec) -> Outputs {
        match &spec.range {
            Range::Ipv4(range) => outputs([("cidr_block", range.as_str())]),
            Range::AmazonIpv6 => Outputs::new(),
        }
    }

    fn sample(&self, output: &str, _: &Spec, sampled: &Sampled<'_>) -> Option<Value> {
        Some(match output {
            // A part of Amazon's own range.
            "cidr_block" => {
                let byte = sampled.unique.bytes().fold(7, u8::wrapping_add);
                format!("2600:1f18:{byte:x}:{byte:x}00::/56").into()
            }
            _ => sampled.id("vpc-cidr-assoc"),
        })
    }

    async fn create(&self, spec: &Spec, _: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
        let ec2 = self.0.ec2_once().await;
        let call = || {
            async move {
                let request = ec2.associate_vpc_cidr_block().vpc_id(&spec.vpc_id);
                let request = match &spec.range {
                    Range::Ipv4(range) => request.cidr_block(range),
                    Range::AmazonIpv6 => request.amazon_provided_ipv6_cidr_block(true),
                };
                request.send().await.operation("ec2:AssociateVpcCidrBlock")
            }
            .boxed()
        };
        let answer = settled(call).await?;
        let ipv4 = answer.cidr_block_association.and_then(|found| found.association_id);
        let id = ipv4.or(answer.ipv6_cidr_block_association.and_then(|found| found.association_id));
        let id = present("ec2:AssociateVpcCidrBlock", id)?;
        Ok(Created { outputs: outputs([("id", id.as_str())]), id })
    }

    async fn configure(&self, id: &str, spec: &Spec, _: Option<&Spec>, _: &dyn Progress) -> Result<Outputs, OpError> {
        let cidr = until("ec2:DescribeVpcs", self.0.settings.wait, || {
            async move {
                let Some(block) = self.look(id, spec).await? else { return Ok(None) };
                match block.state {
                    Some(Code::Associated) if !block.cidr.is_empty() => Ok(Some(block.cidr)),
                    Some(Code::Failed | Code::Failing) => {
                        let why = block.message.as_deref().unwrap_or("it does not say why");
                        let mut error = OpError::local(
                            "ec2:AssociateVpcCidrBlock",
                            format!("the VPC did not get the range: {why}"),
                        );
                        error.class = ErrorClass::Broken;
                        Err(error)
                    }
                    _ => Ok(None),
                }
            }
            .boxed()
        })
        .await?;
        Ok(outputs([("cidr_block", cidr.as_str())]))
    }

    async fn read(&self, id: &str, spec: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        // What is imported states the VPC that it is meant to be in, and may be in another.
        let mut found = self.look(id, spec).await?;
        if found.is_none() {
            let both = ["cidr-block-association.association-id", "ipv6-cidr-block-association.association-id"];
            for name in both {
                let blocks = self.blocks(name, id).await?;
                found = found.or(blocks.into_iter().find(|block| block.id == id));
            }
        }
        let Some(block) = found.filter(Block::is_there) else { return Ok(None) };
        let range = if block.cidr.contains(':') { Range::AmazonIpv6 } else { Range::Ipv4(block.cidr.clone()) };
        let Created { outputs, .. } = block.created();
        Ok(Some(Observed { spec: Spec { vpc_id: block.vpc_id, range }, outputs }))
    }

    async fn find(&self, spec: &Spec, _: &Intent) -> Result<Option<Created>, OpError> {
        let blocks = self.blocks("vpc-id", &spec.vpc_id).await?;
        Ok(blocks.iter().find(|block| block.is_there() && block.has(&spec.range)).map(Block::created))
    }

    /// A VPC has a range once.
    async fn by_place(&self, spec: &Spec) -> Result<Option<Vec<String>>, OpError> {
        let blocks = self.blocks("vpc-id", &spec.vpc_id).await?.into_iter();
        let same = blocks.filter(|block| block.is_there() && block.has(&spec.range));
        Ok(Some(same.map(|block| block.id).collect()))
    }

    async fn delete(&self, id: &str, spec: &Spec, _: &dyn Progress) -> Result<(), OpError> {
        if self.look(id, spec).await?.is_none_or(|block| !block.is_there()) {
            return Ok(());
        }
        let ec2 = self.0.ec2().await;
        unused(self.0.settings.wait, || {
            async move {
                let request = ec2.disassociate_vpc_cidr_block().association_id(id);
                request.send().await.operation("ec2:DisassociateVpcCidrBlock").map(drop)
            }
            .boxed()
        })
        .await?;
        until("ec2:DescribeVpcs", self.0.settings.wait, || {
            let gone = |block: &Block| matches!(block.state, Some(Code::Disassociated));
            async move { Ok(self.look(id, spec).await?.is_none_or(|block| gone(&block)).then_some(())) }.boxed()
        })
        .await
    }
}
