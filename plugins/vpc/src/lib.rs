//! The `vpc` plugin: a network for a cluster.

mod config;
mod network;
mod ranges;

use std::collections::BTreeMap;

use llmhost_plugin::{Failure, Options, Outputs, Plugin, ec2, invalid};

pub use config::Config;
use network::Network;

/// The plugin.
pub struct VpcPlugin;

impl Plugin for VpcPlugin {
    type Config = Config;
    const SUMMARY: &'static str =
        "A VPC with public and private subnets, gateways, routes, an S3 endpoint and security groups, ready for EKS.";
    const OUTPUTS: &'static [(&'static str, &'static str)] = &[
        ("vpc_id", "Id of the VPC"),
        ("cidr", "IPv4 range of the VPC"),
        ("subnet_ids", "Ids of all subnets, the public ones first"),
        ("public_subnet_ids", "Ids of the public subnets, in the order of the zones"),
        ("private_subnet_ids", "Ids of the private subnets, in the order of the zones"),
        ("security_group_ids", "Id of each security group, by its name"),
        ("nat_public_ips", "Public addresses that the private subnets go out with"),
        ("availability_zones", "Names of the zones"),
        ("route_table_ids", "Ids of the route tables, the public one first"),
    ];

    fn run(config: Config) -> Result<Outputs, Failure> {
        let (public, private) = ranges_of(&config)?;
        let spec = ec2::VpcSpec {
            cidr_block: config.cidr.clone(),
            dns_support: true,
            dns_hostnames: true,
            tags: tags(&config, &[("Name", &config.name)]),
        };
        let vpc = ec2::Vpc::declare("main", &spec, &Options::default())?;
        let zones = (0..config.azs as u32).map(ec2::availability_zone).collect::<Result<Vec<_>, _>>()?;
        let network = Network { config: &config, vpc_id: vpc.id()?, zones: &zones };
        network.build(&public, &private)
    }
}

/// The ranges of public and private subnets: the user's, or the default ones.
fn ranges_of(config: &Config) -> Result<(Vec<String>, Vec<String>), Failure> {
    let (public, private) = match (&config.public_subnets, &config.private_subnets) {
        (Some(public), Some(private)) => (public.clone(), private.clone()),
        (public, private) => {
            let (default_public, default_private) = ranges::subnets(&config.cidr, config.azs)?;
            (public.clone().unwrap_or(default_public), private.clone().unwrap_or(default_private))
        }
    };
    for (what, ranges, none) in [("public_subnets", &public, false), ("private_subnets", &private, true)] {
        if ranges.len() != config.azs && !(none && ranges.is_empty()) {
            let (count, azs) = (ranges.len(), config.azs);
            return Err(invalid(format!("{what} has {count} ranges, and azs is {azs}; state one for each zone")));
        }
    }
    Ok((public, private))
}

/// Letter of a zone in names: a, b, c, …
fn letter(zone: usize) -> char {
    char::from(b'a' + u8::try_from(zone).unwrap_or(0))
}

fn tags(config: &Config, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut tags: BTreeMap<String, String> = config.tags.clone();
    tags.extend(more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    tags.into_iter().collect()
}

llmhost_plugin::export!(VpcPlugin);
