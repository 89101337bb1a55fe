//! The model server of a rehearsal: the real one, on this machine.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use llmhost_example_models::onnxruntime;
use support::{Ran, Scene, ran};

const FILE: &str = "llm-on-eks.toml";

fn rehearse(scene: &Scene, options: &[&str]) -> Ran {
    let mut command = scene.command(&[&["rehearse", FILE], options].concat());
    ran(command.env("ORT_DYLIB_PATH", onnxruntime().unwrap()).output())
}

#[test]
fn the_server_of_the_pipeline_loads_the_uploaded_model_and_answers() {
    let scene = Scene::with_examples();
    scene.edit(FILE, "replicas = { min", "args = [\"--name\", \"demo\", \"--max-batch\", \"2\"]\nreplicas = { min");
    let ran = rehearse(&scene, &["--ask", "Is anybody there?"]).status(0);
    ran.says(&[
        "serve: model-server was ready after",
        "on cpu; asked \"Is anybody there?\", it answered",
        "left behind: nothing",
    ]);
    let ran = rehearse(&scene, &["--no-serve", "--json"]).status(0);
    assert!(!ran.stdout.contains("\"stage\":\"serve\""), "{}", ran.stdout);
}

#[test]
fn what_init_writes_for_a_folder_with_a_model_rehearses() {
    let scene = Scene::with_examples();
    scene.llmhost(&["init", "mine.toml", "--yes", "--cpu", "--model", "models/demo"]).status(0);
    scene.llmhost(&["rehearse", "mine.toml", "--no-serve"]).status(0).says(&["left behind: nothing"]);
}

#[test]
fn a_machine_without_onnx_runtime_rehearses_all_but_the_server() {
    let scene = Scene::with_examples();
    let mut command = scene.command(&["rehearse", FILE]);
    let ran = ran(command.env("ORT_DYLIB_PATH", "/nowhere/libonnxruntime.so").output()).status(0);
    ran.says(&["serve: skipped:", "/nowhere/libonnxruntime.so", "llmhost doctor --install", "Rehearsed"]);
}

#[test]
fn a_server_that_ends_fails_the_rehearsal_with_its_own_words() {
    let scene = Scene::with_examples();
    scene.edit(FILE, "replicas = { min", "args = [\"--no-such-option\"]\nreplicas = { min");
    let ran = rehearse(&scene, &[]).status(1);
    ran.says(&[
        "serve: model-server: the server ended before it was ready",
        "unexpected argument '--no-such-option'",
        "--no-serve",
    ]);
}

#[test]
fn a_folder_that_is_no_model_is_said_before_anything_is_made() {
    let scene = Scene::with_examples();
    for name in ["manifest.json", "model.onnx"] {
        std::fs::remove_file(scene.path("models/demo").join(name)).unwrap();
    }
    let words = ["model-folder", "the model that is uploaded from 'models/demo'", "has no model.onnx", "--to FOLDER"];
    rehearse(&scene, &[]).status(1).says(&words);
    scene.llmhost(&["run", FILE, "--emulate", "--yes"]).status(1).says(&words).does_not_say(&["created"]);
    scene.llmhost(&["validate", FILE]).status(1).says(&words);
}

/// The process that this one started to serve, once it is there.
fn server_of(child: &Child) -> u32 {
    let deadline = Instant::now() + Duration::from_secs(120);
    while Instant::now() < deadline {
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let read = |name: &str| std::fs::read_to_string(entry.path().join(name)).unwrap_or_default();
            let parent = read("stat").rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse().ok());
            if parent == Some(child.id()) && read("cmdline").split('\0').nth(1) == Some("serve") {
                return entry.file_name().to_string_lossy().parse().unwrap();
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("no server was started");
}

fn signal(process: u32, signal: i32) {
    // SAFETY: plain numbers, and processes of this test.
    unsafe { libc::kill(i32::try_from(process).unwrap(), signal) };
}

fn is_gone(process: u32) -> bool {
    let deadline = Instant::now() + Duration::from_secs(30);
    while Instant::now() < deadline {
        let state = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        if state.is_empty() || state.contains(") Z ") {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

#[test]
fn the_server_ends_with_the_rehearsal_however_that_ends() {
    for (last, status) in [(libc::SIGINT, Some(130)), (libc::SIGKILL, None)] {
        let scene = Scene::with_examples();
        let mut command = scene.command(&["rehearse", FILE]);
        command.env("ORT_DYLIB_PATH", onnxruntime().unwrap()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let server = server_of(&child);
        // It never gets ready now.
        signal(server, libc::SIGSTOP);
        signal(child.id(), last);
        assert_eq!(child.wait().unwrap().code(), status);
        assert!(is_gone(server), "the server {server} still runs");
    }
}
