//! The helm plugin, which is built by Go and for which the rest of llmhost does not wait.

use std::path::PathBuf;
use std::process::Command;

use crate::{repository, run as command, run_quietly};

/// Where it is.
const PLUGIN: &str = "plugins/helm";
/// The variable by which the build of llmhost finds the component.
const VARIABLE: &str = "LLMHOST_HELM_WASM";

/// Builds the component, runs its cases, and says how llmhost is built with it.
pub(crate) fn run() -> Result<(), String> {
    let llmhost = ["run", "--quiet", "--package", "llmhost", "--", "plugin"];
    command("cargo", &[&llmhost[..], &["build", PLUGIN]].concat())?;
    command("cargo", &[&llmhost[..], &["test", PLUGIN]].concat())?;
    test()?;
    let component: PathBuf = repository().join(PLUGIN).join("helm.wasm");
    let component =
        component.canonicalize().map_err(|error| format!("cannot find {}: {error}", component.display()))?;
    println!(
        "\nBuild llmhost with it:\n\n    {VARIABLE}={} cargo build --release --package llmhost",
        component.display()
    );
    Ok(())
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
