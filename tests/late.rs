//! AWS does not know at once what it has just made. Runs against an emulator that is as late get everything
//! right all the same.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::time::Duration;

use support::{Scene, emulator, look};

const FILE: &str = "llm-on-eks.toml";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_found_at_first_is_waited_for() {
    for seed in [1, 2, 3] {
        let (scene, emulator) = (Scene::with_examples(), emulator().await);
        emulator.lag(seed, Duration::from_millis(800)).unwrap();
        scene.at(emulator.url(), &["run", FILE]).status(0);
        scene.at(emulator.url(), &["run", FILE]).status(0).says(&["0 changes"]);
        scene.edit(FILE, "disk_gib = 20", "disk_gib = 40");
        scene.at(emulator.url(), &["run", FILE, "--yes"]).status(0);
        scene.at(emulator.url(), &["destroy", FILE, "--yes"]).status(0);
        let left = look(emulator.url());
        assert_eq!(left["network"]["vpcs"].as_array().unwrap().len(), 1, "{left}");
        assert_eq!(left["identity"]["roles"], serde_json::json!({}), "{left}");
    }
}

#[test]
fn what_takes_longer_is_waited_for_as_long_as_its_step_says() {
    let scene = Scene::with_examples();
    scene.edit(FILE, "tags = { team", "tags = { \"llmhost-test:slow\" = \"7\", team");
    scene.llmhost(&["run", FILE, "--emulate"]).status(0);
}

#[test]
fn waiting_ends_when_the_command_line_says_so() {
    let scene = Scene::with_examples();
    scene.edit(FILE, "image = \"${vars.image}\"", "image = \"${vars.image}\"\nenv = {}");
    let refused = scene.llmhost(&["run", FILE, "--emulate-pace", "real"]).status(2);
    refused.says(&["--emulate-pace is for the emulator"]);
}
