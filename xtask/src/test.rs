//! Formatting, lints, every test, documentation.

use std::process::{Command, Stdio};

use crate::run as command;

/// Runs everything that must pass.
pub(crate) fn run() -> Result<(), String> {
    let plugins = ["--manifest-path", "plugins/Cargo.toml"];
    command("cargo", &["fmt", "--all", "--check"])?;
    command("cargo", &[&["fmt", "--all", "--check"][..], &plugins].concat())?;
    command("cargo", &["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"])?;
    let lint = [&["clippy", "--workspace", "--all-targets"][..], &plugins, &["--", "--deny", "warnings"]].concat();
    command("cargo", &lint)?;
    // The emulator's environment is made before the tests that want it at the same time.
    command("cargo", &[&["test", "--quiet"][..], &plugins].concat())?;
    let mut nextest = Command::new("cargo");
    nextest.args(["nextest", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    if nextest.status().is_ok_and(|status| status.success()) {
        command("cargo", &["nextest", "run", "--workspace", "--no-fail-fast"])?;
    } else {
        command("cargo", &["test", "--workspace", "--no-fail-fast"])?;
    }
    command("cargo", &["doc", "--workspace", "--no-deps", "--quiet"])
}
