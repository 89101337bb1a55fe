//! Rust, by cargo.

use std::path::PathBuf;

use crate::command::Tool;
use crate::{AuthoringError, Project, Tell, bindings};

pub(super) fn build(project: &Project, tell: Tell<'_>) -> Result<PathBuf, AuthoringError> {
    if !project.folder.join("sdk/llmhost-plugin/Cargo.toml").is_file() {
        bindings::rust::write_sdk(&project.folder)?;
    }
    let target = project.folder.join("target");
    let mut command = llmhost_plugin_build::command(&project.folder, &target)?;
    tell("Compiling with cargo.");
    let cargo = Tool { program: "cargo", gets: "the crates", live: Some(tell) };
    cargo.run(command.arg("--color=never").args(["--package", &project.name]))?;
    Ok(llmhost_plugin_build::module(&target, &project.name))
}
