//! Go, by Go's own compiler.

use std::path::PathBuf;
use std::process::Command;

use crate::command::Tool;
use crate::{AuthoringError, Project, Tell, tools, wit};

pub(super) fn build(project: &Project, wit: &wit::Folder, tell: Tell<'_>) -> Result<PathBuf, AuthoringError> {
    tools::go()?;
    let out = super::work(project)?.join("plugin.wasm");
    let absolute = std::path::absolute(&out).map_err(|error| AuthoringError::io(&out, &error))?;
    tell("Compiling with go.");
    let go = Tool { program: "go", gets: "the modules", live: None };
    let mut command = Command::new("go");
    command.args(["build", "-trimpath", "-buildmode=c-shared", "-o"]).arg(&absolute).arg(".");
    go.run(command.env("GOOS", "wasip1").env("GOARCH", "wasm").env_remove("GOFLAGS").current_dir(&project.folder))?;
    let module = std::fs::read(&out).map_err(|error| AuthoringError::io(&out, &error))?;
    super::write_with_world(&out, module, wit)?;
    Ok(out)
}
