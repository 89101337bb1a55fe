//! The tools that plugins are built with: one version of each, installed into llmhost's own cache folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use llmhost_python_env::{Environment, folder_of, once};

use crate::command::Tool;
use crate::create::write;
use crate::{AuthoringError, Language, Tell};

/// Makes components of Python.
pub(crate) const COMPONENTIZE_PY: Environment = Environment {
    name: "componentize-py",
    requirements: "componentize-py==0.25.1\n",
    variable: "LLMHOST_COMPONENTIZE_PY",
};

/// Compiles C, C++ and Zig. It brings a C library for WASI.
pub(crate) const ZIG: Environment =
    Environment { name: "zig", requirements: "ziglang==0.17.1\n", variable: "LLMHOST_ZIG" };

/// Makes components of JavaScript.
pub(crate) const JAVASCRIPT: NodePackages = NodePackages {
    name: "javascript",
    manifest: include_str!("javascript/package.json"),
    lock: include_str!("javascript/package-lock.json"),
};

/// The same, and checks the types of TypeScript.
pub(crate) const TYPESCRIPT: NodePackages = NodePackages {
    name: "typescript",
    manifest: include_str!("typescript/package.json"),
    lock: include_str!("typescript/package-lock.json"),
};

/// Compiles AssemblyScript.
pub(crate) const ASSEMBLYSCRIPT: NodePackages = NodePackages {
    name: "assemblyscript",
    manifest: include_str!("assemblyscript/package.json"),
    lock: include_str!("assemblyscript/package-lock.json"),
};

/// The oldest Node.js that the packages run on.
const NODE: u32 = 20;
/// The oldest Go that exports functions from WebAssembly as bindings need it.
const GO: (u32, u32) = (1, 25);

impl Language {
    /// The Go that its plugins are built with, which llmhost does not install.
    pub const GO_PROGRAM: &str = "Go 1.25 or newer";
}

/// Packages of npm, all of their versions pinned.
pub(crate) struct NodePackages {
    name: &'static str,
    manifest: &'static str,
    lock: &'static str,
}

impl NodePackages {
    /// The folder in which they are installed, by whoever asks first.
    pub(crate) fn folder(&self, language: &'static str, tell: Tell<'_>) -> Result<PathBuf, AuthoringError> {
        node(language)?;
        let folder = folder_of(self.name, &format!("{}{}", self.manifest, self.lock))?;
        once(&folder, &|| true, || self.install(&folder, language, tell))?;
        Ok(folder)
    }

    fn install(&self, folder: &Path, language: &'static str, tell: Tell<'_>) -> Result<(), AuthoringError> {
        // Asked for here alone: npm takes longer to say its version than a build's other preparations together.
        if version("npm", "--version").is_none() {
            return Err(no_node(language, "there is no npm on PATH".to_owned()));
        }
        tell(&format!("Installing the tools for {language} in {}, once for this machine.", folder.display()));
        write(&folder.join("package.json"), self.manifest)?;
        write(&folder.join("package-lock.json"), self.lock)?;
        // Not `npm ci`: it refuses a lock file without download addresses, which are the registry's own.
        let install = ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-save", "--loglevel=error"];
        let npm = Tool { program: "npm", gets: "the packages of npm", live: None };
        npm.run(Command::new("npm").args(install).current_dir(folder)).map(drop)
    }
}

/// What a program prints of its version; nothing where it is not there.
fn version(program: &str, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn node(language: &'static str) -> Result<(), AuthoringError> {
    let Some(found) = version("node", "--version") else {
        return Err(no_node(language, "there is no node on PATH".to_owned()));
    };
    let major = found.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < NODE) {
        return Err(no_node(language, format!("node is {found}")));
    }
    Ok(())
}

fn no_node(language: &'static str, found: String) -> AuthoringError {
    AuthoringError::Tool {
        language,
        program: "Node.js 20 or newer and npm",
        found,
        help: "Install Node.js with npm from https://nodejs.org, or the packages nodejs and npm.".to_owned(),
    }
}

/// Refuses to go on without a Go that is new enough.
pub(crate) fn go() -> Result<(), AuthoringError> {
    let missing = |found: String| AuthoringError::Tool {
        language: "Go",
        program: Language::GO_PROGRAM,
        found,
        help: "Install Go from https://go.dev/dl.".to_owned(),
    };
    let Some(found) = version("go", "version") else {
        return Err(missing("Go was not found on PATH".to_owned()));
    };
    // `go version go1.26.8 linux/amd64`
    let number = found.split(' ').nth(2).unwrap_or_default().trim_start_matches("go");
    let mut parts = number.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse::<u32>().ok());
    match (parts.next().flatten(), parts.next().flatten()) {
        (Some(major), Some(minor)) if (major, minor) >= GO => Ok(()),
        _ => Err(missing(format!("go is {number}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_go_that_is_named_is_the_oldest_that_is_accepted() {
        assert_eq!(Language::GO_PROGRAM, format!("Go {}.{} or newer", GO.0, GO.1));
    }
}
