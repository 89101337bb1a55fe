//! What goes wrong with roles, clusters, node groups and Kubernetes: said with the fix, and the next
//! run goes on.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use llmhost_emulator::testing::RecordingProxy;
use support::{Ran, SECRET_KEY, Scene, emulator, look, look_after};

const FILE: &str = "llm-on-eks.toml";
const CLUSTER: &str = "llm-cluster";
/// What a group of GPU nodes says when there are none to be had.
const NO_CAPACITY: &str = "AsgInstanceLaunchFailures Could not launch On-Demand Instances. InsufficientInstanceCapacity - We \
                           currently do not have sufficient g4dn.xlarge capacity in the Availability Zone you requested";

/// The example without its model server and nodes: what these tests need of it, made in less time.
fn cluster_alone() -> Scene {
    let scene = Scene::with_examples();
    let text = std::fs::read_to_string(scene.path(FILE)).unwrap();
    let (before, rest) = text.split_once("# The model runs on GPUs").unwrap();
    let (_, models) = rest.split_once("[steps.models]").unwrap();
    let (models, _) = models.split_once("[steps.server]").unwrap();
    scene.write(FILE, format!("{before}[steps.models]{models}"));
    scene
}

fn without(scene: &Scene, step: &str) -> String {
    let text = std::fs::read_to_string(scene.path(FILE)).unwrap();
    let (before, rest) = text.split_once(&format!("[steps.{step}]")).unwrap();
    // The step's own tables start with its name.
    let end =
        rest.match_indices("\n[").map(|(at, _)| at).find(|at| !rest[at + 1..].starts_with(&format!("[steps.{step}.")));
    format!("{before}{}", end.map_or("", |at| &rest[at + 1..]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_of_somebody_else_is_neither_adopted_nor_deleted() {
    let (scene, emulator) = (cluster_alone(), emulator().await);
    let before = look_after(emulator.url(), &["create-role", "EKSNodeRole"]);
    let checked = scene.at(emulator.url(), &["run", FILE]).status(1);
    checked.says(&["the role 'EKSNodeRole' exists", "Choose another name", "nothing was changed"]);
    let ran = scene.at(emulator.url(), &["run", FILE, "--skip-preflight"]).status(1);
    ran.says(&[
        "EKSNodeRole exists and carries no tags of llmhost",
        "Choose another name",
        "llmhost import FILE roles/iam.role/node EKSNodeRole",
    ]);
    scene.at(emulator.url(), &["destroy", FILE, "--yes"]).status(0);
    let after = look(emulator.url());
    assert_eq!(after["identity"]["roles"], before["identity"]["roles"], "it is as it was");
    assert_eq!(after["identity"]["roles"]["EKSNodeRole"]["attached"], serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_node_group_says_why_and_the_next_run_replaces_it() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    let sound = "disk_gib = 20\n";
    let failing = "disk_gib = 20\ntags = { \"llmhost-test:fail\" = \"NodeCreationFailure Instances failed to join the kubernetes cluster\" }\n";
    scene.edit(FILE, sound, failing);
    let ran = scene.at(emulator.url(), &["run", FILE]).status(1);
    ran.says(&["step cpu", "NodeCreationFailure", "Instances failed to join the kubernetes cluster"]);
    let group = &look(emulator.url())["clusters"][CLUSTER]["node_groups"]["cpu"];
    assert_eq!(group["status"], "CREATE_FAILED");

    scene.edit(FILE, failing, sound);
    let plan = scene.llmhost(&["run", FILE, "--dry-run"]).status(0);
    plan.says(&["eks.node-group/main", "came up broken", "Instances failed to join"]);
    scene.at(emulator.url(), &["run", FILE, "--yes"]).status(0).says(&["1 replaced"]);
    let group = &look(emulator.url())["clusters"][CLUSTER]["node_groups"]["cpu"];
    assert_eq!(group["status"], "ACTIVE");
    scene.at(emulator.url(), &["destroy", FILE, "--yes"]).status(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_capacity_comes_with_the_zones_and_types_that_would_do() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    scene.edit(
        FILE,
        "disk_gib = 100\n",
        &format!("disk_gib = 100\ntags = {{ \"llmhost-test:fail\" = \"{NO_CAPACITY}\" }}\n"),
    );
    let ran = scene.at(emulator.url(), &["run", FILE]).status(1);
    ran.says(&[
        "step gpu",
        "InsufficientInstanceCapacity",
        "g4dn.xlarge is also offered in us-east-1",
        "Similar types offered in the group's zones: g5.xlarge",
        "run again later: the failed group is replaced",
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_does_not_suffice_is_found_before_anything_is_made() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    let before = look(emulator.url());
    scene.edit(FILE, "disk_gib = 100\nmin = 1\nmax = 2\n", "disk_gib = 100\nmin = 20\nmax = 30\n");
    let proxy = RecordingProxy::start(emulator.url()).await.expect("the proxy starts");
    let ran = scene.at(proxy.url(), &["run", FILE]).status(1);
    ran.says(&[
        "quota",
        "Running On-Demand G and VT instances",
        "L-DB2E81BA",
        "allows 64 vCPUs",
        "need 80 at first and 120 at most",
        "request-service-quota-increase",
        "llm-on-eks.toml:",
        "nothing was changed",
    ]);
    assert_eq!(proxy.mutating(), 0, "{:?}", proxy.requests());
    assert_eq!(look(emulator.url()), before);

    // What EC2 itself says when the checks are left out.
    scene.edit(FILE, "min = 20\nmax = 30\n", "tags = { \"llmhost-test:fail\" = \"AsgInstanceLaunchFailures VcpuLimitExceeded - You have requested more vCPU capacity than your current vCPU limit\" }\n");
    scene.at(emulator.url(), &["run", FILE]).status(1).says(&["VcpuLimitExceeded", "Raise the vCPU quota"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_eks_does_not_offer_is_said_with_those_that_it_does() {
    let (scene, emulator) = (cluster_alone(), emulator().await);
    scene.edit(FILE, "name = \"llm-cluster\"\nrole_arn", "name = \"llm-cluster\"\nversion = \"1.99\"\nrole_arn");
    let ran = scene.at(emulator.url(), &["run", FILE]).status(1);
    ran.says(&["version-not-offered", "EKS does not offer Kubernetes 1.99", "1.34", "llm-on-eks.toml:"]);
    assert!(look(emulator.url())["identity"]["roles"].get("EKSClusterRole").is_none(), "nothing was made");
    let ran = scene.at(emulator.url(), &["run", FILE, "--skip-preflight"]).status(1);
    ran.says(&["step cluster", "unsupported Kubernetes version 1.99", "it offers", "1.34"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_trusts_another_cluster_is_refused() {
    let (scene, emulator) = (cluster_alone(), emulator().await);
    let other = "oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF";
    let own = "oidc_issuer = \"${cluster.oidc_issuer}\"";
    scene.edit(FILE, own, &format!("oidc_issuer = \"https://{other}\""));
    // Before the cluster is there, and with nothing asked.
    let ran = scene.llmhost(&["validate", FILE]).status(1);
    ran.says(&["trust-of-another-cluster", other, CLUSTER, "its pods cannot assume the role"]);
    // Provider and conditions of two clusters, when both are known.
    scene.edit(FILE, &format!("https://{other}"), "${cluster.oidc_issuer}");
    scene.at(emulator.url(), &["run", FILE]).status(0);
    scene.edit(FILE, own, &format!("oidc_issuer = \"https://{other}\""));
    scene.llmhost(&["run", FILE, "--dry-run"]).status(1).says(&["it is for another cluster", other]);
    // A provider that is not there at all.
    let provider = format!("oidc_provider_arn = \"arn:aws:iam::123456789012:oidc-provider/{other}\"");
    scene.edit(FILE, "oidc_provider_arn = \"${cluster.oidc_provider_arn}\"", &provider);
    let ran = scene.at(emulator.url(), &["run", FILE]).status(1);
    ran.says(&["no-oidc-provider", "trust-of-another-cluster", "nothing was changed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_cannot_be_reached_is_said_and_the_next_run_goes_on() {
    let (scene, emulator) = (cluster_alone(), emulator().await);
    let identity = without(&scene, "identity");
    let whole = std::fs::read_to_string(scene.path(FILE)).unwrap();
    scene.write(FILE, identity);
    // The cluster answers at the proxy's address, as long as there is a proxy.
    let proxy = RecordingProxy::start(emulator.url()).await.expect("the proxy starts");
    scene.at(proxy.url(), &["run", FILE]).status(0);
    drop(proxy);
    // AWS itself is reached at another address, and llmhost is told so.
    scene.at(emulator.url(), &["state", "pin", FILE]).status(0).says(&["exist there"]);
    scene.write(FILE, whole);
    let ran = scene.at(emulator.url(), &["run", FILE]).status(1);
    ran.says(&["step identity", "the API server cannot be reached", "public_access_cidrs"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_taken_is_said_with_what_lets_in() {
    let (scene, emulator) = (cluster_alone(), emulator().await);
    scene.at(emulator.url(), &["run", FILE]).status(0);
    look_after(emulator.url(), &["forget-access", CLUSTER]);
    scene.edit(FILE, "service_account = \"model-server\"", "service_account = \"another\"");
    let ran = scene.at(emulator.url(), &["run", FILE, "--yes"]).status(1);
    ran.says(&["Unauthorized", "access entry", "admins of the eks step"]);
    let all = format!("{}{}", ran.stdout, ran.stderr);
    assert!(!all.contains("k8s-aws-v1.") && !all.contains(SECRET_KEY), "no token is shown: {all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_names_the_other_manager() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    scene.at(emulator.url(), &["run", FILE]).status(0);
    look_after(emulator.url(), &["edit-deployment", CLUSTER, "models", "model-server", "example.com/other:1"]);
    let ran = scene.at(emulator.url(), &["run", FILE, "--var", "image=example.com/llmhost:2"]).status(1);
    ran.says(&["step server", "somebody-else", "manages these fields too"]);
    let world = look(emulator.url());
    let deployment = &world["objects"][CLUSTER]["deployments"]["models/model-server"];
    assert_eq!(deployment["spec"]["template"]["spec"]["containers"][0]["image"], "example.com/other:1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_that_is_there_is_adopted_only_when_asked_and_never_deleted() {
    let (scene, emulator) = (cluster_alone(), emulator().await);
    let whole = std::fs::read_to_string(scene.path(FILE)).unwrap();
    let identity = without(&scene, "identity");
    scene.write(FILE, &identity);
    scene.at(emulator.url(), &["run", FILE]).status(0);
    look_after(emulator.url(), &["create-service-account", CLUSTER, "models", "model-server"]);
    let account = |world: &serde_json::Value| {
        world["objects"][CLUSTER]["service_accounts"]["models/model-server"]["metadata"].clone()
    };

    scene.write(FILE, &whole);
    let ran = scene.at(emulator.url(), &["run", FILE]).status(1);
    ran.says(&["already exists", "adopt = true"]);
    assert!(account(&look(emulator.url())).get("annotations").is_none());

    scene.edit(FILE, "service_account = \"model-server\"", "service_account = \"model-server\"\nadopt = true");
    scene.at(emulator.url(), &["run", FILE]).status(0);
    let adopted = account(&look(emulator.url()));
    assert!(adopted["annotations"]["eks.amazonaws.com/role-arn"].is_string(), "{adopted}");
    assert_eq!(adopted["labels"]["owner"], "somebody-else");

    scene.write(FILE, &identity);
    scene.at(emulator.url(), &["run", FILE, "--yes"]).status(0);
    let left = account(&look(emulator.url()));
    assert_eq!(left["labels"]["owner"], "somebody-else", "it is still there");
    assert!(left["annotations"].get("eks.amazonaws.com/role-arn").is_none(), "without what was stated: {left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_in_a_manifest_and_a_token_reach_no_output_state_or_graph() {
    let (scene, emulator) = (cluster_alone(), emulator().await);
    let ran = scene.at(emulator.url(), &["run", FILE, "--graph", "plan.html"]).status(0);
    let json = scene.at(emulator.url(), &["drift", FILE, "--json"]).status(0);
    let mut texts = said(&[ran, json]);
    let mut folders = vec![scene.folder.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            match entry.path().is_dir() {
                true => folders.push(entry.path()),
                false => texts.push(String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()).into_owned()),
            }
        }
    }
    for text in texts {
        for planted in [support::ACCESS_KEY, SECRET_KEY, "k8s-aws-v1.", "X-Amz-Signature"] {
            assert!(!text.contains(planted), "{planted} in {text}");
        }
    }
}

fn said(all: &[Ran]) -> Vec<String> {
    all.iter().flat_map(|ran| [ran.stdout.clone(), ran.stderr.clone()]).collect()
}
