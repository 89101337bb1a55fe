//! `cargo xtask models`: example models, made from Python packages; and `cargo xtask bench-models`:
//! how fast they run beside others' programs, in one run on one machine.

mod bucket;
mod cold;
pub(crate) mod cuda;
mod devices;
mod embeddings;
mod engine;
mod fetch;
mod guidellm;
mod http;
mod llama;
mod load;
mod peer;
mod server;
pub(crate) mod soak;

use std::io::Read;
use std::process::{Command, Stdio};

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

const TABLES: [Table; 8] = [
    ("batches", engine::batches),
    ("clients", engine::clients),
    ("server", server::overhead),
    ("llama", load::table),
    ("guidellm", guidellm::table),
    ("cold", cold::starts),
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
    Ok(measured(command)?.figures)
}

/// What a program printed, and what it took.
struct Measured {
    figures: Value,
    /// Most of its memory that was resident at one time, in MiB: mapped weights included.
    peak: f64,
}

/// The same, with the memory that it took.
fn measured(command: &mut Command) -> Result<Measured, String> {
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|error| format!("cannot start {command:?}: {error}"))?;
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    let (mut said, mut errors) = (Vec::new(), Vec::new());
    // At the same time: a program waits where nobody reads.
    std::thread::scope(|scope| {
        scope.spawn(|| stderr.as_mut().map(|from| from.read_to_end(&mut errors)));
        stdout.as_mut().map(|from| from.read_to_end(&mut said))
    });
    let (status, peak, _) = crate::bench::wait(child.id())?;
    if status != 0 {
        return Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&errors)));
    }
    let said = String::from_utf8_lossy(&said);
    let last = said.lines().rfind(|line| line.starts_with('{')).unwrap_or_default();
    let figures = serde_json::from_str(last).map_err(|error| format!("{command:?} said no figures: {error}"))?;
    Ok(Measured { figures, peak: peak as f64 / 1024.0 })
}

/// The middle of some figures; 0 of none.
fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(0.0)
}
