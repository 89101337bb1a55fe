//! `ec2.egress-only-internet-gateway`

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_ec2::types::{EgressOnlyInternetGateway as Found, ResourceType};
use llmhost_engine::kind::{
    Created, DeclareContext, ErrorClass, Intent, Kind, Observed, OpError, Outputs, Progress, Sampled,
};
use serde::{Deserialize, Serialize};

use super::{Operation, made, made_by, observed, outputs, present, sync_tags, tagged, with_tags};
use crate::aws::clients::Aws;
use crate::aws::errors::gone_is_none;
use crate::aws::tags::Tags;

/// A way out for IPv6 that lets nothing in.
pub(in crate::aws) struct EgressOnlyInternetGateway(pub(in crate::aws) Arc<Aws>);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::aws) struct Spec {
    vpc_id: String,
    tags: Tags,
}

impl EgressOnlyInternetGateway {
    async fn look(&self, id: &str) -> Result<Option<Found>, OpError> {
        let request = self.0.ec2().await.describe_egress_only_internet_gateways();
        let answer = request.egress_only_internet_gateway_ids(id).send().await;
        let answer = gone_is_none(answer.operation("ec2:DescribeEgressOnlyInternetGateways"))?;
        Ok(answer.and_then(|answer| answer.egress_only_internet_gateways?.pop()))
    }
}

#[async_trait]
impl Kind for EgressOnlyInternetGateway {
    type Spec = Spec;
    const NAME: &'static str = "ec2.egress-only-internet-gateway";
    const ACTIONS: &'static [&'static str] = &[
        "ec2:CreateEgressOnlyInternetGateway",
        "ec2:DescribeEgressOnlyInternetGateways",
        "ec2:DeleteEgressOnlyInternetGateway",
        "ec2:CreateTags",
        "ec2:DeleteTags",
    ];
    const IMMUTABLE: &'static [&'static str] = &["vpc_id"];
    /// A VPC has one at most.
    const UNIQUE: &'static [&'static str] = &["vpc_id"];
    const IDENTITIES: &'static [&'static str] = &["id"];

    fn complete(&self, spec: &mut Spec, context: &DeclareContext<'_>) -> Result<(), String> {
        spec.tags.complete(context)
    }

    fn sample(&self, _: &str, _: &Spec, sampled: &Sampled<'_>) -> Option<serde_json::Value> {
        Some(sampled.id("eigw"))
    }

    async fn create(&self, spec: &Spec, intent: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
        let request = self.0.ec2_once().await.create_egress_only_internet_gateway().client_token(&intent.token);
        let request = request.vpc_id(&spec.vpc_id);
        let request = request.tag_specifications(tagged(ResourceType::EgressOnlyInternetGateway, &spec.tags, intent));
        let answer = request.send().await.operation("ec2:CreateEgressOnlyInternetGateway")?;
        let gateway = answer.egress_only_internet_gateway;
        let id = gateway.and_then(|gateway| gateway.egress_only_internet_gateway_id);
        Ok(made(present("ec2:CreateEgressOnlyInternetGateway", id)?))
    }

    async fn configure(&self, id: &str, spec: &Spec, was: Option<&Spec>, _: &dyn Progress) -> Result<Outputs, OpError> {
        sync_tags(&self.0, id, was.map(|was| &was.tags), &spec.tags).await?;
        Ok(Outputs::new())
    }

    async fn read(&self, id: &str, _: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        let observe = |gateway: Found| {
            let vpc = gateway.attachments().first().and_then(|attached| attached.vpc_id()).unwrap_or_default();
            let spec = Spec { vpc_id: vpc.to_owned(), tags: observed(gateway.tags()) };
            Observed { spec, outputs: outputs([("id", id)]) }
        };
        Ok(self.look(id).await?.map(observe))
    }

    async fn find(&self, _: &Spec, intent: &Intent) -> Result<Option<Created>, OpError> {
        let request = self.0.ec2().await.describe_egress_only_internet_gateways().filters(made_by(intent));
        let answer = request.send().await.operation("ec2:DescribeEgressOnlyInternetGateways")?;
        let gateway = answer.egress_only_internet_gateways.and_then(|mut gateways| gateways.pop());
        Ok(gateway.and_then(|gateway| gateway.egress_only_internet_gateway_id).map(made))
    }

    /// A VPC has one. There is no filter for it.
    async fn by_place(&self, spec: &Spec) -> Result<Option<Vec<String>>, OpError> {
        let request = self.0.ec2().await.describe_egress_only_internet_gateways();
        let pages = request.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
        let all = pages.operation("ec2:DescribeEgressOnlyInternetGateways")?.into_iter();
        let here = all.filter(|gateway| gateway.attachments().iter().any(|at| at.vpc_id() == Some(&spec.vpc_id)));
        Ok(Some(here.filter_map(|gateway| gateway.egress_only_internet_gateway_id).collect()))
    }

    async fn by_tags(&self, tags: &BTreeMap<String, String>) -> Result<Option<Vec<String>>, OpError> {
        with_tags(&self.0, ResourceType::EgressOnlyInternetGateway, tags).await.map(Some)
    }

    async fn delete(&self, id: &str, _: &Spec, _: &dyn Progress) -> Result<(), OpError> {
        let request = self.0.ec2().await.delete_egress_only_internet_gateway().egress_only_internet_gateway_id(id);
        match request.send().await.operation("ec2:DeleteEgressOnlyInternetGateway") {
            Err(error) if error.class != ErrorClass::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
