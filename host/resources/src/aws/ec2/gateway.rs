//! `ec2.internet-gateway`

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_ec2::types::ResourceType;
use futures::FutureExt;
use llmhost_engine::kind::{
    Created, DeclareContext, ErrorClass, Intent, Kind, Observed, OpError, Outputs, Progress, Sampled,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::blockers::{self, Held};
use super::{Operation, filter, made, made_by, observed, outputs, present, settled, sync_tags, tagged, with_tags};
use crate::aws::blank;
use crate::aws::clients::Aws;
use crate::aws::errors::gone_is_none;
use crate::aws::tags::Tags;

/// A gateway to the internet, attached to its VPC.
pub(in crate::aws) struct InternetGateway(pub(in crate::aws) Arc<Aws>);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::aws) struct Spec {
    vpc_id: String,
    tags: Tags,
}

impl InternetGateway {
    /// The VPCs it is attached to, and its tags; nothing where it is gone.
    async fn look(&self, id: &str) -> Result<Option<(Vec<String>, Tags)>, OpError> {
        let request = self.0.ec2().await.describe_internet_gateways().internet_gateway_ids(id);
        let answer = request.send().await.operation("ec2:DescribeInternetGateways");
        let gateway = gone_is_none(answer)?.and_then(|answer| answer.internet_gateways?.pop());
        Ok(gateway.map(|gateway| {
            let vpcs = gateway.attachments().iter().filter_map(|attached| attached.vpc_id().map(str::to_owned));
            (vpcs.collect(), observed(gateway.tags()))
        }))
    }
}

#[async_trait]
impl Kind for InternetGateway {
    type Spec = Spec;
    const NAME: &'static str = "ec2.internet-gateway";
    const REPEATS: bool = true;
    const ACTIONS: &'static [&'static str] = &[
        "ec2:CreateInternetGateway",
        "ec2:AttachInternetGateway",
        "ec2:DescribeInternetGateways",
        "ec2:DetachInternetGateway",
        "ec2:DeleteInternetGateway",
        "ec2:DescribeNetworkInterfaces",
        "ec2:CreateTags",
        "ec2:DeleteTags",
    ];
    const IMMUTABLE: &'static [&'static str] = &["vpc_id"];
    /// A VPC has one internet gateway at most.
    const UNIQUE: &'static [&'static str] = &["vpc_id"];
    const IDENTITIES: &'static [&'static str] = &["id"];

    fn complete(&self, spec: &mut Spec, context: &DeclareContext<'_>) -> Result<(), String> {
        spec.tags.complete(context)
    }

    fn sample(&self, _: &str, _: &Spec, sampled: &Sampled<'_>) -> Option<serde_json::Value> {
        Some(sampled.id("igw"))
    }

    async fn create(&self, spec: &Spec, intent: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
        let request = self.0.ec2_once().await.create_internet_gateway();
        let request = request.tag_specifications(tagged(ResourceType::InternetGateway, &spec.tags, intent));
        let answer = request.send().await.operation("ec2:CreateInternetGateway")?;
        let id = answer.internet_gateway.and_then(|gateway| gateway.internet_gateway_id);
        Ok(made(present("ec2:CreateInternetGateway", id)?))
    }

    async fn configure(&self, id: &str, spec: &Spec, was: Option<&Spec>, _: &dyn Progress) -> Result<Outputs, OpError> {
        if was.is_none() {
            let looked = settled(|| async move { self.look(id).await }.boxed()).await?;
            if !looked.is_some_and(|(vpcs, _)| vpcs.contains(&spec.vpc_id)) {
                let attach = || {
                    async move {
                        let request = self.0.ec2().await.attach_internet_gateway().internet_gateway_id(id);
                        request.vpc_id(&spec.vpc_id).send().await.operation("ec2:AttachInternetGateway")
                    }
                    .boxed()
                };
                settled(attach).await?;
            }
        }
        sync_tags(&self.0, id, was.map(|was| &was.tags), &spec.tags).await?;
        Ok(Outputs::new())
    }

    fn blank(&self, _: &str) -> Option<Spec> {
        blank(json!({ "vpc_id": "", "tags": {} }))
    }

    async fn read(&self, id: &str, _: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        let Some((vpcs, tags)) = self.look(id).await? else { return Ok(None) };
        let spec = Spec { vpc_id: vpcs.into_iter().next().unwrap_or_default(), tags };
        Ok(Some(Observed { spec, outputs: outputs([("id", id)]) }))
    }

    async fn find(&self, _: &Spec, intent: &Intent) -> Result<Option<Created>, OpError> {
        let request = self.0.ec2().await.describe_internet_gateways().filters(made_by(intent));
        let answer = request.send().await.operation("ec2:DescribeInternetGateways")?;
        Ok(answer.internet_gateways.and_then(|mut gateways| gateways.pop()?.internet_gateway_id).map(made))
    }

    /// A VPC has one.
    async fn by_place(&self, spec: &Spec) -> Result<Option<Vec<String>>, OpError> {
        let attached = filter("attachment.vpc-id", &spec.vpc_id);
        let request = self.0.ec2().await.describe_internet_gateways().filters(attached);
        let found = request.send().await.operation("ec2:DescribeInternetGateways")?;
        let found = found.internet_gateways.unwrap_or_default();
        Ok(Some(found.into_iter().filter_map(|gateway| gateway.internet_gateway_id).collect()))
    }

    async fn by_tags(&self, tags: &BTreeMap<String, String>) -> Result<Option<Vec<String>>, OpError> {
        with_tags(&self.0, ResourceType::InternetGateway, tags).await.map(Some)
    }

    async fn delete(&self, id: &str, _: &Spec, _: &dyn Progress) -> Result<(), OpError> {
        let ec2 = self.0.ec2().await;
        let Some((vpcs, _)) = self.look(id).await? else { return Ok(()) };
        for vpc in &vpcs {
            blockers::delete(&self.0, Held::Gateway(vpc), || {
                async move {
                    let request = ec2.detach_internet_gateway().internet_gateway_id(id).vpc_id(vpc);
                    match request.send().await.operation("ec2:DetachInternetGateway").map(drop) {
                        Err(error) if error.code.as_deref() == Some("Gateway.NotAttached") => Ok(()),
                        other => other,
                    }
                }
                .boxed()
            })
            .await?;
        }
        let request = ec2.delete_internet_gateway().internet_gateway_id(id);
        match request.send().await.operation("ec2:DeleteInternetGateway") {
            Err(error) if error.class != ErrorClass::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
