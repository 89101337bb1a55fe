//! JavaScript and TypeScript, by QuickJS. The SDK in the project has what bundles the modules and makes a component.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::Tool;
use crate::{AuthoringError, Project, Tell, World, bindings, tools};

pub(super) fn build(project: &Project, tell: Tell<'_>) -> Result<PathBuf, AuthoringError> {
    let packages = tools::JAVASCRIPT.folder("JavaScript", tell)?;
    bindings::javascript::link(&project.folder, &packages)?;
    componentize(project, &format!("{}.js", entry(project)), tell)
}

pub(super) fn build_typed(project: &Project, tell: Tell<'_>) -> Result<PathBuf, AuthoringError> {
    let packages = tools::TYPESCRIPT.folder("TypeScript", tell)?;
    bindings::javascript::link(&project.folder, &packages)?;
    tell("Checking types with tsc.");
    let tsc = packages.join("node_modules/typescript/bin/tsc");
    run(project, "tsc", &tsc, &["--noEmit", "--pretty", "false", "--project", "."])?;
    componentize(project, &format!("src/{}.ts", entry(project)), tell)
}

/// The name of the first module.
fn entry(project: &Project) -> &'static str {
    match project.world {
        World::Step(_) => "plugin",
        World::Provider => "provider",
    }
}

fn componentize(project: &Project, entry: &str, tell: Tell<'_>) -> Result<PathBuf, AuthoringError> {
    super::work(project)?;
    tell("Compiling with componentize-qjs.");
    let script = bindings::javascript::package(&project.folder).join("build/main.js");
    run(project, "componentize-qjs", &script, &[entry, "--wit", "wit", "-o", "build/plugin.wasm"])?;
    Ok(project.work().join("plugin.wasm"))
}

fn run(project: &Project, program: &str, script: &Path, args: &[&str]) -> Result<(), AuthoringError> {
    let node = Tool { program, gets: "packages of npm", live: None };
    node.run(Command::new("node").arg(script).args(args).current_dir(&project.folder)).map(drop)
}
