//! What somebody did by hand behind the pipeline's back: said with the fix, and nothing is lost.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use support::{Scene, emulator, look, look_after};

const FILE: &str = "pipeline.toml";
const STACK: &str = "llm-on-eks.toml";

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_was_deleted_is_found_missing_and_created_again() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let at = |args: &[&str]| scene.at(emulator.url(), args);
    scene.pipeline("[steps.roles]\nuses = \"iam\"\nwith = { cluster_role = \"C\", node_role = \"N\" }\n");
    at(&["run", FILE]).status(0);
    look_after(emulator.url(), &["delete-role", "N"]);
    at(&["drift", FILE, "--exit-code"]).status(3).says(&["roles/iam.role/node"]);
    // A run that has to change it says how to go on.
    scene.edit(FILE, "region = \"us-east-1\"", "region = \"us-east-1\"\ntags = { team = \"ml\" }");
    at(&["run", FILE, "--yes"]).status(1).says(&["roles/iam.role/node", "NoSuchEntity", "run --refresh"]);
    at(&["run", FILE, "--refresh", "--yes"]).status(0).says(&["1 created"]);
    let roles = look(emulator.url())["identity"]["roles"].clone();
    assert_eq!(roles["N"]["tags"]["team"], "ml");
    assert_eq!(roles["N"]["attached"].as_array().unwrap().len(), 3);
    at(&["run", FILE, "--dry-run", "--exit-code"]).status(0);
    look_after(emulator.url(), &["delete-role", "C"]);
    at(&["destroy", FILE, "--yes"]).status(0);
    assert!(look(emulator.url())["identity"]["roles"].as_object().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_was_deleted_with_everything_in_it_is_created_again_or_destroyed() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    let at = |args: &[&str]| scene.at(emulator.url(), args);
    let empty = emulator.inventory("us-east-1").unwrap();
    at(&["run", STACK]).status(0);
    look_after(emulator.url(), &["delete-cluster", "llm-cluster"]);
    at(&["drift", STACK, "--exit-code"]).status(3).says(&[
        "cluster/eks.cluster/main",
        "gpu/eks.node-group/main",
        "server/kube.object/server",
    ]);
    at(&["run", STACK, "--refresh", "--yes"]).status(0);
    at(&["run", STACK, "--refresh", "--dry-run", "--exit-code"]).status(0);

    look_after(emulator.url(), &["delete-cluster", "llm-cluster"]);
    at(&["destroy", STACK, "--yes"]).status(0);
    let left: Vec<_> = emulator.inventory("us-east-1").unwrap().difference(&empty).cloned().collect();
    assert!(left.is_empty(), "still there: {left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_does_not_exist_is_said_and_not_called_removed() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    scene.pipeline(
        "[steps.id]\nuses = \"irsa\"\nwith = { cluster = \"pl\", namespace = \"team\", service_account = \"s\", mode = \
         \"pod-identity\", bucket = \"team-models\" }\n",
    );
    let ran = scene.at(emulator.url(), &["run", FILE, "--skip-preflight"]).status(1);
    ran.says(&["there is no cluster 'pl'", "The cluster must exist before"]);
    assert!(!format!("{}{}", ran.stdout, ran.stderr).contains("removed by something else"));
    scene.at(emulator.url(), &["destroy", FILE, "--yes"]).status(0);
}
