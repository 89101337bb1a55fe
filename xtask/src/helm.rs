//! The helm plugin, which is built by Go and for which the rest of llmhost does not wait.

use std::path::PathBuf;
use std::process::Command;

use crate::{repository, run as command, run_quietly};

/// Where it is.
const PLUGIN: &str = "plugins/helm";
/// The variable by which the build of llmhost finds the component.
const VARIABLE: &str = "LLMHOST_HELM_WASM";

/// Builds the component, and tests it.
pub(crate) fn run() -> Result<(), String> {
    let llmhost = ["run", "--quiet", "--package", "llmhost", "--", "plugin"];
    command("cargo", &[&llmhost[..], &["build", PLUGIN]].concat())?;
    command("cargo", &[&llmhost[..], &["test", PLUGIN]].concat())?;
    test()?;
    println!("\n{} is built; 'cargo xtask release' builds llmhost with it.", component()?.display());
    Ok(())
}

/// Builds llmhost as it is released. The component is built by an llmhost without it, so that one comes first; the second
/// build compiles little more than what embeds the component.
pub(crate) fn release() -> Result<(), String> {
    let build = ["build", "--release", "--locked", "--package", "llmhost"];
    command("cargo", &build)?;
    let llmhost = crate::target().join("release/llmhost");
    command(&llmhost.display().to_string(), &["plugin", "build", PLUGIN])?;
    let component = component()?;
    println!("\n$ {VARIABLE}={} cargo {}", component.display(), build.join(" "));
    let mut cargo = Command::new("cargo");
    run_quietly(cargo.args(build).env(VARIABLE, component).current_dir(repository()))?;
    println!("\n{} has the helm plugin.", llmhost.display());
    Ok(())
}

fn component() -> Result<PathBuf, String> {
    let component = repository().join(PLUGIN).join("helm.wasm");
    component.canonicalize().map_err(|error| format!("cannot find {}: {error}", component.display()))
}

/// The tests of the rendering, and its comparison with Helm's own program, byte for byte.
pub(crate) fn test() -> Result<(), String> {
    for folder in ["plugins/helm/render", "tests/fixtures/helm/compare"] {
        println!("\nthe tests of {folder}");
        // Go does not see what these tests build and read, so what it remembers of them does not count.
        let arguments = ["test", "-count=1", "-short", "./..."];
        run_quietly(Command::new("go").args(arguments).current_dir(repository().join(folder)))?;
    }
    Ok(())
}
