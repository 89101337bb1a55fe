//! The `vpc` plugin: a network for a cluster.

mod config;
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
    const SUMMARY: &'static str =
        "A VPC with public and private subnets, gateways, routes, an S3 endpoint and security groups, ready for EKS.";
    const OUTPUTS: &'static [Output] = &[
        Output::text("vpc_id", "Id of the VPC"),
        Output::text("cidr", "IPv4 range of the VPC"),
        Output::array("subnet_ids", "Ids of all subnets, the public ones first"),
        Output::array("public_subnet_ids", "Ids of the public subnets, in the order of the zones' names"),
        Output::array("private_subnet_ids", "Ids of the private subnets, in the order of the zones' names"),
        Output::object("security_group_ids", "Id of each security group, by its name"),
        Output::array("nat_public_ips", "Public addresses that the private subnets go out with"),
        Output::array("availability_zones", "Names of the zones"),
        Output::array("route_table_ids", "Ids of the route tables, the public one first"),
    ];

    fn run(config: Config) -> Result<Outputs, Failure> {
        let zones = zones::of(&config, &sts::region())?;
        let single_nat = zones::single_nat(&config, &zones)?;
        let spec = ec2::VpcSpec {
            cidr_block: config.cidr.clone(),
            dns_support: true,
            dns_hostnames: true,
            tags: tags(&config, &[("Name", &config.name)]),
        };
        let vpc = ec2::Vpc::declare("main", &spec, &Options::default())?;
        Network { config: &config, vpc_id: vpc.id()?, zones: &zones, single_nat }.build()
    }
}

fn tags(config: &Config, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut tags: BTreeMap<String, String> = config.tags.clone();
    tags.extend(more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    tags.into_iter().collect()
}

llmhost_plugin::export!(VpcPlugin);
