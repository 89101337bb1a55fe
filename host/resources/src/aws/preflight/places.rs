//! Whether what is made fits into the place that it is given: ranges and gateways of a VPC that exists, zones, addresses,
//! services.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{Subnet, Vpc, VpcAttributeName};
use ipnet::Ipv4Net;
use llmhost_engine::kind::OpError;
use llmhost_engine::run::PIPELINE_TAG;
use llmhost_engine::unknown;

use super::{Declared, Finding, Severity, View, Zones, text, texts};
use crate::aws::clients::Aws;
use crate::aws::ec2::{self, cidr, filter, filter_any};
use crate::aws::errors::Operation;

/// Kinds that say in which VPC they are.
const IN_A_VPC: [&str; 8] = [
    "ec2.subnet",
    "ec2.internet-gateway",
    "ec2.egress-only-internet-gateway",
    "ec2.route-table",
    "ec2.gateway-endpoint",
    "ec2.interface-endpoint",
    "ec2.security-group",
    "ec2.vpc-cidr-block",
];

/// Without AWS: private DNS of endpoints in a declared VPC.
pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for endpoint in view.checked("ec2.interface-endpoint").filter(|endpoint| endpoint.spec["private_dns"] == true) {
        if let Some(vpc) = view.behind(&endpoint.spec["vpc_id"])
            && (vpc.spec["dns_support"] != true || vpc.spec["dns_hostnames"] != true)
        {
            findings.push(no_dns(&endpoint, &vpc.address.to_string()));
        }
    }
}

pub(super) async fn ask(aws: &Aws, view: &View<'_>, zones: &Zones, findings: &mut Vec<Finding>) -> Result<(), OpError> {
    zones_exist(aws, view, findings).await?;
    services_exist(aws, view, zones, findings).await?;
    addresses_are_free(aws, view, findings).await?;
    let made = IN_A_VPC.into_iter().flat_map(|kind| view.checked(kind)).filter(Declared::is_made);
    let vpcs: BTreeSet<&str> = made.map(|made| text(made.spec, "vpc_id")).filter(|id| id.starts_with("vpc-")).collect();
    for id in vpcs {
        let answer = aws.ec2().await.describe_vpcs().filters(filter("vpc-id", id)).send().await;
        // Where there is none, that is said elsewhere.
        let Some(vpc) = answer.operation("ec2:DescribeVpcs")?.vpcs.and_then(|mut vpcs| vpcs.pop()) else { continue };
        ranges_fit(aws, view, id, &vpc, findings).await?;
        gateways_fit(aws, view, id, findings).await?;
        resolves_names(aws, view, id, findings).await?;
    }
    Ok(())
}

fn finding(
    code: &'static str,
    of: &Declared<'_>,
    keys: &'static [&'static str],
    message: String,
    fix: impl Into<String>,
) -> Finding {
    Finding { severity: Severity::Error, code, address: of.address.clone(), keys, message, fix: fix.into() }
}

/// Those of a kind that are made in a VPC.
fn made_in<'a>(view: &View<'a>, kind: &'static str, vpc: &str) -> Vec<Declared<'a>> {
    let all = view.checked(kind).filter(Declared::is_made);
    all.filter(|made| text(made.spec, "vpc_id") == vpc).collect()
}

/// New subnets lie in a range of the VPC, and beside the subnets that are there.
async fn ranges_fit(
    aws: &Aws,
    view: &View<'_>,
    id: &str,
    vpc: &Vpc,
    findings: &mut Vec<Finding>,
) -> Result<(), OpError> {
    let made = made_in(view, "ec2.subnet", id);
    if made.is_empty() {
        return Ok(());
    }
    let associated = vpc.cidr_block_association_set().iter().filter_map(|found| found.cidr_block());
    let coming = view.of_kind("ec2.vpc-cidr-block").filter(|block| text(block.spec, "vpc_id") == id);
    let coming = coming.filter_map(|block| block.spec["range"]["ipv4"].as_str());
    let ranges: Vec<Ipv4Net> =
        associated.chain(vpc.cidr_block()).chain(coming).filter_map(|range| range.parse().ok()).collect();
    let request = aws.ec2().await.describe_subnets().filters(filter("vpc-id", id)).into_paginator().items().send();
    let there: Vec<Subnet> = request.try_collect().await.operation("ec2:DescribeSubnets")?;
    for subnet in made {
        let Ok(own) = text(subnet.spec, "cidr_block").parse::<Ipv4Net>() else { continue };
        if !ranges.iter().any(|range| range.contains(&own)) {
            let of: BTreeSet<String> = ranges.iter().map(ToString::to_string).collect();
            let of = of.into_iter().collect::<Vec<_>>().join(", ");
            findings.push(finding(
                "outside-vpc",
                &subnet,
                &["cidr", "public_subnets", "private_subnets", "pod_subnets", "subnets"],
                format!("{own} is outside the ranges of {id}: {of}"),
                "Choose a range within one of them.",
            ));
        }
        let clashes = there.iter().find(|other| {
            let range = other.cidr_block().and_then(|range| range.parse().ok());
            range.is_some_and(|range| cidr::overlap(own, range))
                && !view.is_own("ec2.subnet", other.subnet_id().unwrap_or_default())
                && !is_this_pipelines(view, other.tags())
        });
        if let Some(other) = clashes {
            let (range, other) = (other.cidr_block().unwrap_or_default(), other.subnet_id().unwrap_or_default());
            findings.push(finding(
                "range-taken",
                &subnet,
                &["cidr", "public_subnets", "private_subnets", "pod_subnets", "subnets"],
                format!("{own} overlaps {range} of {other}, which is in {id} already"),
                "Set free ranges: public_subnets and private_subnets, or subnets.",
            ));
        }
    }
    Ok(())
}

/// What an interrupted run of this pipeline made: the run looks for that first.
fn is_this_pipelines(view: &View<'_>, tags: &[aws_sdk_ec2::types::Tag]) -> bool {
    let own = |tag: &aws_sdk_ec2::types::Tag| {
        tag.key() == Some(PIPELINE_TAG) && tag.value() == Some(view.plan.pipeline.as_str())
    };
    tags.iter().any(own)
}

/// A VPC has one internet gateway; routes lead to the one that is attached to it.
async fn gateways_fit(aws: &Aws, view: &View<'_>, id: &str, findings: &mut Vec<Finding>) -> Result<(), OpError> {
    let made = made_in(view, "ec2.internet-gateway", id);
    let routes = view.checked("ec2.route").filter_map(|route| {
        let gateway = route.spec["target"]["internet_gateway"].as_str().filter(|id| id.starts_with("igw-"))?;
        let table = view.behind(&route.spec["route_table_id"])?;
        (text(table.spec, "vpc_id") == id).then_some((route, gateway))
    });
    let routes: Vec<_> = routes.filter(|(_, gateway)| !view.is_own("ec2.internet-gateway", gateway)).collect();
    if made.is_empty() && routes.is_empty() {
        return Ok(());
    }
    let request = aws.ec2().await.describe_internet_gateways().filters(filter("attachment.vpc-id", id));
    let attached = request.send().await.operation("ec2:DescribeInternetGateways")?.internet_gateways;
    let attached = attached.and_then(|mut all| all.pop());
    let attached_id = attached.as_ref().and_then(|gateway| gateway.internet_gateway_id());
    let is_ours = attached.as_ref().is_some_and(|gateway| is_this_pipelines(view, gateway.tags()));
    if let (Some(gateway), Some(there)) = (made.first(), attached_id)
        && !is_ours
        && !view.is_own("ec2.internet-gateway", there)
    {
        findings.push(finding(
            "gateway-attached",
            gateway,
            &["vpc_id"],
            format!("{id} has an internet gateway, {there}, and can have only one"),
            format!("Use it: internet_gateway_id = \"{there}\"."),
        ));
    }
    for (route, gateway) in routes.into_iter().filter(|(_, gateway)| attached_id != Some(*gateway)) {
        let (message, fix) = match attached_id {
            Some(there) => (
                format!("{gateway} is not attached to {id}, which has {there}"),
                format!("Set internet_gateway_id = \"{there}\"."),
            ),
            None => (
                format!("{gateway} is not attached to {id}"),
                "Attach it, or remove internet_gateway_id: the step then creates one.".to_owned(),
            ),
        };
        findings.push(finding("gateway-elsewhere", &route, &["internet_gateway_id"], message, fix));
    }
    Ok(())
}

/// Private names of endpoints need the VPC's DNS.
async fn resolves_names(aws: &Aws, view: &View<'_>, id: &str, findings: &mut Vec<Finding>) -> Result<(), OpError> {
    let made = made_in(view, "ec2.interface-endpoint", id);
    let Some(endpoint) = made.iter().find(|endpoint| endpoint.spec["private_dns"] == true) else { return Ok(()) };
    let ec2 = aws.ec2().await;
    let ask = async |name: VpcAttributeName| {
        let request = ec2.describe_vpc_attribute().vpc_id(id).attribute(name);
        request.send().await.operation("ec2:DescribeVpcAttribute")
    };
    let support = ask(VpcAttributeName::EnableDnsSupport).await?.enable_dns_support;
    let hostnames = ask(VpcAttributeName::EnableDnsHostnames).await?.enable_dns_hostnames;
    if [support, hostnames].into_iter().any(|on| on.and_then(|on| on.value) != Some(true)) {
        findings.push(no_dns(endpoint, id));
    }
    Ok(())
}

fn no_dns(endpoint: &Declared<'_>, vpc: &str) -> Finding {
    finding(
        "no-private-dns",
        endpoint,
        &["endpoints", "vpc_id"],
        format!("{vpc} has DNS support or DNS hostnames off, and the private DNS name of an endpoint needs both"),
        "Turn both on: aws ec2 modify-vpc-attribute --vpc-id … --enable-dns-support, then --enable-dns-hostnames.",
    )
}

/// Zones that are named: those of the region that are open to the account.
async fn zones_exist(aws: &Aws, view: &View<'_>, findings: &mut Vec<Finding>) -> Result<(), OpError> {
    let mut named: BTreeMap<&str, Declared<'_>> = BTreeMap::new();
    for subnet in view.checked("ec2.subnet").filter(Declared::is_made) {
        let zone = text(subnet.spec, "availability_zone");
        if !unknown::is_unknown(zone) {
            named.entry(zone).or_insert(subnet);
        }
    }
    if named.is_empty() {
        return Ok(());
    }
    let request = aws.ec2().await.describe_availability_zones().all_availability_zones(true);
    let answer = request.send().await.operation("ec2:DescribeAvailabilityZones")?;
    let zones = answer.availability_zones();
    let is_open = |zone: &&aws_sdk_ec2::types::AvailabilityZone| {
        zone.opt_in_status().is_none_or(|status| status.as_str() != "not-opted-in")
    };
    let open: Vec<&str> = zones.iter().filter(is_open).filter_map(|zone| zone.zone_name()).collect();
    for (zone, subnet) in named.into_iter().filter(|(zone, _)| !open.contains(zone)) {
        let keys: &[&str] = &["zones", "subnets", "azs"];
        let region = &aws.settings.region;
        match zones.iter().find(|known| known.zone_name() == Some(zone)) {
            Some(known) => {
                let group = known.group_name().unwrap_or_default();
                let fix = format!(
                    "Opt in: aws ec2 modify-availability-zone-group --group-name {group} --opt-in-status opted-in."
                );
                let message = format!("the zone {zone} is not enabled for this account");
                findings.push(finding("zone-closed", &subnet, keys, message, fix));
            }
            None => {
                let message = format!("there is no zone {zone} for this account in {region}");
                let fix = format!("Choose among {}.", open.join(", "));
                findings.push(finding("no-zone", &subnet, keys, message, fix));
            }
        }
    }
    Ok(())
}

/// Interface endpoints: the region has the service, in the zones of the subnets.
async fn services_exist(aws: &Aws, view: &View<'_>, zones: &Zones, findings: &mut Vec<Finding>) -> Result<(), OpError> {
    let made: Vec<_> = view.checked("ec2.interface-endpoint").filter(Declared::is_made).collect();
    let names = |endpoint: &Declared<'_>| ec2::service_names(text(endpoint.spec, "service"), &aws.settings.region);
    let asked: Vec<String> = made.iter().flat_map(names).collect::<BTreeSet<_>>().into_iter().collect();
    let mut offered = BTreeMap::new();
    // A filter takes 200 values.
    for names in asked.chunks(200) {
        offered.extend(ec2::offers(aws, names).await?);
    }
    for endpoint in made {
        let service = text(endpoint.spec, "service");
        if unknown::is_unknown(service) {
            continue;
        }
        let Some(in_zones) = names(&endpoint).iter().find_map(|name| offered.get(name)) else {
            findings.push(finding(
                "no-service",
                &endpoint,
                &["endpoints"],
                format!("there are no interface endpoints for the service '{service}' in {}", aws.settings.region),
                "List the services of the region: aws ec2 describe-vpc-endpoint-services --query ServiceNames.",
            ));
            continue;
        };
        let subnets = texts(endpoint.spec, "subnet_ids").map(serde_json::Value::from);
        let wanted: BTreeSet<String> = subnets
            .filter_map(|id| view.behind(&id))
            .map(|subnet| zones.name(text(subnet.spec, "availability_zone")))
            .collect();
        let lacking: Vec<&String> = wanted.iter().filter(|zone| !in_zones.contains(*zone)).collect();
        if !in_zones.is_empty() && !lacking.is_empty() {
            let lacking = lacking.into_iter().cloned().collect::<Vec<_>>().join(", ");
            let there = in_zones.iter().cloned().collect::<Vec<_>>().join(", ");
            findings.push(finding(
                "no-service",
                &endpoint,
                &["endpoints", "zones", "azs"],
                format!("the service '{service}' has no interface endpoints in {lacking}, only in {there}"),
                "Choose other zones, or remove the endpoint.",
            ));
        }
    }
    Ok(())
}

/// Elastic IP addresses that are given to new NAT gateways: nothing has them yet.
async fn addresses_are_free(aws: &Aws, view: &View<'_>, findings: &mut Vec<Finding>) -> Result<(), OpError> {
    let made = view.checked("ec2.nat-gateway").filter(Declared::is_made);
    let given: BTreeMap<&str, Declared<'_>> = made
        .map(|gateway| (text(gateway.spec, "allocation_id"), gateway))
        .filter(|(id, _)| id.starts_with("eipalloc-"))
        .collect();
    let ids: Vec<&str> = given.keys().copied().filter(|id| !view.is_own("ec2.elastic-ip", id)).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let ec2 = aws.ec2().await;
    let answer = ec2.describe_addresses().filters(filter_any("allocation-id", &ids)).send().await;
    let used: Vec<_> = answer.operation("ec2:DescribeAddresses")?.addresses.unwrap_or_default();
    let used: Vec<_> = used.into_iter().filter(|address| address.association_id().is_some()).collect();
    if used.is_empty() {
        return Ok(());
    }
    // A gateway of this pipeline gives its address up, or is what an interrupted run made.
    let request = ec2.describe_nat_gateways().into_paginator().items().send();
    let gateways = request.try_collect().await.operation("ec2:DescribeNatGateways")?;
    for address in used {
        let id = address.allocation_id().unwrap_or_default();
        let by = gateways.iter().find(|gateway| {
            let is_there = !matches!(gateway.state().map(|state| state.as_str()), Some("deleted" | "failed"));
            is_there && gateway.nat_gateway_addresses().iter().any(|used| used.allocation_id() == Some(id))
        });
        let by_id = by.and_then(|gateway| gateway.nat_gateway_id());
        if by.is_some_and(|by| is_this_pipelines(view, by.tags()))
            || by_id.is_some_and(|by| view.is_own("ec2.nat-gateway", by))
        {
            continue;
        }
        let by = by_id.or(address.instance_id()).or(address.network_interface_id()).unwrap_or("something else");
        let ip = address.public_ip().unwrap_or_default();
        findings.push(finding(
            "address-in-use",
            &given[id],
            &["nat_elastic_ips"],
            format!("the elastic IP address {id} ({ip}) is in use by {by}"),
            "Use another address, or release this one there first.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{found, plan, says, token};
    use super::*;

    #[test]
    fn private_names_of_endpoints_need_the_dns_of_the_vpc() {
        let endpoint =
            |dns: bool| json!({ "vpc_id": token("n/ec2.vpc/main", "id"), "service": "sts", "private_dns": dns });
        for (hostnames, private_dns, wanted) in [
            (true, true, None),
            (false, false, None),
            (false, true, Some(("no-private-dns", "n/ec2.vpc/main has DNS support or DNS hostnames off"))),
        ] {
            let vpc = json!({ "dns_support": true, "dns_hostnames": hostnames });
            let plan = plan([
                ("n/ec2.vpc/main".to_owned(), vpc),
                ("n/ec2.interface-endpoint/sts".to_owned(), endpoint(private_dns)),
            ]);
            says(&found(&plan, check), wanted);
        }
    }
}
