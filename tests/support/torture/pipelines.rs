//! The pipelines whose lives are disturbed.

/// A pipeline, and where its state is kept.
#[derive(Debug, Clone, Copy)]
pub struct Subject {
    pub(super) steps: &'static str,
    /// Whether the state is in a bucket beside what the pipeline makes. Its writes are calls then, which can
    /// be disturbed like all others.
    pub(super) in_bucket: bool,
}

/// The bucket of a state that is in one.
pub(super) const STATES: &str = "states";

/// A network, roles and a bucket.
pub const BASE: Subject = Subject { steps: BASE_STEPS, in_bucket: false };
/// The same, its state in a bucket.
pub const SHARED: Subject = Subject { steps: BASE_STEPS, in_bucket: true };
/// The whole stack.
pub const STACK: Subject = Subject { steps: STACK_STEPS, in_bucket: false };

pub(super) const HEAD: &str = r#"
[pipeline]
name   = "torture"
region = "us-east-1"
"#;

/// Networks, roles and buckets: what AWS has no client tokens for.
const BASE_STEPS: &str = r#"

[steps.network]
uses = "vpc"
with = { name = "torture", cidr = "10.0.0.0/16", azs = 1, nat = "single" }

[steps.roles]
uses = "iam"
with = { cluster_role = "ClusterRole", node_role = "NodeRole" }

[steps.models]
uses = "s3"
with = { bucket = "torture-models", force_destroy = true, upload = [{ source = "model", prefix = "model" }] }
"#;

/// A cluster with nodes, and a model server in it.
const STACK_STEPS: &str = r#"
[secrets]
api_key = { file = "key.txt" }

[steps.network]
uses = "vpc"
with = { name = "torture", cidr = "10.0.0.0/16", azs = 2, nat = "single", cluster = "llm" }

[steps.roles]
uses = "iam"
with = { cluster_role = "ClusterRole", node_role = "NodeRole" }

[steps.cluster]
uses = "eks"
with = { name = "llm", role_arn = "${roles.cluster_role_arn}", subnet_ids = "${network.subnet_ids}" }

[steps.cpu]
uses = "nodegroup"
[steps.cpu.with]
name           = "cpu"
cluster        = "${cluster.name}"
role_arn       = "${roles.node_role_arn}"
subnet_ids     = "${network.private_subnet_ids}"
instance_types = ["t3.medium"]
min            = 1
max            = 1

[steps.identity]
uses = "irsa"
with = { cluster = "${cluster.name}", namespace = "models", service_account = "model", bucket = "models", prefix = "demo", mode = "pod-identity" }

[steps.model]
uses = "inference"
[steps.model.with]
cluster         = "${cluster.name}"
namespace       = "${identity.namespace}"
service_account = "${identity.service_account}"
image           = "example.com/llmhost:1"
model           = "s3://models/demo"
device          = "cpu"
cpu             = "500m"
memory          = "1Gi"
api_key         = "${secrets.api_key}"
"#;
