//! The main job on the emulators, as the README shows it.

use crate::run as command;

const PIPELINE: &str = "pipelines/llm-on-eks.toml";

/// Plans the whole stack, and takes it through its life.
pub(crate) fn run() -> Result<(), String> {
    let llmhost = ["run", "--quiet", "--package", "llmhost", "--"];
    command("cargo", &["build", "--package", "llmhost"])?;
    for step in [&["run", PIPELINE, "--dry-run"][..], &["rehearse", PIPELINE]] {
        command("cargo", &[&llmhost[..], step].concat())?;
    }
    Ok(())
}
