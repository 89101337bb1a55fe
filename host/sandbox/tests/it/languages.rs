//! Core modules as the compilers of C and Go make them: they are wrapped, run, and say why they crash.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use llmhost_engine::crash::Crash;
use llmhost_engine::plugin::{Limits, PluginError};
use serde_json::{Value, json};
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::fake::{Notes, load_with, loader};

pub(crate) fn sources(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/languages").join(language)
}

/// A folder below cargo's own, which later runs of the tests find again.
pub(crate) fn scratch() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("languages");
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    folder
}

fn succeed(command: &mut Command) {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// A core module with the world of a plugin in it, as wit-bindgen makes it.
pub(crate) fn with_world(module: &Path) -> PathBuf {
    let mut resolve = Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit/plugin/0.1.0");
    let (package, _) = resolve.push_dir(&wit).expect("good WIT");
    let world = resolve.select_world(&[package], Some("step")).expect("the world of a plugin");
    let mut bytes = std::fs::read(module).expect("just built");
    embed_component_metadata(&mut bytes, &resolve, world, StringEncoding::UTF8).expect("a core module");
    let out = module.with_extension("world.wasm");
    std::fs::write(&out, bytes).expect("the target folder can be written");
    out
}

/// Built by zig's C compiler, from PyPI: it brings a C library for WASI.
fn c() -> PathBuf {
    let (scratch, source) = (scratch(), sources("c").join("plugin.c"));
    let (venv, out) = (scratch.join("zig"), scratch.join("c.wasm"));
    if !venv.join("done").exists() {
        succeed(Command::new("python3").args(["-m", "venv"]).arg(&venv));
        succeed(Command::new(venv.join("bin/pip")).args(["install", "--quiet", "ziglang==0.17.1"]));
        std::fs::write(venv.join("done"), "").expect("the target folder can be written");
    }
    let mut zig = Command::new(venv.join("bin/python"));
    zig.args([
        "-m",
        "ziglang",
        "cc",
        "-target",
        "wasm32-wasi",
        "-mexec-model=reactor",
        "-g",
        "-O1",
        "-UNDEBUG",
        "-fno-sanitize=undefined",
        "-D_GNU_SOURCE",
        "-o",
    ]);
    succeed(zig.arg(&out).arg(&source).env("ZIG_GLOBAL_CACHE_DIR", scratch.join("zig-cache")));
    with_world(&out)
}

fn go() -> PathBuf {
    let out = scratch().join("go.wasm");
    let mut go = Command::new("go");
    go.args(["build", "-buildmode=c-shared", "-o"]).arg(&out).arg(".").current_dir(sources("go"));
    succeed(go.env("GOOS", "wasip1").env("GOARCH", "wasm").env("GOFLAGS", "-trimpath"));
    with_world(&out)
}

/// Runs a plugin that must run well, then one that must crash.
async fn crash(plugin: &Path, config: Value) -> Crash {
    let (loader, notes, limits) = (loader(), Arc::new(Notes::default()), Limits::default());
    let plugin = load_with(&loader, plugin, &limits, &[]).await.expect("a plugin");
    assert_eq!(plugin.description().summary, "Crashes.");
    plugin.run(&json!({}), notes.clone()).await.expect("it runs");
    match plugin.run(&config, notes.clone()).await {
        Err(PluginError::Trapped(crash)) => *crash,
        other => panic!("{config}: {other:?}"),
    }
}

#[tokio::test]
async fn c_says_its_assertion_and_the_line_of_each_function() {
    let plugin = c();
    let told = crash(&plugin, json!({"do": "assert"})).await;
    let message = told.message.as_deref().unwrap_or_default();
    assert!(message.contains("days > 0") && message.contains("plugin.c"), "{told}");
    let keep = told.frames.iter().find(|frame| frame.function == "keep").unwrap_or_else(|| panic!("{told}"));
    assert!(keep.place.as_deref().is_some_and(|place| place.ends_with("plugin.c:28:5")), "{told}");
    assert!(told.to_string().contains("info: keeping"), "{told}");

    // It has no words for this; its line tables do.
    let told = crash(&plugin, json!({"do": "pointer"})).await;
    assert!(told.message.is_none() && told.reason.contains("memory"), "{told}");
    let place = told.frames[0].place.as_deref().unwrap_or_default();
    assert!(place.contains("plugin.c:32"), "{told}");
}

#[tokio::test]
async fn go_runs_and_says_its_panic_with_its_line() {
    let told = crash(&go(), json!({"do": "index"})).await;
    let message = told.message.as_deref().unwrap_or_default();
    assert!(message.contains("index out of range [3] with length 0"), "{told}");
    assert!(message.contains("main.go:"), "{told}");
    assert!(told.frames.iter().any(|frame| frame.function == "main.pick" || frame.function == "main.run"), "{told}");
}
