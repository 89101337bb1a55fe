//! `ec2.interface-endpoint`

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_ec2::types::{ResourceType, VpcEndpoint, VpcEndpointType};
use futures::FutureExt;
use llmhost_engine::kind::{
    Created, DeclareContext, ErrorClass, Intent, Kind, Neighbours, Observed, OpError, Outputs, Progress, Sampled,
};
use llmhost_engine::names::ResourceAddress;
use llmhost_engine::unknown;
use serde::{Deserialize, Serialize};

use super::endpoint::{is_in, of_type, remove};
use super::{Operation, filter, made, made_by, observed, outputs, present, settled, sync_tags, tagged};
use crate::aws::clients::Aws;
use crate::aws::errors::gone_is_none;
use crate::aws::policy::partition_of;
use crate::aws::tags::Tags;
use crate::aws::wait::until;

/// A private way to a service.
pub(in crate::aws) struct InterfaceEndpoint(pub(in crate::aws) Arc<Aws>);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::aws) struct Spec {
    vpc_id: String,
    service: String,
    /// Their order says nothing.
    subnet_ids: BTreeSet<String>,
    /// As above.
    security_group_ids: BTreeSet<String>,
    private_dns: bool,
    tags: Tags,
}

/// The names that a service can have in a region, the likeliest first. AWS calls some services of China otherwise.
pub(in crate::aws) fn service_names(service: &str, region: &str) -> Vec<String> {
    if service.split('.').any(|part| part == region) {
        return vec![service.to_owned()];
    }
    let usual = format!("com.amazonaws.{region}.{service}");
    match partition_of(region) {
        "aws-cn" => vec![format!("cn.{usual}"), usual],
        _ => vec![usual],
    }
}

/// The services of these names that the region has interface endpoints for, each with its zones.
pub(in crate::aws) async fn offers(aws: &Aws, names: &[String]) -> Result<BTreeMap<String, BTreeSet<String>>, OpError> {
    let ec2 = aws.ec2().await;
    let mut all = BTreeMap::new();
    let mut next = None;
    loop {
        // By a filter: a name that there is not is refused as a parameter.
        let wanted = super::filter_any("service-name", &names.iter().map(String::as_str).collect::<Vec<_>>());
        let request = ec2.describe_vpc_endpoint_services().filters(wanted).set_next_token(next);
        let answer = request.send().await.operation("ec2:DescribeVpcEndpointServices")?;
        for service in answer.service_details() {
            let is_interface = |kind: &aws_sdk_ec2::types::ServiceTypeDetail| {
                kind.service_type().is_some_and(|kind| kind.as_str() == "Interface")
            };
            if let Some(name) = service.service_name()
                && names.iter().any(|wanted| wanted == name)
                && service.service_type().iter().any(is_interface)
            {
                all.insert(name.to_owned(), service.availability_zones().iter().cloned().collect());
            }
        }
        next = answer.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(all);
        }
    }
}

impl InterfaceEndpoint {
    async fn look(&self, id: &str) -> Result<Option<VpcEndpoint>, OpError> {
        let request = self.0.ec2().await.describe_vpc_endpoints().vpc_endpoint_ids(id);
        let answer = gone_is_none(request.send().await.operation("ec2:DescribeVpcEndpoints"))?;
        let found = answer.and_then(|answer| answer.vpc_endpoints?.pop());
        Ok(found.filter(|endpoint| !is_in(endpoint, "deleted")))
    }

    /// The service as EC2 calls it.
    async fn service_name(&self, spec: &Spec) -> Result<String, OpError> {
        let mut names = service_names(&spec.service, &self.0.settings.region);
        if names.len() == 1 {
            return Ok(names.remove(0));
        }
        let offered = offers(&self.0, &names).await?;
        Ok(names.iter().find(|name| offered.contains_key(*name)).unwrap_or(&names[0]).clone())
    }
}

#[async_trait]
impl Kind for InterfaceEndpoint {
    type Spec = Spec;
    const NAME: &'static str = "ec2.interface-endpoint";
    const ACTIONS: &'static [&'static str] = &[
        "ec2:CreateVpcEndpoint",
        "ec2:ModifyVpcEndpoint",
        "ec2:DescribeVpcEndpoints",
        "ec2:DescribeVpcEndpointServices",
        "ec2:DeleteVpcEndpoints",
        "ec2:CreateTags",
        "ec2:DeleteTags",
    ];
    const IMMUTABLE: &'static [&'static str] = &["vpc_id", "service"];
    /// Two endpoints of a VPC cannot both be what a service's name leads to.
    const UNIQUE: &'static [&'static str] = &["vpc_id", "service"];
    const IDENTITIES: &'static [&'static str] = &["id"];

    fn complete(&self, spec: &mut Spec, context: &DeclareContext<'_>) -> Result<(), String> {
        let service = &spec.service;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._".contains(c);
        if !unknown::is_unknown(service) && (service.is_empty() || !service.chars().all(plain)) {
            return Err(format!("service '{service}' is not the name of a service, such as ecr.api"));
        }
        if spec.subnet_ids.is_empty() {
            return Err("subnet_ids is empty; an interface endpoint needs a subnet".to_owned());
        }
        spec.tags.complete(context)
    }

    fn check(&self, at: &ResourceAddress, spec: &Spec, declared: &dyn Neighbours) -> Result<(), String> {
        let zones = spec.subnet_ids.iter().filter_map(|id| declared.by_identity(id));
        let mut seen: BTreeMap<String, ResourceAddress> = BTreeMap::new();
        for subnet in zones {
            let zone = subnet.spec["availability_zone"].as_str().unwrap_or_default().to_owned();
            if let Some(other) = seen.insert(zone, subnet.address.clone()) {
                return Err(format!(
                    "{other} and {} are in one zone; an endpoint allows one subnet in each zone",
                    subnet.address
                ));
            }
        }
        let others = declared.of_kind(Self::NAME).into_iter().filter(|other| other.address < *at);
        let mut same = others.filter(|other| {
            other.spec["vpc_id"] == spec.vpc_id.as_str()
                && other.spec["service"] == spec.service.as_str()
                && other.spec["private_dns"] == true
        });
        match same.next().filter(|_| spec.private_dns) {
            Some(other) => Err(format!("{} is the VPC's endpoint for {} already", other.address, spec.service)),
            None => Ok(()),
        }
    }

    fn sample(&self, _: &str, _: &Spec, sampled: &Sampled<'_>) -> Option<serde_json::Value> {
        Some(sampled.id("vpce"))
    }

    async fn create(&self, spec: &Spec, intent: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
        let service = self.service_name(spec).await?;
        let list = |ids: &BTreeSet<String>| Some(ids.iter().cloned().collect());
        let request = self.0.ec2_once().await.create_vpc_endpoint().vpc_endpoint_type(VpcEndpointType::Interface);
        let request = request.vpc_id(&spec.vpc_id).service_name(service).client_token(&intent.token);
        let request = request.set_subnet_ids(list(&spec.subnet_ids));
        let request = request.set_security_group_ids(list(&spec.security_group_ids));
        let request = request.private_dns_enabled(spec.private_dns);
        let request = request.tag_specifications(tagged(ResourceType::VpcEndpoint, &spec.tags, intent));
        let answer = request.send().await.operation("ec2:CreateVpcEndpoint")?;
        let id = answer.vpc_endpoint.and_then(|endpoint| endpoint.vpc_endpoint_id);
        Ok(made(present("ec2:CreateVpcEndpoint", id)?))
    }

    async fn configure(
        &self,
        id: &str,
        spec: &Spec,
        was: Option<&Spec>,
        progress: &dyn Progress,
    ) -> Result<Outputs, OpError> {
        let found = self.available(id, progress).await?;
        let ids = |all: &mut dyn Iterator<Item = String>| all.collect::<BTreeSet<_>>();
        let subnets = ids(&mut found.subnet_ids().iter().cloned());
        let groups = ids(&mut found.groups().iter().filter_map(|group| group.group_id().map(str::to_owned)));
        let difference = |one: &BTreeSet<String>, other: &BTreeSet<String>| -> Option<Vec<String>> {
            let rest: Vec<_> = one.difference(other).cloned().collect();
            (!rest.is_empty()).then_some(rest)
        };
        let (add, remove) = (difference(&spec.subnet_ids, &subnets), difference(&subnets, &spec.subnet_ids));
        // Without any, EC2 gives it the VPC's default group.
        let named = if spec.security_group_ids.is_empty() { &groups } else { &spec.security_group_ids };
        let (let_in, shut_out) = (difference(named, &groups), difference(&groups, named));
        let dns = (found.private_dns_enabled() != Some(spec.private_dns)).then_some(spec.private_dns);
        if add.is_some() || remove.is_some() || let_in.is_some() || shut_out.is_some() || dns.is_some() {
            let request = self.0.ec2().await.modify_vpc_endpoint().vpc_endpoint_id(id);
            let request = request.set_add_subnet_ids(add).set_remove_subnet_ids(remove);
            let request = request.set_add_security_group_ids(let_in).set_remove_security_group_ids(shut_out);
            let request = request.set_private_dns_enabled(dns);
            request.send().await.operation("ec2:ModifyVpcEndpoint")?;
            self.available(id, progress).await?;
        }
        sync_tags(&self.0, id, was.map(|was| &was.tags), &spec.tags).await?;
        Ok(Outputs::new())
    }

    async fn read(&self, id: &str, was: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        let found = self.look(id).await?.filter(|endpoint| !is_in(endpoint, "deleting"));
        let Some(found) = found else { return Ok(None) };
        let name = found.service_name().unwrap_or_default();
        let is_named = service_names(&was.service, &self.0.settings.region).iter().any(|known| known == name);
        let groups = found.groups().iter().filter_map(|group| group.group_id().map(str::to_owned));
        let spec = Spec {
            vpc_id: found.vpc_id().unwrap_or_default().to_owned(),
            service: if is_named { was.service.clone() } else { name.to_owned() },
            subnet_ids: found.subnet_ids().iter().cloned().collect(),
            security_group_ids: match was.security_group_ids.is_empty() {
                true => BTreeSet::new(),
                false => groups.collect(),
            },
            private_dns: found.private_dns_enabled().unwrap_or(false),
            tags: observed(found.tags()),
        };
        Ok(Some(Observed { spec, outputs: outputs([("id", id)]) }))
    }

    async fn find(&self, _: &Spec, intent: &Intent) -> Result<Option<Created>, OpError> {
        let request = self.0.ec2().await.describe_vpc_endpoints().filters(made_by(intent));
        let answer = request.send().await.operation("ec2:DescribeVpcEndpoints")?;
        let is_there = |endpoint: &VpcEndpoint| !is_in(endpoint, "deleted") && !is_in(endpoint, "deleting");
        let found = answer.vpc_endpoints.into_iter().flatten().find(is_there);
        Ok(found.and_then(|endpoint| endpoint.vpc_endpoint_id).map(made))
    }

    /// A service's name leads to one endpoint of a VPC.
    async fn by_place(&self, spec: &Spec) -> Result<Option<Vec<String>>, OpError> {
        let filters = [filter("vpc-id", &spec.vpc_id), filter("service-name", &self.service_name(spec).await?)];
        let request = self.0.ec2().await.describe_vpc_endpoints().set_filters(Some(filters.into()));
        let found = request.send().await.operation("ec2:DescribeVpcEndpoints")?.vpc_endpoints.unwrap_or_default();
        let there = found.into_iter().filter(|endpoint| {
            let is_interface = endpoint.vpc_endpoint_type() == Some(&VpcEndpointType::Interface);
            is_interface && !is_in(endpoint, "deleted") && !is_in(endpoint, "deleting")
        });
        let there = there.filter(|endpoint| endpoint.private_dns_enabled() == Some(spec.private_dns));
        Ok(Some(there.filter_map(|endpoint| endpoint.vpc_endpoint_id).collect()))
    }

    async fn by_tags(&self, tags: &BTreeMap<String, String>) -> Result<Option<Vec<String>>, OpError> {
        of_type(&self.0, &VpcEndpointType::Interface, tags).await.map(Some)
    }

    async fn delete(&self, id: &str, _: &Spec, progress: &dyn Progress) -> Result<(), OpError> {
        remove(&self.0, id).await?;
        // Its network interfaces hold subnets and groups until it is really gone.
        until("ec2:DescribeVpcEndpoints", self.0.settings.wait, || {
            async move {
                progress.report("waiting for the endpoint to be deleted", 0, 0);
                Ok(self.look(id).await?.is_none().then_some(()))
            }
            .boxed()
        })
        .await
    }
}

impl InterfaceEndpoint {
    /// The endpoint, once it can be used.
    async fn available(&self, id: &str, progress: &dyn Progress) -> Result<VpcEndpoint, OpError> {
        until("ec2:DescribeVpcEndpoints", self.0.settings.wait, || {
            async move {
                let found = settled(|| async move { self.look(id).await }.boxed()).await?;
                let Some(found) = found else { return Ok(None) };
                if is_in(&found, "available") {
                    return Ok(Some(found));
                }
                if ["failed", "rejected", "expired"].into_iter().any(|state| is_in(&found, state)) {
                    let why = found.last_error().and_then(|error| error.message()).unwrap_or("it does not say why");
                    let mut error = OpError::local("ec2:CreateVpcEndpoint", format!("the endpoint failed: {why}"));
                    error.class = ErrorClass::Broken;
                    return Err(error);
                }
                progress.report("waiting for the endpoint to start", 0, 0);
                Ok(None)
            }
            .boxed()
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_stands_for_the_service_of_the_region() {
        for (service, region, names) in [
            ("ecr.api", "us-east-1", &["com.amazonaws.us-east-1.ecr.api"][..]),
            ("ecr.api", "cn-north-1", &["cn.com.amazonaws.cn-north-1.ecr.api", "com.amazonaws.cn-north-1.ecr.api"]),
            ("com.amazonaws.us-east-1.sts", "us-east-1", &["com.amazonaws.us-east-1.sts"]),
            ("com.amazonaws.vpce.us-east-1.vpce-svc-1", "us-east-1", &["com.amazonaws.vpce.us-east-1.vpce-svc-1"]),
        ] {
            assert_eq!(service_names(service, region), names, "{service} in {region}");
        }
    }
}
