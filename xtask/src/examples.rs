//! The example plugins in other languages, each built by its own script with the package of its language.

use std::path::PathBuf;
use std::process::Command;

use crate::{repository, run_quietly, target};

/// Builds what is not up to date; gives the components.
pub(crate) fn run() -> Result<Vec<PathBuf>, String> {
    ["javascript", "python", "go"].into_iter().map(build).collect()
}

fn build(language: &str) -> Result<PathBuf, String> {
    let folder = repository().join("plugins/examples").join(language);
    let out = target().join("llmhost-examples").join(format!("{language}.wasm"));
    run_quietly(Command::new("bash").arg(folder.join("build.sh")).arg(&out).env("CARGO_TARGET_DIR", target()))?;
    Ok(out)
}
