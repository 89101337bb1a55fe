//! What a pipeline file cannot say yet: the message says what was not understood and what is there instead; and what it
//! can say today of the same wishes works.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use support::Scene;

const FILE: &str = "pipeline.toml";
const PLUGINS: &str = "there are vpc, iam, eks, nodegroup, addon, fargate, s3, irsa, inference, aws, manifests, resources, alertmanager, postgres; a plugin of your own is a path";

#[test]
fn what_there_is_no_word_for_is_named_with_the_words_that_there_are() {
    let with = |uses: &str, with: &str| format!("[steps.x]\nuses = \"{uses}\"\nwith = {{ {with} }}\n");
    let bucket = "uses = \"s3\"\nwith = { bucket = \"x-b\" }\n";
    let takes = "[steps.bucket] takes uses, with, after, allow, limits, protect, ignore_changes";
    for (steps, words) in [
        (with("karpenter", ""), &["there is no built-in plugin 'karpenter'", PLUGINS][..]),
        (with("kubernetes", "folder = \"k8s\""), &["there is no built-in plugin 'kubernetes'", PLUGINS]),
        (with("data", "vpc = {}"), &["there is no built-in plugin 'data'", PLUGINS]),
        (
            with("vpc", "name = \"v\", transit_gateway = \"tgw-1\", flow_logs = true"),
            &[
                "unknown option 'transit_gateway' in step x",
                "unknown option 'flow_logs'",
                "it takes name, cidr, vpc_id",
            ],
        ),
        (with("s3", "bucket = \"x-b\", count = 3"), &["unknown option 'count'", "it takes bucket"]),
        (format!("[steps.bucket]\nenabled = true\n{bucket}"), &["unknown key 'enabled'", takes]),
        (
            format!("[moved]\nfrom = \"a\"\nto = \"bucket\"\n[steps.bucket]\n{bucket}"),
            &["moved must be a list of tables", "write [[moved]]"],
        ),
    ] {
        let scene = Scene::new();
        scene.pipeline(&steps);
        scene.llmhost(&["validate", FILE]).status(2).says(words).says(&["pipeline.toml:"]);
    }
}

/// A cluster whose add-ons have settings; the driver for volumes with these.
fn addons(driver: &str, more: &str) -> String {
    format!(
        r#"[steps.net]
uses = "vpc"
with = {{ name = "ad", cluster = "ad", security_groups = {{}} }}
[steps.roles]
uses = "iam"
with = {{ cluster_role = "ad-cluster", node_role = "ad-node" }}
[steps.cluster]
uses = "eks"
[steps.cluster.with]
name = "ad"
role_arn = "${{roles.cluster_role_arn}}"
subnet_ids = "${{net.subnet_ids}}"
endpoint = "private"
[steps.cluster.with.addons.vpc-cni.configuration.env]
ENABLE_PREFIX_DELEGATION = "true"
WARM_PREFIX_TARGET = "1"
[steps.cluster.with.addons.coredns.configuration]
replicaCount = 3
[steps.cluster.with.addons.kube-proxy]
[steps.cluster.with.addons.eks-pod-identity-agent]
[steps.cluster.with.addons.aws-ebs-csi-driver]
{driver}
[steps.nodes]
uses = "nodegroup"
with = {{ name = "ng", cluster = "${{cluster.name}}", role_arn = "${{roles.node_role_arn}}", subnet_ids = "${{net.private_subnet_ids}}", instance_types = ["m6i.large"] }}
{more}"#
    )
}

#[test]
fn an_add_on_with_a_role_that_needs_its_cluster_is_a_circle_that_is_shown_and_one_without_is_rehearsed() {
    let ebs = r#"[steps.ebs]
uses = "irsa"
[steps.ebs.with]
cluster = "${cluster.name}"
namespace = "kube-system"
service_account = "ebs-csi-controller-sa"
oidc_provider_arn = "${cluster.oidc_provider_arn}"
oidc_issuer = "${cluster.oidc_issuer}"
"#;
    let scene = Scene::new();
    scene.pipeline(&addons("role_arn = \"${ebs.role_arn}\"", ebs));
    scene.llmhost(&["validate", FILE]).status(2).says(&[
        "these steps depend on each other: cluster -> ebs -> cluster",
        "this closes the cycle",
        "take one of the references or 'after' entries out",
    ]);
    scene.pipeline(&addons("", ""));
    scene.llmhost(&["rehearse", FILE]).status(0).says(&["apply: 28 resources made", "Rehearsed"]);
}

#[test]
fn groups_of_cheap_gpus_that_start_at_zero_are_rehearsed_and_a_type_that_there_is_not_is_said_before() {
    let stack = |gpu: &str| {
        format!(
            r#"[steps.net]
uses = "vpc"
with = {{ name = "kf", azs = 4, cluster = "kubeflow", security_groups = {{}} }}
[steps.roles]
uses = "iam"
[steps.roles.with]
cluster_role = "kf-cluster"
node_role = "kf-node"
node_role_policies = ["arn:aws:iam::aws:policy/CloudWatchAgentServerPolicy"]
[steps.cluster]
uses = "eks"
with = {{ name = "kubeflow", role_arn = "${{roles.cluster_role_arn}}", subnet_ids = "${{net.subnet_ids}}", public_access_cidrs = ["203.0.113.0/24"] }}
[steps.ng-1]
uses = "nodegroup"
[steps.ng-1.with]
name = "ng-1"
cluster = "${{cluster.name}}"
role_arn = "${{roles.node_role_arn}}"
subnet_ids = ["${{net.private_subnet_ids[0]}}"]
instance_types = ["m5a.2xlarge"]
min = 0
max = 3
desired = 2
autoscaler = true
labels = {{ node-class = "worker-node", "aws.amazon.com/spot" = "false", gpu-count = "0" }}
[steps.gpu-1]
uses = "nodegroup"
[steps.gpu-1.with]
name = "gpu-spot-1"
cluster = "${{cluster.name}}"
role_arn = "${{roles.node_role_arn}}"
subnet_ids = ["${{net.private_subnet_ids[0]}}"]
instance_types = ["{gpu}"]
spot = true
min = 0
max = 10
autoscaler = true
labels = {{ lifecycle = "Ec2Spot", "aws.amazon.com/spot" = "true", gpu-count = "1" }}
taints = [{{ key = "spotInstance", value = "true", effect = "PreferNoSchedule" }}]
[steps.gpu-1.with.tags]
"k8s.io/cluster-autoscaler/node-template/label/lifecycle" = "Ec2Spot"
"k8s.io/cluster-autoscaler/node-template/taint/spotInstance" = "true:PreferNoSchedule"
[steps.gpu-mixed]
uses = "nodegroup"
[steps.gpu-mixed.with]
name = "gpu-spot-mixed"
cluster = "${{cluster.name}}"
role_arn = "${{roles.node_role_arn}}"
subnet_ids = "${{net.private_subnet_ids}}"
instance_types = ["g4dn.xlarge", "g4dn.2xlarge", "g5.xlarge", "{gpu}"]
spot = true
min = 0
max = 1
autoscaler = true
"#
        )
    };
    let scene = Scene::new();
    scene.pipeline(&stack("p3.2xlarge"));
    scene.llmhost(&["validate", FILE]).status(0).says(&["39 resources", "a smaller max"]);
    let ran = scene.llmhost(&["rehearse", FILE]).status(1);
    ran.says(&["gpu-1/eks.node-group/main: there is no instance type p3.2xlarge in us-east-1", "nothing was changed"]);
    // Every option that it names is one that it takes.
    assert!(!ran.stderr.contains("--skip-preflight"), "{}", ran.stderr);
    scene.pipeline(&stack("g5.2xlarge"));
    scene.llmhost(&["rehearse", FILE]).status(0).says(&[
        "apply: 39 resources made",
        "apply again: 0 changes",
        "Rehearsed",
    ]);
}
