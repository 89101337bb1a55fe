//! `--json` holds to its published schema, in runs that end well and in those that do not; errors are JSON, too.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use jsonschema::Validator;
use serde_json::Value;
use support::{Ran, Scene, emulator};

const FILE: &str = "pipeline.toml";
const BUCKET: &str = "[steps.m]\nuses = \"s3\"\nwith = { bucket = \"models-1\" }\n";
const NETWORK: &str = "[steps.net]\nuses = \"vpc\"\nwith = { name = \"w\", cluster = \"w\", security_groups = {} }\n";

fn schema() -> Validator {
    let text = std::fs::read_to_string(support::repository().join("docs/events.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    assert!(jsonschema::meta::is_valid(&schema));
    jsonschema::validator_for(&schema).unwrap()
}

/// Every line of standard output, each of which holds to the schema.
#[track_caller]
fn lines(schema: &Validator, ran: &Ran) -> Vec<Value> {
    let lines: Vec<Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    for line in &lines {
        assert!(schema.is_valid(line), "not in the schema: {line}");
    }
    assert!(!lines.is_empty(), "nothing on standard output: {ran:?}");
    lines
}

#[track_caller]
fn has(lines: &[Value], event: &str) {
    assert!(lines.iter().any(|line| line["event"] == event), "no {event}: {lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_runs_of_all_sorts_holds_to_the_schema() {
    let (schema, scene, emulator) = (schema(), Scene::new(), emulator().await);
    scene.pipeline(&format!("{BUCKET}{NETWORK}"));
    let at = |args: &[&str]| scene.at(emulator.url(), &[args, &["--json"]].concat());
    let run = lines(&schema, &at(&["run", FILE, "--yes"]).status(0));
    for event in ["planned", "plan", "run-started", "step-started", "operation-started", "operation-done", "finished"] {
        has(&run, event);
    }
    let started = run.iter().find(|line| line["event"] == "run-started").unwrap();
    let done = run.iter().filter(|line| line["event"] == "operation-done").count();
    assert_eq!(started["operations"], done);
    has(&run, "outputs");
    lines(&schema, &at(&["run", FILE, "--dry-run"]).status(0));
    has(&lines(&schema, &at(&["validate", FILE]).status(0)), "validated");
    has(&lines(&schema, &at(&["drift", FILE]).status(0)), "drift");

    // A replacement, a change that is asked for first, and a failure in the middle of a run.
    scene.edit(FILE, "models-1", "models-2");
    has(&lines(&schema, &at(&["run", FILE]).status(1)), "error");
    has(&lines(&schema, &at(&["run", FILE, "--yes"]).status(0)), "operation-done");
    scene.edit(FILE, "models-2", "Not_A_Bucket");
    lines(&schema, &at(&["run", FILE, "--yes"]).status(1));
    scene.edit(FILE, "Not_A_Bucket", "models-2");
    let destroyed = lines(&schema, &at(&["destroy", FILE, "--yes"]).status(0));
    has(&destroyed, "destruction");
    has(&destroyed, "run-started");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_fails_and_retries_holds_to_the_schema() {
    use llmhost_emulator::testing::{Fault, RecordingProxy};
    let (schema, scene, emulator) = (schema(), Scene::new(), emulator().await);
    let proxy = RecordingProxy::start(emulator.url()).await.expect("the proxy starts");
    scene.pipeline(&format!("{BUCKET}{NETWORK}"));
    proxy.inject(|request| request.is_mutating(), 400, Fault::Busy(1));
    let ran = scene.at(proxy.url(), &["run", FILE, "--yes", "--skip-preflight", "--json"]);
    assert_ne!(ran.status, 0);
    let lines = lines(&schema, &ran);
    for event in ["retrying", "operation-failed", "failure", "finished"] {
        has(&lines, event);
    }
}

#[test]
fn every_command_with_json_prints_its_error_as_json() {
    let (schema, scene) = (schema(), Scene::new());
    scene.pipeline("[steps.m]\nuses = \"no-such-plugin\"\nwith = { }\n");
    for command in [
        &["run", FILE][..],
        &["run", FILE, "--dry-run"],
        &["run", "missing.toml"],
        &["destroy", "missing.toml"],
        &["validate", FILE],
        &["status", "missing.toml"],
        &["outputs", FILE],
        &["drift", "missing.toml"],
        &["rehearse", FILE],
        &["adopt", "missing.toml"],
        &["import", "missing.toml", "--all"],
        &["lock", FILE],
        &["state", "list", "missing.toml"],
        &["state", "show", "missing.toml", "a/b/c"],
        &["plugin", "inspect", "missing.wasm"],
        &["plugin", "run", "missing.wasm"],
        &["plugin", "replay", "missing.trace"],
        &["plugin", "push", "missing.wasm", "oci://127.0.0.1:1/a:1"],
        &["plugin", "pull", "oci://127.0.0.1:1/a:1"],
        &["pipeline", "push", "missing.toml", "oci://127.0.0.1:1/a:1"],
        &["fetch", "--model", "ftp://nowhere"],
        // Wrong words of the command line, and those of other tools.
        &["run", FILE, "--no-such-flag"],
        &["plan", FILE],
    ] {
        let ran = scene.llmhost(&[command, &["--json"]].concat());
        assert_ne!(ran.status, 0, "{command:?}: {ran:?}");
        let lines = lines(&schema, &ran);
        assert!(
            lines.iter().any(|line| line["event"] == "error" || line["event"] == "failure"),
            "{command:?}: {lines:?}"
        );
    }
}

#[test]
fn the_binary_prints_the_schema_that_is_published() {
    let text = std::fs::read_to_string(support::repository().join("docs/events.schema.json")).unwrap();
    assert_eq!(Scene::new().llmhost(&["schema", "--events"]).status(0).stdout, text);
}

#[test]
fn words_of_other_tools_and_flags_that_do_nothing_are_not_offered() {
    let scene = Scene::new();
    let plan = scene.llmhost(&["plan", FILE]).status(2);
    plan.says(&["llmhost has no command 'plan'", "llmhost run FILE --dry-run"]).does_not_say(&["plugin"]);
    let help = scene.llmhost(&["state", "list", "--help"]).status(0);
    help.does_not_say(&["--lease-seconds", "--wait-timeout"]);
    scene.llmhost(&["run", "--help"]).status(0).says(&["--lease-seconds", "--quiet"]);
}
