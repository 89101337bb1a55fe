//! The step's `with` table.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

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
    /// Spot instances: cheap, and reclaimed with two minutes' notice.
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
    /// Most pods on a node; by default what the instance type has addresses for.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) max_pods: Option<u32>,
    /// Settings of the kubelet, by the names of KubeletConfiguration: evictionHard, systemReserved. Not with Bottlerocket.
    #[serde(default)]
    pub(crate) kubelet: Map<String, Value>,
    /// What nodes do with disks of their own (local NVMe): raid0 makes one of all, for images, logs and ephemeral volumes; mount mounts each for pods.
    #[serde(default)]
    pub(crate) local_storage: Option<LocalStorage>,
    /// What nodes run when they start: a shell script (#!), a NodeConfig of nodeadm as a table or as YAML, or a whole MIME archive; with Bottlerocket its settings in TOML. As text or in base64.
    #[serde(default)]
    pub(crate) user_data: Option<UserData>,
    /// Start the nodes in this capacity reservation: cr-…
    #[serde(default)]
    pub(crate) capacity_reservation: Option<String>,
    /// The reservation is a capacity block for machine learning. Instances stop when the block ends: best with min = 0.
    #[serde(default)]
    pub(crate) capacity_block: bool,
    /// Elastic Fabric Adapter: a network interface for it on each network card of the instance type. true leaves security groups to EKS; with vpc_id and cluster_security_group_id the step makes the group that EFA needs.
    #[serde(default)]
    pub(crate) efa: Efa,
    /// Placement group: the name of one that is there, a strategy for one that the step makes, or false for none. By default none; with efa and no reservation, one with the strategy cluster.
    #[serde(default)]
    pub(crate) placement_group: Option<Placement>,
    /// A launch template that is there, in place of the one that the step makes.
    #[serde(default)]
    pub(crate) launch_template: Option<Template>,
    /// SSH to the nodes.
    #[serde(default)]
    pub(crate) remote_access: Option<RemoteAccess>,
    /// How many hops instance metadata may take: 1 keeps it from pods, 2 lets them have it.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 64))]
    pub(crate) metadata_hop_limit: u32,
    /// Tags by which the cluster autoscaler finds the group; it then chooses the number of nodes. With min = 0, further tags tell it what a node would have: labels, taints, disk, GPUs, EFA.
    #[serde(default)]
    pub(crate) autoscaler: bool,
    /// Let EKS replace nodes that its node monitoring calls broken.
    #[serde(default)]
    pub(crate) node_repair: bool,
    /// Kubernetes version of the nodes. By default the cluster's: where cluster is a reference to an eks step, nodes are rolled over when that is upgraded. At most three minor versions behind the cluster's, never ahead of it, and never lowered.
    #[serde(default)]
    pub(crate) version: Option<String>,
    /// Release of the nodes' image, such as "1.34.1-20261101". By default the newest whenever EKS rolls the nodes over, and only then. Another one rolls them over.
    #[serde(default)]
    pub(crate) release_version: Option<String>,
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
    /// Tags for everything, on top of the pipeline's: for the group, and for its instances with their volumes and network interfaces. Name is the instances' name, by default CLUSTER-NAME.
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

/// What nodes do with disks of their own.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LocalStorage {
    Raid0,
    Mount,
}

/// User data: a text, or a NodeConfig.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum UserData {
    Text(String),
    NodeConfig(Map<String, Value>),
}

/// Elastic Fabric Adapter.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Efa {
    On(bool),
    With(Fabric),
}

impl Default for Efa {
    fn default() -> Self {
        Self::On(false)
    }
}

impl Efa {
    pub(crate) fn is_on(&self) -> bool {
        !matches!(self, Self::On(false))
    }
}

/// Elastic Fabric Adapter, with what belongs to it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fabric {
    /// The VPC of the nodes: the step makes a security group there that lets all traffic within itself in and out.
    #[serde(default)]
    pub(crate) vpc_id: Option<String>,
    /// The cluster's own security group: nodes with groups of their own need it stated.
    #[serde(default)]
    pub(crate) cluster_security_group_id: Option<String>,
    /// How many interfaces; by default one on each network card of the instance type.
    #[serde(default)]
    #[schemars(range(min = 1, max = 32))]
    pub(crate) interfaces: Option<u32>,
}

/// A placement group.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Placement {
    Not(bool),
    Name(String),
    Make(PlacementGroup),
}

/// A placement group that the step makes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlacementGroup {
    /// Name of the group; by default CLUSTER-NAME.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// cluster puts nodes near each other, partition and spread keep them apart.
    pub(crate) strategy: Strategy,
    /// Partitions, with the strategy partition.
    #[serde(default)]
    #[schemars(range(min = 1, max = 7))]
    pub(crate) partitions: Option<u32>,
}

/// How a placement group places.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Strategy {
    Cluster,
    Partition,
    Spread,
}

impl Strategy {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Partition => "partition",
            Self::Spread => "spread",
        }
    }
}

/// A launch template that is there.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Template {
    /// Its id: lt-…
    pub(crate) id: String,
    /// Number of its version. Another one rolls the nodes over.
    pub(crate) version: Version,
}

/// A number, or the text of one.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Version {
    Number(u32),
    Text(String),
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
