//! The `vpc` plugin: a network for a cluster.

mod config;
mod endpoints;
mod given;
mod nat;
mod network;
mod ranges;
mod rules;
mod zones;

use std::collections::BTreeMap;

use llmhost_plugin::{Failure, Options, Output, Outputs, Plugin, ec2, sts};

pub use config::Config;
use network::Network;

/// The plugin.
pub struct VpcPlugin;

impl Plugin for VpcPlugin {
    type Config = Config;
    const SUMMARY: &'static str = "A new or existing VPC with public and private subnets, gateways, routes, \
        endpoints and security groups, ready for EKS.";
    const OUTPUTS: &'static [Output] = &[
        Output::text("vpc_id", "Id of the VPC"),
        Output::text("cidr", "IPv4 range of the VPC"),
        Output::array("subnet_ids", "Ids of all subnets except those for pods, the public ones first"),
        Output::array("public_subnet_ids", "Ids of the public subnets, in the order of the zones' names"),
        Output::array("private_subnet_ids", "Ids of the private subnets, in the order of the zones' names"),
        Output::array("pod_subnet_ids", "Ids of the subnets for pods, in the order of the zones' names"),
        Output::object("security_group_ids", "Id of each security group, by its name"),
        Output::array("nat_public_ips", "Public addresses of outbound traffic of the private subnets"),
        Output::array("availability_zones", "Names of the zones"),
        Output::array("route_table_ids", "Ids of the route tables, the public one first"),
        Output::object("endpoint_ids", "Id of each interface endpoint, by its service"),
        Output::any("ipv6_cidr", "IPv6 range of the VPC, or null"),
    ];

    fn run(config: Config) -> Result<Outputs, Failure> {
        given::check(&config)?;
        let zones = zones::of(&config, &sts::region())?;
        let single_nat = zones::single_nat(&config, &zones)?;
        let vpc_id = match &config.vpc_id {
            Some(id) => id.clone(),
            None => made(&config)?.id()?,
        };
        Network { config: &config, vpc_id, zones: &zones, single_nat }.build()
    }
}

fn made(config: &Config) -> Result<ec2::Vpc, Failure> {
    let spec = ec2::VpcSpec {
        cidr_block: config.cidr().to_owned(),
        dns_support: true,
        dns_hostnames: true,
        tags: tags(config, &[("Name", &config.name)]),
    };
    ec2::Vpc::declare("main", &spec, &Options::default())
}

fn tags(config: &Config, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut tags: BTreeMap<String, String> = config.tags.clone();
    tags.extend(more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    tags.into_iter().collect()
}

llmhost_plugin::export!(VpcPlugin);
