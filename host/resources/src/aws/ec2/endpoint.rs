//! `ec2.gateway-endpoint`

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_ec2::types::{ResourceType, VpcEndpoint, VpcEndpointType};
use futures::FutureExt;
use llmhost_engine::kind::{Created, DeclareContext, Intent, Kind, Observed, OpError, Outputs, Progress, Sampled};
use serde::{Deserialize, Serialize};

use super::{Operation, filter, made, made_by, observed, outputs, present, sync_tags, tagged, with_tags};
use crate::aws::clients::Aws;
use crate::aws::errors::gone_is_none;
use crate::aws::tags::Tags;
use crate::aws::wait::until;

/// The ids of the endpoints of a type that have all of these tags.
pub(super) async fn of_type(
    aws: &Aws,
    wanted: &VpcEndpointType,
    tags: &BTreeMap<String, String>,
) -> Result<Vec<String>, OpError> {
    let mut ids = Vec::new();
    for id in with_tags(aws, ResourceType::VpcEndpoint, tags).await? {
        // A call for each: one that is gone fails a call for all of them.
        let request = aws.ec2().await.describe_vpc_endpoints().vpc_endpoint_ids(&id);
        let answer = gone_is_none(request.send().await.operation("ec2:DescribeVpcEndpoints"))?;
        let found = answer.and_then(|answer| answer.vpc_endpoints).unwrap_or_default();
        if found.iter().any(|endpoint| endpoint.vpc_endpoint_type() == Some(wanted)) {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// A gateway endpoint.
pub(in crate::aws) struct GatewayEndpoint(pub(in crate::aws) Arc<Aws>);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::aws) struct Spec {
    vpc_id: String,
    service: String,
    /// Their order says nothing.
    route_table_ids: BTreeSet<String>,
    tags: Tags,
}

impl GatewayEndpoint {
    async fn look(&self, id: &str) -> Result<Option<VpcEndpoint>, OpError> {
        let request = self.0.ec2().await.describe_vpc_endpoints().vpc_endpoint_ids(id);
        let answer = gone_is_none(request.send().await.operation("ec2:DescribeVpcEndpoints"))?;
        let found = answer.and_then(|answer| answer.vpc_endpoints?.pop());
        Ok(found.filter(|endpoint| !is_in(endpoint, "deleted")))
    }

    /// The service as EC2 calls it.
    fn service_name(&self, spec: &Spec) -> String {
        // In every partition: only interface endpoints are called otherwise in China.
        format!("com.amazonaws.{}.{}", self.0.settings.region, spec.service)
    }
}

/// Whether it is in a state. The service writes states in lower case, its own model with a capital.
pub(super) fn is_in(endpoint: &VpcEndpoint, state: &str) -> bool {
    endpoint.state().is_some_and(|found| found.as_str().eq_ignore_ascii_case(state))
}

/// Asks for an endpoint's removal. One that is gone is fine.
pub(super) async fn remove(aws: &Aws, id: &str) -> Result<(), OpError> {
    let request = aws.ec2().await.delete_vpc_endpoints().vpc_endpoint_ids(id);
    let answer = request.send().await.operation("ec2:DeleteVpcEndpoints")?;
    // One that is gone is listed as unsuccessful, too.
    let failed = answer.unsuccessful().iter().filter_map(|item| item.error());
    if let Some(error) = failed.into_iter().find(|error| !error.code().unwrap_or_default().ends_with("NotFound")) {
        let mut failure = OpError::local("ec2:DeleteVpcEndpoints", error.message().unwrap_or_default());
        failure.code = error.code().map(str::to_owned);
        return Err(failure);
    }
    Ok(())
}

#[async_trait]
impl Kind for GatewayEndpoint {
    type Spec = Spec;
    const NAME: &'static str = "ec2.gateway-endpoint";
    const ACTIONS: &'static [&'static str] = &[
        "ec2:CreateVpcEndpoint",
        "ec2:ModifyVpcEndpoint",
        "ec2:DescribeVpcEndpoints",
        "ec2:DeleteVpcEndpoints",
        "ec2:CreateTags",
        "ec2:DeleteTags",
    ];
    const IMMUTABLE: &'static [&'static str] = &["vpc_id", "service"];
    /// A route table has one route to a service.
    const UNIQUE: &'static [&'static str] = &["vpc_id", "service"];
    const IDENTITIES: &'static [&'static str] = &["id"];

    fn complete(&self, spec: &mut Spec, context: &DeclareContext<'_>) -> Result<(), String> {
        if !["s3", "dynamodb"].contains(&spec.service.as_str()) {
            return Err(format!("service '{}' has no gateway endpoints; 's3' and 'dynamodb' have", spec.service));
        }
        spec.tags.complete(context)
    }

    fn sample(&self, _: &str, _: &Spec, sampled: &Sampled<'_>) -> Option<serde_json::Value> {
        Some(sampled.id("vpce"))
    }

    async fn create(&self, spec: &Spec, intent: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
        let service = self.service_name(spec);
        let request = self.0.ec2_once().await.create_vpc_endpoint().vpc_endpoint_type(VpcEndpointType::Gateway);
        let request = request.vpc_id(&spec.vpc_id).service_name(service).client_token(&intent.token);
        let request = request.set_route_table_ids(Some(spec.route_table_ids.iter().cloned().collect()));
        let request = request.tag_specifications(tagged(ResourceType::VpcEndpoint, &spec.tags, intent));
        let answer = request.send().await.operation("ec2:CreateVpcEndpoint")?;
        let id = answer.vpc_endpoint.and_then(|endpoint| endpoint.vpc_endpoint_id);
        Ok(made(present("ec2:CreateVpcEndpoint", id)?))
    }

    async fn configure(&self, id: &str, spec: &Spec, was: Option<&Spec>, _: &dyn Progress) -> Result<Outputs, OpError> {
        let there: BTreeSet<String> = match was {
            Some(was) => was.route_table_ids.clone(),
            None => self.look(id).await?.and_then(|found| found.route_table_ids).into_iter().flatten().collect(),
        };
        let difference = |one: &BTreeSet<String>, other: &BTreeSet<String>| -> Option<Vec<String>> {
            let rest: Vec<_> = one.difference(other).cloned().collect();
            (!rest.is_empty()).then_some(rest)
        };
        let (add, remove) = (difference(&spec.route_table_ids, &there), difference(&there, &spec.route_table_ids));
        if add.is_some() || remove.is_some() {
            let request = self.0.ec2().await.modify_vpc_endpoint().vpc_endpoint_id(id);
            let request = request.set_add_route_table_ids(add).set_remove_route_table_ids(remove);
            request.send().await.operation("ec2:ModifyVpcEndpoint")?;
        }
        sync_tags(&self.0, id, was.map(|was| &was.tags), &spec.tags).await?;
        Ok(Outputs::new())
    }

    async fn read(&self, id: &str, spec: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        let Some(found) = self.look(id).await? else { return Ok(None) };
        let service = found.service_name().and_then(|name| name.rsplit('.').next()).unwrap_or(&spec.service);
        let spec = Spec {
            vpc_id: found.vpc_id().unwrap_or_default().to_owned(),
            service: service.to_owned(),
            route_table_ids: found.route_table_ids().iter().cloned().collect(),
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

    /// A route table has one route to a service, so a VPC has one endpoint to it, as a rule.
    async fn by_place(&self, spec: &Spec) -> Result<Option<Vec<String>>, OpError> {
        let filters = [filter("vpc-id", &spec.vpc_id), filter("service-name", &self.service_name(spec))];
        let request = self.0.ec2().await.describe_vpc_endpoints().set_filters(Some(filters.into()));
        let found = request.send().await.operation("ec2:DescribeVpcEndpoints")?.vpc_endpoints.unwrap_or_default();
        let there = found.into_iter().filter(|endpoint| !is_in(endpoint, "deleted") && !is_in(endpoint, "deleting"));
        Ok(Some(there.filter_map(|endpoint| endpoint.vpc_endpoint_id).collect()))
    }

    async fn by_tags(&self, tags: &BTreeMap<String, String>) -> Result<Option<Vec<String>>, OpError> {
        of_type(&self.0, &VpcEndpointType::Gateway, tags).await.map(Some)
    }

    async fn delete(&self, id: &str, _: &Spec, _: &dyn Progress) -> Result<(), OpError> {
        remove(&self.0, id).await?;
        until("ec2:DescribeVpcEndpoints", self.0.settings.wait, || {
            async move { Ok(self.look(id).await?.is_none().then_some(())) }.boxed()
        })
        .await
    }
}
