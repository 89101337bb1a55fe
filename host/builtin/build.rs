//! Compiles the built-in plugins from their sources and puts them where they can be embedded.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Names of the plugins and providers, in `uses` and as packages.
const PLUGINS: [&str; 14] = [
    "vpc",
    "iam",
    "eks",
    "nodegroup",
    "addon",
    "fargate",
    "s3",
    "irsa",
    "inference",
    "aws",
    "manifests",
    "resources",
    "alertmanager",
    "postgres",
];
/// Where the component of the plugin `helm` is, which is built by Go and need not be there: `cargo xtask release` builds llmhost with it.
const HELM: &str = "LLMHOST_HELM_WASM";
/// What is done about a plugin that is not there.
const NO_HELM: &str = "this llmhost was built without it: build it with 'llmhost plugin build plugins/helm' in llmhost's \
    repository, and write uses = \"./helm.wasm\" and allow = [\"files:read\", \"kube:object\"]; or build llmhost with it, by \
    'cargo xtask release'";

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
        let sha256 = hex(&component);
        std::fs::write(&file, component).expect("cargo's own folder can be written");
        add(&mut code, name, &file, false, &sha256);
    }
    println!("cargo::rerun-if-env-changed={HELM}");
    let helm = std::env::var_os(HELM).filter(|path| !path.is_empty());
    let absent = helm.is_none().then_some(("helm", NO_HELM));
    if let Some(path) = helm.map(PathBuf::from) {
        println!("cargo::rerun-if-changed={}", path.display());
        let component = match std::fs::read(&path) {
            Ok(component) => component,
            Err(error) => {
                println!("cargo::error={HELM}: cannot read {}: {error}", path.display());
                std::process::exit(1);
            }
        };
        let file = out.join("helm.wasm.deflate");
        std::fs::write(&file, miniz_oxide::deflate::compress_to_vec(&component, 9))
            .expect("cargo's own folder can be written");
        add(&mut code, "helm", &file, true, &hex(&component));
    }
    code.push_str("];\n");
    let absent: Vec<_> = absent.into_iter().collect();
    writeln!(
        code,
        "/// Built-in plugins that this build has not, each with what to do about it.\n\
         pub const ABSENT: &[(&str, &str)] = &{absent:?};"
    )
    .expect("a string takes any text");
    std::fs::write(out.join("all.rs"), code).expect("cargo's own folder can be written");
}

/// A line of the table.
fn add(code: &mut String, name: &str, file: &Path, packed: bool, sha256: &str) {
    writeln!(
        code,
        "    Builtin {{ name: {name:?}, wasm: include_bytes!({file:?}), packed: {packed}, sha256: {sha256:?} }},"
    )
    .expect("a string takes any text");
}

fn hex(component: &[u8]) -> String {
    Sha256::digest(component).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// One folder for the guests of every profile: they are built alike, and their standard library
/// takes minutes.
fn target(out: &Path) -> PathBuf {
    let build = out.ancestors().find(|folder| folder.file_name().is_some_and(|name| name == "build"));
    let root = build.and_then(Path::parent).and_then(Path::parent).unwrap_or(out);
    root.join("llmhost-plugins")
}
