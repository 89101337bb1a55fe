//! Compiles plugins written in Rust to components.

mod toolchain;

use std::path::{Path, PathBuf};
use std::process::Command;

pub use toolchain::Toolchain;

/// The guests' target: it imports no WASI, so that a component's imports are all that it can do.
const TARGET: &str = "wasm32-unknown-unknown";

/// Why a plugin could not be compiled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Nothing here compiles to WebAssembly.
    #[error(
        "plugins are compiled to {TARGET}, and nothing here can: install the target (rustup target add {TARGET}), or \
         on Debian the packages rustc-web, cargo-web and rust-web-src (apt-get install rustc-web cargo-web rust-web-src)"
    )]
    NoToolchain,
    /// Cargo did not start.
    #[error("cannot start {program}: {reason}")]
    Start {
        /// The program.
        program: String,
        /// The system's word.
        reason: String,
    },
    /// The plugin does not compile; cargo has said why.
    #[error("{packages} in {workspace} does not compile")]
    Compile {
        /// The packages.
        packages: String,
        /// Where they are.
        workspace: String,
    },
    /// A file cannot be read or written.
    #[error("cannot use {path}: {reason}")]
    Io {
        /// The file.
        path: String,
        /// The system's word.
        reason: String,
    },
    /// What was compiled is no component.
    #[error("{package} is not a plugin: {reason}")]
    Componentize {
        /// The package.
        package: String,
        /// What is wrong.
        reason: String,
    },
}

/// Compiles `packages` of the cargo workspace `workspace` and gives the components, in that order.
/// `target` is cargo's folder for what it builds; the next build with the same one is quick.
pub fn build(workspace: &Path, packages: &[&str], target: &Path) -> Result<Vec<Vec<u8>>, BuildError> {
    let mut cargo = command(workspace, target)?;
    cargo.arg("--quiet");
    if workspace.join("Cargo.lock").is_file() {
        cargo.arg("--locked");
    }
    packages.iter().for_each(|package| _ = cargo.args(["--package", package]));
    let status = cargo.status().map_err(|error| BuildError::Start {
        program: cargo.get_program().to_string_lossy().into_owned(),
        reason: error.to_string(),
    })?;
    if !status.success() {
        let workspace = workspace.display().to_string();
        return Err(BuildError::Compile { packages: packages.join(", "), workspace });
    }
    packages.iter().map(|package| component(package, &module(target, package))).collect()
}

/// `cargo build` of the workspace `workspace` for plugins, ready for more arguments.
pub fn command(workspace: &Path, target: &Path) -> Result<Command, BuildError> {
    let mut cargo = Toolchain::find()?.cargo();
    cargo.args(["--release", "--target", TARGET, "--target-dir"]).arg(target).current_dir(workspace);
    Ok(cargo)
}

/// The core module that cargo makes of a package.
#[must_use]
pub fn module(target: &Path, package: &str) -> PathBuf {
    target.join(TARGET).join("release").join(format!("{}.wasm", package.replace('-', "_")))
}

/// Wraps a core module, which carries its WIT with it.
fn component(package: &str, module: &Path) -> Result<Vec<u8>, BuildError> {
    let io = |error: std::io::Error| BuildError::Io { path: module.display().to_string(), reason: error.to_string() };
    let bytes = std::fs::read(module).map_err(io)?;
    let encoder = wit_component::ComponentEncoder::default().module(&bytes);
    let encoded = encoder.and_then(|encoder| encoder.validate(true).encode());
    encoded.map_err(|error| BuildError::Componentize { package: package.to_owned(), reason: format!("{error:#}") })
}

/// Takes out of a command's environment what an outer cargo set for its own build.
fn clean(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let Some(text) = name.to_str() else { continue };
        let ours = ["CARGO_HOME", "CARGO_HTTP_CAINFO", "CARGO_NET_OFFLINE"].contains(&text)
            || text.starts_with("CARGO_REGISTR");
        let outer = ["CARGO", "RUSTC", "RUSTDOC", "RUSTFLAGS", "TARGET", "HOST", "PROFILE", "OPT_LEVEL", "DEBUG"];
        if !ours
            && (outer.contains(&text) || ["CARGO_", "RUSTC_", "RUSTDOC", "DEP_"].iter().any(|p| text.starts_with(p)))
        {
            command.env_remove(&name);
        }
    }
}
