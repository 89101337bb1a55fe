//! A state belongs to one region, account and endpoint. Elsewhere every command refuses it, before anything
//! else, and nothing is taken for gone.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use llmhost_emulator::testing::RecordingProxy;
use serde_json::Value;
use support::{Ran, Scene, emulator, look};

const FILE: &str = "pipeline.toml";
const STATE: &str = ".llmhost/reg/state.json";
const PIPELINE: &str = r#"[pipeline]
name = "reg"
region = "us-east-1"
[steps.net]
uses = "vpc"
with = { name = "rg", cluster = "rg", azs = 2, security_groups = {} }
[steps.roles]
uses = "iam"
with = { cluster_role = "rg-cluster", node_role = "rg-node" }
[steps.cluster]
uses = "eks"
with = { name = "rg", role_arn = "${roles.cluster_role_arn}", subnet_ids = "${net.subnet_ids}", endpoint = "private" }
"#;

/// Every command that is about what a state holds.
const COMMANDS: &[&[&str]] = &[
    &["run", FILE, "--dry-run"],
    &["run", FILE, "--yes"],
    &["run", FILE, "--refresh", "--dry-run"],
    &["run", FILE, "--refresh", "--yes"],
    &["validate", FILE],
    &["validate", FILE, "--online"],
    &["status", FILE],
    &["drift", FILE],
    &["import", FILE, "net/ec2.vpc/main", "vpc-0abc1234"],
    &["destroy", FILE, "--dry-run"],
    &["destroy", FILE, "--yes"],
];

fn scene() -> Scene {
    let scene = Scene::new();
    scene.write(FILE, PIPELINE);
    scene
}

fn state(scene: &Scene) -> Value {
    serde_json::from_slice(&std::fs::read(scene.path(STATE)).unwrap()).unwrap()
}

/// Changes the state as somebody does who edits it by hand.
fn edit_state(scene: &Scene, edit: impl FnOnce(&mut Value)) {
    let mut document = state(scene);
    document.as_object_mut().unwrap().remove("checksum");
    edit(&mut document["state"]);
    scene.write(STATE, document.to_string());
}

/// Every command refuses with these words, and nothing changes, here or there.
#[track_caller]
fn all_refuse(scene: &Scene, at: impl Fn(&[&str]) -> Ran, url: &str, words: &[&str]) {
    let (state, there) = (std::fs::read(scene.path(STATE)).unwrap(), look(url));
    for command in COMMANDS {
        let ran = at(command).status(1);
        ran.says(words).says(&["the state belongs to another place", "Nothing was changed"]);
        assert!(ran.stdout.is_empty(), "{command:?}: {}", ran.stdout);
    }
    assert_eq!(std::fs::read(scene.path(STATE)).unwrap(), state, "the state stays as it is");
    assert_eq!(look(url), there, "and so does what it holds");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_was_edited_is_refused_by_every_command_and_setting_it_back_works() {
    let (scene, emulator) = (scene(), emulator().await);
    let url = emulator.url();
    let before = look(url);
    scene.at(url, &["run", FILE]).status(0).says(&["25 created"]);
    let world = &state(&scene)["state"]["world"];
    assert_eq!((&world["region"], &world["partition"]), (&"us-east-1".into(), &"aws".into()));
    assert_eq!((&world["account"], &world["endpoint"]), (&"123456789012".into(), &url.into()));

    scene.edit(FILE, "us-east-1", "eu-west-1");
    let words = [
        "its region is us-east-1, and this run's is eu-west-1",
        "Set region = \"us-east-1\" again in [pipeline].",
        "another name in [pipeline], or another --state",
        "set the old region again and destroy it there",
    ];
    all_refuse(&scene, |args| scene.at(url, args), url, &words);
    // Without an endpoint and credentials, too: it is known without a call.
    for offline in [
        ["run", FILE, "--dry-run"].as_slice(),
        &["validate", FILE],
        &["status", FILE],
        &["graph", FILE],
        &["policy", FILE],
    ] {
        scene.llmhost(offline).status(1).says(&words);
    }
    // Another partition is another region, and another one of each.
    scene.edit(FILE, "eu-west-1", "cn-north-1");
    scene.at(url, &["destroy", FILE, "--yes"]).status(1).says(&["its partition is aws", "its region is us-east-1"]);

    scene.edit(FILE, "cn-north-1", "us-east-1");
    scene.at(url, &["run", FILE]).status(0).says(&["No changes"]);
    scene.at(url, &["drift", FILE, "--exit-code"]).status(0).says(&["No drift: all 25 resources"]);
    scene.at(url, &["destroy", FILE, "--yes"]).status(0).says(&["25 deleted"]);
    assert_eq!(look(url), before);

    // Where nothing is left there is nothing to lose: the pipeline has moved.
    scene.edit(FILE, "us-east-1", "eu-west-1");
    scene.at(url, &["run", FILE]).status(0).says(&["25 created"]);
    scene.llmhost(&["outputs", FILE]).status(0).says(&["eu-west-1a"]);
    assert_eq!(state(&scene)["state"]["world"]["region"], "eu-west-1");
    scene.at(url, &["destroy", FILE, "--yes"]).status(0).says(&["25 deleted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_is_refused() {
    let (scene, emulator) = (scene(), emulator().await);
    let url = emulator.url();
    scene.at(url, &["run", FILE]).status(0);
    edit_state(&scene, |state| state["world"]["account"] = "999999999999".into());
    let words =
        ["its account is 999999999999, and this run's is 123456789012", "credentials of the account 999999999999"];
    let before = look(url);
    let asking: [&[&str]; 5] = [
        &["drift", FILE],
        &["run", FILE, "--refresh", "--dry-run"],
        &["run", FILE, "--refresh", "--yes"],
        &["destroy", FILE, "--dry-run"],
        &["destroy", FILE, "--yes"],
    ];
    for command in asking {
        scene.at(url, command).status(1).says(&words);
    }
    // A run that would change something.
    scene.edit(FILE, "rg-node", "rg-nodes");
    scene.at(url, &["run", FILE, "--yes"]).status(1).says(&words);
    assert_eq!(look(url), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_endpoint_is_refused_until_it_is_shown_to_be_the_same_place() {
    let (scene, emulator, another) = (scene(), emulator().await, emulator().await);
    let (url, elsewhere) = (emulator.url(), another.url());
    scene.at(url, &["run", FILE]).status(0);
    let refused = format!("its endpoint is {url}, and this run's is {elsewhere}");
    let back = format!("Use --endpoint-url {url}.");
    all_refuse(&scene, |args| scene.at(elsewhere, args), url, &[&refused, &back, "llmhost state pin FILE"]);
    // AWS's own endpoint is another one as well, where it would be asked.
    for asking in
        [["destroy", FILE, "--yes"].as_slice(), &["drift", FILE], &["run", FILE], &["validate", FILE, "--online"]]
    {
        scene.llmhost(asking).status(1).says(&["this run's is AWS's own", &back]);
    }
    scene.llmhost(&["status", FILE]).status(0).says(&["net/ec2.vpc/main vpc-"]);
    scene.llmhost(&["run", FILE, "--dry-run"]).status(0).says(&["No changes"]);
    // The environment says it just as well.
    let mut by_environment = scene.command(&["run", FILE, "--dry-run"]);
    let output = by_environment.env("AWS_ENDPOINT_URL", elsewhere).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("endpoint"), "{output:?}");

    // Another place is not the same at another address: nothing of the state is found there.
    let pinned = scene.at(elsewhere, &["state", "pin", FILE]).status(1);
    pinned.says(&["25 of the state's 25 resources do not exist at this endpoint", "gone", "Nothing was changed"]);
    all_refuse(&scene, |args| scene.at(elsewhere, args), url, &[&refused]);

    // The same one is: a proxy in front of it.
    let proxy = RecordingProxy::start(url).await.unwrap();
    scene.at(proxy.url(), &["drift", FILE]).status(1).says(&["another place"]);
    scene.at(proxy.url(), &["state", "pin", FILE]).status(0).says(&["All 25 resources exist there", proxy.url()]);
    assert_eq!(proxy.mutating(), 0, "{:?}", proxy.requests());
    scene.at(url, &["destroy", FILE, "--yes"]).status(1).says(&[&format!("its endpoint is {}", proxy.url())]);
    scene.at(proxy.url(), &["run", FILE]).status(0).says(&["No changes"]);

    // The region is never pinned anew.
    scene.edit(FILE, "us-east-1", "eu-west-1");
    scene.at(url, &["state", "pin", FILE]).status(1).says(&["its region is us-east-1"]);
    scene.edit(FILE, "eu-west-1", "us-east-1");
    scene.at(proxy.url(), &["destroy", FILE, "--yes"]).status(0).says(&["25 deleted"]);
    scene.at(url, &["state", "pin", FILE]).status(0).says(&["no endpoint"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_of_an_older_version_is_pinned_by_its_next_run_and_tells_of_its_region_before() {
    let (scene, emulator) = (scene(), emulator().await);
    let url = emulator.url();
    scene.at(url, &["run", FILE]).status(0);
    let old = |scene: &Scene| edit_state(scene, |state| _ = state.as_object_mut().unwrap().remove("world"));
    old(&scene);
    scene.edit(FILE, "us-east-1", "eu-west-1");
    all_refuse(&scene, |args| scene.at(url, args), url, &["its region is us-east-1, and this run's is eu-west-1"]);
    scene.edit(FILE, "eu-west-1", "us-east-1");
    scene.at(url, &["run", FILE]).status(0).says(&["No changes"]);
    let world = state(&scene)["state"]["world"].clone();
    assert_eq!((&world["region"], &world["account"]), (&"us-east-1".into(), &"123456789012".into()));
    assert_eq!(world["endpoint"], url);
    old(&scene);
    scene.at(url, &["destroy", FILE, "--yes"]).status(0).says(&["25 deleted"]);
}

#[test]
fn a_kept_emulator_and_a_fresh_one_are_places_of_their_own() {
    let scene = Scene::new();
    scene.write(FILE, PIPELINE.split("[steps.roles]").next().unwrap());
    scene.llmhost(&["run", FILE, "--emulate-keep"]).status(0);
    scene.edit(FILE, "us-east-1", "eu-west-1");
    scene.llmhost(&["run", FILE, "--emulate-keep"]).status(1).says(&["its region is us-east-1"]);
    scene.llmhost(&["destroy", FILE, "--emulate"]).status(1).says(&["its region is us-east-1"]);
    scene.llmhost(&["rehearse", FILE]).status(0);
    scene.edit(FILE, "eu-west-1", "us-east-1");
    scene.llmhost(&["run", FILE, "--emulate-keep"]).status(0).says(&["No changes"]);
    scene.llmhost(&["destroy", FILE, "--emulate"]).status(0);
    scene.llmhost(&["run", FILE, "--emulate"]).status(0);
}
