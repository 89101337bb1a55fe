//! `llmhost plugin run`: one plugin without a pipeline file.

use std::path::Path;

use clap::Parser;
use llmhost_engine::pipeline::Trust;
use serde_json::{Map, Value};

use super::{from_anywhere, is_built_in, named};
use crate::app::{self, Console};
use crate::args::{Cli, Command, PluginRun};
use crate::failure::Failure;

/// Plans a plugin, or applies it in an emulator that goes with it.
pub(crate) async fn run(mut args: PluginRun) -> Result<(), Failure> {
    args.plugin = named(&args.plugin)?;
    let console = Console::new(args.json);
    let loader = app::loader(&console, &Trust::default())?;
    let here = std::path::absolute(".").map_err(|error| Failure::usage(error.to_string(), "Change to a folder."))?;
    let help = "Give a built-in plugin's name, the path of a component file, or oci://host/name:tag.";
    let inspected = loader.inspect(&args.plugin, &here).await.map_err(|error| Failure::plugin(error, help))?;
    let allow = if args.allow.is_empty() { inspected.grants } else { args.allow.clone() };
    let with = options(args.with.as_deref())?;
    let file = pipeline(&args, &allow, with)?;
    let failed = |error: std::io::Error| Failure::Other {
        message: format!("a temporary folder cannot be used: {error}"),
        help: "Set TMPDIR to a folder that is writable.".to_owned(),
        status: 1,
    };
    let folder = tempfile::tempdir().map_err(failed)?;
    let path = folder.path().join("plugin.toml");
    std::fs::write(&path, file).map_err(failed)?;
    if !allow.is_empty() && !is_built_in(&args.plugin) {
        console.note(&format!("Granted for this run: {}.", allow.join(", ")));
    }
    let mut line = vec!["llmhost".into(), "run".into(), path.into_os_string()];
    line.push(if args.apply { "--emulate" } else { "--dry-run" }.into());
    line.extend(args.json.then(|| "--json".into()));
    match Cli::parse_from(line).command {
        Command::Run(mut run) => {
            run.file.unpinned = true;
            crate::commands::run::run(run).await
        }
        _ => unreachable!("the line says run"),
    }
}

/// The options: JSON, or a file of JSON or TOML after `@`.
fn options(with: Option<&str>) -> Result<Map<String, Value>, Failure> {
    let Some(with) = with else { return Ok(Map::new()) };
    let help = "It is a JSON object, such as '{\"bucket\": \"my-logs\"}', or @FILE with one, or @FILE.toml.";
    let bad = |reason: String| Failure::usage(format!("--with {reason}"), help);
    let read =
        |path: &str| std::fs::read_to_string(path).map_err(|error| bad(format!("@{path} cannot be read: {error}")));
    match with.strip_prefix('@') {
        Some(path) if Path::new(path).extension().is_some_and(|ending| ending == "toml") => {
            toml::from_str(&read(path)?).map_err(|error| bad(format!("@{path} is not TOML: {}", error.message())))
        }
        Some(path) => {
            serde_json::from_str(&read(path)?).map_err(|error| bad(format!("@{path} is not a JSON object: {error}")))
        }
        None => serde_json::from_str(with).map_err(|error| bad(format!("is not a JSON object: {error}"))),
    }
}

/// The pipeline file that the command line stands for. Its one step has the plugin's name.
fn pipeline(args: &PluginRun, allow: &[String], with: Map<String, Value>) -> Result<String, Failure> {
    let stem = Path::new(&args.plugin).file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    let name: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let name = name.trim_matches('-');
    let name = if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name } else { "plugin" };
    let mut step = toml::Table::from_iter([("uses".to_owned(), toml::Value::from(from_anywhere(&args.plugin)))]);
    if !allow.is_empty() && !is_built_in(&args.plugin) {
        step.insert("allow".to_owned(), allow.iter().map(String::as_str).collect::<Vec<_>>().into());
    }
    let with = toml::Value::try_from(with);
    let null = |_| Failure::usage("--with contains a null, which a pipeline file cannot contain", "Remove the key.");
    step.insert("with".to_owned(), with.map_err(null)?);
    let head = [("name", "plugin-run"), ("region", args.region.as_str())];
    let head = head.map(|(key, value)| (key.to_owned(), toml::Value::from(value)));
    let file = toml::Table::from_iter([
        ("pipeline".to_owned(), toml::Table::from_iter(head).into()),
        ("steps".to_owned(), toml::Table::from_iter([(name.to_owned(), step.into())]).into()),
    ]);
    Ok(file.to_string())
}
