//! A destroy takes along what a cluster made by itself, and leaves what is somebody else's.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use llmhost_emulator::testing::RecordingProxy;
use serde_json::Value;
use support::{Scene, emulator, look, look_after};

const FILE: &str = "pipeline.toml";
const CLUSTER: &str = r#"
[steps.network]
uses = "vpc"
with = { name = "n", azs = 2, nat = "single", cluster = "llm" }

[steps.roles]
uses = "iam"
with = { cluster_role = "Cluster", node_role = "Node" }

[steps.cluster]
uses = "eks"
[steps.cluster.with]
name = "llm"
role_arn = "${roles.cluster_role_arn}"
subnet_ids = "${network.subnet_ids}"

[steps.cpu]
uses = "nodegroup"
[steps.cpu.with]
name = "cpu"
cluster = "${cluster.name}"
role_arn = "${roles.node_role_arn}"
subnet_ids = "${network.private_subnet_ids}"
instance_types = ["t3.medium"]
min = 1
max = 1
"#;

const IDENTITY: &str = r#"
[steps.identity]
uses = "irsa"
[steps.identity.with]
cluster = "${cluster.name}"
namespace = "models"
service_account = "model"
bucket = "models"
mode = "pod-identity"
"#;

fn names<'a>(world: &'a Value, what: &str, name: impl Fn(&'a Value) -> &'a Value) -> Vec<&'a str> {
    let all = world["network"][what].as_array().unwrap().iter();
    let mut names: Vec<&str> = all.map(|found| name(found).as_str().unwrap_or_default()).collect();
    names.sort_unstable();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_cluster_made_is_shown_and_goes_with_it_and_nothing_else_does() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let proxy = RecordingProxy::start(emulator.url()).await.unwrap();
    scene.pipeline(CLUSTER);
    scene.at(proxy.url(), &["run", FILE]).status(0);
    let before = look_after(emulator.url(), &["live-in", "llm"]);
    let swept = ["k8s-models-web", "k8s-models-web-tg", "k8s-models-api", "k8s-models-api-tg", "a0classic"];
    assert_eq!(before["network"]["balancers"].as_array().unwrap().len(), swept.len() + 2, "{before}");

    // Shown first, and nothing is touched.
    proxy.forget();
    let shown = scene.at(proxy.url(), &["destroy", FILE, "--dry-run"]).status(0);
    shown.says(&[
        "also deletes network load balancer k8s-models-web (for models/web)",
        "also deletes application load balancer k8s-models-api (for models/web)",
        "also deletes classic load balancer a0classic (for models/old)",
        "also deletes target group k8s-models-web-tg",
        "also deletes security group sg-",
        "(k8s-front)",
        "(k8s-traffic)",
        "also deletes network interface eni-",
        "(20 GiB, claimed by models/cache)",
        "(20 GiB, claimed by models/plain-cache)",
        "claimed by models/weights): its reclaim policy is Retain; when nobody needs its data: aws ec2 delete-volume",
        ": its reclaim policy is not known",
        "that they created themselves; 2 stay",
    ]);
    assert!(!shown.stdout.contains("others"), "{}", shown.stdout);
    assert!(proxy.requests().iter().all(|request| !request.is_mutating() || request.action.is_empty()), "only read");
    assert_eq!(look(emulator.url()), before);

    let gone = scene.at(proxy.url(), &["destroy", FILE, "--yes"]).status(0);
    gone.says(&[
        "removed service default/web (the cluster deletes its load balancer)",
        "removed network load balancer k8s-models-web",
        "removed classic load balancer a0classic",
        "removed security group",
        "kept: volume",
        "its reclaim policy is Retain",
    ]);
    let after = look(emulator.url());
    assert_eq!(names(&after, "balancers", |name| name), ["k8s-others", "k8s-others-tg"]);
    let left = names(&after, "security_groups", |group| &group["name"]);
    assert_eq!(left, ["default", "default", "k8s-others", "others"]);
    assert_eq!(names(&after, "interfaces", |found| &found["description"]), ["aws-K8S-i-llm-2"]);
    assert_eq!(names(&after, "volumes", |found| &found["tags"]["Name"]), ["forgotten", "others", "weights"]);
    assert_eq!(after["clusters"], serde_json::json!({}));
    // The network that others have made for themselves, and the account's own.
    assert_eq!(after["network"]["vpcs"].as_array().unwrap().len(), 2);
    scene.at(proxy.url(), &["destroy", FILE, "--yes"]).status(0).says(&["Nothing to destroy"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_became_somebody_elses_keeps_all_that_it_made() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    scene.pipeline(&format!("{CLUSTER}{IDENTITY}"));
    scene.at(emulator.url(), &["run", FILE]).status(0);
    look_after(emulator.url(), &["live-in", "llm"]);
    look_after(emulator.url(), &["remake-service-account", "llm", "models", "model"]);
    let before = look_after(emulator.url(), &["tag-cluster", "llm", "llmhost:pipeline", "another"]);
    let shown = scene.at(emulator.url(), &["destroy", FILE, "--dry-run"]).status(0);
    shown.says(&["kept: the cluster 'llm' does not have the tag llmhost:pipeline"]);
    assert!(!shown.stdout.contains("also deletes"), "{}", shown.stdout);
    // The network stays in use, so waiting for it to be free is in vain.
    let refused = scene.at(emulator.url(), &["destroy", FILE, "--yes", "--wait-timeout", "5"]).status(1);
    refused.says(&["the ServiceAccount models/model does not have the annotation llmhost.dev/pipeline"]);
    let after = look(emulator.url());
    assert_eq!(after["network"]["balancers"], before["network"]["balancers"]);
    assert_eq!(
        after["objects"]["llm"]["service_accounts"]["models/model"]["metadata"]["labels"]["owner"],
        "somebody-else"
    );
    assert_eq!(after["clusters"]["llm"]["node_groups"], serde_json::json!({}), "the nodes were the pipeline's");
    // Forgotten, it is nobody's business any more; the network may go on being held by it.
    let theirs = ["cluster/eks.cluster/main", "identity/kube.object/namespace", "identity/kube.object/service-account"];
    scene.at(emulator.url(), &[&["state", "rm", FILE, "--yes"], &theirs[..]].concat()).status(0);
    scene.at(emulator.url(), &["destroy", FILE, "--yes", "--wait-timeout", "1"]);
    assert!(!look(emulator.url())["clusters"]["llm"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_deletes_a_cluster_shows_and_sweeps_the_same() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    scene.pipeline(CLUSTER);
    scene.at(emulator.url(), &["run", FILE]).status(0);
    look_after(emulator.url(), &["live-in", "llm"]);
    let network_only = CLUSTER.split("[steps.roles]").next().unwrap();
    scene.pipeline(network_only);
    let refused = scene.at(emulator.url(), &["run", FILE]).status(1);
    refused.says(&["Before you delete:", "also deletes classic load balancer a0classic", "Nothing was changed"]);
    let json = scene.at(emulator.url(), &["run", FILE, "--yes", "--json"]).status(0);
    let events: Vec<Value> = json.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |name: &str| events.iter().filter(|event| event["event"] == name).collect::<Vec<_>>();
    assert_eq!(of("foresight").len(), 1);
    assert!(of("byproduct").iter().any(|event| event["id"] == "a0classic" && event["what"] == "classic load balancer"));
    let world = look(emulator.url());
    assert_eq!(names(&world, "balancers", |name| name), ["k8s-others", "k8s-others-tg"]);
    scene.at(emulator.url(), &["destroy", FILE, "--yes"]).status(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_cluster_and_sweep_loses_nothing() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let proxy = RecordingProxy::start(emulator.url()).await.unwrap();
    scene.pipeline(CLUSTER);
    scene.at(proxy.url(), &["run", FILE]).status(0);
    look_after(emulator.url(), &["live-in", "llm"]);
    // The load balancers cannot be deleted: the cluster is gone by then, and they are not.
    let fails = llmhost_emulator::testing::Fault::Status(403);
    proxy.inject(|request| request.action == "DeleteLoadBalancer", usize::MAX, fails);
    let failed = scene.at(proxy.url(), &["destroy", FILE, "--yes", "--wait-timeout", "2"]).status(1);
    failed.says(&[
        "the cluster is deleted, but some resources that it created itself",
        "network load balancer k8s-models-web",
    ]);
    proxy.clear();
    scene.at(proxy.url(), &["destroy", FILE, "--yes"]).status(0).says(&["removed network load balancer"]);
    let world = look(emulator.url());
    assert_eq!(names(&world, "balancers", |name| name), ["k8s-others", "k8s-others-tg"]);
    assert_eq!(names(&world, "volumes", |found| &found["tags"]["Name"]), ["forgotten", "others", "weights"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_holds_a_deletion_back_is_named_and_the_next_destroy_goes_on() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let roles = "[steps.roles]\nuses = \"iam\"\nwith = { cluster_role = \"Cluster\", node_role = \"Node\" }\n";
    scene.pipeline(&format!(
        "{roles}\n[steps.network]\nuses = \"vpc\"\nwith = {{ name = \"n\", azs = 1, nat = \"none\" }}\n"
    ));
    scene.at(emulator.url(), &["run", FILE]).status(0);
    let world = look_after(emulator.url(), &["put-in-profile", "Node", "somebodys"]);
    let subnets = world["network"]["subnets"].as_array().unwrap().iter();
    let ours = subnets.filter(|subnet| !subnet["tags"].as_object().unwrap().is_empty());
    let subnet = ours.map(|subnet| subnet["id"].as_str().unwrap()).next().unwrap().to_owned();
    look_after(emulator.url(), &["make-interface", &subnet, "somebody's"]);
    let failed = scene.at(emulator.url(), &["destroy", FILE, "--yes", "--wait-timeout", "1"]).status(1);
    failed.says(&["in the way: instance profile somebodys", "Their owner must give them another role first"]);
    assert_eq!(look(emulator.url())["identity"]["profiles"], serde_json::json!(["somebodys"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_holds_something_is_said_before_and_left_alone() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let bucket = |force| {
        format!(
            "[steps.models]\nuses = \"s3\"\nwith = {{ bucket = \"kept-models\", versioning = true, force_destroy = {force} }}\n"
        )
    };
    scene.pipeline(&bucket(false));
    scene.at(emulator.url(), &["run", FILE]).status(0);
    look_after(emulator.url(), &["put-object", "kept-models", "a", "one"]);
    look_after(emulator.url(), &["put-object", "kept-models", "a", "two"]);
    let shown = scene.at(emulator.url(), &["destroy", FILE, "--dry-run"]).status(0);
    shown.says(&[
        "kept: the bucket kept-models contains 1 object, 1 older version, and force_destroy is off",
        "1 stays",
    ]);
    let failed = scene.at(emulator.url(), &["destroy", FILE, "--yes"]).status(1);
    failed.says(&[
        "BucketNotEmpty: the bucket kept-models contains 1 object, 1 older version",
        "Nothing in it was deleted",
    ]);
    assert_eq!(look(emulator.url())["storage"][0]["objects"]["a"], 3);
    scene.pipeline(&bucket(true));
    scene.at(emulator.url(), &["run", FILE]).status(0);
    scene.at(emulator.url(), &["destroy", FILE, "--yes"]).status(0);
    assert_eq!(look(emulator.url())["storage"], serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn some_steps_go_and_what_that_means_is_said_first() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    scene.pipeline(CLUSTER);
    scene.at(emulator.url(), &["run", FILE]).status(0);
    let destroy = |args: &[&str]| {
        let all: Vec<&str> = ["destroy", FILE, "--yes"].iter().chain(args).copied().collect();
        scene.at(emulator.url(), &all)
    };
    let before = look(emulator.url());
    destroy(&["--only", "clutser"]).status(2).says(&["there is no step 'clutser'", "Did you mean 'cluster'?"]);
    destroy(&["--only", "network"]).status(1).says(&[
        "a step that is kept depends on a step to delete: cluster/eks.cluster/",
        "uses network/ec2.subnet/",
        "Delete 'cluster' as well, or exclude 'network' too",
    ]);
    assert_eq!(look(emulator.url()), before);
    destroy(&["--only", "cpu"]).status(0);
    let world = look(emulator.url());
    assert_eq!(world["clusters"]["llm"]["node_groups"], serde_json::json!({}));
    destroy(&["--exclude", "network"]).status(0);
    let world = look(emulator.url());
    assert_eq!(world["clusters"], serde_json::json!({}));
    assert_eq!(world["identity"]["roles"], serde_json::json!({}));
    assert_eq!(world["network"]["vpcs"].as_array().unwrap().len(), 2);
    // What is left is the whole of the next run's business, and of the next destroy's.
    scene.at(emulator.url(), &["run", FILE, "--dry-run"]).status(0).says(&["cluster", "to create"]);
    destroy(&[]).status(0);
    assert_eq!(look(emulator.url())["network"]["vpcs"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_protected_in_eks_stops_the_destroy_before_it_begins() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    scene.pipeline(&CLUSTER.replace("name = \"llm\"\n", "name = \"llm\"\ndeletion_protection = true\n"));
    scene.at(emulator.url(), &["run", FILE]).status(0);
    let before = look(emulator.url());
    let refused = scene.at(emulator.url(), &["destroy", FILE, "--yes"]).status(1);
    refused.says(&["the cluster llm is protected from deletion", "Set deletion_protection = false"]);
    assert_eq!(look(emulator.url()), before);
}
