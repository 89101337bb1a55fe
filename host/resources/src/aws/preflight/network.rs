//! Whether nodes can join: a way out of their subnets, and addresses for their pods.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{Filter, Subnet};
use ipnet::Ipv4Net;
use llmhost_engine::kind::OpError;
use serde_json::Value;

use super::{Declared, Finding, Severity, View, text, texts};
use crate::aws::clients::Aws;
use crate::aws::errors::Operation;

/// Addresses that a node with its pods takes, as the VPC CNI gives them out: two network interfaces
/// of fifteen on the usual sizes.
const PER_NODE: u64 = 30;
/// Interface endpoints that nodes need where there is no way out.
const ENDPOINTS: [&str; 5] = ["ecr.api", "ecr.dkr", "ec2", "sts", "eks"];

pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for group in view.checked("eks.node-group") {
        let subnets: Vec<Declared<'_>> =
            group.spec["subnet_ids"].as_array().into_iter().flatten().filter_map(|id| view.behind(id)).collect();
        let mut shut: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
        for subnet in &subnets {
            if let Some(why) = no_way_out(view, subnet) {
                shut.entry(why).or_default().push(format!("{}/{}", subnet.address.step(), subnet.address.name()));
            }
        }
        findings.extend(shut.into_iter().map(|((why, fix), subnets)| Finding {
            severity: Severity::Error,
            code: "no-route-out",
            address: group.address.clone(),
            keys: &["subnet_ids", "subnets"],
            message: format!("nodes in {} cannot join the cluster: {why}", subnets.join(" and ")),
            fix: fix.to_owned(),
        }));
        let known = group.spec["subnet_ids"].as_array().is_some_and(|ids| ids.len() == subnets.len());
        let free = subnets.iter().filter_map(|subnet| text(subnet.spec, "cidr_block").parse::<Ipv4Net>().ok());
        let free = free.map(|net| (1_u64 << (32 - net.prefix_len())).saturating_sub(5)).sum();
        if known {
            findings.extend(too_small(&group, free));
        }
    }
}

/// What keeps nodes of a declared subnet from reaching the API server, and what to do about it.
fn no_way_out(view: &View<'_>, subnet: &Declared<'_>) -> Option<(&'static str, &'static str)> {
    let is_it = |id: &Value| view.behind(id).is_some_and(|found| found.address == subnet.address);
    match way_out(view, is_it)? {
        // What a VPC that exists has, AWS alone can tell.
        None if lacking(view, subnet).is_empty() || view.behind(&subnet.spec["vpc_id"]).is_none() => None,
        None if has_endpoints(view, subnet) => Some((
            "there is no route to the internet, and some services that nodes need have no interface endpoint",
            "Set all of ecr.api, ecr.dkr, ec2, sts and eks in endpoints of the vpc step, or set nat = \"single\".",
        )),
        None => Some((
            "there is no route to the internet",
            "Set nat = \"single\" (or \"per-az\") in the vpc step, or endpoints = [\"ecr.api\", \"ecr.dkr\", \
                \"ec2\", \"sts\", \"eks\"].",
        )),
        Some(route)
            if route.spec["target"].get("internet_gateway").is_some()
                && subnet.spec["map_public_ip_on_launch"] != true =>
        {
            Some((
                "the route goes to an internet gateway, and the subnet assigns no public addresses",
                "Use private subnets behind a NAT gateway, or let the subnet assign public addresses.",
            ))
        }
        Some(_) => None,
    }
}

/// The services that nodes need and the network of a declared subnet has no declared interface endpoint for.
fn lacking(view: &View<'_>, subnet: &Declared<'_>) -> Vec<&'static str> {
    let has = |service: &str| endpoints(view, subnet).any(|endpoint| is_for(text(endpoint.spec, "service"), service));
    ENDPOINTS.into_iter().filter(|service| !has(service)).collect()
}

fn has_endpoints(view: &View<'_>, subnet: &Declared<'_>) -> bool {
    endpoints(view, subnet).next().is_some()
}

fn endpoints<'a>(view: &View<'a>, subnet: &Declared<'a>) -> impl Iterator<Item = Declared<'a>> {
    let vpc = &subnet.spec["vpc_id"];
    view.of_kind("ec2.interface-endpoint").filter(move |endpoint| endpoint.spec["vpc_id"] == *vpc)
}

/// Whether the short or full name of a service says this one.
fn is_for(name: &str, service: &str) -> bool {
    name == service || name.ends_with(&format!(".{service}"))
}

/// The declared route out of the subnet whose id `is_it`, where a declared table is associated with it.
fn way_out<'a>(view: &View<'a>, is_it: impl Fn(&Value) -> bool) -> Option<Option<Declared<'a>>> {
    let used = view.of_kind("ec2.route-table-association").find(|used| is_it(&used.spec["subnet_id"]))?;
    let table = &used.spec["route_table_id"];
    let is_out = |route: &Declared<'_>| {
        route.spec["route_table_id"] == *table && route.spec["destination_cidr_block"] == "0.0.0.0/0"
    };
    Some(view.of_kind("ec2.route").find(is_out))
}

fn too_small(group: &Declared<'_>, free: u64) -> Option<Finding> {
    let most = group.spec["max_size"].as_u64().unwrap_or(1);
    let wanted = most * PER_NODE;
    (free < wanted).then(|| Finding {
        severity: Severity::Warning,
        code: "few-addresses",
        address: group.address.clone(),
        keys: &["subnet_ids", "max"],
        message: format!(
            "{most} nodes with their pods need about {wanted} addresses, and the group's subnets have {free}"
        ),
        fix: "Choose larger subnets, or a smaller max.".to_owned(),
    })
}

/// Subnets that are there already: what AWS says of them.
pub(super) async fn ask(aws: &Aws, view: &View<'_>, findings: &mut Vec<Finding>) -> Result<(), OpError> {
    for group in view.checked("eks.node-group") {
        in_given_vpcs(aws, view, &group, findings).await?;
        let ids: BTreeSet<String> =
            texts(group.spec, "subnet_ids").filter(|id| id.starts_with("subnet-")).map(str::to_owned).collect();
        if ids.is_empty() {
            continue;
        }
        let subnets = subnets(aws, &ids).await?;
        let free =
            subnets.iter().filter_map(|subnet| subnet.available_ip_address_count()).map(|count| count.max(0) as u64);
        let known = subnets.len() == ids.len();
        if known && group.spec["subnet_ids"].as_array().is_some_and(|all| all.len() == ids.len()) {
            findings.extend(too_small(&group, free.sum()));
        }
        let vpcs: BTreeSet<String> = subnets.iter().filter_map(|subnet| subnet.vpc_id().map(str::to_owned)).collect();
        for vpc in vpcs {
            let tables = aws.ec2().await.describe_route_tables().filters(filter("vpc-id", &vpc)).send().await;
            let tables = tables.operation("ec2:DescribeRouteTables")?.route_tables.unwrap_or_default();
            let lacking = missing_endpoints(aws, &vpc).await?;
            for subnet in subnets.iter().filter(|subnet| subnet.vpc_id() == Some(&vpc)) {
                let id = subnet.subnet_id().unwrap_or_default();
                let own = tables.iter().find(|table| table.associations().iter().any(|a| a.subnet_id() == Some(id)));
                let main = || tables.iter().find(|table| table.associations().iter().any(|a| a.main() == Some(true)));
                let Some(table) = own.or_else(main) else { continue };
                let out = table.routes().iter().any(|route| route.destination_cidr_block() == Some("0.0.0.0/0"));
                // A subnet that a run made before it was interrupted gets its route from this one.
                let out = out || way_out(view, |used| used == id).flatten().is_some();
                if !out && !lacking.is_empty() {
                    findings.push(Finding {
                        severity: Severity::Error,
                        code: "no-route-out",
                        address: group.address.clone(),
                        keys: &["subnet_ids", "subnets"],
                        message: format!(
                            "the subnet {id} has no route to the internet and its VPC has no endpoints for {}, so its \
                             nodes cannot join the cluster",
                            lacking.join(", ")
                        ),
                        fix: "Add a NAT gateway and a route to it, or the endpoints.".to_owned(),
                    });
                }
            }
        }
    }
    Ok(())
}

/// Subnets that this pipeline makes in a VPC that exists: its endpoints may do where there is no way out.
async fn in_given_vpcs(
    aws: &Aws,
    view: &View<'_>,
    group: &Declared<'_>,
    findings: &mut Vec<Finding>,
) -> Result<(), OpError> {
    let ids = group.spec["subnet_ids"].as_array().into_iter().flatten();
    let mut shut: BTreeMap<String, Vec<Declared<'_>>> = BTreeMap::new();
    for subnet in ids.filter_map(|id| view.behind(id)) {
        let is_it = |id: &Value| view.behind(id).is_some_and(|found| found.address == subnet.address);
        let vpc = text(subnet.spec, "vpc_id");
        if vpc.starts_with("vpc-") && matches!(way_out(view, is_it), Some(None)) {
            shut.entry(vpc.to_owned()).or_default().push(subnet);
        }
    }
    for (vpc, subnets) in shut {
        let declared = lacking(view, &subnets[0]);
        let there = missing_endpoints(aws, &vpc).await?;
        let lacking: Vec<&str> = there.into_iter().filter(|service| declared.contains(service)).collect();
        if !lacking.is_empty() {
            let names = subnets.iter().map(|subnet| format!("{}/{}", subnet.address.step(), subnet.address.name()));
            findings.push(Finding {
                severity: Severity::Error,
                code: "no-route-out",
                address: group.address.clone(),
                keys: &["subnet_ids", "subnets"],
                message: format!(
                    "nodes in {} cannot join the cluster: there is no route to the internet, and {vpc} has no \
                        endpoints for {}",
                    names.collect::<Vec<_>>().join(" and "),
                    lacking.join(", ")
                ),
                fix: "Set nat = \"single\" in the vpc step, or endpoints for these services.".to_owned(),
            });
        }
    }
    Ok(())
}

/// Those of these subnets that there are. Which are not, is said elsewhere.
pub(super) async fn subnets(aws: &Aws, ids: &BTreeSet<String>) -> Result<Vec<Subnet>, OpError> {
    let wanted = Filter::builder().name("subnet-id").set_values(Some(ids.iter().cloned().collect())).build();
    let answer = aws.ec2().await.describe_subnets().filters(wanted).send().await;
    Ok(answer.operation("ec2:DescribeSubnets")?.subnets.unwrap_or_default())
}

async fn missing_endpoints(aws: &Aws, vpc: &str) -> Result<Vec<&'static str>, OpError> {
    let answer = aws.ec2().await.describe_vpc_endpoints().filters(filter("vpc-id", vpc)).send().await;
    let all = answer.operation("ec2:DescribeVpcEndpoints")?.vpc_endpoints.unwrap_or_default();
    let has =
        |service: &str| all.iter().any(|e| e.service_name().is_some_and(|name| name.ends_with(&format!(".{service}"))));
    Ok(ENDPOINTS.into_iter().filter(|service| !has(service)).collect())
}

fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}
