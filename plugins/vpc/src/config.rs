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
    /// IPv4 range of the VPC, /16 to /28. By default 10.0.0.0/16. With vpc_id, the range of that VPC, or the part of it that the subnets are cut from.
    #[serde(default)]
    pub(crate) cidr: Option<String>,
    /// Id of a VPC that exists, vpc-…: subnets, routes and gateways are made in it. The VPC itself is never changed or deleted. Needs cidr.
    #[serde(default)]
    pub(crate) vpc_id: Option<String>,
    /// Id of the internet gateway that the VPC of vpc_id has, igw-…. Without it, the step makes one; a VPC can have only one.
    #[serde(default)]
    pub(crate) internet_gateway_id: Option<String>,
    /// Further IPv4 ranges of the VPC, such as ["100.64.0.0/16"]. Each zone gets a subnet for pods in the first of them, unless pod_subnets says otherwise.
    #[serde(default)]
    pub(crate) secondary_cidrs: Vec<String>,
    /// Give the VPC an IPv6 range that Amazon chooses (/56), and every subnet a part of it (/64). Public subnets are reached from the internet by IPv6; private ones only reach out, through an egress-only internet gateway.
    #[serde(default)]
    pub(crate) ipv6: bool,
    /// Number of availability zones, each with a public and a private subnet. By default 2. More zones add subnets and change none.
    #[serde(default)]
    #[schemars(range(min = 1, max = 6))]
    pub(crate) azs: Option<usize>,
    /// The zones by name, instead of their number: ["us-east-1a", "us-east-1c"]; or by id: ["use1-az1", "use1-az4"]. Ids mean the same zones in every account. Their order does not matter.
    #[serde(default)]
    pub(crate) zones: Option<Vec<String>>,
    /// Ranges of the public subnets, one for each zone, or [] for none. By default those of zone a, b, … are 10.0.1.0/24, 10.0.3.0/24, … of a /16; of a smaller VPC they are 256 times smaller than the VPC, at least /28. A /25 has room for zones a to d, a /26 for a and b.
    #[serde(default)]
    pub(crate) public_subnets: Option<Vec<String>>,
    /// Ranges of the private subnets, one for each zone, or [] for none. By default 10.0.2.0/24, 10.0.4.0/24, …
    #[serde(default)]
    pub(crate) private_subnets: Option<Vec<String>>,
    /// Ranges of subnets for pods, one for each zone, or [] for none. By default an eighth of the first of secondary_cidrs for each of the zones a to h: 100.64.0.0/19, 100.64.32.0/19, … of 100.64.0.0/16. They use the route tables of the private subnets.
    #[serde(default)]
    pub(crate) pod_subnets: Option<Vec<String>>,
    /// Zones by name with the ranges of their subnets: { us-east-1a = { public = "10.0.1.0/24", private = "10.0.2.0/24", pods = "100.64.0.0/19" } }. Instead of azs, zones, public_subnets, private_subnets and pod_subnets.
    #[serde(default)]
    pub(crate) subnets: Option<BTreeMap<String, ZoneRanges>>,
    /// NAT gateways, which let private subnets reach the internet: none, a single one in the first zone, or one for each zone. Billed by the hour. A change from single to per-az or back keeps the gateway of the first zone and its address.
    #[serde(default)]
    pub(crate) nat: Nat,
    /// Elastic IP addresses for the NAT gateways, eipalloc-…, one for each gateway, in the order of the zones as listed. They are never released. By default the step allocates new ones.
    #[serde(default)]
    pub(crate) nat_elastic_ips: Option<Vec<String>>,
    /// Zone of the single NAT gateway, one of those that zones or subnets names. By default the first by name.
    #[serde(default)]
    pub(crate) nat_zone: Option<String>,
    /// A gateway endpoint for S3: free, and traffic to S3 stays off the NAT gateway.
    #[serde(default = "yes")]
    pub(crate) s3_endpoint: bool,
    /// Services that get an interface endpoint in the private subnets, for networks without a way out: ["ecr.api", "ecr.dkr", "ec2", "sts", "eks", "eks-auth", "logs"]. Nodes need the first five, and s3_endpoint. Billed by the hour and zone. Their security group lets port 443 in from the VPC's ranges.
    #[serde(default)]
    pub(crate) endpoints: Vec<String>,
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
    /// Range of the public subnet; none where it is absent.
    #[serde(default)]
    pub(crate) public: Option<String>,
    /// Range of the private subnet; none where it is absent.
    #[serde(default)]
    pub(crate) private: Option<String>,
    /// Range of the subnet for pods; none where it is absent.
    #[serde(default)]
    pub(crate) pods: Option<String>,
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
#[derive(Debug, Default, Deserialize, JsonSchema)]
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
    /// Who may come in: IPv4 and IPv6 ranges, names of groups of this step, "self" for the group itself, ids of security groups (sg-…) and of managed prefix lists (pl-…). By default the VPC's own IPv4 ranges; 0.0.0.0/0 and ::/0 are the whole world, and must be stated.
    #[serde(default)]
    pub(crate) sources: Option<Vec<String>>,
    /// Ids of security groups that may come in, where other steps give them: ["${cluster.security_group_id}"].
    #[serde(default)]
    pub(crate) source_groups: Vec<String>,
    /// Ids of managed prefix lists that may come in, where other steps give them.
    #[serde(default)]
    pub(crate) source_prefix_lists: Vec<String>,
}

impl Config {
    /// IPv4 range of the VPC, or the part of it that is this step's.
    pub(crate) fn cidr(&self) -> &str {
        self.cidr.as_deref().unwrap_or("10.0.0.0/16")
    }

    /// What the VPC's own IPv4 ranges are, as far as this step knows, each with its place in the step's table.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = (String, &str)> {
        let first = ("/cidr".to_owned(), self.cidr());
        let more = self.secondary_cidrs.iter().enumerate();
        std::iter::once(first).chain(more.map(|(at, range)| (format!("/secondary_cidrs/{at}"), range.as_str())))
    }
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
    let rule = |(name, port): (&str, u16)| Rule { name: name.to_owned(), port, protocol: tcp(), ..Rule::default() };
    let description = "Model serving: SSH, web, and application ports".to_owned();
    let group = Group { description, rules: ports.map(rule).into_iter().collect() };
    BTreeMap::from([("llm".to_owned(), group)])
}
