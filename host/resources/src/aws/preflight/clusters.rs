//! Whether EKS takes the network that a cluster is put into: zones, addresses, ranges.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::Ipv4Net;
use llmhost_engine::kind::OpError;

use super::network::subnets;
use super::{Declared, Finding, Severity, View, Zones, text, texts};
use crate::aws::clients::Aws;
use crate::aws::ec2::cidr;
use crate::aws::errors::Operation;
use crate::aws::limits;

const SUBNETS: &[&str] = &["subnet_ids", "subnets"];

pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for cluster in view.checked("eks.cluster") {
        let ids = cluster.spec["subnet_ids"].as_array().map(Vec::as_slice).unwrap_or_default();
        let declared: Vec<Declared<'_>> = ids.iter().filter_map(|id| view.behind(id)).collect();
        let zones: BTreeSet<&str> = declared.iter().map(|subnet| text(subnet.spec, "availability_zone")).collect();
        if declared.len() == ids.len() && zones.len() == 1 {
            findings.push(one_zone(&cluster));
        }
        findings.extend(auto_mode_role(view, &cluster));
        if cluster.spec["ipv6"] == true {
            let without = declared.iter().filter(|subnet| !has_ipv6(subnet));
            let names: Vec<String> =
                without.map(|subnet| format!("{}/{}", subnet.address.step(), subnet.address.name())).collect();
            if !names.is_empty() {
                findings.push(without_ipv6(&cluster, &names));
            }
        }
        let vpc = declared.first().and_then(|subnet| view.behind(&subnet.spec["vpc_id"]));
        let range = |spec, field| text(spec, field).parse::<Ipv4Net>().ok();
        let services = range(cluster.spec, "service_ipv4_cidr");
        if let Some((vpc, services)) = vpc.zip(services)
            && let Some(network) = range(vpc.spec, "cidr_block")
            && cidr::overlap(services, network)
        {
            findings.push(Finding {
                severity: Severity::Error,
                code: "overlapping-ranges",
                address: cluster.address.clone(),
                keys: &["service_ipv4_cidr", "service_cidr"],
                message: format!("the services' range {services} overlaps {network}, the range of {}", vpc.address),
                fix:
                    "Choose a range outside the VPC, such as 172.20.0.0/16, or remove the option: EKS then chooses one."
                        .to_owned(),
            });
        }
    }
}

/// What the role of a cluster with EKS Auto Mode needs beside the policy of every cluster.
/// <https://docs.aws.amazon.com/eks/latest/userguide/auto-cluster-iam-role.html>
const AUTO_MODE: [&str; 4] = [
    "AmazonEKSComputePolicy",
    "AmazonEKSBlockStoragePolicy",
    "AmazonEKSLoadBalancingPolicy",
    "AmazonEKSNetworkingPolicy",
];

/// Whether a declared role lets EKS Auto Mode work.
fn auto_mode_role(view: &View<'_>, cluster: &Declared<'_>) -> Option<Finding> {
    if cluster.spec["auto_mode"].is_null() {
        return None;
    }
    let role = view.behind(&cluster.spec["role_arn"]).filter(|role| role.address.kind() == "iam.role")?;
    let attached: Vec<&str> = texts(role.spec, "managed_policy_arns").collect();
    let has = |policy: &&str| attached.iter().any(|arn| arn.ends_with(&format!("/{policy}")));
    let mut lacking: Vec<&str> = AUTO_MODE.into_iter().filter(|policy| !has(policy)).collect();
    if !role.spec["assume_role_policy"].to_string().contains("sts:TagSession") {
        lacking.push("sts:TagSession in its trust policy");
    }
    (!lacking.is_empty()).then(|| Finding {
        severity: Severity::Error,
        code: "auto-mode-role",
        address: cluster.address.clone(),
        keys: &["auto_mode", "role_arn"],
        message: format!(
            "EKS Auto Mode needs permissions that the role {} does not have: {}",
            role.address,
            lacking.join(", ")
        ),
        fix: "Set auto_mode = true in the iam step, which gives the cluster's role all of them.".to_owned(),
    })
}

/// Whether a declared subnet has a range of IPv6.
fn has_ipv6(subnet: &Declared<'_>) -> bool {
    let fields = subnet.spec.as_object().into_iter().flatten();
    let mut ranges = fields.filter(|(field, _)| field.starts_with("ipv6"));
    ranges.any(|(_, value)| !(value.is_null() || *value == false))
}

fn without_ipv6(cluster: &Declared<'_>, subnets: &[String]) -> Finding {
    Finding {
        severity: Severity::Error,
        code: "no-ipv6",
        address: cluster.address.clone(),
        keys: &["ip_family", "subnet_ids"],
        message: format!(
            "a cluster with IPv6 needs subnets with IPv6 ranges, and these have none: {}",
            subnets.join(", ")
        ),
        fix: "Enable IPv6 in the network, or remove ip_family.".to_owned(),
    }
}

/// What AWS says of the zones, and of subnets that are there already.
pub(super) async fn ask(aws: &Aws, view: &View<'_>, zones: &Zones, findings: &mut Vec<Finding>) -> Result<(), OpError> {
    let mut refused = None;
    for cluster in view.checked("eks.cluster") {
        let wanted: BTreeSet<String> =
            texts(cluster.spec, "subnet_ids").filter(|id| id.starts_with("subnet-")).map(str::to_owned).collect();
        let there = if wanted.is_empty() { Vec::new() } else { subnets(aws, &wanted).await? };
        let ids = cluster.spec["subnet_ids"].as_array().map(Vec::as_slice).unwrap_or_default();
        let declared = ids.iter().filter_map(|id| view.behind(id));
        let mut of_zone: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for subnet in declared {
            let zone = zones.name(text(subnet.spec, "availability_zone"));
            of_zone.entry(zone).or_default().push(format!("{}/{}", subnet.address.step(), subnet.address.name()));
        }
        for subnet in &there {
            let (zone, id) = (subnet.availability_zone().unwrap_or_default(), subnet.subnet_id().unwrap_or_default());
            of_zone.entry(zone.to_owned()).or_default().push(id.to_owned());
            if cluster.spec["ipv6"] == true && subnet.ipv6_cidr_block_association_set().is_empty() {
                findings.push(without_ipv6(&cluster, &[id.to_owned()]));
            }
            let free = subnet.available_ip_address_count().unwrap_or(i32::MAX);
            if cluster.is_made() && free < limits::CLUSTER_ADDRESSES {
                findings.push(few_addresses(&cluster, id, free));
            }
        }
        findings.extend(several_vpcs(&cluster, there.iter().filter_map(|subnet| subnet.vpc_id())));
        if of_zone.len() == 1 && !there.is_empty() && of_zone.values().map(Vec::len).sum::<usize>() == ids.len() {
            findings.push(one_zone(&cluster));
        }
        if refused.is_none() {
            refused = Some(not_for_clusters(aws).await?);
        }
        for (zone, id) in refused.iter().flatten() {
            if let Some(subnets) = of_zone.get(zone) {
                findings.push(refused_zone(&cluster, zone, id, subnets));
            }
        }
    }
    Ok(())
}

/// The zones of the region that EKS does not take, by name: which one that is differs from account to account.
async fn not_for_clusters(aws: &Aws) -> Result<Vec<(String, String)>, OpError> {
    let region = &aws.settings.region;
    if !["us-east-1", "us-west-1", "ca-central-1"].contains(&region.as_str()) {
        return Ok(Vec::new());
    }
    let answer = aws.ec2().await.describe_availability_zones().send().await;
    let answer = answer.operation("ec2:DescribeAvailabilityZones")?;
    let known = answer.availability_zones().iter().filter_map(|zone| Some((zone.zone_name()?, zone.zone_id()?)));
    let refused = known.filter(|(_, id)| limits::NOT_FOR_CLUSTERS.contains(id));
    Ok(refused.map(|(name, id)| (name.to_owned(), id.to_owned())).collect())
}

fn refused_zone(cluster: &Declared<'_>, zone: &str, id: &str, subnets: &[String]) -> Finding {
    Finding {
        severity: Severity::Error,
        code: "zone-not-for-clusters",
        address: cluster.address.clone(),
        keys: SUBNETS,
        message: format!("EKS allows no cluster subnets in the zone {zone} ({id}): {}", subnets.join(", ")),
        fix: "Use subnets in other zones for the cluster, or create the network with fewer zones (azs).".to_owned(),
    }
}

fn one_zone(cluster: &Declared<'_>) -> Finding {
    Finding {
        severity: Severity::Error,
        code: "one-zone",
        address: cluster.address.clone(),
        keys: SUBNETS,
        message: "all subnets of the cluster are in one availability zone; EKS needs two or more".to_owned(),
        fix: "Add a subnet in another zone: azs = 2 or more in the vpc step.".to_owned(),
    }
}

fn few_addresses(cluster: &Declared<'_>, subnet: &str, free: i32) -> Finding {
    Finding {
        severity: Severity::Error,
        code: "few-addresses",
        address: cluster.address.clone(),
        keys: SUBNETS,
        message: format!(
            "the subnet {subnet} has {free} free addresses; EKS needs {} in each subnet of a cluster",
            limits::CLUSTER_ADDRESSES
        ),
        fix: "Choose another subnet, or free addresses in this one.".to_owned(),
    }
}

fn several_vpcs<'a>(cluster: &Declared<'_>, vpcs: impl Iterator<Item = &'a str>) -> Option<Finding> {
    let vpcs: BTreeSet<&str> = vpcs.collect();
    (vpcs.len() > 1).then(|| Finding {
        severity: Severity::Error,
        code: "several-vpcs",
        address: cluster.address.clone(),
        keys: SUBNETS,
        message: format!(
            "the cluster's subnets are in several VPCs: {}",
            vpcs.iter().copied().collect::<Vec<_>>().join(", ")
        ),
        fix: "Choose subnets of one VPC.".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{found, plan, says, token};
    use super::*;

    #[test]
    fn a_cluster_is_in_two_zones_and_its_services_beside_its_network() {
        for (zones, services, wanted) in [
            (["a", "b"], "10.1.0.0/16", None),
            (["a", "a"], "10.1.0.0/16", Some(("one-zone", "one availability zone"))),
            (["a", "b"], "10.0.0.0/16", Some(("overlapping-ranges", "10.0.0.0/16 overlaps 10.0.0.0/16"))),
            (["a", "b"], "10.0.128.0/20", Some(("overlapping-ranges", "overlaps"))),
        ] {
            let vpc = token("net/ec2.vpc/main", "id");
            let subnet = |i: usize| json!({ "vpc_id": vpc, "availability_zone": zones[i] });
            let ids = [token("net/ec2.subnet/one", "id"), token("net/ec2.subnet/two", "id")];
            let plan = plan([
                ("net/ec2.vpc/main".to_owned(), json!({ "cidr_block": "10.0.0.0/16" })),
                ("net/ec2.subnet/one".to_owned(), subnet(0)),
                ("net/ec2.subnet/two".to_owned(), subnet(1)),
                ("c/eks.cluster/main".to_owned(), json!({ "subnet_ids": ids, "service_ipv4_cidr": services })),
            ]);
            says(&found(&plan, check), wanted);
        }
    }

    #[test]
    fn subnets_of_several_vpcs_are_told_with_the_vpcs() {
        let plan = plan([("c/eks.cluster/main".to_owned(), json!({}))]);
        let state = llmhost_engine::state::State::default();
        let view = View::new(&plan, &state, false);
        let cluster = view.checked("eks.cluster").next().expect("a cluster");
        assert_eq!(several_vpcs(&cluster, ["vpc-1", "vpc-1"].into_iter()), None);
        let finding = several_vpcs(&cluster, ["vpc-1", "vpc-2"].into_iter()).expect("a finding");
        assert!(finding.message.ends_with("vpc-1, vpc-2"), "{finding:?}");
    }
}
