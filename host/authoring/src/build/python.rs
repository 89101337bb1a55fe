//! Python, by componentize-py.

use std::path::PathBuf;
use std::process::Command;

use crate::command::Tool;
use crate::{AuthoringError, Project, Tell, bindings, tools};

pub(super) fn build(project: &Project, tell: Tell<'_>) -> Result<PathBuf, AuthoringError> {
    let python = tools::COMPONENTIZE_PY.python(tell)?;
    let work = super::work(project)?;
    let module = bindings::python::write_build(&work)?;
    tell("Compiling with componentize-py.");
    let tool = Tool { program: "componentize-py", gets: "packages of Python", live: None };
    let mut command = Command::new(python);
    command.args(["-B", "-m", module, "plugin.py", "--wit", "wit", "--bindings", "bindings"]);
    command.args(["-o", "build/plugin.wasm"]).env("PYTHONPATH", "build");
    tool.run(command.current_dir(&project.folder))?;
    Ok(work.join("plugin.wasm"))
}
