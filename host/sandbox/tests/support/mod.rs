//! Components for the tests and benchmarks, built when their sources are newer.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::SystemTime;

const TARGET: &str = "wasm32-unknown-unknown";
const NAMES: &[&str] = &["hostile", "quick", "big", "wasi", "crash", "dns", "records"];

static GUESTS: LazyLock<PathBuf> = LazyLock::new(build);

/// A guest of `tests/guests`, as a component.
pub(crate) fn guest(name: &str) -> PathBuf {
    assert!(NAMES.contains(&name), "no guest {name}");
    component(&GUESTS, name)
}

/// Builds all guests where something changed. Each test may be a process of its own: the first
/// one builds, the others wait for it.
fn build() -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests");
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guests");
    let built = target.join(TARGET).join("release");
    fs::create_dir_all(&built).expect("the target folder can be written");
    let lock = File::create(target.join("build.lock")).expect("the target folder can be written");
    lock.lock().expect("a lock");

    let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/sdk/rust");
    let oldest = NAMES.iter().map(|name| changed(&component(&built, name))).min().flatten();
    if oldest.is_none() || oldest < newest(&sources).max(newest(&wit)).max(newest(&sdk)) {
        compile(&sources, &target);
        NAMES.iter().for_each(|name| wrap(&built, name));
    }
    built
}

fn component(built: &Path, name: &str) -> PathBuf {
    built.join(format!("{name}.component.wasm"))
}

fn changed(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).and_then(|metadata| metadata.modified()).ok()
}

/// When the last of the files in a folder was changed.
fn newest(folder: &Path) -> Option<SystemTime> {
    let entries = fs::read_dir(folder).expect("a folder of sources").map(|entry| entry.expect("an entry").path());
    entries.map(|path| if path.is_dir() { newest(&path) } else { changed(&path) }).max().flatten()
}

/// With the rustup target where it is installed, else with the distribution's cargo and the
/// sources of the standard library that it brings.
fn compile(sources: &Path, target: &Path) {
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]));
    let rustlib = Path::new(sysroot.trim()).join("lib/rustlib");
    let mut cargo;
    if rustlib.join(TARGET).is_dir() {
        cargo = Command::new("cargo");
        cargo.arg("build");
    } else {
        let host = output(Command::new("rustc").arg("-vV"));
        let host = host.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host");
        let path = format!("/usr/bin:{}", std::env::var("PATH").unwrap_or_default());
        cargo = Command::new("/usr/bin/cargo");
        cargo
            .args(["build", "-Zbuild-std=std,panic_abort"])
            .env("PATH", path)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", rustlib.join(host).join("bin/rust-lld"))
            .env_remove("RUSTUP_TOOLCHAIN");
    }
    // What the cargo that runs these tests set for its own build is not for this one.
    for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"] {
        cargo.env_remove(variable);
    }
    let done = cargo
        .args(["--release", "--quiet", "--locked", "--target", TARGET, "--target-dir"])
        .arg(target)
        .current_dir(sources)
        .status()
        .expect("cargo starts; without the rustup target, cargo-web and rust-web-src are needed");
    assert!(done.success(), "the guests do not build");
}

/// Makes a component of a module that wit-bindgen put its WIT into.
fn wrap(built: &Path, name: &str) {
    let module = fs::read(built.join(format!("{name}.wasm"))).expect("just built");
    let bytes = wit_component::ComponentEncoder::default()
        .module(&module)
        .and_then(|encoder| encoder.validate(true).encode())
        .expect("a module with its WIT inside");
    fs::write(component(built, name), bytes).expect("the target folder can be written");
}

fn output(command: &mut Command) -> String {
    let output = command.output().expect("rustc starts");
    String::from_utf8(output.stdout).expect("rustc writes UTF-8")
}
