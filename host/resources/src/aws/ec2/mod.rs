//! EC2: networks.

mod address;
pub(in crate::aws) mod blockers;
pub(in crate::aws) mod cidr;
mod endpoint;
mod gateway;
mod interface_endpoint;
mod ipv6_gateway;
mod launch_template;
mod nat;
mod placement_group;
mod route;
mod route_table;
mod rule;
mod security_group;
mod subnet;
mod vpc;
mod vpc_cidr_block;
mod zones;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{Filter, ResourceType, Tag, TagSpecification};
use futures::FutureExt;
use llmhost_engine::kind::{Created, ErrorClass, Intent, OpError};

use super::clients::Aws;
use super::errors::Operation;
use super::outputs;
use super::tags::{INTENT, Tags};
use super::wait::settled;

pub(super) use address::ElasticIp;
pub(super) use endpoint::GatewayEndpoint;
pub(super) use gateway::InternetGateway;
pub(super) use interface_endpoint::InterfaceEndpoint;
pub(in crate::aws) use interface_endpoint::{offers, service_names};
pub(super) use ipv6_gateway::EgressOnlyInternetGateway;
pub(super) use launch_template::LaunchTemplate;
pub(super) use nat::NatGateway;
pub(super) use placement_group::PlacementGroup;
pub(super) use route::Route;
pub(super) use route_table::{RouteTable, RouteTableAssociation};
pub(super) use rule::SecurityGroupRule;
pub(super) use security_group::SecurityGroup;
pub(super) use subnet::Subnet;
pub(super) use vpc::Vpc;
pub(super) use vpc_cidr_block::VpcCidrBlock;
pub(super) use zones::{availability_zone, zone_name};

/// The tags of a resource that is being made, with the token to find it by.
fn tagged(kind: ResourceType, tags: &Tags, intent: &Intent) -> TagSpecification {
    let all = tags.0.iter().map(|(key, value)| tag(key, value)).chain([tag(INTENT, &intent.token)]);
    TagSpecification::builder().resource_type(kind).set_tags(Some(all.collect())).build()
}

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build()
}

/// Finds what a create with this intent made.
fn made_by(intent: &Intent) -> Filter {
    filter(&format!("tag:{INTENT}"), &intent.token)
}

/// The ids of what has all of these tags.
async fn with_tags(aws: &Aws, kind: ResourceType, tags: &BTreeMap<String, String>) -> Result<Vec<String>, OpError> {
    let ec2 = aws.ec2().await;
    let mut with_all: Option<BTreeSet<String>> = None;
    for (key, value) in tags {
        let filters = [filter("resource-type", kind.as_str()), filter("key", key), filter("value", value)];
        let mut pages = ec2.describe_tags().set_filters(Some(filters.into())).into_paginator().items().send();
        let mut with_this = BTreeSet::new();
        while let Some(found) = pages.next().await {
            let found = found.operation("ec2:DescribeTags")?;
            // A filter takes '*' and '?' for any characters.
            if found.key() == Some(key.as_str()) && found.value() == Some(value.as_str()) {
                with_this.extend(found.resource_id);
            }
        }
        with_all = Some(match with_all {
            Some(so_far) => so_far.intersection(&with_this).cloned().collect(),
            None => with_this,
        });
    }
    Ok(with_all.unwrap_or_default().into_iter().collect())
}

/// Filters by tags. They take '*' and '?' for any characters, so [`has_all`] has the last word.
fn carrying(tags: &BTreeMap<String, String>) -> Vec<Filter> {
    tags.iter().map(|(key, value)| filter(&format!("tag:{key}"), value)).collect()
}

/// Whether all of these tags are among those of something.
fn has_all(found: &[Tag], tags: &BTreeMap<String, String>) -> bool {
    let has = |(key, value): (&String, &String)| {
        found.iter().any(|tag| tag.key() == Some(key.as_str()) && tag.value() == Some(value.as_str()))
    };
    tags.iter().all(has)
}

pub(in crate::aws) fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

/// As [`filter`], for whatever has one of these values: 200 at most.
pub(in crate::aws) fn filter_any(name: &str, values: &[&str]) -> Filter {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    Filter::builder().name(name).set_values(Some(values)).build()
}

pub(in crate::aws) fn observed(tags: &[Tag]) -> Tags {
    Tags::observed(tags.iter().map(|tag| (tag.key(), tag.value())))
}

/// What a create gave: an id that is also the output `id`.
fn made(id: String) -> Created {
    Created { outputs: outputs([("id", id.as_str())]), id }
}

/// The field of an answer that AWS always fills in.
fn present<T>(operation: &str, field: Option<T>) -> Result<T, OpError> {
    field.ok_or_else(|| OpError::local(operation, "the response lacks the requested item"))
}

/// What a look at a resource found: where that is nothing, it is gone, or not known yet.
fn there<T>(operation: &str, id: &str, found: Option<T>) -> Result<T, OpError> {
    found.ok_or_else(|| OpError {
        class: ErrorClass::NotFound,
        ..OpError::local(operation, format!("there is no {id}"))
    })
}

/// Brings the tags of a resource in line. `was` is absent where it is not known what is there.
async fn sync_tags(aws: &Aws, id: &str, was: Option<&Tags>, now: &Tags) -> Result<(), OpError> {
    let ec2 = aws.ec2().await;
    let differs = |key: &String, value: &String| was.is_none_or(|was| was.0.get(key) != Some(value));
    let new: Vec<Tag> = now.0.iter().filter(|(key, value)| differs(key, value)).map(|(k, v)| tag(k, v)).collect();
    if !new.is_empty() {
        let new = &new;
        let call = || {
            async move {
                ec2.create_tags().resources(id).set_tags(Some(new.clone())).send().await.operation("ec2:CreateTags")
            }
            .boxed()
        };
        settled(call).await?;
    }
    let gone = was.into_iter().flat_map(|was| was.0.keys()).filter(|key| !now.0.contains_key(*key));
    let gone: Vec<Tag> = gone.map(|key| Tag::builder().key(key).build()).collect();
    if !gone.is_empty() {
        ec2.delete_tags().resources(id).set_tags(Some(gone)).send().await.operation("ec2:DeleteTags")?;
    }
    Ok(())
}

/// Whether EC2 says that there is no such instance type.
pub(super) fn is_unknown_type(error: &OpError) -> bool {
    matches!(error.code.as_deref(), Some("InvalidInstanceType" | "InvalidParameterValue"))
}
