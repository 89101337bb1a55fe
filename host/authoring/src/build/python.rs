//! Python, by componentize-py.

use std::path::PathBuf;
use std::process::Command;

use crate::command::Tool;
use crate::{AuthoringError, Project, Tell, tools, wit};

pub(super) fn build(project: &Project, wit: &wit::Folder, tell: Tell<'_>) -> Result<PathBuf, AuthoringError> {
    let program = tools::python(&tools::COMPONENTIZE_PY, "componentize-py", tell)?;
    let out = super::work(project)?.join("plugin.wasm");
    tell("Compiling with componentize-py.");
    let tool = Tool { program: "componentize-py", gets: "packages of Python", live: None };
    // Not with --stub-wasi: then it has no standard error, where it says why it crashed.
    let mut command = Command::new(program);
    command.arg("-d").arg(absolute(&wit.path)?).args(["-w", wit::WORLD, "componentize", "-p", ".", "plugin", "-o"]);
    tool.run(command.arg(absolute(&out)?).current_dir(&project.folder))?;
    Ok(out)
}

fn absolute(path: &std::path::Path) -> Result<PathBuf, AuthoringError> {
    std::path::absolute(path).map_err(|error| AuthoringError::io(path, &error))
}
