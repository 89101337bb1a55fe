//! JavaScript and TypeScript, by QuickJS.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::Tool;
use crate::create::{remove, write};
use crate::{AuthoringError, Project, Tell, tools, wit};

/// What the component exports: the plugin, and words about an exception that it does not catch.
const ENTRY: &str = include_str!("entry.js");
const COMPONENTIZE: &str = include_str!("componentize.cjs");
const STRIP: &str = include_str!("strip.cjs");

pub(super) fn build(project: &Project, wit: &wit::Folder, tell: Tell<'_>) -> Result<PathBuf, AuthoringError> {
    let packages = tools::JAVASCRIPT.folder("JavaScript", tell)?;
    let work = super::work(project)?;
    wrap(&work, wit, &packages, &project.folder, (&work.join("entry.js"), "../plugin.js"), tell)
}

pub(super) fn build_typed(project: &Project, wit: &wit::Folder, tell: Tell<'_>) -> Result<PathBuf, AuthoringError> {
    let packages = tools::TYPESCRIPT.folder("TypeScript", tell)?;
    tell("Checking types with tsc.");
    let tsc = Tool { program: "tsc", gets: "packages of npm", live: None };
    let mut command = Command::new("node");
    command.arg(packages.join("node_modules/typescript/bin/tsc")).args([
        "--noEmit",
        "--pretty",
        "false",
        "--project",
        ".",
    ]);
    tsc.run(command.current_dir(&project.folder))?;
    // Types become spaces, so that every line and column of a stack is that of the source.
    let work = super::work(project)?;
    let stripped = work.join("stripped");
    remove(&stripped)?;
    let script = work.join("strip.cjs");
    write(&script, STRIP)?;
    let strip = Tool { program: "amaro", gets: "packages of npm", live: None };
    strip.run(Command::new("node").arg(&script).arg(&packages).arg(project.folder.join("src")).arg(&stripped))?;
    wrap(&work, wit, &packages, &stripped, (&stripped.join("entry.js"), "./plugin.ts"), tell)
}

/// Makes a component of the modules below `root`. `entry` is where its first module is put, and what that imports.
fn wrap(
    work: &Path,
    wit: &wit::Folder,
    packages: &Path,
    root: &Path,
    entry: (&Path, &str),
    tell: Tell<'_>,
) -> Result<PathBuf, AuthoringError> {
    let (path, plugin) = entry;
    write(path, ENTRY.replace("{{plugin}}", plugin).replace("{{log}}", &wit.interface("log")))?;
    let script = work.join("componentize.cjs");
    write(&script, COMPONENTIZE)?;
    tell("Compiling with componentize-qjs.");
    let node = Tool { program: "componentize-qjs", gets: "packages of npm", live: None };
    let out = work.join("plugin.wasm");
    node.run(Command::new("node").arg(script).arg(packages).arg(&wit.path).arg(path).arg(root).arg(&out))?;
    Ok(out)
}
