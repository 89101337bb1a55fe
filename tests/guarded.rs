//! What somebody else changed is brought back; what must stay is not taken away; and what a signal
//! interrupts goes on where it stopped.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::process::Stdio;
use std::time::{Duration, Instant};

use llmhost_emulator::testing::{Fault, RecordingProxy};
use support::{ACCESS_KEY, SECRET_KEY, Scene, emulator, look, look_after};

const FILE: &str = "pipeline.toml";
const STEPS: &str = r#"
[steps.roles]
uses = "iam"
with = { cluster_role = "TheClusterRole", node_role = "TheNodeRole" }

[steps.models]
uses = "s3"
protect = true
with = { bucket = "kept-models" }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_run_with_refresh_makes_again_what_is_gone_and_brings_back_what_was_changed() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    scene.pipeline(STEPS);
    let run = |args: &[&str]| scene.at(emulator.url(), &[&["run", FILE], args].concat());
    run(&[]).status(0);
    look_after(emulator.url(), &["delete-role", "TheNodeRole"]);
    look_after(emulator.url(), &["tag-role", "TheClusterRole", "Name", "somebody-else's"]);
    run(&["--dry-run", "--exit-code"]).status(0).says(&["No changes"]);
    let seen = run(&["--dry-run", "--exit-code", "--refresh"]).status(3);
    seen.says(&[
        "gone roles/iam.role/node",
        "changed roles/iam.role/cluster",
        "somebody-else's",
        "1 to create",
        "1 to update",
    ]);
    let world = look(emulator.url());
    assert!(world["identity"]["roles"]["TheNodeRole"].is_null(), "a dry run changes nothing");
    run(&["--refresh"]).status(0).says(&["1 created, 1 updated"]);
    let world = look(emulator.url());
    assert_eq!(world["identity"]["roles"]["TheClusterRole"]["tags"]["Name"], "cluster");
    assert_eq!(world["identity"]["roles"]["TheNodeRole"]["attached"].as_array().unwrap().len(), 3);
    run(&["--refresh"]).status(0).says(&["0 changes"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_not_taken_for_gone() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let proxy = RecordingProxy::start(emulator.url()).await.unwrap();
    scene.pipeline(STEPS);
    scene.at(proxy.url(), &["run", FILE]).status(0);
    proxy.inject(|request| request.action == "GetRole", 1_000, Fault::Status(403));
    let refused = scene.at(proxy.url(), &["run", FILE, "--refresh"]).status(1);
    refused.says(&["unread roles/iam.role/node", "some resources could not be read", "Nothing was changed"]);
    proxy.clear();
    scene.at(proxy.url(), &["run", FILE, "--refresh"]).status(0).says(&["0 changes"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_protected_is_neither_deleted_nor_replaced() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    scene.pipeline(STEPS);
    let run = |args: &[&str]| scene.at(emulator.url(), &[args, &[FILE, "--yes"]].concat());
    run(&["run"]).status(0);
    let before = look(emulator.url());
    run(&["destroy"])
        .status(1)
        .says(&["protected, so it cannot be destroyed: models/s3.bucket/", "Nothing was deleted"]);
    scene.edit(FILE, "kept-models", "other-models");
    run(&["run"]).status(1).says(&["it is protected, and would be replaced", "delete 'protect = true'"]);
    // Taking the step out of the file does not lift it.
    scene.pipeline(STEPS.split("[steps.models]").next().unwrap());
    run(&["run"]).status(1).says(&["it is protected, and would be deleted", "add it again"]);
    run(&["destroy"]).status(1).says(&["models/s3.bucket/"]);
    assert_eq!(look(emulator.url()), before);
    scene.pipeline(&STEPS.replace("protect = true", "protect = \"yes\""));
    run(&["run"]).status(2).says(&["protect of [steps.models]", "true or false"]);
    scene.pipeline(&STEPS.replace("protect = true", ""));
    run(&["destroy"]).status(0);
    assert!(look(emulator.url())["storage"].as_array().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_made_anew_under_its_name_is_not_deleted() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    scene.pipeline(
        &STEPS.replace("protect = true\n", "").replace("kept-models\"", "kept-models\", force_destroy = true"),
    );
    let run = |args: &[&str]| scene.at(emulator.url(), args);
    run(&["run", FILE]).status(0);
    look_after(emulator.url(), &["remake-role", "TheNodeRole"]);
    look_after(emulator.url(), &["remake-bucket", "kept-models", "precious"]);
    run(&["destroy", FILE, "--dry-run"]).status(0).says(&["kept: the bucket 'kept-models' does not have"]);
    let refused = run(&["destroy", FILE, "--yes"]).status(1);
    refused.says(&[
        "the role 'TheNodeRole' does not have the tag llmhost:pipeline",
        "the bucket 'kept-models' does not have the tag llmhost:pipeline",
        "llmhost state rm FILE roles/iam.role/node",
    ]);
    let theirs = look(emulator.url());
    assert_eq!(theirs["storage"][0]["objects"]["precious"], 6, "{theirs}");
    assert!(theirs["identity"]["roles"]["TheClusterRole"].is_null(), "the rest is gone");
    run(&["state", "rm", FILE, "--yes", "roles/iam.role/node", "models/s3.bucket/main"]).status(0);
    run(&["destroy", FILE, "--yes"]).status(0);
    assert_eq!(look(emulator.url()), theirs, "and theirs is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_whose_making_was_not_answered_is_found_and_not_in_its_own_way() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let proxy = RecordingProxy::start(emulator.url()).await.unwrap();
    scene.pipeline("[steps.network]\nuses = \"vpc\"\nwith = { name = \"n\", azs = 1, nat = \"none\" }\n");
    proxy.inject(|request| request.action == "CreateRoute", 1, Fault::ResetAfter);
    scene.at(proxy.url(), &["run", FILE]).status(1).says(&["ec2:CreateRoute"]);
    scene.at(proxy.url(), &["run", FILE]).status(0).says(&["adopted network/ec2.route/public-internet"]);
    scene.at(proxy.url(), &["run", FILE]).status(0).says(&["0 changes"]);
    scene.at(proxy.url(), &["destroy", FILE, "--yes"]).status(0);
}

/// Sends a signal to a run in the middle of a call, once or twice, and gives its status.
async fn interrupted(scene: &Scene, proxy: &RecordingProxy, verb: &str, signals: &[i32]) -> Option<i32> {
    proxy.forget();
    let mut command = scene.command(&[verb, FILE, "--yes", "--endpoint-url", proxy.url()]);
    command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    while proxy.mutating() < 2 {
        assert!(began.elapsed() < Duration::from_secs(60), "nothing happens");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    for signal in signals {
        let id = i32::try_from(child.id()).unwrap();
        // SAFETY: a plain system call on a child that was not waited for yet.
        unsafe { libc::kill(id, *signal) };
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let ended = tokio::task::spawn_blocking(move || child.wait());
    let status = tokio::time::timeout(Duration::from_secs(60), ended).await.expect("it ends").unwrap().unwrap();
    status.code()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_signal_ends_a_run_in_order_and_the_second_at_once() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    let proxy = RecordingProxy::start(emulator.url()).await.unwrap();
    std::fs::rename(scene.path("network-and-storage.toml"), scene.path(FILE)).unwrap();
    let whole = {
        scene.at(proxy.url(), &["run", FILE]).status(0);
        let all = proxy.mutating();
        scene.at(proxy.url(), &["destroy", FILE, "--yes"]).status(0);
        all
    };
    for signal in [libc::SIGINT, libc::SIGTERM] {
        assert_eq!(interrupted(&scene, &proxy, "run", &[signal]).await, Some(130));
        assert!(proxy.mutating() < whole, "it went on to the end");
        // Everything that was begun is recorded: there is nothing to take in, and nothing is looked for.
        let went_on = scene.at(proxy.url(), &["run", FILE]).status(0);
        assert!(
            !went_on.stderr.contains("did not finish") && !went_on.stderr.contains("adopted"),
            "{}",
            went_on.stderr
        );
        assert_eq!(interrupted(&scene, &proxy, "destroy", &[signal]).await, Some(130));
        scene.at(proxy.url(), &["destroy", FILE, "--yes"]).status(0);
    }
    // A call that is never answered: the first signal waits for it, the second does not.
    proxy.inject(|request| request.action == "CreateVpc", 1, Fault::HangAfter);
    let began = Instant::now();
    assert_eq!(interrupted(&scene, &proxy, "run", &[libc::SIGINT, libc::SIGINT]).await, Some(130));
    assert!(began.elapsed() < Duration::from_secs(10), "it waited for the call");
    scene.at(proxy.url(), &["run", FILE]).status(0).says(&["did not finish", "adopted network/ec2.vpc/main"]);
    scene.at(proxy.url(), &["destroy", FILE, "--yes"]).status(0);
}
