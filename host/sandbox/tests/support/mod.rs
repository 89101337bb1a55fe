//! Components for the tests and benchmarks, built once for each test binary.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

static GUESTS: LazyLock<PathBuf> = LazyLock::new(build);

/// A guest of `tests/guests`, as a component.
pub(crate) fn guest(name: &str) -> PathBuf {
    let path = GUESTS.join(format!("{name}.component.wasm"));
    assert!(path.is_file(), "no guest {name}");
    path
}

/// Builds all guests, with the rustup target where it is installed, else with the distribution's
/// cargo and the sources of the standard library that it brings.
fn build() -> PathBuf {
    const TARGET: &str = "wasm32-unknown-unknown";
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guests");
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
        .args(["--release", "--quiet", "--target", TARGET, "--target-dir"])
        .arg(&target)
        .current_dir(&sources)
        .status()
        .expect("cargo starts");
    assert!(done.success(), "the guests do not build");

    let built = target.join(TARGET).join("release");
    for name in ["hostile", "quick", "big", "wasi"] {
        let module = std::fs::read(built.join(format!("{name}.wasm"))).expect("just built");
        let component = wit_component::ComponentEncoder::default()
            .module(&module)
            .and_then(|encoder| encoder.validate(true).encode())
            .expect("a module with its WIT inside");
        // Beside its place and renamed: other test binaries may read it at this moment.
        let beside = built.join(format!("{name}.{}.new", std::process::id()));
        std::fs::write(&beside, component).expect("the target folder can be written");
        std::fs::rename(&beside, built.join(format!("{name}.component.wasm"))).expect("same folder");
    }
    built
}

fn output(command: &mut Command) -> String {
    let output = command.output().expect("rustc starts");
    String::from_utf8(output.stdout).expect("rustc writes UTF-8")
}
