//! `llmhost.lock` pins plugins that do not come with llmhost: their digests, grants and interfaces.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use serde_json::Value;
use support::user::{FILE, digest, plugin, rebuilt};
use support::{Ran, Scene};

/// A component that imports the same interfaces in a later patch version.
fn newer() -> Vec<u8> {
    let mut bytes = plugin();
    let at = bytes.windows(17).position(|window| window == b"llmhost:aws-s3/s3").expect("it imports s3");
    let version = at + b"llmhost:aws-s3/s3@".len();
    let old = bytes[at..version + 5].to_vec();
    let new = [&old[..old.len() - 1], b"7"].concat();
    let places: Vec<usize> = (0..bytes.len() - old.len()).filter(|&place| bytes[place..].starts_with(&old)).collect();
    places.iter().for_each(|&place| bytes[place..place + new.len()].copy_from_slice(&new));
    bytes
}

fn step(name: &str, allow: &str) -> String {
    format!("[steps.{name}]\nuses = \"./s3.wasm\"\nallow = [{allow}]\nwith = {{ bucket = \"my-{name}-bucket\" }}\n")
}

fn scene() -> Scene {
    let scene = Scene::new();
    scene.write("s3.wasm", plugin());
    scene.pipeline(&step("logs", "\"s3\""));
    scene
}

fn lock(scene: &Scene) -> String {
    std::fs::read_to_string(scene.path("llmhost.lock")).unwrap_or_default()
}

/// Commands that load plugins.
const LOADING: [&[&str]; 4] = [&["validate", FILE], &["run", FILE, "--dry-run"], &["graph", FILE], &["policy", FILE]];

#[track_caller]
fn accepts(scene: &Scene) -> Ran {
    scene.llmhost(&["lock", FILE, "--accept"]).status(0)
}

#[test]
fn the_first_use_pins_a_plugin_and_a_changed_one_stops_every_command_until_it_is_accepted() {
    let scene = scene();
    let first = scene.llmhost(&["validate", FILE]).status(0);
    first.says(&["1 new plugin is pinned in llmhost.lock"]);
    let pinned = lock(&scene);
    for part in
        ["[pipelines.test.plugins.\"./s3.wasm\"]", &digest(&plugin()), "grants = [\"s3\"]", "llmhost:aws-s3/s3@"]
    {
        assert!(pinned.contains(part), "{part}: {pinned}");
    }
    assert!(!scene.llmhost(&["validate", FILE]).status(0).said(&scene).contains("new"), "said once");

    scene.write("s3.wasm", rebuilt());
    for command in LOADING {
        let stopped = scene.llmhost(command).status(2);
        stopped.says(&[
            "the plugin ./s3.wasm is not as llmhost.lock pins it",
            &format!("its digest was {} and is {}", digest(&plugin()), digest(&rebuilt())),
            "llmhost lock pipeline.toml --accept",
            "pipeline.toml:6",
        ]);
    }
    assert_eq!(lock(&scene), pinned, "nothing was written");
    scene.llmhost(&["lock", FILE]).status(0).says(&[&digest(&rebuilt()), "Add --accept"]);
    scene.llmhost(&["lock", FILE, "--exit-code"]).status(3);
    accepts(&scene).says(&[&digest(&rebuilt()), "Accepted"]);
    scene.llmhost(&["lock", FILE, "--exit-code"]).status(0).says(&["matches the plugins"]);
    for command in LOADING {
        scene.llmhost(command).status(0);
    }
}

#[test]
fn who_builds_a_plugin_accepts_it_in_the_same_line() {
    let scene = scene();
    scene.llmhost(&["validate", FILE]).status(0);
    scene.write("s3.wasm", rebuilt());
    scene.llmhost(&["validate", FILE]).status(2);
    scene.llmhost(&["run", FILE, "--dry-run", "--accept-plugins"]).status(0).says(&["1 to create"]);
    scene.llmhost(&["validate", FILE]).status(0);
    assert!(lock(&scene).contains(&digest(&rebuilt())));
}

#[test]
fn wider_grants_have_to_be_accepted_and_narrower_ones_do_not() {
    let scene = scene();
    scene.pipeline(&(step("logs", "\"s3\"") + &step("more", "\"s3\", \"ec2:vpc\"")));
    scene.llmhost(&["validate", FILE]).status(0);
    assert!(lock(&scene).contains("grants = [\"ec2:vpc\", \"s3\"]"), "of all steps: {}", lock(&scene));
    scene.pipeline(&step("logs", "\"s3\""));
    scene.llmhost(&["validate", FILE]).status(0);
    scene.pipeline(&step("logs", "\"s3\", \"iam\""));
    scene.llmhost(&["validate", FILE]).status(2).says(&["its grants were ec2:vpc, s3 and are iam, s3"]);
    accepts(&scene);
    scene.llmhost(&["validate", FILE]).status(0);
}

#[test]
fn other_versions_of_interfaces_are_named() {
    let scene = scene();
    scene.llmhost(&["validate", FILE]).status(0);
    scene.write("s3.wasm", newer());
    let stopped = scene.llmhost(&["validate", FILE]).status(2);
    let bytes = newer();
    let at = bytes.windows(17).position(|window| window == b"llmhost:aws-s3/s3").unwrap();
    let name = String::from_utf8_lossy(&bytes[at..at + b"llmhost:aws-s3/s3@0.2.7".len()]).into_owned();
    stopped.says(&["its imports had llmhost:aws-s3/s3@", &format!("and have {name} instead"), "its digest was"]);
}

#[test]
fn what_is_not_used_any_more_goes_when_it_is_accepted() {
    let scene = scene();
    scene.llmhost(&["validate", FILE]).status(0);
    scene.pipeline("[steps.logs]\nuses = \"s3\"\nwith = { bucket = \"my-logs-bucket\" }\n");
    scene.llmhost(&["validate", FILE]).status(0);
    assert!(lock(&scene).contains("./s3.wasm"), "nobody said that it may go");
    scene.llmhost(&["lock", FILE]).status(0).says(&["./s3.wasm", "no longer used"]);
    accepts(&scene);
    assert!(!lock(&scene).contains("./s3.wasm"), "{}", lock(&scene));
}

#[test]
fn built_in_plugins_are_not_pinned() {
    let scene = Scene::new();
    scene.pipeline("[steps.logs]\nuses = \"s3\"\nwith = { bucket = \"my-logs-bucket\" }\n");
    scene.llmhost(&["validate", FILE]).status(0);
    assert!(!scene.path("llmhost.lock").exists());
    accepts(&scene);
    assert!(!scene.path("llmhost.lock").exists());
}

#[test]
fn programs_read_the_changes_as_json() {
    let scene = scene();
    let line = |ran: Ran| -> Value { serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap() };
    let new = line(scene.llmhost(&["lock", FILE, "--json"]).status(0));
    assert_eq!(new["event"], "lock");
    assert_eq!(new["changes"][0]["was"], Value::Null);
    assert_eq!(new["changes"][0]["is"]["digest"], digest(&plugin()));
    line(scene.llmhost(&["lock", FILE, "--json", "--accept"]).status(0));
    scene.write("s3.wasm", rebuilt());
    let changed = line(scene.llmhost(&["lock", FILE, "--json"]).status(0));
    assert_eq!(changed["changes"][0]["was"]["digest"], digest(&plugin()));
    let refused = line(scene.llmhost(&["validate", FILE, "--json"]).status(2));
    assert!(refused["help"].as_str().unwrap().contains("--accept"), "{refused}");
}

#[test]
fn a_lock_file_of_a_newer_llmhost_is_refused_in_one_sentence() {
    let scene = scene();
    scene.write("llmhost.lock", "format = 9\n[from.the.future]\nx = 1\n");
    for command in LOADING {
        let refused = scene.llmhost(command).status(2);
        refused.says(&["llmhost.lock: it has format 9, of a newer llmhost; this one knows 2", "Use that llmhost"]);
    }
    assert!(lock(&scene).contains("future"), "it is left alone");
    scene.write("llmhost.lock", "format = 1\n[pipelines.test.facts]\n\"eks.newest-version\" = \"1.34\"\n");
    scene.llmhost(&["validate", FILE]).status(0);
    assert!(lock(&scene).contains("1.34") && lock(&scene).contains("format = 2"), "{}", lock(&scene));
}
