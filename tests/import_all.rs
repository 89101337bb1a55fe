//! A state that was lost is rebuilt from the tags, the names and the content of what exists.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use serde_json::Value;
use support::{Scene, emulator, look, look_after};

const FILE: &str = "pipeline.toml";
const STACK: &str = "llm-on-eks.toml";
const STEPS: &str = r#"
[steps.network]
uses = "vpc"
with = { name = "net", azs = 2, nat = "per-az" }

[steps.roles]
uses = "iam"
with = { cluster_role = "ClusterRole", node_role = "NodeRole" }

[steps.models]
uses = "s3"
with = { bucket = "old-bucket" }
"#;

/// The state of a pipeline, as its file has it.
fn state(scene: &Scene, pipeline: &str) -> Value {
    let path = scene.path(&format!(".llmhost/{pipeline}/state.json"));
    let mut all: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    for record in all["state"]["resources"].as_object_mut().unwrap().values_mut() {
        // Which instance it is, is made up anew for what was imported.
        let current = record["current"].as_object_mut().unwrap();
        assert!(current.remove("generation").is_some());
        current.remove("bound");
        // Steps that run at the same time declare in any order.
        if let Some(Value::Array(all)) = current.get_mut("depends_on") {
            all.sort_by_key(Value::to_string);
        }
    }
    all["state"].clone()
}

/// What is there, without what the controllers of a cluster go on writing.
fn declared(url: &str) -> Value {
    let mut world = look(url);
    let clusters = world["objects"].as_object_mut().unwrap().values_mut();
    let kinds = clusters.filter_map(Value::as_object_mut).flat_map(|kinds| kinds.values_mut());
    for object in kinds.filter_map(Value::as_object_mut).flat_map(|objects| objects.values_mut()) {
        object.as_object_mut().unwrap().remove("status");
        let metadata = object["metadata"].as_object_mut().unwrap();
        metadata.retain(|key, _| !["managedFields", "resourceVersion"].contains(&key.as_str()));
    }
    world
}

fn lose_state(scene: &Scene) {
    std::fs::remove_dir_all(scene.path(".llmhost")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_stack_is_rebuilt_from_what_exists_and_the_next_plan_is_empty() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    let at = |args: &[&str]| scene.at(emulator.url(), args);
    let empty = emulator.inventory("us-east-1").unwrap();
    at(&["run", STACK]).status(0);
    let before = state(&scene, "llm-on-eks");
    assert_eq!(before["resources"].as_object().unwrap().len(), 46);
    let world = declared(emulator.url());
    lose_state(&scene);
    // A cluster that is not in the state yet makes its OIDC provider look replaced. An import deletes nothing.
    scene.edit(STACK, "[steps.cluster]\n", "[steps.cluster]\nprotect = true\n");

    at(&["import", STACK, "--all"]).status(1).says(&["46 to import", "Import 46 resources?", "needs --yes"]);
    at(&["status", STACK]).status(0);
    assert!(!scene.path(".llmhost/llm-on-eks/state.json").exists(), "nothing without a yes");
    at(&["import", STACK, "--all", "--yes"]).status(0).says(&[
        "ec2.vpc/main",
        "found by its tags",
        "iam.role/node EKSNodeRole found by its name",
        "Import: 46 to import. The next run would then change nothing.",
        "Imported 46 resources.",
    ]);
    let after = state(&scene, "llm-on-eks");
    for part in ["facts", "outputs"] {
        assert_eq!(after[part], before[part], "{part}");
    }
    let resources = |state: &Value| state["resources"].as_object().unwrap().clone();
    for (address, record) in resources(&before) {
        assert_eq!(after["resources"][&address], record, "{address}");
    }
    assert_eq!(resources(&after).len(), 46);
    assert_eq!(declared(emulator.url()), world, "an import changes nothing but the state");

    at(&["import", STACK, "--all", "--yes"]).status(0).says(&["Import: 0 to import, 46 in the state already"]);
    at(&["drift", STACK, "--exit-code"]).status(0);
    scene.llmhost(&["run", STACK, "--dry-run", "--exit-code"]).status(0).says(&["No changes: 46 resources"]);
    at(&["run", STACK, "--only", "server", "--yes"]).status(0).says(&["Done: 0 changes."]);
    at(&["destroy", STACK, "--yes"]).status(1).says(&["protected, so it cannot be destroyed"]);
    scene.edit(STACK, "protect = true\n", "");
    at(&["destroy", STACK, "--yes"]).status(0);
    let left: Vec<_> = emulator.inventory("us-east-1").unwrap().difference(&empty).cloned().collect();
    assert!(left.is_empty(), "still there: {left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn renamed_addresses_are_matched_by_what_they_declare() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let at = |args: &[&str]| scene.at(emulator.url(), args);
    scene.pipeline(STEPS);
    at(&["run", FILE]).status(0);
    let made = state(&scene, "test")["resources"].as_object().unwrap().len();
    lose_state(&scene);
    // Every address tag is another one now.
    scene.edit(FILE, "[steps.network]", "[steps.net]");
    scene.edit(FILE, "[steps.roles]", "[steps.identity]");
    at(&["import", FILE, "--all", "--yes"]).status(0).says(&[
        &format!("{made} to import"),
        "found by its content; its tags name network/ec2.subnet/public-a",
        "The next run would then change nothing but the tags of",
    ]);
    let world = look(emulator.url());
    at(&["run", FILE, "--yes"]).status(0).says(&["Done: 0 changes, ", " moved."]);
    let now = look(emulator.url());
    let ids = |world: &Value| {
        world["network"]["subnets"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&now), ids(&world));
    at(&["run", FILE, "--dry-run", "--exit-code"]).status(0);
    at(&["destroy", FILE, "--yes"]).status(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_pipeline_or_nobody_tagged_is_named_and_left_and_the_rest_is_taken_in() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let at = |args: &[&str]| scene.at(emulator.url(), args);
    scene.pipeline(STEPS);
    at(&["run", FILE]).status(0);
    lose_state(&scene);
    look_after(emulator.url(), &["tag-role", "NodeRole", "llmhost:pipeline", "other"]);
    look_after(emulator.url(), &["untag-bucket", "old-bucket"]);
    scene.edit(FILE, "azs = 2", "azs = 1");

    // A run knows whose they are.
    at(&["run", FILE, "--only", "roles", "--yes", "--skip-preflight"]).status(1).says(&[
        "NodeRole belongs to the pipeline 'other'",
        "ClusterRole carries the tags of this pipeline (roles/iam.role/cluster) and is not in its state",
        "llmhost import FILE --all",
    ]);
    at(&["import", FILE, "--all", "--yes"]).status(1).says(&[
        "roles/iam.role/node is NodeRole, which carries the tags of the pipeline 'other'",
        "models/s3.bucket/main exists as old-bucket, without the tags of this pipeline",
        "llmhost import FILE models/s3.bucket/main old-bucket",
        "neither declared nor in the state",
        "made as network/ec2.subnet/public-b",
        "2 declared resources were not imported",
    ]);
    assert_eq!(look(emulator.url())["identity"]["roles"]["NodeRole"]["tags"]["llmhost:pipeline"], "other");
    let import = |args: &[&str]| at(&[&["import", FILE], args].concat());
    import(&["roles/iam.role/node", "NodeRole"])
        .status(1)
        .says(&["NodeRole belongs to the pipeline 'other'", "--from-pipeline other"]);
    import(&["roles/iam.role/node", "NodeRole", "--from-pipeline", "other"]).status(0);
    import(&["models/s3.bucket/main", "old-bucket"]).status(0);
    at(&["run", FILE, "--yes"]).status(0).says(&["0 replaced, 0 deleted"]);
    assert_eq!(look(emulator.url())["identity"]["roles"]["NodeRole"]["tags"]["llmhost:pipeline"], "test");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_stopped_half_way_goes_on() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let at = |args: &[&str]| scene.at(emulator.url(), args);
    scene.pipeline(STEPS);
    at(&["run", FILE]).status(0);
    let whole = state(&scene, "test");
    let all: Vec<String> = whole["resources"].as_object().unwrap().keys().cloned().collect();
    let half: Vec<&str> = all.iter().step_by(2).map(String::as_str).collect();
    at(&[&["state", "rm", FILE, "--force", "--yes"], &*half].concat()).status(0);
    at(&["import", FILE, "--all", "--yes"]).status(0).says(&[
        &format!("{} to import, {} in the state already", half.len(), all.len() - half.len()),
        "would then change nothing",
    ]);
    let again = state(&scene, "test");
    for address in &all {
        let spec = |state: &Value| state["resources"][address]["current"]["spec"].clone();
        assert_eq!(spec(&again), spec(&whole), "{address}");
        // Those that stayed need again what was forgotten: what they use goes after them.
        let uses = |state: &Value| {
            let used = state["resources"][address]["current"]["depends_on"].as_array().cloned().unwrap_or_default();
            used.iter().map(|used| used.as_str().unwrap().to_owned()).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(uses(&again), uses(&whole), "{address}");
    }
    at(&["destroy", FILE, "--yes"]).status(0);
    assert!(look(emulator.url())["identity"]["roles"].as_object().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn zones_that_somebody_chose_otherwise_are_those_of_the_pipeline_from_then_on() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let at = |args: &[&str]| scene.at(emulator.url(), args);
    let network = r#"
[steps.network]
uses = "vpc"
with = { name = "grown", azs = 2, nat = "none", private_subnets = [], security_groups = {}, s3_endpoint = false }
"#;
    scene.pipeline(network);
    // The first zone is the region's third there, and the second one its first.
    look_after(emulator.url(), &["make-network", "grown", "us-east-1c", "us-east-1a"]);
    at(&["import", FILE, "network/ec2.vpc/main", "--tag", "Name=grown"]).status(0);
    at(&["import", FILE, "network/ec2.subnet/public-b", "--tag", "Name=grown-1"]).status(0);
    at(&["import", FILE, "network/ec2.subnet/public-a", "--tag", "Name=grown-0"]).status(0);
    at(&["run", FILE, "--yes"]).status(0).says(&["0 replaced, 0 deleted"]);
    let facts = state(&scene, "test")["facts"].clone();
    assert_eq!(facts["ec2.availability-zone/0"], "us-east-1c");
    assert_eq!(facts["ec2.availability-zone/1"], "us-east-1a");
    // One more zone is one that none of them is in.
    scene.edit(FILE, "azs = 2", "azs = 3");
    at(&["run", FILE, "--yes"]).status(0).says(&["0 replaced, 0 deleted"]);
    let world = look(emulator.url());
    let ours = world["network"]["subnets"].as_array().unwrap().iter();
    let ours = ours.filter(|one| one["tags"]["llmhost:pipeline"] == "test");
    let mut zones: Vec<&str> = ours.map(|one| one["zone"].as_str().unwrap()).collect();
    zones.sort_unstable();
    assert_eq!(zones, ["us-east-1a", "us-east-1b", "us-east-1c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_not_the_declared_one_is_refused() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    let at = |args: &[&str]| scene.at(emulator.url(), args);
    at(&["run", STACK]).status(0);
    lose_state(&scene);
    for (address, given, words) in [
        ("gpu/eks.node-group/main", "llm-cluster/cpu", "declared as llm-cluster/gpu, and llm-cluster/cpu was given"),
        ("cluster/eks.addon/coredns", "coredns", "declared as llm-cluster/coredns, and coredns was given"),
        ("roles/iam.role/node", "EKSClusterRole", "declared as EKSNodeRole, and EKSClusterRole was given"),
        ("cluster/eks.cluster/main", "other", "declared as llm-cluster, and other was given"),
        ("server/kube.object/server", "model-server", "declared as Deployment.apps/models/"),
        (
            "network/ec2.route/public-internet",
            "0.0.0.0/0",
            "Import what it depends on first: network/ec2.route-table/public",
        ),
    ] {
        at(&["import", STACK, address, given]).status(1).says(&[words]);
    }
    at(&["import", STACK, "gpu/eks.node-group/main"]).status(2).says(&["<ID>"]);
    at(&["import", STACK]).status(2).says(&["<ADDRESS>"]);
    at(&["import", STACK, "--all", "gpu/eks.node-group/main"]).status(2).says(&["cannot be used with"]);
}
