//! `cargo xtask models`: example models, made from Python packages; and `cargo xtask bench-models`:
//! how fast they run beside others' programs, in one run on one machine.

pub(crate) mod cuda;
mod devices;
mod embeddings;
mod engine;
mod fetch;
mod http;
mod llama;
mod load;
mod peer;
mod server;
pub(crate) mod soak;

use std::process::Command;

use llmhost_example_models::Example;
use serde_json::Value;

/// Beside the models: public models' chat templates, which the tests of templates read.
const TEMPLATES: &str = "chat-templates";

/// Makes the models whose names are given, or all, and prints their folders.
pub(crate) fn make(names: &[String]) -> Result<(), String> {
    let known = || Example::ALL.map(Example::name).join(", ");
    for name in names {
        if name != TEMPLATES && !Example::ALL.iter().any(|example| example.name() == name) {
            return Err(format!("there is no model '{name}'; there are {}, and {TEMPLATES}", known()));
        }
    }
    if names.is_empty() || names.iter().any(|name| name == TEMPLATES) {
        let folder = llmhost_example_models::chat_templates().map_err(|error| error.to_string())?;
        println!("{}", folder.display());
    }
    for example in Example::ALL {
        if names.is_empty() || names.iter().any(|name| name == example.name()) {
            println!("{}", example.folder().map_err(|error| error.to_string())?.display());
        }
    }
    Ok(())
}

/// One of the tables, and what makes it.
type Table = (&'static str, fn() -> Result<(), String>);

const TABLES: [Table; 6] = [
    ("batches", engine::batches),
    ("clients", engine::clients),
    ("server", server::overhead),
    ("llama", load::table),
    ("embeddings", embeddings::throughput),
    ("fetch", fetch::throughput),
];

/// Prints the tables whose names are given, or all.
pub(crate) fn bench(names: &[String]) -> Result<(), String> {
    if let Some(unknown) = names.iter().find(|name| !TABLES.iter().any(|(known, _)| known == name)) {
        return Err(format!("there is no table '{unknown}'; there are {}", TABLES.map(|(name, _)| name).join(", ")));
    }
    crate::run("cargo", &["build", "--release", "--workspace", "--bin", "llmhost"])?;
    for (name, table) in TABLES {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            println!();
            table()?;
        }
    }
    Ok(())
}

fn threads() -> String {
    std::thread::available_parallelism().map_or(1, usize::from).to_string()
}

/// Runs a program that prints its figures as one line of JSON.
fn figures(command: &mut Command) -> Result<Value, String> {
    let output = command.output().map_err(|error| format!("cannot start {command:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().rfind(|line| line.starts_with('{')).unwrap_or_default();
    serde_json::from_str(last).map_err(|error| format!("{command:?} said no figures: {error}"))
}

/// The middle of some figures; 0 of none.
fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(0.0)
}
