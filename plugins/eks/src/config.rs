//! The step's `with` table.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// A cluster.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the cluster.
    pub(crate) name: String,
    /// Kubernetes version, such as "1.34". By default the newest that EKS offers, chosen once and kept in llmhost.lock. The next minor version upgrades the cluster, then its add-ons and node groups that state no version of their own.
    #[serde(default)]
    pub(crate) version: Option<String>,
    /// ARN of the cluster's role.
    pub(crate) role_arn: String,
    /// Subnets of the control plane, in at least two availability zones.
    pub(crate) subnet_ids: Vec<String>,
    /// Security groups on top of the one that EKS makes.
    #[serde(default)]
    pub(crate) security_group_ids: Vec<String>,
    /// Where the API server answers.
    #[serde(default)]
    pub(crate) endpoint: Endpoint,
    /// IPv4 ranges that reach the public endpoint. By default the whole world does; the API server asks for a token all the same.
    #[serde(default)]
    pub(crate) public_access_cidrs: Vec<String>,
    /// What the control plane writes to CloudWatch: api, audit, authenticator, controllerManager, scheduler.
    #[serde(default = "logs")]
    pub(crate) logging: Vec<String>,
    /// ARN of a KMS key for the secrets in the cluster's store.
    #[serde(default)]
    pub(crate) secrets_key_arn: Option<String>,
    /// Range of service addresses of IPv4.
    #[serde(default)]
    pub(crate) service_cidr: Option<String>,
    /// Addresses of pods and services. For ipv6, the subnets need IPv6 ranges, and EKS chooses the range of services.
    #[serde(default)]
    pub(crate) ip_family: IpFamily,
    /// EKS Auto Mode: EKS makes nodes, volumes and load balancers by itself. true takes both of its node pools, with a role that the step makes. The cluster's role needs auto_mode = true in the iam step.
    #[serde(default)]
    pub(crate) auto_mode: AutoMode,
    /// What happens when the version's standard support ends: upgraded by EKS, or kept for a higher price.
    #[serde(default)]
    pub(crate) support: Support,
    /// Refuse to delete the cluster.
    #[serde(default)]
    pub(crate) deletion_protection: bool,
    /// Make an OIDC provider, which roles for service accounts (IRSA) need.
    #[serde(default = "yes")]
    pub(crate) oidc_provider: bool,
    /// ARN of an OIDC provider that is there for the cluster's issuer: none is made.
    #[serde(default)]
    pub(crate) oidc_provider_arn: Option<String>,
    /// Add-ons by name. By default vpc-cni, kube-proxy, coredns and eks-pod-identity-agent; with auto_mode none, for its nodes have what these bring. One whose role needs the cluster first is a step of its own, of the plugin addon.
    #[serde(default)]
    pub(crate) addons: Option<BTreeMap<String, Addon>>,
    /// ARNs of roles and users that administer the cluster, in addition to the identity that creates it. Their order does not matter.
    #[serde(default)]
    pub(crate) admins: Vec<String>,
    /// Further access entries, by a name of yours. EKS has one entry for each principal.
    #[serde(default)]
    pub(crate) access: BTreeMap<String, Access>,
    /// How long to wait for the cluster.
    #[serde(default = "half_hour")]
    #[schemars(range(min = 1, max = 1440))]
    pub(crate) timeout_minutes: u32,
    /// Tags for everything, on top of the pipeline's.
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
}

/// Where the API server answers.
#[derive(Deserialize, JsonSchema, Default, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Endpoint {
    Public,
    Private,
    #[default]
    PublicAndPrivate,
}

/// What happens when a version's standard support ends.
#[derive(Deserialize, JsonSchema, Default, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Support {
    #[default]
    Standard,
    Extended,
}

/// An add-on.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct Addon {
    /// Version; by default the one that EKS recommends for the cluster's version, also when that goes up.
    #[serde(default)]
    pub(crate) version: Option<String>,
    /// Settings, by the add-on's own schema.
    #[serde(default)]
    pub(crate) configuration: Option<Value>,
    /// ARN of the role of its service account, by IRSA.
    #[serde(default)]
    pub(crate) role_arn: Option<String>,
    /// Role of one of its service accounts, by EKS Pod Identity.
    #[serde(default)]
    pub(crate) pod_identity: Option<PodIdentity>,
}

/// A service account of an add-on and its role.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PodIdentity {
    /// Name of the service account, as the add-on has it: ebs-csi-controller-sa.
    pub(crate) service_account: String,
    /// ARN of its role, which must trust pods.eks.amazonaws.com.
    pub(crate) role_arn: String,
}

/// Addresses of pods and services.
#[derive(Deserialize, JsonSchema, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum IpFamily {
    #[default]
    Ipv4,
    Ipv6,
}

/// EKS Auto Mode: on, off, or on with these pools.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum AutoMode {
    On(bool),
    With(Pools),
}

impl Default for AutoMode {
    fn default() -> Self {
        Self::On(false)
    }
}

/// Node pools of EKS Auto Mode.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pools {
    /// Pools of EKS's own: general-purpose, system. An empty list where the cluster has NodePool objects of yours.
    #[serde(default = "pools")]
    pub(crate) node_pools: Vec<String>,
    /// ARN of the role of the nodes in these pools; by default the step makes one.
    #[serde(default)]
    pub(crate) node_role_arn: Option<String>,
}

pub(crate) fn pools() -> Vec<String> {
    ["general-purpose", "system"].map(str::to_owned).to_vec()
}

/// Who gets in, and how far.
#[derive(Deserialize, JsonSchema, Clone)]
#[serde(deny_unknown_fields)]
pub(crate) struct Access {
    /// ARN of a role or user.
    pub(crate) principal_arn: String,
    /// A policy of EKS: AmazonEKSViewPolicy, AmazonEKSEditPolicy, AmazonEKSAdminPolicy, AmazonEKSClusterAdminPolicy, or an ARN.
    #[serde(default)]
    pub(crate) policy: Option<String>,
    /// Namespaces that the policy is limited to.
    #[serde(default)]
    pub(crate) namespaces: Vec<String>,
    /// Kubernetes groups, for bindings of your own.
    #[serde(default)]
    pub(crate) groups: Vec<String>,
}

fn logs() -> Vec<String> {
    ["api", "audit", "authenticator"].map(str::to_owned).to_vec()
}

fn yes() -> bool {
    true
}

fn half_hour() -> u32 {
    30
}

/// The add-ons of a cluster whose nodes are made by others than EKS.
pub(crate) fn addons() -> BTreeMap<String, Addon> {
    ["vpc-cni", "kube-proxy", "coredns", "eks-pod-identity-agent"]
        .map(|name| (name.to_owned(), Addon::default()))
        .into_iter()
        .collect()
}
