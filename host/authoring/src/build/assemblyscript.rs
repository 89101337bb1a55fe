//! AssemblyScript, by its own compiler.

use std::path::PathBuf;
use std::process::Command;

use wasmparser::{Parser, Payload};

use crate::command::Tool;
use crate::{AuthoringError, Project, Tell, tools, wit};

/// Names of functions and their places stay, for crashes. What is outside of all functions runs in `_initialize`: then the host's
/// functions can be called, by a crash's last words too, which they cannot while a module is instantiated.
const FLAGS: &[&str] = &[
    "--optimizeLevel",
    "2",
    "--shrinkLevel",
    "1",
    "--debug",
    "--sourceMap",
    "--noColors",
    "--exportStart",
    "_initialize",
    "--runtime",
    "incremental",
    // Bytes of the stack of references, of which deep recursion takes much.
    "--stackSize",
    "262144",
    "--use",
    "abort=bindings/runtime/abort",
    "--use",
    "console=bindings/runtime/console",
    "--use",
    "trace=bindings/runtime/trace",
    "--use",
    "seed=bindings/runtime/seed",
];

pub(super) fn build(project: &Project, wit: &wit::Folder, tell: Tell<'_>) -> Result<PathBuf, AuthoringError> {
    let packages = tools::ASSEMBLYSCRIPT.folder("AssemblyScript", tell)?;
    let out = super::work(project)?.join("plugin.wasm");
    tell("Compiling with asc.");
    let asc = Tool { program: "asc", gets: "packages of npm", live: None };
    let mut command = Command::new("node");
    command.arg(packages.join("node_modules/assemblyscript/bin/asc.js")).arg("bindings/entry.ts").args(FLAGS);
    asc.run(command.args(["--outFile", "build/plugin.wasm"]).current_dir(&project.folder))?;
    let io = |error: &std::io::Error| AuthoringError::io(&out, error);
    let module = std::fs::read(&out).map_err(|error| io(&error))?;
    all_there(&module)?;
    let map = std::fs::read_to_string(out.with_extension("wasm.map")).map_err(|error| io(&error))?;
    super::write_with_world(&out, super::lines::with_lines(module, &map), wit)?;
    Ok(out)
}

/// Refuses what AssemblyScript's library has of a browser, and a plugin has not. Its imports tell.
fn all_there(module: &[u8]) -> Result<(), AuthoringError> {
    for payload in Parser::new(0).parse_all(module).map_while(Result::ok) {
        let Payload::ImportSection(imports) = payload else { continue };
        if let Some(import) = imports.into_imports().flatten().find(|import| import.module == "env") {
            return Err(AuthoringError::Compile {
                program: "llmhost".to_owned(),
                output: format!(
                    "the plugin uses {}, and a plugin has no clock, no random numbers and no browser APIs",
                    import.name
                ),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_a_browser_is_named() {
        // A type, a function without parameters, and an import of it.
        let head = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x02\x10\x01\x03";
        let module = |from: &str| [&head[..], from.as_bytes(), b"\x08Date.now\0\0"].concat();
        all_there(&module("abc")).expect("it is another's");
        let error = all_there(&module("env")).expect_err("it is not there");
        assert!(error.to_string().contains("Date.now"), "{error}");
    }
}
