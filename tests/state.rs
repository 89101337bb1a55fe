//! `llmhost state …`: looking into the state, and changing what it says.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::process::Stdio;
use std::time::{Duration, Instant};

use llmhost_emulator::testing::{Fault, RecordingProxy};
use serde_json::Value;
use support::{Scene, emulator, look};

const FILE: &str = "network-and-storage.toml";
const VPC: &str = "network/ec2.vpc/main";

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_is_listed_and_shown() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    assert!(scene.llmhost(&["state", "list", FILE]).status(0).stdout.is_empty());
    scene.at(emulator.url(), &["run", FILE]).status(0);
    let id = look(emulator.url())["network"]["vpcs"]
        .as_array()
        .unwrap()
        .iter()
        .find(|vpc| vpc["default"] == false)
        .and_then(|vpc| vpc["id"].as_str())
        .expect("a VPC")
        .to_owned();
    scene.llmhost(&["state", "list", FILE]).status(0).says(&[&format!("{VPC} {id}"), "models/s3.bucket/"]);
    let listed = json(&scene.llmhost(&["state", "list", FILE, "--json"]).status(0).stdout);
    let found = listed.as_array().expect("a list").iter().find(|one| one["address"] == VPC).expect("the VPC");
    assert_eq!(found["id"], id.as_str());
    let shown = scene.llmhost(&["state", "show", FILE, "network/ec2.subnet/public-a"]).status(0);
    shown.says(&["cidr_block = \"10.0.1.0/24\"", "depends on:", VPC, "outputs:"]);
    let shown = json(&scene.llmhost(&["state", "show", FILE, VPC, "--json"]).status(0).stdout);
    assert_eq!((&shown["address"], &shown["current"]["id"]), (&VPC.into(), &id.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forgotten_stays_where_it_is() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    let url = emulator.url();
    scene.at(url, &["run", FILE]).status(0);
    let before = look(url);
    let bucket = "models/s3.folder/upload-0";
    let state = std::fs::read(scene.path(".llmhost/network-and-storage/state.json")).expect("a state");
    let used = scene.llmhost(&["state", "rm", FILE, VPC, "--yes"]).status(1);
    used.says(&["still used", "network/ec2.subnet/public-a", "--force"]);
    let listed = scene.llmhost(&["state", "list", FILE]).stdout;
    let folder = listed.lines().find(|line| line.starts_with("models/s3.folder/")).unwrap_or(bucket);
    let folder = folder.split(' ').next().unwrap();
    scene.llmhost(&["state", "rm", FILE, folder]).status(1).says(&[
        "Remove 1 resource from the state?",
        "--yes",
        folder,
    ]);
    let after = std::fs::read(scene.path(".llmhost/network-and-storage/state.json")).expect("a state");
    assert_eq!(state, after, "nothing was changed");
    scene
        .llmhost(&["state", "rm", FILE, folder, "--yes"])
        .status(0)
        .says(&["Forgot 1 resource", "llmhost no longer deletes them"]);
    scene.llmhost(&["state", "show", FILE, folder]).status(1).says(&["is not in the state"]);
    scene.llmhost(&["state", "rm", FILE, VPC, "--yes", "--force"]).status(0).says(&["Forgot 1 resource"]);
    let subnet = json(&scene.llmhost(&["state", "show", FILE, "network/ec2.subnet/public-a", "--json"]).stdout);
    assert!(!subnet["current"]["depends_on"].to_string().contains(VPC), "{subnet}");
    assert_eq!(look(url), before);
    let plan = scene.llmhost(&["run", FILE, "--dry-run"]).status(0);
    plan.says(&["to create"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_renamed_in_the_file_is_renamed_in_the_state_and_not_made_anew() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    let url = emulator.url();
    scene.at(url, &["run", FILE]).status(0);
    let before = look(url);
    scene.edit(FILE, "[steps.network]", "[steps.net]");
    let plan = scene.llmhost(&["run", FILE, "--dry-run", "--exit-code"]).status(3);
    plan.says(&["step network -> net", "0 to create", "0 to replace, 0 to delete"]);
    scene.llmhost(&["state", "mv", FILE, "network", "net"]).status(0).says(&["Renamed network to net"]);
    scene.llmhost(&["run", FILE, "--dry-run"]).status(0).says(&["0 to create", "0 to replace", "0 to delete"]);
    scene.llmhost(&["status", FILE]).status(0).says(&["net.vpc_id", "net/ec2.vpc/main"]);
    scene.at(url, &["run", FILE]).status(0);
    scene.at(url, &["run", FILE]).status(0).says(&["No changes"]);
    let ids = |world: &Value| {
        world["network"]["subnets"].as_array().unwrap().iter().map(|s| s["id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&look(url)), ids(&before));

    // One resource, and back: whoever depends on it follows.
    let mv = |from: &str, to: &str| scene.llmhost(&["state", "mv", FILE, from, to]);
    mv("net/ec2.vpc/main", "net/ec2.vpc/other").status(0);
    let subnet = json(&scene.llmhost(&["state", "show", FILE, "net/ec2.subnet/public-a", "--json"]).stdout);
    assert!(subnet["current"]["depends_on"].to_string().contains("net/ec2.vpc/other"), "{subnet}");
    mv("net/ec2.vpc/other", "elsewhere/ec2.vpc/main").status(0).says(&["The file has no step 'elsewhere'"]);
    mv("elsewhere/ec2.vpc/main", "net/ec2.vpc/main").status(0);
    scene.at(url, &["run", FILE]).status(0).says(&["No changes"]);
    for (from, to, status, words) in [
        ("net/ec2.vpc/none", "net/ec2.vpc/other", 1, "is not in the state"),
        ("net/ec2.subnet/public-a", "net/ec2.subnet/public-b", 1, "is already in the state"),
        ("net/ec2.subnet/public-a", "net/ec2.subnet/public-a", 1, "is already in the state"),
        ("net/ec2.subnet/public-a", "net/ec2.vpc/x", 2, "would be a ec2.vpc"),
        ("net/ec2.subnet/public-a", "net", 2, "are of different kinds"),
        ("net/ec2.subnet/public-a", "net/ec2.subnet/a b", 2, "the character ' '"),
        ("nothing", "net2", 1, "the state has no step 'nothing'"),
        ("net", "models", 1, "step 'models' is already in the state"),
        ("Net", "net2", 2, "the character 'N'"),
        ("", "net2", 2, "cannot be empty"),
    ] {
        mv(from, to).status(status).says(&[words, "help"]);
    }
    scene.at(url, &["run", FILE]).status(0).says(&["No changes"]);
}

#[test]
fn what_the_state_does_not_have_is_said_with_what_is_near() {
    let scene = Scene::with_examples();
    for (args, status, words) in [
        (&["show", FILE, "network"][..], 2, "is not a resource address"),
        (&["show", FILE, ""], 2, "is not a resource address"),
        (&["show", FILE, "a/b/c\u{1b}[31m"], 2, "the character"),
        (&["show", FILE, VPC], 1, "llmhost state list shows its resources"),
        (&["show", FILE], 2, "ADDRESS"),
        (&["rm", FILE, "--yes"], 2, "ADDRESS"),
        (&["rm", FILE, VPC, "--yes"], 1, "is not in the state"),
        (&["mv", FILE, VPC], 2, "TO"),
        (&["unlock", FILE], 0, "is not locked"),
        (&["list", "no-such-file.toml"], 2, "no-such-file.toml"),
        (&["list", FILE, "--emulate", "--state", "x"], 2, "--state cannot be used with --emulate"),
        (&["rm", FILE, VPC, "--emulate"], 1, "there is no kept emulator"),
        (&["frobnicate"], 2, "unrecognized subcommand"),
    ] {
        scene.llmhost(&[&["state"], args].concat()).status(status).says(&[words]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folders_lock_goes_with_its_process() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    let proxy = RecordingProxy::start(emulator.url()).await.expect("the proxy starts");
    proxy.inject(|request| request.action == "CreateVpc", 1, Fault::HangBefore);
    let mut command = scene.command(&["run", FILE, "--endpoint-url", proxy.url()]);
    command.env("AWS_ACCESS_KEY_ID", support::ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", support::SECRET_KEY);
    let mut holder = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("llmhost starts");
    let began = Instant::now();
    while !proxy.requests().iter().any(|request| request.action == "CreateVpc") {
        assert!(began.elapsed() < Duration::from_secs(60), "the run does not get that far");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let process = format!("process {}", holder.id());
    let unlock = ["state", "unlock", FILE, "--yes"];
    scene.llmhost(&unlock).status(1).says(&["in use by llmhost run", &process, "is released when its process ends"]);
    scene.llmhost(&["status", FILE]).status(0).says(&["In use by llmhost run", &process]);
    scene.llmhost(&["state", "rm", FILE, VPC, "--yes"]).status(1).says(&["in use by llmhost run", &process]);
    holder.kill().expect("it can be killed");
    holder.wait().expect("it ends");
    scene.llmhost(&unlock).status(0).says(&["is not locked"]);
    // What it was about to make is not renamed: it would not be found by another name.
    let pending = scene.llmhost(&["state", "mv", FILE, VPC, "network/ec2.vpc/other"]).status(1);
    pending.says(&["did not finish", "Run the unchanged pipeline first"]);
    scene.at(proxy.url(), &["run", FILE]).status(0);
}
