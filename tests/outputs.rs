//! Outputs of the last run, for people, scripts and other tools.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::process::Command;

use serde_json::{Value, json};
use support::{Ran, Scene, emulator};

const FILE: &str = "pipeline.toml";
const STEPS: &str = r#"
[steps.network]
uses = "vpc"
with = { name = "n", azs = 2, nat = "none" }
[steps.my-models]
uses = "s3"
with = { bucket = "the-bucket" }
[steps.more]
uses = "s3"
for_each = ["a", "b"]
with = { bucket = "more-${each.key}" }
"#;

/// Marks an output as sensitive, as a plugin's description would have done it. Whoever edits the text of a state by
/// hand leaves the checksum out.
fn mark_sensitive(scene: &Scene, step: &str, output: &str) {
    let path = scene.path(".llmhost/test/state.json");
    let mut document: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    document.as_object_mut().unwrap().remove("checksum");
    document["state"]["sensitive"][step] = json!([output]);
    std::fs::write(path, serde_json::to_vec(&document).unwrap()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_are_printed_as_scripts_and_tools_read_them() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    scene.pipeline(STEPS);
    let ask = |args: &[&str]| -> Ran { scene.llmhost(&[&["outputs", FILE], args].concat()) };
    ask(&[]).status(1).says(&["the pipeline 'test' has no state yet", "Run it first: llmhost run pipeline.toml"]);
    scene.at(emulator.url(), &["run", FILE, "-y"]).status(0);
    let status = scene.llmhost(&["status", FILE, "--json"]).status(0);
    let state: Value = serde_json::from_str(&status.stdout).unwrap();
    let vpc = state["outputs"]["network"]["vpc_id"].as_str().unwrap();
    let subnets = &state["outputs"]["network"]["subnet_ids"];

    assert_eq!(ask(&["network.vpc_id"]).status(0).stdout, format!("{vpc}\n"));
    assert_eq!(ask(&["network.subnet_ids"]).status(0).stdout, format!("{subnets}\n"));
    let lines = ask(&["network"]).status(0).stdout;
    assert!(lines.contains(&format!("network.vpc_id = \"{vpc}\"\n")) && !lines.contains("my-models"), "{lines}");
    assert!(ask(&[]).status(0).stdout.contains("my-models.bucket = \"the-bucket\"\n"));

    // A step that is repeated: by its name in the file, and one of them in either way of writing it.
    for name in ["more[\"b\"].bucket", "more:b.bucket"] {
        assert_eq!(ask(&[name]).status(0).stdout, "more-b\n");
    }
    let more = ask(&["more"]).status(0).stdout;
    assert!(more.contains("more:a.bucket = \"more-a\"\n") && more.contains("more:b.arn"), "{more}");
    assert!(ask(&["more:b", "--env"]).status(0).stdout.contains("MORE_B_BUCKET='more-b'\n"));

    let all: Value = serde_json::from_str(&ask(&["--json"]).status(0).stdout).unwrap();
    assert_eq!(all, state["outputs"]);
    let one: Value = serde_json::from_str(&ask(&["my-models.bucket", "--json"]).status(0).stdout).unwrap();
    assert_eq!(one, json!({ "my-models": { "bucket": "the-bucket" } }));

    let script =
        "set -e; eval \"$1\"; printf '%s|%s|%s' \"$NETWORK_VPC_ID\" \"$NETWORK_SUBNET_IDS\" \"$MY_MODELS_ARN\"";
    let env = ask(&["--env"]).status(0).stdout;
    let ran = Command::new("sh").args(["-c", script, "sh", &env]).output().unwrap();
    let read = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(read, format!("{vpc}|{subnets}|arn:aws:s3:::the-bucket"), "{env}");

    let tfvars = ask(&["--tfvars"]).status(0).stdout;
    let list: Vec<String> = subnets.as_array().unwrap().iter().map(Value::to_string).collect();
    for line in [
        format!("network_vpc_id = \"{vpc}\""),
        format!("network_subnet_ids = [{}]", list.join(", ")),
        "my_models_bucket = \"the-bucket\"".to_owned(),
        "my_models_uris = {}".to_owned(),
    ] {
        assert!(tfvars.lines().any(|found| found == line), "{line} is not in {tfvars}");
    }
    for (name, status, words) in [
        (
            "network.vpcid",
            2,
            &["step 'network' has no output 'vpcid'", "Did you mean 'network.vpc_id'?", "subnet_ids"][..],
        ),
        ("netwrok", 2, &["there is no step 'netwrok'", "Did you mean 'network'?", "my-models, network."]),
        ("netwrok.vpc_id", 2, &["there is no step 'netwrok'", "Did you mean 'network.vpc_id'?"]),
        ("", 2, &["there is no step ''", "Steps with outputs are more:a, more:b, my-models, network."]),
    ] {
        let ran = ask(&[name]).status(status);
        ran.says(words);
        assert_eq!(ran.stdout, "", "{name}");
    }
    let text = std::fs::read_to_string(scene.path(FILE)).unwrap();
    scene.write(FILE, text + "[steps.later]\nuses = \"s3\"\nwith = { bucket = \"later\" }\n");
    ask(&["later.arn"]).status(1).says(&["step 'later' has no outputs yet", "Run it: llmhost run pipeline.toml"]);
    ask(&["--env", "--json"]).status(2).says(&["cannot be used with"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sensitive_output_is_printed_to_whoever_asks_for_it_alone() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    scene.pipeline(&format!("[vars.bucket]\nsecret = true\n{}", STEPS.replace("\"the-bucket\"", "\"${vars.bucket}\"")));
    let bucket = ["--var", "bucket=the-bucket"];
    scene.at(emulator.url(), &[&["run", FILE, "-y"], &bucket[..]].concat()).status(0).does_not_say(&["the-bucket"]);
    mark_sensitive(&scene, "network", "vpc_id");
    let ask = |args: &[&str]| -> Ran { scene.llmhost(&[&["outputs", FILE], &bucket[..], args].concat()).status(0) };
    let vpc = ask(&["network.vpc_id"]).stdout.trim_end().to_owned();
    assert!(vpc.starts_with("vpc-"), "{vpc}");
    // What holds the text of a secret variable is as sensitive as what the plugin marks: vpc_id, bucket, arn.
    let note = "3 sensitive outputs are hidden. To show one, name it: llmhost outputs pipeline.toml my-models.bucket";
    for format in [&[][..], &["--json"], &["--env"], &["--tfvars"]] {
        let ran = ask(format);
        ran.does_not_say(&[&vpc, "the-bucket", "(sensitive)", "(secret)"]).says(&[note, "--show-sensitive"]);
        assert!(!ran.stdout.contains("hidden"), "{}", ran.stdout);
        let shown = ask(&[format, &["--show-sensitive"]].concat());
        assert!(shown.stdout.contains(&vpc) && shown.stdout.contains("arn:aws:s3:::the-bucket"), "{}", shown.stdout);
        assert!(!shown.stderr.contains("hidden"), "{}", shown.stderr);
    }
    ask(&["network"]).does_not_say(&[&vpc]).says(&["1 sensitive output is hidden", "network.vpc_id"]);
    assert_eq!(ask(&["my-models.arn"]).stdout, "arn:aws:s3:::the-bucket\n");
    // Elsewhere it is hidden as before.
    let status = scene.llmhost(&[&["status", FILE], &bucket[..]].concat()).status(0);
    status.does_not_say(&[&vpc, "the-bucket"]).says(&["network.vpc_id = \"(sensitive)\""]);
}

#[test]
fn outputs_of_a_kept_emulator_are_there_as_long_as_it_is() {
    let scene = Scene::new();
    scene.pipeline(STEPS);
    let emulated = ["outputs", FILE, "my-models.bucket", "--emulate-keep"];
    scene.llmhost(&emulated).status(1).says(&["there is no kept emulator", "llmhost run pipeline.toml --emulate-keep"]);
    scene.llmhost(&["run", FILE, "--emulate-keep", "-y"]).status(0);
    let ran = scene.llmhost(&emulated);
    // Whose own state has nothing.
    let real = scene.llmhost(&["outputs", FILE]);
    scene.llmhost(&["destroy", FILE, "--emulate", "-y"]).status(0);
    assert_eq!(ran.status(0).stdout, "the-bucket\n");
    real.status(1).says(&["has no state yet"]);
}

const OWN: &str = r#"
[vars.bucket]
secret = true
[steps.network]
uses = "vpc"
with = { name = "n", azs = 1, nat = "none" }
[steps.models]
uses = "s3"
with = { bucket = "${vars.bucket}" }
[outputs]
network = "${network.vpc_id}"
list    = ["${network.vpc_id}", 2]
models  = "s3://${models.bucket}"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_the_file_gives_comes_first_and_steps_are_there_by_their_names() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    scene.pipeline(OWN);
    let bucket = ["--var", "bucket=the-bucket"];
    let ask = |args: &[&str]| -> Ran { scene.llmhost(&[&["outputs", FILE], &bucket[..], args].concat()) };
    let ran = scene.at(emulator.url(), &[&["run", FILE, "-y"], &bucket[..]].concat()).status(0);
    ran.says(&["network = \"vpc-", "models = \"(sensitive)\""]).does_not_say(&["the-bucket", "network.subnet_ids"]);
    let vpc = ask(&["network"]).status(0).stdout.trim_end().to_owned();
    assert!(vpc.starts_with("vpc-"), "the file's own counts before a step of this name: {vpc}");
    assert_eq!(ask(&["network.vpc_id"]).status(0).stdout, format!("{vpc}\n"));
    let all = ask(&[]).status(0);
    assert_eq!(all.stdout, format!("list = [\"{vpc}\",2]\nnetwork = \"{vpc}\"\n"));
    all.says(&["1 sensitive output is hidden", "llmhost outputs pipeline.toml models"]);
    let json: Value = serde_json::from_str(&ask(&["--json", "--show-sensitive"]).status(0).stdout).unwrap();
    assert_eq!(json, json!({ "network": vpc, "list": [vpc, 2], "models": "s3://the-bucket" }));
    assert_eq!(ask(&["--tfvars"]).status(0).stdout, format!("list = [\"{vpc}\", 2]\nnetwork = \"{vpc}\"\n"));
    assert_eq!(ask(&["models", "--env"]).status(0).stdout, "MODELS='s3://the-bucket'\n");
    let status = scene.llmhost(&[&["status", FILE, "--json"], &bucket[..]].concat()).status(0);
    status.does_not_say(&["the-bucket"]).says(&["\"models\": \"(sensitive)\""]);
    ask(&["netwrok"]).status(2).says(&["Did you mean 'network'?", "The file's own outputs are list, models, network."]);
    scene.edit(FILE, "list    =", "later = 1\nlist    =");
    ask(&["later"]).status(1).says(&["the output 'later' of the file is not known yet", "Run it: llmhost run"]);
    // In events, with those of the steps.
    let run = scene.at(emulator.url(), &[&["run", FILE, "-y", "--json"], &bucket[..]].concat()).status(0);
    let lines: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let own = lines.iter().find(|line| line["event"] == "file-outputs").unwrap();
    assert_eq!(own["outputs"], json!({ "network": vpc, "list": [vpc, 2], "models": "(sensitive)", "later": 1 }));
    scene.at(emulator.url(), &[&["destroy", FILE, "-y"], &bucket[..]].concat()).status(0);
    ask(&[]).status(1).says(&["has no state yet"]);
}
