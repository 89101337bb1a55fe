//! The same plugin in each language that `llmhost plugin new` offers: how long it takes to make, to build and to load.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::{repository, target};

/// Makes, builds, tests and loads a project in each language, and prints the table. `built` is an llmhost that is there
/// already; without one it is built first.
pub(crate) fn run(built: Option<&str>) -> Result<(), String> {
    let llmhost = match built {
        Some(path) => std::path::absolute(path).map_err(|error| format!("{path}: {error}"))?,
        None => {
            crate::run("cargo", &["build", "--release", "--workspace", "--bin", "llmhost"])?;
            target().join("release/llmhost")
        }
    };
    let mut rows = Vec::new();
    for language in languages()? {
        println!("\n{language}");
        rows.push(measured(&llmhost, &language)?);
    }
    let header = ["language", "component", "new", "first build", "next build", "first load", "next load", "case"];
    println!("\n| {} |\n|{}", header.join(" | "), "---|".repeat(header.len()));
    for row in rows {
        println!("| {} |", row.join(" | "));
    }
    println!(
        "\nTimes are of whole commands: plugin new, build, build again after an edit, inspect with an empty cache and \
         with a full one, test. A first build installs the language's tools where they are missing."
    );
    Ok(())
}

/// Those that there is a template for.
fn languages() -> Result<Vec<String>, String> {
    let templates = repository().join("host/authoring/templates");
    let entries = std::fs::read_dir(&templates).map_err(|error| format!("{}: {error}", templates.display()))?;
    // What languages share has no README.
    let is_project = |path: &Path| path.join("README.md").is_file();
    let paths = entries.flatten().map(|entry| entry.path()).filter(|path| is_project(path));
    let mut names: Vec<String> =
        paths.filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect();
    names.sort();
    Ok(names)
}

fn measured(program: &Path, language: &str) -> Result<Vec<String>, String> {
    let io = |error: std::io::Error| format!("{language}: {error}");
    let folder = target().join("languages").join(language);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(io)?;
    }
    std::fs::create_dir_all(&folder).map_err(io)?;
    let cache = folder.join("cache");
    let llmhost = |args: &[&str], cache: Option<&Path>| -> Result<Duration, String> {
        let mut command = Command::new(program);
        command.args(args).current_dir(&folder).stdout(Stdio::null());
        if let Some(cache) = cache {
            command.env("XDG_CACHE_HOME", cache);
        }
        let began = Instant::now();
        crate::run_quietly(&mut command)?;
        Ok(began.elapsed())
    };
    let new = llmhost(&["plugin", "new", "logs", "--lang", language], None)?;
    let first_build = llmhost(&["plugin", "build", "logs"], None)?;
    // Another comment in its source is enough for every language's tools to look at it again.
    touch(&folder.join("logs"))?;
    let next_build = llmhost(&["plugin", "build", "logs"], None)?;
    let component = folder.join("logs/logs.wasm");
    let size = component.metadata().map_err(io)?.len();
    let component = component.display().to_string();
    let first_load = llmhost(&["plugin", "inspect", &component], Some(&cache))?;
    let next_load = llmhost(&["plugin", "inspect", &component], Some(&cache))?;
    let case = llmhost(&["plugin", "test", "logs"], Some(&cache))?;
    let mut row = vec![language.to_owned(), format!("{:.1} MB", size as f64 / f64::from(1 << 20))];
    let times = [new, first_build, next_build, first_load, next_load, case];
    row.extend(times.iter().map(|time| format!("{:.2} s", time.as_secs_f64())));
    Ok(row)
}

/// Adds an empty line to the sources of a project.
fn touch(project: &Path) -> Result<(), String> {
    let sources = [
        "assembly/plugin.ts",
        "plugin.js",
        "plugin.py",
        "plugin.go",
        "src/lib.rs",
        "src/plugin.ts",
        "src/plugin.c",
        "src/plugin.cpp",
        "src/plugin.zig",
    ];
    let source = sources.iter().map(|source| project.join(source)).find(|source| source.is_file());
    let source = source.ok_or_else(|| format!("{} has no source that is known here", project.display()))?;
    let text = std::fs::read_to_string(&source).map_err(|error| format!("{}: {error}", source.display()))?;
    std::fs::write(&source, text + "\n").map_err(|error| format!("{}: {error}", source.display()))
}
