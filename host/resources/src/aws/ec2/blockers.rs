//! Deleting what may still be in use, and naming what is in the way.

use aws_sdk_ec2::types::{NetworkInterface, Tag};
use futures::future::BoxFuture;
use llmhost_engine::kind::OpError;

use super::filter;
use crate::aws::clients::Aws;
use crate::aws::codes::is_in_use;
use crate::aws::errors::Operation;
use crate::aws::tags::maker;
use crate::aws::wait::{blocked, unused};

/// What may hold something back.
#[derive(Debug, Clone, Copy)]
pub(in crate::aws) enum Held<'a> {
    Vpc(&'a str),
    Subnet(&'a str),
    SecurityGroup(&'a str),
    /// The internet gateway of this VPC.
    Gateway(&'a str),
}

/// Deletes, and tries again while something that is going away still uses it. What stays in the way
/// is named.
pub(in crate::aws) async fn delete<'a>(
    aws: &'a Aws,
    held: Held<'a>,
    call: impl FnMut() -> BoxFuture<'a, Result<(), OpError>> + Send,
) -> Result<(), OpError> {
    match unused(aws.settings.wait, call).await {
        Err(error) if is_in_use(error.code.as_deref()) => Err(explain(aws, held, error).await),
        other => other,
    }
}

async fn explain(aws: &Aws, held: Held<'_>, error: OpError) -> OpError {
    // Who may delete and not look gets the bare error.
    let by = in_the_way(aws, held).await.unwrap_or_default();
    let (seconds, what) = (aws.settings.wait.as_secs(), held.word());
    let advice = format!(
        "llmhost tried for {seconds} seconds, and changed none of these. Their owner must move them off the {what} first; \
         their tags may show the owner. If they have this pipeline's tags and are not in its state, import them: 'llmhost import FILE --all'. Then run the same command again; it continues from here."
    );
    blocked(error, &by, &advice)
}

impl Held<'_> {
    fn word(self) -> &'static str {
        match self {
            Self::Vpc(_) => "VPC",
            Self::Subnet(_) => "subnet",
            Self::SecurityGroup(_) => "security group",
            Self::Gateway(_) => "gateway's VPC",
        }
    }
}

async fn in_the_way(aws: &Aws, held: Held<'_>) -> Result<Vec<String>, OpError> {
    match held {
        Held::Subnet(id) => interfaces(aws, "subnet-id", id).await,
        Held::SecurityGroup(id) => {
            let mut all = interfaces(aws, "group-id", id).await?;
            all.extend(referring_groups(aws, id).await?);
            Ok(all)
        }
        // A public address on an interface is what holds a gateway.
        Held::Gateway(vpc) => {
            let all = look(aws, "vpc-id", vpc).await?;
            Ok(all.iter().filter(|found| found.association().is_some()).map(describe).collect())
        }
        Held::Vpc(id) => {
            let mut all = interfaces(aws, "vpc-id", id).await?;
            all.extend(parts(aws, id).await?);
            Ok(all)
        }
    }
}

async fn interfaces(aws: &Aws, by: &str, value: &str) -> Result<Vec<String>, OpError> {
    Ok(look(aws, by, value).await?.iter().map(describe).collect())
}

async fn look(aws: &Aws, by: &str, value: &str) -> Result<Vec<NetworkInterface>, OpError> {
    let request = aws.ec2().await.describe_network_interfaces().filters(filter(by, value));
    let pages = request.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
    pages.operation("ec2:DescribeNetworkInterfaces")
}

/// `network interface eni-1 ("aws-K8S-i-2", in use by i-2, owner amazon-elb)`
fn describe(found: &NetworkInterface) -> String {
    let mut notes = Vec::new();
    if let Some(text) = found.description().filter(|text| !text.is_empty()) {
        notes.push(format!("\"{text}\""));
    }
    let instance = found.attachment().and_then(|attachment| attachment.instance_id());
    match (instance, found.status()) {
        (Some(instance), _) => notes.push(format!("in use by the instance {instance}")),
        (None, Some(status)) => notes.push(status.as_str().to_owned()),
        (None, None) => {}
    }
    let owner = found.requester_id().filter(|id| !id.is_empty()).or_else(|| found.owner_id());
    notes.extend(owner.map(|owner| format!("owner {owner}")));
    named("network interface", found.network_interface_id(), &notes.join(", "), found.tag_set())
}

/// What it is, its id, what is known of it, and the name in its tags.
fn named(what: &str, id: Option<&str>, note: &str, tags: &[Tag]) -> String {
    let tag = |key: &str| tags.iter().find(|tag| tag.key() == Some(key)).and_then(|tag| tag.value());
    let mut notes: Vec<String> = Some(note.to_owned()).into_iter().filter(|note| !note.is_empty()).collect();
    notes.extend(tag("Name").map(|name| format!("named {name}")));
    notes.extend(maker(tag));
    let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
    format!("{what} {}{notes}", id.unwrap_or("without an id"))
}

/// Groups with a rule that refers to this one.
async fn referring_groups(aws: &Aws, id: &str) -> Result<Vec<String>, OpError> {
    let ec2 = aws.ec2().await;
    let mut all = Vec::new();
    for (by, word) in [
        ("ip-permission.group-id", "allows inbound traffic from it"),
        ("egress.ip-permission.group-id", "allows outbound traffic to it"),
    ] {
        let request = ec2.describe_security_groups().filters(filter(by, id));
        let found = request.send().await.operation("ec2:DescribeSecurityGroups")?;
        let others = found.security_groups().iter().filter(|group| group.group_id() != Some(id));
        all.extend(others.map(|group| {
            let note = format!("\"{}\", a rule of it {word}", group.group_name().unwrap_or_default());
            named("security group", group.group_id(), &note, group.tags())
        }));
    }
    Ok(all)
}

/// What a VPC holds beside network interfaces.
async fn parts(aws: &Aws, vpc: &str) -> Result<Vec<String>, OpError> {
    let ec2 = aws.ec2().await;
    let in_vpc = || filter("vpc-id", vpc);
    let mut all = Vec::new();
    let subnets = ec2.describe_subnets().filters(in_vpc()).send().await.operation("ec2:DescribeSubnets")?;
    all.extend(
        subnets
            .subnets()
            .iter()
            .map(|found| named("subnet", found.subnet_id(), found.cidr_block().unwrap_or_default(), found.tags())),
    );
    let groups = ec2.describe_security_groups().filters(in_vpc()).send().await;
    let groups = groups.operation("ec2:DescribeSecurityGroups")?;
    let own = groups.security_groups().iter().filter(|group| group.group_name() != Some("default"));
    all.extend(own.map(|group| {
        let note = format!("\"{}\"", group.group_name().unwrap_or_default());
        named("security group", group.group_id(), &note, group.tags())
    }));
    let tables = ec2.describe_route_tables().filters(in_vpc()).send().await.operation("ec2:DescribeRouteTables")?;
    let own = tables.route_tables().iter().filter(|table| !table.associations().iter().any(|a| a.main() == Some(true)));
    all.extend(own.map(|table| named("route table", table.route_table_id(), "", table.tags())));
    let gateways = ec2.describe_internet_gateways().filters(filter("attachment.vpc-id", vpc)).send().await;
    let gateways = gateways.operation("ec2:DescribeInternetGateways")?;
    let gateways = gateways.internet_gateways().iter();
    all.extend(gateways.map(|found| named("internet gateway", found.internet_gateway_id(), "attached", found.tags())));
    let endpoints =
        ec2.describe_vpc_endpoints().filters(in_vpc()).send().await.operation("ec2:DescribeVpcEndpoints")?;
    let there = endpoints.vpc_endpoints().iter().filter(|found| {
        !matches!(found.state().map(|state| state.as_str()), Some("deleting" | "Deleting" | "deleted" | "Deleted"))
    });
    all.extend(there.map(|found| {
        named("endpoint", found.vpc_endpoint_id(), found.service_name().unwrap_or_default(), found.tags())
    }));
    Ok(all)
}
