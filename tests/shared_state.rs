//! A state in S3 that operators share, on an emulator.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use llmhost_emulator::Emulator;
use llmhost_emulator::testing::{Fault, RecordingProxy};
use serde_json::Value;
use support::{Scene, emulator, look, look_after};

const FILE: &str = "network-and-storage.toml";
const STATE: [&str; 2] = ["--state", "s3://states/team/llm"];

async fn with_bucket() -> Emulator {
    let emulator = emulator().await;
    look_after(emulator.url(), &["make-bucket", "states"]);
    emulator
}

fn with<'a>(args: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [args, &STATE[..], more].concat()
}

/// The keys below the state's prefix.
fn keys(url: &str) -> Vec<String> {
    let world = look(url);
    let buckets = world["storage"].as_array().expect("buckets");
    let states = buckets.iter().find(|bucket| bucket["name"] == "states").expect("the states' bucket");
    let keys = states["objects"].as_object().expect("objects").keys();
    keys.filter_map(|key| Some(key.strip_prefix("team/llm/")?.to_owned())).collect()
}

/// Another operator's run, which hangs where it makes the VPC.
async fn hanging(scene: &Scene, proxy: &RecordingProxy, args: &[&str]) -> Child {
    proxy.inject(|request| request.action == "CreateVpc", 1, Fault::HangBefore);
    let mut command = scene.command(args);
    command.args(["--endpoint-url", proxy.url()]).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env("AWS_ACCESS_KEY_ID", support::ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", support::SECRET_KEY);
    let child = command.env("USER", "ann").spawn().expect("llmhost starts");
    let began = Instant::now();
    while !proxy.requests().iter().any(|request| request.action == "CreateVpc") {
        assert!(began.elapsed() < Duration::from_secs(60), "the run does not get that far");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    child
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipelines_life_with_its_state_in_a_bucket() {
    let (scene, emulator) = (Scene::with_examples(), with_bucket().await);
    let url = emulator.url();
    scene.at(url, &with(&["run", FILE, "--dry-run"], &[])).status(0).says(&["to create"]);
    assert!(keys(url).is_empty(), "a dry run writes nothing");
    scene.at(url, &with(&["run", FILE], &[])).status(0);
    assert_eq!(keys(url), ["lease.json", "state.json"]);
    assert!(!scene.path(".llmhost/network-and-storage/state.json").exists());
    scene.at(url, &with(&["status", FILE], &[])).status(0).says(&["network/ec2.vpc/main vpc-"]);
    scene.at(url, &with(&["drift", FILE], &[])).status(0).says(&["are as declared"]);
    scene.at(url, &with(&["state", "list", FILE], &[])).status(0).says(&["models/s3.bucket"]);
    // Another operator, elsewhere, whose file says where the state is.
    let other = Scene::with_examples();
    other.edit(FILE, r#"tags   = { team = "ml" }"#, "tags   = { team = \"ml\" }\nstate  = \"s3://states/team/llm\"");
    other.at(url, &["run", FILE]).status(0).says(&["No changes"]);
    other.at(url, &["destroy", FILE, "--yes"]).status(0);
    assert!(other.at(url, &["status", FILE]).status(0).stdout.is_empty());
    scene.at(url, &with(&["run", FILE, "--dry-run"], &[])).status(0).says(&["to create"]);
    let policy = scene.llmhost(&["policy", FILE]).status(0).stdout;
    assert!(!policy.contains("arn:aws:s3:::states"), "{policy}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_moves_from_a_folder_into_a_bucket() {
    let (scene, emulator) = (Scene::with_examples(), with_bucket().await);
    let url = emulator.url();
    scene.at(url, &["run", FILE]).status(0);
    let text = std::fs::read_to_string(scene.path(".llmhost/network-and-storage/state.json")).expect("a state");
    look_after(url, &["put-object", "states", "team/llm/state.json", &text]);
    scene.at(url, &with(&["run", FILE], &[])).status(0).says(&["No changes"]);
    scene.at(url, &with(&["destroy", FILE, "--yes"], &[])).status(0);
    assert!(scene.at(url, &with(&["status", FILE], &[])).status(0).stdout.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_has_what_the_state_needs() {
    let (scene, emulator) = (Scene::with_examples(), with_bucket().await);
    let mut command = scene.command(&with(&["policy", FILE], &[]));
    command.env("AWS_ENDPOINT_URL", emulator.url());
    command.env("AWS_ACCESS_KEY_ID", support::ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", support::SECRET_KEY);
    let output = command.output().expect("llmhost starts");
    let policy: Value = serde_json::from_slice(&output.stdout).expect("a policy");
    let policy = policy.to_string();
    assert!(
        policy.contains("arn:aws:s3:::states/team/llm/*") && policy.contains(r#""arn:aws:s3:::states""#),
        "{policy}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_operator_is_told_and_goes_on_when_the_first_is_dead() {
    let (scene, emulator) = (Scene::with_examples(), with_bucket().await);
    let proxy = RecordingProxy::start(emulator.url()).await.expect("the proxy starts");
    // All operators know one address of AWS.
    let url = proxy.url();
    let mut first = hanging(&scene, &proxy, &with(&["run", FILE], &["--lease-seconds", "3"])).await;
    let process = format!("process {} of ann", first.id());
    let told = ["in use by llmhost run", &process, "unless it is renewed", "llmhost state unlock"];
    scene.at(url, &with(&["run", FILE], &[])).status(1).says(&told);
    scene.at(url, &with(&["destroy", FILE, "--yes"], &[])).status(1).says(&told);
    scene.at(url, &with(&["status", FILE], &[])).status(0).says(&["In use by llmhost run", &process]);
    first.kill().expect("it can be killed");
    first.wait().expect("it ends");
    let began = Instant::now();
    let taken = loop {
        let ran = scene.at(url, &with(&["run", FILE], &[]));
        if ran.status == 0 {
            break ran;
        }
        ran.says(&["in use by"]);
        assert!(began.elapsed() < Duration::from_secs(60), "the lease never ends");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    taken.says(&["Took over the state from llmhost run", "changes are added to the state"]);
    let vpcs = look(url)["network"]["vpcs"].as_array().unwrap().iter().filter(|vpc| vpc["default"] == false).count();
    assert_eq!(vpcs, 1, "nothing is made twice");
    scene.at(url, &with(&["run", FILE], &[])).status(0).says(&["No changes"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_is_broken_stops_its_holder_who_overwrites_nothing() {
    let (scene, emulator) = (Scene::with_examples(), with_bucket().await);
    let proxy = RecordingProxy::start(emulator.url()).await.expect("the proxy starts");
    // All operators know one address of AWS.
    let url = proxy.url();
    let args = with(&["run", FILE], &["--lease-seconds", "3", "--call-timeout", "8"]);
    let first = hanging(&scene, &proxy, &args).await;
    let refused = scene.at(url, &with(&["state", "unlock", FILE], &[])).status(1);
    refused.says(&["Held by llmhost run", "of ann", "--yes"]);
    scene.at(url, &with(&["run", FILE], &[])).status(1).says(&["in use by"]);
    scene.at(url, &with(&["state", "unlock", FILE], &["--yes"])).status(0).says(&["Unlocked s3://states/team/llm"]);
    scene.at(url, &with(&["state", "unlock", FILE], &["--yes"])).status(0).says(&["is not locked"]);
    scene.at(url, &with(&["run", FILE], &[])).status(0);
    let before = look(url);
    let output = first.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("was taken over by llmhost"), "{said}");
    assert_eq!(look(url), before, "the late one changed nothing");
    scene.at(url, &with(&["run", FILE], &[])).status(0).says(&["No changes"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_bucket_or_a_state_in_it_is_said_with_what_to_do() {
    let (scene, emulator) = (Scene::with_examples(), with_bucket().await);
    let url = emulator.url();
    let none = ["run", FILE, "--state", "s3://no-such-bucket/x"];
    scene.at(url, &none).status(1).says(&[
        "s3://no-such-bucket/x/",
        "NoSuchBucket",
        "Create the bucket no-such-bucket",
    ]);
    for (text, words) in [
        ("", "s3://states/team/llm/state.json is damaged: it is empty"),
        ("garbage", "expected value at line 1"),
        ("{\"llmhost_state\": 9}", "use a newer llmhost"),
    ] {
        look_after(url, &["put-object", "states", "team/llm/state.json", text]);
        for command in ["run", "status", "drift", "destroy"] {
            scene.at(url, &with(&[command, FILE], &[])).status(1).says(&[words]);
        }
    }
    scene.llmhost(&with(&["status", FILE], &["--endpoint-url", url])).status(1).says(&["credentials", "help"]);
}

#[test]
fn what_is_no_place_for_a_state_is_refused() {
    let scene = Scene::with_examples();
    for (place, words) in [
        ("", "it is empty"),
        ("s3://", "names no bucket"),
        ("s3:bucket/prefix", "does not start with s3://"),
        ("s3://My_Bucket/x", "'M' is not allowed"),
        ("s3://states/x?regoin=eu-west-1", "only ?region="),
        ("gs://states/x", "'gs://' is not supported"),
        ("https://states.s3.amazonaws.com/x", "'https://' is not supported"),
    ] {
        scene.llmhost(&["status", FILE, "--state", place]).status(2).says(&[words]);
    }
    let emulated = ["run", FILE, "--emulate", "--state", "s3://states/x"];
    scene.llmhost(&emulated).status(2).says(&["--state cannot be used with --emulate"]);
    scene.llmhost(&["run", FILE, "--lease-seconds", "0"]).status(2).says(&["--lease-seconds"]);
    scene.edit(FILE, r#"region = "us-east-1""#, "region = \"us-east-1\"\nstate = \"gs://states/x\"");
    scene.llmhost(&["status", FILE]).status(2).says(&["'gs://' is not supported", "write it like s3://bucket/prefix"]);
    scene.edit(FILE, "\"gs://states/x\"", "7");
    scene.llmhost(&["status", FILE]).status(2).says(&["state"]);
    scene.edit(FILE, "state = 7", "state = \"kept here\"");
    scene.llmhost(&["status", FILE]).status(0);
    // An emulator's state is its own, wherever the file wants it.
    scene.edit(FILE, "\"kept here\"", "\"s3://states/x\"");
    scene.llmhost(&["run", FILE, "--emulate"]).status(0);
}
