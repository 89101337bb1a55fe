//! Formatting, lints, every test, documentation.

use std::process::{Command, Stdio};

use crate::run as command;

/// Runs everything that must pass.
pub(crate) fn run() -> Result<(), String> {
    let plugins = ["--manifest-path", "plugins/Cargo.toml"];
    command("cargo", &["fmt", "--all", "--check"])?;
    command("cargo", &[&["fmt", "--all", "--check"][..], &plugins].concat())?;
    command("cargo", &["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"])?;
    engine_is_plain()?;
    let lint = [&["clippy", "--workspace", "--all-targets"][..], &plugins, &["--", "--deny", "warnings"]].concat();
    command("cargo", &lint)?;
    // The emulator's environment is made before the tests that want it at the same time.
    command("cargo", &[&["test", "--quiet"][..], &plugins].concat())?;
    crate::sdks::test()?;
    crate::helm::test()?;
    let mut nextest = Command::new("cargo");
    nextest.args(["nextest", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    if nextest.status().is_ok_and(|status| status.success()) {
        command("cargo", &["nextest", "run", "--workspace", "--no-fail-fast"])?;
    } else {
        command("cargo", &["test", "--workspace", "--no-fail-fast"])?;
    }
    command("cargo", &["doc", "--workspace", "--no-deps", "--quiet"])
}

/// The engine knows neither AWS nor WebAssembly: none of their crates may reach it.
fn engine_is_plain() -> Result<(), String> {
    let tree = ["tree", "--package", "llmhost-engine", "--edges", "normal", "--prefix", "none"];
    let output = Command::new("cargo").args(tree).current_dir(crate::repository()).output();
    let tree = output.map_err(|error| format!("cannot start cargo: {error}"))?.stdout;
    let tree = String::from_utf8_lossy(&tree);
    let foreign = tree.lines().find(|line| ["wasmtime", "aws-"].iter().any(|name| line.starts_with(name)));
    match (foreign, tree.contains("llmhost-engine")) {
        (Some(line), _) => Err(format!("the engine depends on {line}")),
        (None, false) => Err("cargo tree shows no engine".to_owned()),
        (None, true) => Ok(()),
    }
}
