//! The VPC and what is in it.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::{Resource, Work};
use crate::document::{Step, literal};

/// Subnets of the network, as other steps refer to them.
#[derive(Default)]
pub(super) struct Network {
    /// By their ids: whether it is private, and its zone.
    subnets: BTreeMap<String, (bool, String)>,
}

impl Network {
    /// References to subnets by their ids; nothing where one is not the network's.
    pub(super) fn references(&self, ids: &[String]) -> Option<Vec<String>> {
        ids.iter().map(|id| self.reference(id)).collect()
    }

    fn reference(&self, id: &str) -> Option<String> {
        let (is_private, zone) = self.subnets.get(id)?;
        let mut zones: Vec<&String> =
            self.subnets.values().filter(|(private, _)| private == is_private).map(|(_, zone)| zone).collect();
        zones.sort();
        let at = zones.iter().position(|other| *other == zone)?;
        let which = if *is_private { "private" } else { "public" };
        Some(format!("${{network.{which}_subnet_ids[{at}]}}"))
    }
}

/// The letter of a zone, by which the plugin names what is in it.
fn letter(zone: &str) -> &str {
    zone.get(zone.len().saturating_sub(1)..).unwrap_or_default()
}

/// The step of the first VPC.
pub(super) fn network(work: &mut Work) -> Network {
    let mut network = Network::default();
    let vpcs = work.of("aws_vpc");
    let Some(vpc) = vpcs.first() else { return network };
    for more in &vpcs[1..] {
        work.missing(more, "a pipeline of this conversion has one VPC", "Convert the state of each module on its own.");
    }
    let mut step = Step::new("network", "vpc");
    step.comments.push("The VPC of the state, with the same ranges.".to_owned());
    step.set("name", literal(vpc.text("/tags/Name").unwrap_or("network")));
    step.set("cidr", literal(vpc.text("/cidr_block").unwrap_or_default()));
    work.import(vpc, "network/ec2.vpc/main".to_owned(), vpc.id());
    for gateway in work.of("aws_internet_gateway").iter().take(1) {
        work.import(gateway, "network/ec2.internet-gateway/main".to_owned(), gateway.id());
    }
    subnets(work, &mut step, &mut network);
    let gateways = work.of("aws_nat_gateway");
    tables(work, &network, &gateways);
    nat(work, &mut step, &network, &gateways);
    endpoint(work, &mut step);
    step.set_with("security_groups", Value::Table(Table::new()), "those of the state are looked up");
    work.document.steps.push(step);
    network
}

fn subnets(work: &mut Work, step: &mut Step, network: &mut Network) {
    let mut zones: BTreeMap<String, Table> = BTreeMap::new();
    for subnet in work.of("aws_subnet") {
        let (zone, range) = (subnet.text("/availability_zone"), subnet.text("/cidr_block"));
        let is_public = subnet.name.starts_with("public");
        let (Some(zone), Some(range), true) = (zone, range, is_public || subnet.name.starts_with("private")) else {
            let todo = "Keep it in Terraform; or declare it by the plugin aws: AWS::EC2::Subnet.";
            work.missing(&subnet, "the plugin vpc creates only public and private subnets", todo);
            continue;
        };
        let which = if is_public { "public" } else { "private" };
        let ranges = zones.entry(zone.to_owned()).or_default();
        if ranges.contains_key(which) {
            let todo = "Keep it in Terraform; or declare it by the plugin aws: AWS::EC2::Subnet.";
            work.missing(&subnet, format!("there is another {which} subnet in {zone}"), todo);
            continue;
        }
        ranges.insert(which.to_owned(), literal(range).into());
        network.subnets.insert(subnet.id().to_owned(), (!is_public, zone.to_owned()));
        work.import(&subnet, format!("network/ec2.subnet/{which}-{}", letter(zone)), subnet.id());
    }
    let zones: Table = zones.into_iter().map(|(zone, ranges)| (zone, Value::Table(ranges))).collect();
    step.set("subnets", Value::Table(zones));
}

/// Route tables with their routes and associations.
fn tables(work: &mut Work, network: &Network, gateways: &[Resource]) {
    let associations = work.of("aws_route_table_association");
    // The first zone of those that share one; with a single NAT gateway, the gateway's.
    let mut named: BTreeMap<String, String> = BTreeMap::new();
    let of_gateway = match gateways {
        [only] => only.text("/subnet_id").and_then(|id| network.subnets.get(id)).map(|(_, zone)| zone.clone()),
        _ => None,
    };
    let mut sorted: Vec<(bool, String, String)> = Vec::new();
    for association in &associations {
        let table = association.text("/route_table_id").unwrap_or_default().to_owned();
        let subnet = association.text("/subnet_id").and_then(|id| network.subnets.get(id));
        match subnet {
            Some((is_private, zone)) => {
                sorted.push((*is_private, zone.clone(), table));
                let which = if *is_private { "private" } else { "public" };
                let address = format!("network/ec2.route-table-association/{which}-{}", letter(zone));
                work.same(association, format!("{address}, found by its name"));
            }
            None => work.missing(association, "its subnet is not in the pipeline", "Keep it in Terraform."),
        }
    }
    sorted.sort();
    for (is_private, zone, table) in sorted {
        let name = match (is_private, &of_gateway) {
            (false, _) => "public".to_owned(),
            (true, Some(zone)) => format!("private-{}", letter(zone)),
            (true, None) => format!("private-{}", letter(&zone)),
        };
        named.entry(table).or_insert(name);
    }
    let mut taken: Vec<&String> = Vec::new();
    for table in work.of("aws_route_table") {
        match named.get(table.id()) {
            Some(name) if !taken.contains(&name) => {
                taken.push(name);
                work.import(&table, format!("network/ec2.route-table/{name}"), table.id());
            }
            _ => work.missing(&table, "no subnet of the pipeline uses it alone", "Keep it in Terraform."),
        }
    }
    for route in work.of("aws_route") {
        let is_known = route.text("/route_table_id").is_some_and(|table| named.contains_key(table));
        let is_default = route.text("/destination_cidr_block") == Some("0.0.0.0/0");
        match is_known && is_default {
            true => work.same(&route, "a route of the step network, found by its table"),
            false => work.missing(&route, "the plugin vpc makes routes to the internet alone", "Keep it in Terraform."),
        }
    }
}

fn nat(work: &mut Work, step: &mut Step, network: &Network, gateways: &[Resource]) {
    let elastic = work.of("aws_eip");
    step.set(
        "nat",
        match gateways.len() {
            0 => "none",
            1 => "single",
            _ => "per-az",
        },
    );
    for gateway in gateways {
        let Some((_, zone)) = gateway.text("/subnet_id").and_then(|id| network.subnets.get(id)) else {
            work.missing(gateway, "it is in a subnet that is not in the pipeline", "Keep it in Terraform.");
            continue;
        };
        if gateways.len() == 1 {
            step.set("nat_zone", literal(zone));
        }
        let name = format!("nat-{}", letter(zone));
        let allocation = gateway.text("/allocation_id").unwrap_or_default();
        if let Some(address) =
            elastic.iter().find(|address| address.text("/allocation_id").unwrap_or(address.id()) == allocation)
        {
            work.import(address, format!("network/ec2.elastic-ip/{name}"), allocation);
        }
        work.import(gateway, format!("network/ec2.nat-gateway/{name}"), gateway.id());
    }
}

fn endpoint(work: &mut Work, step: &mut Step) {
    let mut has_one = false;
    for endpoint in work.of("aws_vpc_endpoint") {
        let is_s3 = endpoint.text("/service_name").is_some_and(|name| name.ends_with(".s3"))
            && endpoint.text("/vpc_endpoint_type") == Some("Gateway");
        if is_s3 && !has_one {
            has_one = true;
            work.import(&endpoint, "network/ec2.gateway-endpoint/s3".to_owned(), endpoint.id());
        }
    }
    step.set("s3_endpoint", has_one);
}
