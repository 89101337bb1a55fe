//! `ec2.elastic-ip`

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_ec2::types::{Address, DomainType, ResourceType};
use futures::FutureExt;
use llmhost_engine::kind::{Created, DeclareContext, Intent, Kind, Observed, OpError, Outputs, Progress, Sampled};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Operation, carrying, has_all, made_by, observed, outputs, present, sync_tags, tagged};
use crate::aws::blank;
use crate::aws::clients::Aws;
use crate::aws::errors::gone_is_none;
use crate::aws::tags::Tags;
use crate::aws::wait::unused;

/// A public IPv4 address that stays.
pub(in crate::aws) struct ElasticIp(pub(in crate::aws) Arc<Aws>);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::aws) struct Spec {
    tags: Tags,
}

fn known(id: &str, ip: &str) -> Outputs {
    outputs([("allocation_id", id), ("public_ip", ip)])
}

/// A public address from the block for documents: nobody has it.
pub(super) fn sample(sampled: &Sampled<'_>) -> String {
    format!("203.0.113.{}", sampled.unique.bytes().fold(7, u8::wrapping_add))
}

fn created(id: Option<String>, ip: Option<String>) -> Option<Created> {
    let id = id?;
    Some(Created { outputs: known(&id, &ip.unwrap_or_default()), id })
}

#[async_trait]
impl Kind for ElasticIp {
    type Spec = Spec;
    const NAME: &'static str = "ec2.elastic-ip";
    const REPEATS: bool = true;
    const ACTIONS: &'static [&'static str] =
        &["ec2:AllocateAddress", "ec2:DescribeAddresses", "ec2:ReleaseAddress", "ec2:CreateTags", "ec2:DeleteTags"];
    const IMMUTABLE: &'static [&'static str] = &[];
    const IDENTITIES: &'static [&'static str] = &["allocation_id", "public_ip"];

    fn complete(&self, spec: &mut Spec, context: &DeclareContext<'_>) -> Result<(), String> {
        spec.tags.complete(context)
    }

    fn sample(&self, output: &str, _: &Spec, sampled: &Sampled<'_>) -> Option<serde_json::Value> {
        Some(match output {
            "public_ip" => self::sample(sampled).into(),
            _ => sampled.id("eipalloc"),
        })
    }

    async fn create(&self, spec: &Spec, intent: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
        let request = self.0.ec2_once().await.allocate_address().domain(DomainType::Vpc);
        let request = request.tag_specifications(tagged(ResourceType::ElasticIp, &spec.tags, intent));
        let answer = request.send().await.operation("ec2:AllocateAddress")?;
        present("ec2:AllocateAddress", created(answer.allocation_id, answer.public_ip))
    }

    async fn configure(&self, id: &str, spec: &Spec, was: Option<&Spec>, _: &dyn Progress) -> Result<Outputs, OpError> {
        sync_tags(&self.0, id, was.map(|was| &was.tags), &spec.tags).await?;
        Ok(Outputs::new())
    }

    fn blank(&self, _: &str) -> Option<Spec> {
        blank(json!({ "tags": {} }))
    }

    async fn read(&self, id: &str, _: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        let request = self.0.ec2().await.describe_addresses().allocation_ids(id);
        let answer = gone_is_none(request.send().await.operation("ec2:DescribeAddresses"))?;
        let observe = |address: Address| Observed {
            spec: Spec { tags: observed(address.tags()) },
            outputs: known(id, address.public_ip().unwrap_or_default()),
        };
        Ok(answer.and_then(|answer| answer.addresses?.pop()).map(observe))
    }

    async fn find(&self, _: &Spec, intent: &Intent) -> Result<Option<Created>, OpError> {
        let request = self.0.ec2().await.describe_addresses().filters(made_by(intent));
        let answer = request.send().await.operation("ec2:DescribeAddresses")?;
        let address = answer.addresses.and_then(|mut addresses| addresses.pop());
        Ok(address.and_then(|address| created(address.allocation_id, address.public_ip)))
    }

    async fn by_tags(&self, tags: &BTreeMap<String, String>) -> Result<Option<Vec<String>>, OpError> {
        let request = self.0.ec2().await.describe_addresses().set_filters(Some(carrying(tags)));
        let found = request.send().await.operation("ec2:DescribeAddresses")?.addresses.unwrap_or_default();
        let found = found.into_iter().filter(|address| has_all(address.tags(), tags));
        Ok(Some(found.filter_map(|address| address.allocation_id).collect()))
    }

    async fn delete(&self, id: &str, _: &Spec, _: &dyn Progress) -> Result<(), OpError> {
        let ec2 = self.0.ec2().await;
        unused(self.0.settings.wait, || {
            async move {
            ec2.release_address().allocation_id(id).send().await.operation("ec2:ReleaseAddress").map(drop)
        }.boxed()
        })
        .await
    }
}
