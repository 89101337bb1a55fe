//! What would do where AWS has no more of an instance type.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{Filter, LocationType};
use llmhost_engine::kind::OpError;

use crate::aws::clients::Aws;
use crate::aws::errors::Operation;

/// Types of one GPU with about as much memory, for who can do with any of them.
const ALIKE: [&[&str]; 4] = [
    &["g4dn.xlarge", "g5.xlarge", "g6.xlarge", "g6e.xlarge", "gr6.4xlarge"],
    &["g4dn.2xlarge", "g5.2xlarge", "g6.2xlarge", "g6e.2xlarge"],
    &["g4dn.12xlarge", "g5.12xlarge", "g6.12xlarge", "g6e.12xlarge"],
    &["p4d.24xlarge", "p4de.24xlarge", "p5.48xlarge", "p5e.48xlarge", "p5en.48xlarge"],
];

/// What to do about a node group that found no machines, or nothing where that is not its trouble.
pub(super) async fn advice(
    aws: &Aws,
    reason: &str,
    types: &[String],
    subnets: &[String],
    spot: bool,
) -> Option<String> {
    let reason = reason.to_lowercase();
    if ["vcpulimitexceeded", "vcpu capacity", "service quota", "vcpu limit"].iter().any(|word| reason.contains(word)) {
        return Some(
            "Raise the vCPU quota of the instance family in Service Quotas (llmhost validate --online names it), or set a smaller \
             size, and run again: the failed group is replaced."
                .to_owned(),
        );
    }
    let is_capacity =
        ["insufficientinstancecapacity", "insufficient capacity", "unfulfillable", "do not have sufficient"];
    if !is_capacity.iter().any(|word| reason.contains(word)) {
        return None;
    }
    let mut text = String::new();
    let zones = zones_of(aws, subnets).await.unwrap_or_default();
    let alike = types.iter().flat_map(|kind| ALIKE.iter().filter(move |row| row.contains(&kind.as_str())).copied());
    let wanted: BTreeSet<String> =
        types.iter().cloned().chain(alike.flatten().map(|kind| (*kind).to_owned())).collect();
    if let Ok(offered) = offered(aws, &wanted).await {
        for kind in types {
            let elsewhere = offered.get(kind).into_iter().flatten().filter(|zone| !zones.contains(*zone));
            let elsewhere: Vec<&str> = elsewhere.map(String::as_str).collect();
            if !elsewhere.is_empty() {
                text += &format!("{kind} is also offered in {}. ", elsewhere.join(", "));
            }
        }
        let here = |(kind, at): (&String, &BTreeSet<String>)| {
            (!types.contains(kind) && at.intersection(&zones).next().is_some()).then(|| kind.clone())
        };
        let others: Vec<String> = offered.iter().filter_map(here).collect();
        if !others.is_empty() {
            text += &format!("Similar types offered in the group's zones: {}. ", others.join(", "));
        }
    }
    if spot {
        text += "On-demand capacity (spot = false) may be available when spot is not. ";
    }
    text += "Add instance_types or subnets in other zones, or run again later: the failed group is replaced.";
    Some(text)
}

/// The zones of subnets.
pub(in crate::aws) async fn zones_of(aws: &Aws, subnets: &[String]) -> Result<BTreeSet<String>, OpError> {
    let request = aws.ec2().await.describe_subnets().set_subnet_ids(Some(subnets.to_vec()));
    let answer = request.send().await.operation("ec2:DescribeSubnets")?;
    Ok(answer.subnets().iter().filter_map(|subnet| subnet.availability_zone()).map(str::to_owned).collect())
}

/// Where each type is offered; types that are offered nowhere in the region are not in it.
pub(in crate::aws) async fn offered(
    aws: &Aws,
    types: &BTreeSet<String>,
) -> Result<BTreeMap<String, BTreeSet<String>>, OpError> {
    let filter = Filter::builder().name("instance-type").set_values(Some(types.iter().cloned().collect())).build();
    let request = aws.ec2().await.describe_instance_type_offerings().location_type(LocationType::AvailabilityZone);
    let pages = request.filters(filter).into_paginator().items().send();
    let all = pages.try_collect().await.operation("ec2:DescribeInstanceTypeOfferings")?;
    let mut zones: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for offering in all {
        if let (Some(kind), Some(zone)) = (offering.instance_type, offering.location) {
            zones.entry(kind.as_str().to_owned()).or_default().insert(zone);
        }
    }
    Ok(zones)
}
