//! C, C++ and Zig, by Zig's compiler: it brings C libraries for WASI.

use std::path::PathBuf;
use std::process::Command;

use llmhost_python_env::cache_folder;

use crate::command::Tool;
use crate::{AuthoringError, Language, Project, Tell, tools};

/// Modules that are called again and again, without a `main`; the place of each instruction in the source stays.
const FLAGS: &[&str] = &["-target", "wasm32-wasi", "-mexec-model=reactor", "-g", "-UNDEBUG", "-Ibindings"];

pub(super) fn build(project: &Project, tell: Tell<'_>) -> Result<PathBuf, AuthoringError> {
    let python = tools::ZIG.python(tell)?;
    super::work(project)?;
    let zig = |arguments: &[&str]| {
        let mut command = Command::new(&python);
        command.args(["-m", "ziglang"]).args(arguments).current_dir(&project.folder);
        command.env("ZIG_GLOBAL_CACHE_DIR", cache_folder()?.join("zig"));
        command.env("ZIG_LOCAL_CACHE_DIR", "build/zig");
        Ok::<_, AuthoringError>(command)
    };
    let tool = |program| Tool { program, gets: "packages of Python", live: None };
    let relative = |path: PathBuf| path.strip_prefix(&project.folder).map_or(path.clone(), PathBuf::from);
    let found = |extensions: &[&str]| {
        let found = super::sources(&project.folder.join("src"), extensions)?;
        Ok::<_, AuthoringError>(found.into_iter().map(relative).collect::<Vec<_>>())
    };
    let out = project.work().join("plugin.wasm");
    let bindings = ["bindings/guest.c", "bindings/guest_component_type.o"];
    match project.language {
        Language::C => {
            tell("Compiling with zig cc.");
            let mut command = zig(&["cc", "-std=c17", "-Os", "-Wall"])?;
            tool("zig cc")
                .run(command.args(FLAGS).args(found(&["c"])?).args(bindings).args(["-o", "build/plugin.wasm"]))?;
        }
        Language::Cpp => {
            // The bindings are C, and no C++.
            tell("Compiling with zig c++.");
            let mut command = zig(&["cc", "-std=c17", "-Os"])?;
            tool("zig cc").run(command.args(FLAGS).args(["-c", bindings[0], "-o", "build/guest.o"]))?;
            let mut command = zig(&["c++", "-std=c++20", "-Os", "-Wall", "-fno-exceptions"])?;
            let sources = found(&["cpp", "cc", "cxx"])?;
            tool("zig c++").run(command.args(FLAGS).args(sources).args([
                "build/guest.o",
                bindings[1],
                "-o",
                "build/plugin.wasm",
            ]))?;
        }
        _ => {
            let header = project.folder.join("bindings/guest.zig");
            let fresh = |path: &PathBuf| path.metadata().and_then(|of| of.modified()).ok();
            if fresh(&header).is_none() || fresh(&header) < fresh(&project.folder.join("bindings/guest.h")) {
                tell("Reading the bindings with zig translate-c, which compiles itself once for this machine.");
                let mut command =
                    zig(&["translate-c", "-target", "wasm32-wasi", "-lc", "-Ibindings", "bindings/guest.h"])?;
                crate::create::write(&header, tool("zig translate-c").run(&mut command)?)?;
            }
            tell("Compiling with zig.");
            let mut command = zig(&["build-exe", "-target", "wasm32-wasi", "-mexec-model=reactor", "-fno-entry"])?;
            command.args(["-rdynamic", "-lc", "-OReleaseSafe", "-fno-strip", "-femit-bin=build/plugin.wasm"]);
            command.args(bindings).args(["-Ibindings", "--dep", "guest", "-Mroot=src/plugin.zig"]);
            tool("zig").run(command.args(["-target", "wasm32-wasi", "-Mguest=bindings/guest.zig"]))?;
        }
    }
    Ok(out)
}
