//! `ec2.route`

use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use llmhost_engine::kind::{
    ChangeKind, Created, DeclareContext, ErrorClass, Intent, Kind, Neighbours, Observed, OpError, Outputs, Progress,
    ReplaceOrder,
};
use llmhost_engine::names::ResourceAddress;
use llmhost_engine::unknown;
use serde::{Deserialize, Serialize};

use super::{Operation, cidr, route_table};
use crate::aws::clients::Aws;
use crate::aws::wait::settled;

/// One route of a table.
pub(in crate::aws) struct Route(pub(in crate::aws) Arc<Aws>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::aws) struct Spec {
    route_table_id: String,
    destination_cidr_block: String,
    target: Target,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::enum_variant_names, reason = "EC2's own names")]
enum Target {
    #[serde(alias = "InternetGateway")]
    InternetGateway(String),
    #[serde(alias = "NatGateway")]
    NatGateway(String),
    #[serde(alias = "EgressOnlyInternetGateway")]
    EgressOnlyInternetGateway(String),
}

impl Spec {
    /// The destination as calls take it: an IPv4 and an IPv6 range are two parameters, of which one is given.
    fn destination(&self) -> (Option<String>, Option<String>) {
        let range = self.destination_cidr_block.clone();
        if cidr::is_v6(&range) { (None, Some(range)) } else { (Some(range), None) }
    }
}

impl Route {
    async fn look(&self, spec: &Spec) -> Result<Option<Spec>, OpError> {
        let Some(table) = route_table::look(&self.0, &spec.route_table_id).await? else { return Ok(None) };
        let mut routes = table.routes().iter();
        let (v4, v6) = spec.destination();
        let Some(route) = routes.find(|route| {
            route.destination_cidr_block() == v4.as_deref() && route.destination_ipv6_cidr_block() == v6.as_deref()
        }) else {
            return Ok(None);
        };
        let target = match (route.nat_gateway_id(), route.egress_only_internet_gateway_id(), route.gateway_id()) {
            (Some(nat), _, _) => Target::NatGateway(nat.to_owned()),
            (None, Some(gateway), _) => Target::EgressOnlyInternetGateway(gateway.to_owned()),
            (None, None, gateway) => Target::InternetGateway(gateway.unwrap_or_default().to_owned()),
        };
        Ok(Some(Spec { target, ..spec.clone() }))
    }
}

/// A route has no id of its own.
fn id(spec: &Spec) -> String {
    format!("{}|{}", spec.route_table_id, spec.destination_cidr_block)
}

#[async_trait]
impl Kind for Route {
    type Spec = Spec;
    const NAME: &'static str = "ec2.route";
    const ACTIONS: &'static [&'static str] =
        &["ec2:CreateRoute", "ec2:ReplaceRoute", "ec2:DescribeRouteTables", "ec2:DeleteRoute"];
    const IMMUTABLE: &'static [&'static str] = &["route_table_id", "destination_cidr_block"];
    const UNIQUE: &'static [&'static str] = &["route_table_id", "destination_cidr_block"];
    /// A route to a gateway that is gone stays, and leads nowhere.
    const LOOSE: &'static [&'static str] = &["target"];
    const IDENTITIES: &'static [&'static str] = &[];

    fn complete(&self, spec: &mut Spec, _: &DeclareContext<'_>) -> Result<(), String> {
        let range = &spec.destination_cidr_block;
        if cidr::is_v6(range) {
            cidr::parse_v6("destination_cidr_block", range)?;
            return match spec.target {
                Target::NatGateway(_) => Err(format!("{range} is routed to a NAT gateway, which supports only IPv4")),
                _ => Ok(()),
            };
        }
        cidr::parse("destination_cidr_block", range)?;
        match spec.target {
            Target::EgressOnlyInternetGateway(_) if !unknown::is_unknown(range) => {
                Err(format!("{range} is routed to an egress-only internet gateway, which supports only IPv6"))
            }
            _ => Ok(()),
        }
    }

    fn interrupts(&self, old: &Spec, _: &Spec, how: ChangeKind) -> Option<String> {
        let destination = &old.destination_cidr_block;
        Some(match how {
            ChangeKind::Update => format!("open connections to {destination} break: traffic takes another route"),
            ChangeKind::Replace(ReplaceOrder::DeleteFirst) => {
                format!("there is no route to {destination} while it is replaced, usually a few seconds")
            }
            ChangeKind::Replace(ReplaceOrder::CreateFirst) => return None,
        })
    }

    fn check(&self, at: &ResourceAddress, spec: &Spec, declared: &dyn Neighbours) -> Result<(), String> {
        let same = |other: &serde_json::Value| {
            other["route_table_id"] == spec.route_table_id.as_str()
                && other["destination_cidr_block"] == spec.destination_cidr_block.as_str()
        };
        let mut others = declared.of_kind(Self::NAME).into_iter().filter(|other| other.address < *at);
        match others.find(|other| same(&other.spec)) {
            Some(other) => {
                Err(format!("its table has a route to {} already, {}", spec.destination_cidr_block, other.address))
            }
            None => Ok(()),
        }
    }

    fn id_of(&self, spec: &Spec) -> Option<String> {
        Some(id(spec))
    }

    async fn create(&self, spec: &Spec, _: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
        // Made once: a second attempt would meet the route of the first, and take it for another's.
        let ec2 = self.0.ec2_once().await;
        let call = || {
            async move {
                let request = ec2.create_route().route_table_id(&spec.route_table_id);
                let (v4, v6) = spec.destination();
                let request = request.set_destination_cidr_block(v4).set_destination_ipv6_cidr_block(v6);
                let request = match &spec.target {
                    Target::InternetGateway(gateway) => request.gateway_id(gateway),
                    Target::NatGateway(gateway) => request.nat_gateway_id(gateway),
                    Target::EgressOnlyInternetGateway(gateway) => request.egress_only_internet_gateway_id(gateway),
                };
                request.send().await.operation("ec2:CreateRoute")
            }
            .boxed()
        };
        settled(call).await?;
        Ok(Created { id: id(spec), outputs: Outputs::new() })
    }

    async fn configure(&self, _: &str, spec: &Spec, was: Option<&Spec>, _: &dyn Progress) -> Result<Outputs, OpError> {
        if was.is_some_and(|was| was.target != spec.target) {
            let request = self.0.ec2().await.replace_route().route_table_id(&spec.route_table_id);
            let (v4, v6) = spec.destination();
            let request = request.set_destination_cidr_block(v4).set_destination_ipv6_cidr_block(v6);
            let request = match &spec.target {
                Target::InternetGateway(gateway) => request.gateway_id(gateway),
                Target::NatGateway(gateway) => request.nat_gateway_id(gateway),
                Target::EgressOnlyInternetGateway(gateway) => request.egress_only_internet_gateway_id(gateway),
            };
            request.send().await.operation("ec2:ReplaceRoute")?;
        }
        Ok(Outputs::new())
    }

    async fn read(&self, _: &str, spec: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        Ok(self.look(spec).await?.map(|spec| Observed { spec, outputs: Outputs::new() }))
    }

    async fn find(&self, spec: &Spec, _: &Intent) -> Result<Option<Created>, OpError> {
        let found = self.look(spec).await?.filter(|found| found == spec);
        Ok(found.map(|found| Created { id: id(&found), outputs: Outputs::new() }))
    }

    async fn delete(&self, _: &str, spec: &Spec, _: &dyn Progress) -> Result<(), OpError> {
        let request = self.0.ec2().await.delete_route().route_table_id(&spec.route_table_id);
        let (v4, v6) = spec.destination();
        let request = request.set_destination_cidr_block(v4).set_destination_ipv6_cidr_block(v6);
        match request.send().await.operation("ec2:DeleteRoute") {
            Err(error) if error.class != ErrorClass::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
