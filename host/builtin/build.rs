//! Compiles the built-in plugins from their sources and puts them where they can be embedded.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Names of the plugins, in `uses` and as packages.
const PLUGINS: [&str; 10] = ["vpc", "iam", "eks", "nodegroup", "addon", "fargate", "s3", "irsa", "inference", "aws"];

fn main() {
    let repository = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../..");
    let workspace = repository.join("plugins");
    for part in ["Cargo.toml", "Cargo.lock", "sdk/rust"].iter().chain(&PLUGINS) {
        println!("cargo::rerun-if-changed={}", workspace.join(part).display());
    }
    println!("cargo::rerun-if-changed={}", repository.join("wit").display());
    println!("cargo::rerun-if-changed=build.rs");

    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    let components = match llmhost_plugin_build::build(&workspace, &PLUGINS, &target(&out)) {
        Ok(components) => components,
        Err(error) => {
            println!("cargo::error={error}");
            std::process::exit(1);
        }
    };
    let mut code = String::from("/// Every built-in plugin.\npub const ALL: &[Builtin] = &[\n");
    for (name, component) in PLUGINS.iter().zip(components) {
        let file = out.join(format!("{name}.wasm"));
        let sha256 = Sha256::digest(&component).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        std::fs::write(&file, component).expect("cargo's own folder can be written");
        writeln!(code, "    Builtin {{ name: {name:?}, wasm: include_bytes!({file:?}), sha256: {sha256:?} }},")
            .expect("a string takes any text");
    }
    code.push_str("];\n");
    std::fs::write(out.join("all.rs"), code).expect("cargo's own folder can be written");
}

/// One folder for the guests of every profile: they are built alike, and their standard library
/// takes minutes.
fn target(out: &Path) -> PathBuf {
    let build = out.ancestors().find(|folder| folder.file_name().is_some_and(|name| name == "build"));
    let root = build.and_then(Path::parent).and_then(Path::parent).unwrap_or(out);
    root.join("llmhost-plugins")
}
