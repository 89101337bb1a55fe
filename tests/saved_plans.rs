//! Plans that were saved: done as shown, or refused.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::os::unix::fs::PermissionsExt;

use support::{Ran, SECRET_KEY, Scene, emulator, look};

const FILE: &str = "pipeline.toml";
const STEPS: &str = r#"
[vars.bucket]
default = "first"

[steps.models]
uses = "s3"
with = { bucket = "${vars.bucket}" }
"#;

fn buckets(url: &str) -> Vec<String> {
    let world = look(url);
    world["storage"].as_array().unwrap().iter().map(|bucket| bucket["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_plan_is_done_as_it_was_shown_and_only_once() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    scene.pipeline(STEPS);
    let run = |args: &[&str]| -> Ran { scene.at(emulator.url(), &[&["run"], args].concat()) };
    run(&[FILE, "--dry-run", "--var", "bucket=second", "--out", "plan.bin"]).status(0).says(&["1 to create"]);
    assert!(buckets(emulator.url()).is_empty());
    let bytes = std::fs::read(scene.path("plan.bin")).unwrap();
    assert_eq!(std::fs::metadata(scene.path("plan.bin")).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!String::from_utf8_lossy(&bytes).contains(SECRET_KEY));

    run(&["plan.bin"]).status(0).says(&["1 created"]);
    assert_eq!(buckets(emulator.url()), ["second"], "with the variable of then");
    run(&["plan.bin"]).status(1).says(&["Saved plan is stale: the state has changed", "Create a new plan"]);
    // A replacement that was looked at needs no further word.
    run(&[FILE, "--dry-run", "--var", "bucket=third", "--out", "plan.bin"]).status(0).says(&["1 to replace"]);
    run(&["plan.bin"]).status(0);
    assert_eq!(buckets(emulator.url()), ["third"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_plan_is_refused_where_anything_has_changed() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    scene.pipeline(STEPS);
    let run = |args: &[&str]| -> Ran { scene.at(emulator.url(), &[&["run"], args].concat()) };
    run(&[FILE, "--dry-run", "--out", "plan.bin"]).status(0);
    run(&["plan.bin", "--var", "bucket=other"]).status(2).says(&["a saved plan cannot be used with --var"]);
    run(&["plan.bin", "--state", "elsewhere", "--dry-run"]).status(0);
    scene.edit(FILE, "\"first\"", "\"changed\"");
    run(&["plan.bin"]).status(1).says(&["Saved plan is stale: pipeline.toml has changed since the plan was created"]);
    scene.edit(FILE, "\"changed\"", "\"first\"");
    run(&[FILE]).status(0);
    run(&["plan.bin"]).status(1).says(&["Saved plan is stale: the state has changed"]);

    let whole = std::fs::read(scene.path("plan.bin")).unwrap();
    let text = String::from_utf8(whole.clone()).unwrap();
    for (bytes, words) in [
        (whole[..whole.len() / 2].to_vec(), "its checksum is wrong"),
        (whole[..12].to_vec(), "its first line is not that of a plan"),
        (text.replacen("llmhost-plan 3", "llmhost-plan 4", 1).into_bytes(), "has version 4; this llmhost reads 3"),
        (text.replacen("llmhost-plan 3", "llmhost-plan 2", 1).into_bytes(), "has version 2; this llmhost reads 3"),
        (text.replacen("first", "fourth", 1).into_bytes(), "its checksum is wrong"),
    ] {
        scene.write("plan.bin", bytes);
        run(&["plan.bin"]).status(2).says(&[words, "Nothing was changed"]);
    }
    scene.write("plan.bin", [0xff; 64]);
    run(&["plan.bin"]).status(2).says(&["not UTF-8"]);
    run(&[FILE, "--out", "plan.bin"]).status(2).says(&["--dry-run"]);
    run(&[FILE, "--dry-run", "--out", "no/such/folder/plan.bin"]).status(1).says(&["cannot write the plan"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_was_made_in_one_checkout_is_applied_in_another_and_nowhere_else() {
    let (made, applied, emulator) = (Scene::new(), Scene::new(), emulator().await);
    // The absolute path of what is uploaded stands in the plan, and is another one in each checkout.
    let steps = STEPS.replace(
        "bucket = \"${vars.bucket}\"",
        "bucket = \"${vars.bucket}\", upload = [{ source = \"data\", prefix = \"data\" }]",
    );
    for scene in [&made, &applied] {
        scene.write("deploy/pipeline.toml", format!("[pipeline]\nname = \"test\"\nregion = \"us-east-1\"\n{steps}"));
        scene.write("deploy/data/one.txt", "one");
    }
    let absolute = made.path("deploy/pipeline.toml").display().to_string();
    for (file, from) in [("deploy/pipeline.toml", &made), (absolute.as_str(), &made)] {
        from.at(emulator.url(), &["run", file, "--dry-run", "--out", "plan.bin"]).status(0);
        let bytes = std::fs::read(from.path("plan.bin")).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains(from.folder.path().to_str().unwrap()));
        applied.write("plan.bin", bytes);
    }
    let elsewhere = Scene::new();
    elsewhere.write("plan.bin", std::fs::read(applied.path("plan.bin")).unwrap());
    elsewhere.at(emulator.url(), &["run", "plan.bin"]).status(1).says(&["its file deploy/pipeline.toml is not here"]);
    let other = ["run", "plan.bin", "--endpoint-url", "http://127.0.0.1:1"];
    applied.llmhost(&other).status(1).says(&["Saved plan was made for the endpoint", "Nothing was changed"]);
    applied.llmhost(&["run", "plan.bin"]).status(1).says(&["and this run uses 'AWS'"]);
    let foreign = ["run", "plan.bin", "--state", "s3://states/test"];
    applied.at(emulator.url(), &foreign).status(1).says(&["Saved plan was made for the state 'a folder'"]);

    applied.at(emulator.url(), &["run", "plan.bin"]).status(0).says(&["created"]);
    assert_eq!(buckets(emulator.url()), ["first"]);
    // The plan of the other checkout's empty state is done there, and what it would make is there already.
    applied.write("deploy/data/one.txt", "two");
    made.edit("deploy/pipeline.toml", "name = \"test\"", "name = \"other\"");
    made.at(emulator.url(), &["run", "plan.bin"]).status(1).says(&["Saved plan was made for the pipeline 'test'"]);
}
