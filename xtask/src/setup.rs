//! Installs what is missing: a way to compile plugins to WebAssembly, Python's venv module, and what the tests of
//! published plugins, of providers and of charts need: a registry, ssh-keygen, Alertmanager, PostgreSQL and Karpenter's charts.

use std::process::{Command, Stdio};

use llmhost_plugin_build::Toolchain;

use crate::{karpenter, run as command, run_quietly};

const TARGET: &str = "wasm32-unknown-unknown";

/// Makes this machine ready; quick when it is.
pub(crate) fn run() -> Result<(), String> {
    if Toolchain::find().is_err() {
        install_toolchain()?;
    }
    let has_venv = Command::new("python3").args(["-c", "import venv, ensurepip"]).stderr(Stdio::null()).status();
    if !has_venv.is_ok_and(|status| status.success()) {
        apt(&["python3", "python3-venv"])?;
    }
    for (program, package) in [
        ("docker-registry", "docker-registry"),
        ("ssh-keygen", "openssh-client"),
        ("prometheus-alertmanager", "prometheus-alertmanager"),
        ("chromium", "chromium"),
    ] {
        // Whatever it answers, it is there.
        if Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
            apt(&[package])?;
        }
    }
    if !has_postgresql() {
        apt(&["postgresql"])?;
    }
    if !karpenter::is_possible() {
        println!("There is no Go. The tests of charts need Go 1.26, and so does a build with the helm plugin.");
        return Ok(());
    }
    karpenter::run()
}

/// Its programs are in no folder of PATH.
fn has_postgresql() -> bool {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    versions.into_iter().any(|version| version.path().join("bin/initdb").is_file())
}

/// rustup's target where it can be had, else Debian's packages.
fn install_toolchain() -> Result<(), String> {
    println!("Plugins are compiled to WebAssembly; looking for a compiler that can.");
    let added = run_quietly(Command::new("rustup").args(["target", "add", TARGET]).stderr(Stdio::null()));
    if added.is_err() || Toolchain::find().is_err() {
        apt(&["rustc-web", "cargo-web", "rust-web-src"])?;
    }
    Toolchain::find().map(drop).map_err(|error| error.to_string())
}

fn apt(packages: &[&str]) -> Result<(), String> {
    let by_hand = || format!("install these packages by hand: {}", packages.join(" "));
    if Command::new("apt-get").arg("--version").stdout(Stdio::null()).status().is_err() {
        return Err(by_hand());
    }
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0\n"));
    let install = [&["install", "--yes", "--no-install-recommends"], packages].concat();
    for args in [&["update"][..], &install] {
        let done = if is_root { command("apt-get", args) } else { command("sudo", &[&["apt-get"], args].concat()) };
        done.map_err(|error| format!("{error}; {}", by_hand()))?;
    }
    Ok(())
}
