//! The step's `with` table.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// A network for a cluster.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the VPC; other names start with it.
    pub(crate) name: String,
    /// IPv4 range of the VPC, /16 to /28.
    #[serde(default = "default_cidr")]
    pub(crate) cidr: String,
    /// Number of availability zones, each with a public and a private subnet. By default 2. More zones add subnets and change none.
    #[serde(default)]
    #[schemars(range(min = 1, max = 6))]
    pub(crate) azs: Option<usize>,
    /// The zones by name, instead of their number: ["us-east-1a", "us-east-1c"]. Their order does not matter.
    #[serde(default)]
    pub(crate) zones: Option<Vec<String>>,
    /// Ranges of the public subnets, one for each zone. By default those of zone a, b, … are 10.0.1.0/24, 10.0.3.0/24, … of a /16; of a smaller VPC they are 256 times smaller than the VPC, at least /28. A /25 has room for zones a to d, a /26 for a and b.
    #[serde(default)]
    pub(crate) public_subnets: Option<Vec<String>>,
    /// Ranges of the private subnets, one for each zone, or [] for none. By default 10.0.2.0/24, 10.0.4.0/24, …
    #[serde(default)]
    pub(crate) private_subnets: Option<Vec<String>>,
    /// Zones by name with the ranges of their subnets: { us-east-1a = { public = "10.0.1.0/24", private = "10.0.2.0/24" } }. Instead of azs, zones, public_subnets and private_subnets.
    #[serde(default)]
    pub(crate) subnets: Option<BTreeMap<String, ZoneRanges>>,
    /// NAT gateways, which let private subnets reach the internet: none, a single one in the first zone, or one for each zone. Billed by the hour. A change from single to per-az or back keeps the gateway of the first zone and its address.
    #[serde(default)]
    pub(crate) nat: Nat,
    /// Zone of the single NAT gateway, one of those that zones or subnets names. By default the first by name.
    #[serde(default)]
    pub(crate) nat_zone: Option<String>,
    /// A gateway endpoint for S3: free, and traffic to S3 stays off the NAT gateway.
    #[serde(default = "yes")]
    pub(crate) s3_endpoint: bool,
    /// Name of the EKS cluster that will use the subnets; tags them as shared with it.
    #[serde(default)]
    pub(crate) cluster: Option<String>,
    /// Security groups by name. By default one, "llm", with ports 22, 80, 443, 3000, 5000 and 8000 open to the VPC's own range.
    #[serde(default = "default_groups")]
    pub(crate) security_groups: BTreeMap<String, Group>,
    /// Tags for everything, on top of the pipeline's.
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
}

/// Ranges of the subnets of one zone.
#[derive(Deserialize, JsonSchema, Debug, Clone)]
#[serde(deny_unknown_fields)]
pub(crate) struct ZoneRanges {
    /// Range of the public subnet.
    pub(crate) public: String,
    /// Range of the private subnet; none where it is absent.
    #[serde(default)]
    pub(crate) private: Option<String>,
}

/// NAT gateways.
#[derive(Deserialize, JsonSchema, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Nat {
    None,
    #[default]
    Single,
    PerAz,
}

/// A security group.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Group {
    /// What it is for.
    #[serde(default = "default_description")]
    pub(crate) description: String,
    /// What may come in.
    #[serde(default)]
    pub(crate) rules: Vec<Rule>,
}

/// What may come in.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// Name of the rule, which becomes its description. A rule is known by what it allows: protocol, ports and source.
    pub(crate) name: String,
    /// The port, or the first of a range.
    pub(crate) port: u16,
    /// The last port of a range.
    #[serde(default)]
    pub(crate) to_port: Option<u16>,
    /// tcp or udp.
    #[serde(default = "tcp")]
    pub(crate) protocol: String,
    /// IPv4 ranges that may come in. By default the VPC's own; 0.0.0.0/0 is the whole world, and has to be stated.
    #[serde(default)]
    pub(crate) sources: Option<Vec<String>>,
}

fn default_cidr() -> String {
    "10.0.0.0/16".to_owned()
}

fn yes() -> bool {
    true
}

fn tcp() -> String {
    "tcp".to_owned()
}

fn default_description() -> String {
    "Made by llmhost".to_owned()
}

fn default_groups() -> BTreeMap<String, Group> {
    let ports = [("ssh", 22), ("http", 80), ("https", 443), ("app-3000", 3000), ("app-5000", 5000), ("app-8000", 8000)];
    let rule =
        |(name, port): (&str, u16)| Rule { name: name.to_owned(), port, to_port: None, protocol: tcp(), sources: None };
    let description = "Model serving: SSH, web, and application ports".to_owned();
    let group = Group { description, rules: ports.map(rule).into_iter().collect() };
    BTreeMap::from([("llm".to_owned(), group)])
}
