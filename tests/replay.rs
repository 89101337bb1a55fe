//! `run --trace` and `plugin replay`: what plugins did, done again without AWS.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::os::unix::fs::PermissionsExt;

use llmhost_emulator::testing::{Fault, RecordingProxy};
use serde_json::Value;
use support::{Scene, emulator};

const FILE: &str = "network-and-storage.toml";

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_replayed_without_aws_from_one_file() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    scene.at(emulator.url(), &["run", FILE, "--trace", "trace.jsonl"]).status(0);
    let mode = std::fs::metadata(scene.path("trace.jsonl")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "specs are nobody else's business");
    drop(emulator);

    // Elsewhere, with nothing but that file: built-in plugins come with llmhost.
    let other = Scene::new();
    other.write("trace.jsonl", std::fs::read(scene.path("trace.jsonl")).unwrap());
    let replayed = other.llmhost(&["plugin", "replay", "trace.jsonl"]).status(0);
    replayed.says(&["network plan", "network apply", "models plan", "models apply"]);
    assert!(!replayed.stdout.contains("another component"), "{}", replayed.stdout);
    let lines = other.llmhost(&["plugin", "replay", "trace.jsonl", "--step", "network", "--json"]).status(0).stdout;
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|line| line["result"] == "same" && line["same_plugin"] == true), "{lines:?}");
    assert!(lines[1]["calls"].as_u64() > Some(20), "{lines:?}");

    // Another answer of AWS than then, and another plugin than then.
    other.edit("trace.jsonl", "10.0.1.0/24", "10.9.1.0/24");
    let departed = other.llmhost(&["plugin", "replay", "trace.jsonl"]).status(1);
    departed.says(&["different at call", "spec.cidr_block was \"10.9.1.0/24\" and is now \"10.0.1.0/24\""]);
    let swapped = other.llmhost(&["plugin", "replay", "trace.jsonl", "--plugin", "models=vpc"]).status(1);
    swapped.says(&["models plan", "different", "another component"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_fails_is_replayed_up_to_its_failure() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    let proxy = RecordingProxy::start(emulator.url()).await.unwrap();
    proxy.inject(|request| request.action == "CreateInternetGateway", usize::MAX, Fault::Status(403));
    scene.at(proxy.url(), &["run", FILE, "--trace", "trace.jsonl"]).status(1);
    let trace = std::fs::read_to_string(scene.path("trace.jsonl")).unwrap();
    assert!(trace.contains("\"gave\":{\"failure\":{\"code\":\""), "{trace}");
    scene.llmhost(&["plugin", "replay", "trace.jsonl"]).status(0).says(&["network apply", "the same"]);
}

#[test]
fn a_dry_run_is_replayed_too_and_what_is_no_trace_is_refused() {
    let scene = Scene::with_examples();
    scene.llmhost(&["run", FILE, "--dry-run", "--trace", "trace.jsonl"]).status(0);
    scene.llmhost(&["plugin", "replay", "trace.jsonl"]).status(0).says(&["network plan"]);
    scene
        .llmhost(&["plugin", "replay", "trace.jsonl", "--step", "x"])
        .status(2)
        .says(&["no step 'x'", "models, network"]);
    scene.llmhost(&["plugin", "replay", "nowhere.jsonl"]).status(2).says(&["nowhere.jsonl", "No such file"]);
    scene.llmhost(&["plugin", "replay", FILE]).status(2).says(&["it is not a trace", "--trace OUT"]);
    let whole = std::fs::read_to_string(scene.path("trace.jsonl")).unwrap();
    scene.write("newer.jsonl", whole.replace("\"llmhost_trace\":2", "\"llmhost_trace\":7"));
    scene.llmhost(&["plugin", "replay", "newer.jsonl"]).status(2).says(&["version 7"]);
    scene.write("bad.jsonl", whole.replacen("\"entry\":\"call\"", "\"entry\":\"cal\"", 1));
    scene.llmhost(&["plugin", "replay", "bad.jsonl"]).status(2).says(&["line 3 is damaged"]);
    scene.write("cut.jsonl", &whole[..whole.len() / 2]);
    scene.llmhost(&["plugin", "replay", "cut.jsonl"]).status(0).says(&["is incomplete", "up to the end of the trace"]);
    scene.write("binary.jsonl", [0xff, 0xfe, 0x00]);
    scene.llmhost(&["plugin", "replay", "binary.jsonl"]).status(2).says(&["binary.jsonl"]);
    let folder = scene.llmhost(&["run", FILE, "--dry-run", "--trace", "."]).status(1);
    folder.says(&["cannot write the trace to .", "--trace"]);
}
