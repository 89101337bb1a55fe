//! `ec2.nat-gateway`

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_ec2::types::{NatGateway as Found, NatGatewayState, ResourceType};
use futures::FutureExt;
use llmhost_engine::kind::{
    ChangeKind, Created, DeclareContext, ErrorClass, Intent, Kind, Neighbours, Observed, OpError, Outputs, Progress,
    ReplaceOrder, Sampled,
};
use llmhost_engine::names::ResourceAddress;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Operation, address, carrying, has_all, made, made_by, observed, outputs, present, sync_tags, tagged};
use crate::aws::blank;
use crate::aws::clients::Aws;
use crate::aws::errors::gone_is_none;
use crate::aws::tags::Tags;
use crate::aws::wait::{settled, until};

/// A way out for private subnets.
pub(in crate::aws) struct NatGateway(pub(in crate::aws) Arc<Aws>);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::aws) struct Spec {
    subnet_id: String,
    allocation_id: String,
    tags: Tags,
}

impl NatGateway {
    /// The gateway, unless it is gone; a deleted one is listed for an hour.
    async fn look(&self, id: &str) -> Result<Option<Found>, OpError> {
        let request = self.0.ec2().await.describe_nat_gateways().nat_gateway_ids(id);
        let answer = gone_is_none(request.send().await.operation("ec2:DescribeNatGateways"))?;
        let found = answer.and_then(|answer| answer.nat_gateways?.pop());
        Ok(found.filter(|gateway| gateway.state() != Some(&NatGatewayState::Deleted)))
    }
}

/// The address that it goes out with.
fn public_ip(gateway: &Found) -> String {
    let first = gateway.nat_gateway_addresses().first();
    first.and_then(|address| address.public_ip()).unwrap_or_default().to_owned()
}

#[async_trait]
impl Kind for NatGateway {
    type Spec = Spec;
    const NAME: &'static str = "ec2.nat-gateway";
    const ACTIONS: &'static [&'static str] = &[
        "ec2:CreateNatGateway",
        "ec2:DescribeNatGateways",
        "ec2:DeleteNatGateway",
        "ec2:CreateTags",
        "ec2:DeleteTags",
    ];
    const IMMUTABLE: &'static [&'static str] = &["subnet_id", "allocation_id"];
    /// Two gateways cannot share an address.
    const UNIQUE: &'static [&'static str] = &["allocation_id"];
    const IDENTITIES: &'static [&'static str] = &["id"];

    fn complete(&self, spec: &mut Spec, context: &DeclareContext<'_>) -> Result<(), String> {
        spec.tags.complete(context)
    }

    /// It goes out through the internet gateway of its VPC, which no value of its spec names.
    fn after(&self, spec: &Spec, declared: &dyn Neighbours) -> Vec<ResourceAddress> {
        let Some(subnet) = declared.by_identity(&spec.subnet_id) else { return Vec::new() };
        let gateways = declared.of_kind("ec2.internet-gateway").into_iter();
        gateways
            .filter(|gateway| gateway.spec["vpc_id"] == subnet.spec["vpc_id"])
            .map(|gateway| gateway.address)
            .collect()
    }

    fn interrupts(&self, old: &Spec, new: &Spec, how: ChangeKind) -> Option<String> {
        let ChangeKind::Replace(order) = how else { return None };
        let address = match old.allocation_id == new.allocation_id {
            true => "",
            false => ", and new ones come from another public address",
        };
        Some(match order {
            ReplaceOrder::CreateFirst => format!("open connections through it break{address}"),
            ReplaceOrder::DeleteFirst => format!(
                "resources behind it cannot reach the internet until the new gateway is available, usually 2 to 3 \
                 minutes: open connections break{address}"
            ),
        })
    }

    fn sample(&self, output: &str, _: &Spec, sampled: &Sampled<'_>) -> Option<serde_json::Value> {
        Some(match output {
            "public_ip" => address::sample(sampled).into(),
            _ => sampled.id("nat"),
        })
    }

    async fn create(&self, spec: &Spec, intent: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
        let request = self.0.ec2_once().await.create_nat_gateway().client_token(&intent.token);
        let request = request.subnet_id(&spec.subnet_id).allocation_id(&spec.allocation_id);
        let request = request.tag_specifications(tagged(ResourceType::Natgateway, &spec.tags, intent));
        let answer = request.send().await.operation("ec2:CreateNatGateway")?;
        let id = answer.nat_gateway.and_then(|gateway| gateway.nat_gateway_id);
        Ok(made(present("ec2:CreateNatGateway", id)?))
    }

    async fn configure(
        &self,
        id: &str,
        spec: &Spec,
        was: Option<&Spec>,
        progress: &dyn Progress,
    ) -> Result<Outputs, OpError> {
        let public_ip = until("ec2:DescribeNatGateways", self.0.settings.wait, || {
            async move {
                let found = settled(|| async move { self.look(id).await }.boxed()).await?;
                match found.as_ref().and_then(|gateway| gateway.state()) {
                    Some(NatGatewayState::Available) => Ok(Some(found.as_ref().map(public_ip).unwrap_or_default())),
                    Some(NatGatewayState::Failed) => {
                        let gateway = found.as_ref();
                        let reason =
                            gateway.and_then(|gateway| gateway.failure_message()).unwrap_or("it does not say why");
                        let mut error = OpError::local("ec2:CreateNatGateway", format!("the gateway failed: {reason}"));
                        error.code = gateway.and_then(|gateway| gateway.failure_code().map(str::to_owned));
                        // It never starts any more.
                        error.class = ErrorClass::Broken;
                        Err(error)
                    }
                    _ => {
                        progress.report("waiting for the gateway to start", 0, 0);
                        Ok(None)
                    }
                }
            }
            .boxed()
        })
        .await?;
        sync_tags(&self.0, id, was.map(|was| &was.tags), &spec.tags).await?;
        Ok(outputs([("public_ip", public_ip.as_str())]))
    }

    fn blank(&self, _: &str) -> Option<Spec> {
        blank(json!({ "subnet_id": "", "allocation_id": "", "tags": {} }))
    }

    async fn read(&self, id: &str, _: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        // A failed one is there until it is deleted.
        let found = self.look(id).await?.filter(|gateway| gateway.state() != Some(&NatGatewayState::Deleting));
        let Some(gateway) = found else { return Ok(None) };
        let address = gateway.nat_gateway_addresses().first().and_then(|address| address.allocation_id());
        let spec = Spec {
            subnet_id: gateway.subnet_id().unwrap_or_default().to_owned(),
            allocation_id: address.unwrap_or_default().to_owned(),
            tags: observed(gateway.tags()),
        };
        let ip = public_ip(&gateway);
        Ok(Some(Observed { spec, outputs: outputs([("id", id), ("public_ip", ip.as_str())]) }))
    }

    async fn find(&self, _: &Spec, intent: &Intent) -> Result<Option<Created>, OpError> {
        let request = self.0.ec2().await.describe_nat_gateways().filter(made_by(intent));
        let answer = request.send().await.operation("ec2:DescribeNatGateways")?;
        // EC2 removes failed ones by itself.
        let is_good =
            |gateway: &Found| matches!(gateway.state(), Some(NatGatewayState::Available | NatGatewayState::Pending));
        let found = answer.nat_gateways.into_iter().flatten().find(is_good);
        Ok(found.and_then(|gateway| gateway.nat_gateway_id).map(made))
    }

    async fn by_tags(&self, tags: &BTreeMap<String, String>) -> Result<Option<Vec<String>>, OpError> {
        let request = self.0.ec2().await.describe_nat_gateways().set_filter(Some(carrying(tags)));
        let pages = request.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
        let found = pages.operation("ec2:DescribeNatGateways")?.into_iter();
        let found = found.filter(|gateway| has_all(gateway.tags(), tags));
        Ok(Some(found.filter_map(|gateway| gateway.nat_gateway_id).collect()))
    }

    async fn delete(&self, id: &str, _: &Spec, progress: &dyn Progress) -> Result<(), OpError> {
        let request = self.0.ec2().await.delete_nat_gateway().nat_gateway_id(id);
        match request.send().await.operation("ec2:DeleteNatGateway") {
            Err(error) if error.class == ErrorClass::NotFound => return Ok(()),
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        // Its address and its subnet are in use until it is really gone.
        until("ec2:DescribeNatGateways", self.0.settings.wait, || {
            async move {
                progress.report("waiting for the gateway to be deleted", 0, 0);
                Ok(self.look(id).await?.is_none().then_some(()))
            }
            .boxed()
        })
        .await
    }
}
