//! The step's `with` table.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// A node group.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the node group.
    pub(crate) name: String,
    /// Name of the cluster.
    pub(crate) cluster: String,
    /// ARN of the nodes' role.
    pub(crate) role_arn: String,
    /// Subnets of the nodes, best private ones.
    pub(crate) subnet_ids: Vec<String>,
    /// Instance types, such as g4dn.xlarge for inference or t3.medium for a demo. Several are tried in turn.
    #[schemars(length(min = 1))]
    pub(crate) instance_types: Vec<String>,
    /// Operating system of the nodes.
    #[serde(default)]
    pub(crate) os: Os,
    /// EKS's AMI type. By default chosen from the instance types: with NVIDIA's driver or without, x86 or ARM.
    #[serde(default)]
    pub(crate) ami_type: Option<String>,
    /// Size of the nodes' disk in GiB: encrypted gp3.
    #[serde(default = "hundred")]
    #[schemars(range(min = 20, max = 65536))]
    pub(crate) disk_gib: u32,
    /// I/O operations a second of the disk, where 3000 are too few.
    #[serde(default)]
    pub(crate) disk_iops: Option<u32>,
    /// Throughput of the disk in MiB/s, where 125 are too few: models load faster.
    #[serde(default)]
    pub(crate) disk_throughput: Option<u32>,
    /// KMS key of the disk; by default the account's own for EBS.
    #[serde(default)]
    pub(crate) disk_key: Option<String>,
    /// Fewest nodes.
    #[serde(default = "one")]
    pub(crate) min: u32,
    /// Most nodes.
    #[serde(default = "two")]
    pub(crate) max: u32,
    /// Nodes to start with; by default the fewest.
    #[serde(default)]
    pub(crate) desired: Option<u32>,
    /// Spot instances: cheap, and taken away at two minutes' notice.
    #[serde(default)]
    pub(crate) spot: bool,
    /// Labels of the nodes.
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    /// Taints of the nodes.
    #[serde(default)]
    pub(crate) taints: Vec<Taint>,
    /// How many nodes may be missing while they are replaced: a number, or a share such as "33%".
    #[serde(default = "one_missing")]
    pub(crate) max_unavailable: Missing,
    /// SSH to the nodes.
    #[serde(default)]
    pub(crate) remote_access: Option<RemoteAccess>,
    /// How many hops instance metadata may take: 1 keeps it from pods, 2 lets them have it.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 64))]
    pub(crate) metadata_hop_limit: u32,
    /// Tags by which the cluster autoscaler finds the group; it then chooses the number of nodes.
    #[serde(default)]
    pub(crate) autoscaler: bool,
    /// Let EKS replace nodes that its node monitoring calls broken.
    #[serde(default)]
    pub(crate) node_repair: bool,
    /// Kubernetes version of the nodes. By default the cluster's: where cluster is a reference to an eks step, nodes are rolled over when that is upgraded. At most three minor versions behind the cluster's, never ahead of it, and never lowered.
    #[serde(default)]
    pub(crate) version: Option<String>,
    /// How long to wait for the nodes.
    #[serde(default = "hour")]
    #[schemars(range(min = 1, max = 1440))]
    pub(crate) timeout_minutes: u32,
    /// How long pods may take to leave the nodes, as their disruption budgets allow, before the group is deleted or
    /// replaced; 0 leaves draining to EKS, which ends pods after 5 minutes.
    #[serde(default = "quarter")]
    #[schemars(range(max = 1440))]
    pub(crate) drain_timeout_minutes: u32,
    /// Delete the nodes all the same when that time is over, instead of failing.
    #[serde(default)]
    pub(crate) drain_force: bool,
    /// Tags for everything, on top of the pipeline's: for the group, and for its instances with their volumes and network interfaces.
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
}

/// Operating system of nodes.
#[derive(Deserialize, JsonSchema, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Os {
    #[default]
    Al2023,
    Bottlerocket,
}

/// A taint.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Taint {
    /// Its key.
    pub(crate) key: String,
    /// Its value.
    #[serde(default)]
    pub(crate) value: Option<String>,
    /// What it does to pods that do not tolerate it.
    pub(crate) effect: Effect,
}

/// What a taint does.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
pub(crate) enum Effect {
    NoSchedule,
    PreferNoSchedule,
    NoExecute,
}

/// How many nodes may be missing.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Missing {
    Count(u32),
    Share(String),
}

/// SSH to nodes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RemoteAccess {
    /// Name of an EC2 key pair.
    pub(crate) key_name: String,
    /// The VPC of the nodes.
    pub(crate) vpc_id: String,
    /// The cluster's own security group: nodes with groups of their own need it stated.
    pub(crate) cluster_security_group_id: String,
    /// IPv4 ranges that may come in on port 22.
    #[serde(default)]
    pub(crate) sources: Vec<String>,
    /// Security groups that may come in on port 22.
    #[serde(default)]
    pub(crate) source_security_group_ids: Vec<String>,
}

fn hundred() -> u32 {
    100
}

fn one() -> u32 {
    1
}

fn two() -> u32 {
    2
}

fn hour() -> u32 {
    60
}

fn quarter() -> u32 {
    15
}

fn one_missing() -> Missing {
    Missing::Count(1)
}
