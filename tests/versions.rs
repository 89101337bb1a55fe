//! Versions of Kubernetes: what follows the cluster, in which order, and what is refused before anything begins.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use llmhost_emulator::testing::RecordingProxy;
use support::{Scene, emulator, look};

const FILE: &str = "llm-on-eks.toml";
const CLUSTER: &str = "llm-cluster";
const HEAD: &str = "name = \"llm-cluster\"\nrole_arn";

/// The example with its cluster at this version.
fn scene(version: &str) -> Scene {
    let scene = Scene::with_examples();
    scene.edit(FILE, HEAD, &format!("name = \"llm-cluster\"\nversion = \"{version}\"\nrole_arn"));
    scene
}

fn go(scene: &Scene, from: &str, to: &str) {
    scene.edit(FILE, &format!("version = \"{from}\"\nrole_arn"), &format!("version = \"{to}\"\nrole_arn"));
}

#[tokio::test(flavor = "multi_thread")]
async fn addons_and_nodes_follow_their_cluster_in_order() {
    let (scene, emulator) = (scene("1.33"), emulator().await);
    let proxy = RecordingProxy::start(emulator.url()).await.expect("the proxy starts");
    scene.at(proxy.url(), &["run", FILE, "-y"]).status(0);
    let versions = || {
        let found = look(emulator.url())["clusters"][CLUSTER].clone();
        let text = |pointer: &str| found.pointer(pointer).and_then(|text| text.as_str()).unwrap().to_owned();
        ["/cluster/version", "/addons/kube-proxy/addonVersion", "/node_groups/gpu/version", "/node_groups/cpu/version"]
            .map(text)
    };
    assert_eq!(versions(), ["1.33", "v1.33.3-eksbuild.2", "1.33", "1.33"]);
    scene.at(proxy.url(), &["run", FILE, "-y"]).status(0).says(&["No changes"]);

    // One group stays where the file says; it may lag.
    scene.edit(FILE, "name = \"cpu\"\ncluster", "name = \"cpu\"\nversion = \"1.33\"\ncluster");
    scene.at(proxy.url(), &["run", FILE, "--dry-run"]).status(0).says(&["No changes"]);
    go(&scene, "1.33", "1.34");
    let plan = scene.at(proxy.url(), &["run", FILE, "--dry-run"]).status(0);
    plan.says(&[
        "~ eks.cluster/main",
        "~ eks.addon/kube-proxy",
        "cluster_version: \"1.33\" -> \"1.34\"",
        "~ eks.node-group/main",
        "version: \"1.33\" -> \"1.34\"",
    ]);
    proxy.forget();
    scene.at(proxy.url(), &["run", FILE, "-y"]).status(0);
    assert_eq!(versions(), ["1.34", "v1.34.3-eksbuild.2", "1.34", "1.33"]);
    let asked: Vec<String> =
        proxy.requests().into_iter().map(|request| format!("{} {}", request.method, request.path)).collect();
    let first = |path: &str| {
        let path = format!("POST /clusters/{CLUSTER}{path}");
        asked.iter().position(|asked| *asked == path).unwrap_or_else(|| panic!("{path} in {asked:#?}"))
    };
    let order = ["/updates", "/addons/kube-proxy/update", "/node-groups/gpu/update-version"].map(first);
    assert!(order.is_sorted(), "{asked:#?}");
    scene.at(proxy.url(), &["run", FILE, "-y"]).status(0).says(&["No changes"]);
    scene.at(proxy.url(), &["drift", FILE, "--exit-code"]).status(0);

    // The group that lags catches up.
    scene.edit(FILE, "name = \"cpu\"\nversion = \"1.33\"\ncluster", "name = \"cpu\"\ncluster");
    scene.at(proxy.url(), &["run", FILE, "-y"]).status(0).says(&["1 updated"]);
    assert_eq!(versions()[3], "1.34");
    // And is not taken back.
    scene.edit(FILE, "name = \"cpu\"\ncluster", "name = \"cpu\"\nversion = \"1.33\"\ncluster");
    scene.llmhost(&["run", FILE, "--dry-run"]).status(1).says(&["EKS cannot downgrade them to 1.33"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_eks_refuses_is_refused_when_it_is_planned() {
    let (scene, emulator) = (scene("1.32"), emulator().await);
    let proxy = RecordingProxy::start(emulator.url()).await.expect("the proxy starts");
    scene.at(proxy.url(), &["run", FILE, "-y", "--only", "network,roles,cluster"]).status(0);
    proxy.forget();
    for (version, words) in [
        ("1.34", "one minor version at a time; run with version = \"1.33\" first, then with 1.34"),
        ("1.31", "EKS cannot go back to 1.31; set version = \"1.32\" or a newer one"),
    ] {
        go(&scene, "1.32", version);
        for command in [&["run", FILE, "--dry-run"][..], &["run", FILE, "-y"]] {
            scene.at(proxy.url(), command).status(1).says(&["cluster/eks.cluster/main", words]);
        }
        go(&scene, version, "1.32");
    }
    assert_eq!(proxy.mutating(), 0, "{:?}", proxy.requests());
}

#[test]
fn nodes_that_their_cluster_cannot_have_are_refused() {
    for (version, words) in [
        ("1.34", "the nodes' version 1.34 is newer than the cluster's, 1.33"),
        ("1.29", "the nodes' version 1.29 is 4 minor versions behind the cluster's, 1.33, and Kubernetes allows 3"),
    ] {
        let scene = scene("1.33");
        scene.edit(FILE, "name = \"cpu\"\ncluster", &format!("name = \"cpu\"\nversion = \"{version}\"\ncluster"));
        scene.llmhost(&["validate", FILE]).status(1).says(&["cpu/eks.node-group/main", words]);
    }
}

#[test]
fn a_version_out_of_standard_support_is_warned_of() {
    let scene = scene("1.31");
    let ran = scene.llmhost(&["validate", FILE, "--online", "--emulate"]).status(0);
    ran.says(&["extended-support", "Kubernetes 1.31 is not in standard support", "llm-on-eks.toml:"]);
}
