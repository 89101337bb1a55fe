//! Runs of some steps: the others stay as they are, and what that means is said first.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use serde_json::Value;
use support::{Scene, emulator, look};

const FILE: &str = "pipeline.toml";
const STEPS: &str = r#"
[steps.network]
uses = "vpc"
with = { name = "net", cidr = "10.0.0.0/16", azs = 1, nat = "none" }

[steps.models]
uses = "s3"
with = { bucket = "models-of-${network.vpc_id}" }

[steps.roles]
uses = "iam"
with = { cluster_role = "ClusterRole", node_role = "NodeRole" }
"#;

/// Names of the VPCs, how many buckets, how many roles.
fn counts(world: &Value) -> (Vec<String>, usize, usize) {
    let vpcs = world["network"]["vpcs"].as_array().unwrap().iter().filter(|vpc| vpc["default"] == false);
    let names = vpcs.map(|vpc| vpc["tags"]["Name"].as_str().unwrap().to_owned()).collect();
    (names, world["storage"].as_array().unwrap().len(), world["identity"]["roles"].as_object().unwrap().len())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_was_selected_is_touched_and_the_rest_is_said_first() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    scene.pipeline(STEPS);
    let run = |args: &[&str]| scene.at(emulator.url(), &[&["run", FILE, "--yes"], args].concat());
    let there = || counts(&look(emulator.url()));
    let net = || vec!["net".to_owned()];

    run(&["--only", "models"]).status(1).says(&["models needs network", "Include 'network' as well"]);
    run(&["--only", "netwrk"]).status(2).says(&["no step 'netwrk'", "Did you mean 'network'?"]);
    assert_eq!(there(), (vec![], 0, 0));
    run(&["--only", "network"])
        .status(0)
        .says(&["Skipped: models, roles.", "models depends on network, and does not get"]);
    assert_eq!(there(), (net(), 0, 0));
    run(&["--only", "models"]).status(0).says(&["models uses the outputs of the last run of network"]);
    assert_eq!(there(), (net(), 1, 0));

    // What is left out is neither changed, nor deleted when its step is no longer in the file.
    scene.edit(FILE, "name = \"net\"", "name = \"renamed\"");
    run(&["--exclude", "network,models"]).status(0).says(&["2 created, 0 updated"]);
    assert_eq!(there(), (net(), 1, 2));
    scene.pipeline(STEPS.replace("name = \"net\"", "name = \"renamed\"").split("[steps.roles]").next().unwrap());
    let only = run(&["--only", "network", "--dry-run", "--out", "plan.bin"]).status(0);
    assert!(!only.stdout.contains("roles/"), "{}", only.stdout);
    scene.at(emulator.url(), &["run", "plan.bin"]).status(0).says(&["0 deleted"]);
    assert_eq!(there(), (vec!["renamed".to_owned()], 1, 2));

    // A run of all of it finds nothing amiss but the step that is gone.
    run(&[]).status(0).says(&["0 created, 0 updated, 0 replaced, 2 deleted"]);
    run(&[]).status(0).says(&["0 changes"]);
    // The bucket's name is the network's id: it goes first.
    let destroyed = scene.at(emulator.url(), &["destroy", FILE, "--yes"]).status(0);
    let place = |what: &str| destroyed.stderr.find(what).unwrap_or_else(|| panic!("{what}: {}", destroyed.stderr));
    assert!(place("deleted models/s3.bucket/main") < place("deleted network/ec2.vpc/main"));
    assert_eq!(there(), (vec![], 0, 0));
}
