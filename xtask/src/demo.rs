//! The main job on the emulator, as the README shows it.

use crate::run as command;

const PIPELINE: &str = "pipelines/network-and-storage.toml";

/// Plans, applies, applies again, and destroys.
pub(crate) fn run() -> Result<(), String> {
    let llmhost = ["run", "--quiet", "--package", "llmhost", "--"];
    command("cargo", &["build", "--package", "llmhost"])?;
    for step in [
        &["run", PIPELINE, "--dry-run"][..],
        &["run", PIPELINE, "--emulate-keep"],
        &["run", PIPELINE, "--emulate-keep"],
        &["destroy", PIPELINE, "--emulate"],
    ] {
        command("cargo", &[&llmhost[..], step].concat())?;
    }
    Ok(())
}
