//! `cargo xtask models`: example models, made from Python packages; and how fast they run beside
//! onnxruntime-genai.

use std::process::Command;

use llmhost_example_models::{Example, onnxruntime};
use llmhost_python_env::Environment;
use serde_json::Value;

/// The peer.
const PEER: Environment = Environment {
    name: "genai",
    requirements: include_str!("../python/requirements.txt"),
    variable: "LLMHOST_GENAI_VENV",
};
const PROMPT: &str = "128";
const ANSWER: &str = "64";
const BATCHES: [&str; 3] = ["1", "4", "8"];
/// Each is measured so often, in turn, and the median is taken: other programs run, too.
const ROUNDS: usize = 3;

/// Makes the models whose names are given, or all, and prints their folders.
pub(crate) fn make(names: &[String]) -> Result<(), String> {
    let known = || Example::ALL.map(Example::name).join(", ");
    for name in names {
        if !Example::ALL.iter().any(|example| example.name() == name) {
            return Err(format!("there is no model '{name}'; there are {}", known()));
        }
    }
    for example in Example::ALL {
        if names.is_empty() || names.iter().any(|name| name == example.name()) {
            println!("{}", example.folder().map_err(|error| error.to_string())?.display());
        }
    }
    Ok(())
}

/// Measures SmolLM2 in 4 bits, here and by the peer, in turn, and prints the table.
pub(crate) fn bench() -> Result<(), String> {
    crate::run("cargo", &["build", "--release", "--package", "llmhost"])?;
    let model = Example::SmolLm2Int4.folder().map_err(|error| error.to_string())?;
    let library = onnxruntime().map_err(|error| error.to_string())?;
    let peer = PEER.python(&|text| println!("{text}")).map_err(|error| error.to_string())?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from).to_string();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut command = Command::new(crate::target().join("release/llmhost"));
        command.arg("bench").arg("--model").arg(&model).arg("--onnxruntime").arg(&library);
        command.args(["--device", "cpu", "--threads", &threads, "--prompt-tokens", PROMPT, "--answer-tokens", ANSWER]);
        ours.push(rows(command.args(["--batch", &BATCHES.join(","), "--json"]))?);
        let mut command = Command::new(&peer);
        command.arg(crate::repository().join("xtask/python/genai.py")).arg(&model);
        theirs.push(rows(command.args([threads.as_str(), PROMPT, ANSWER]).args(BATCHES))?);
    }
    println!("| batch | prefill tokens/s | onnxruntime-genai | ratio | decode tokens/s | onnxruntime-genai | ratio |");
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    for (at, batch) in BATCHES.iter().enumerate() {
        let of = |all: &[Vec<Value>], field: &str| {
            let mut found: Vec<f64> = all.iter().filter_map(|rows| rows.get(at)?[field].as_f64()).collect();
            found.sort_by(f64::total_cmp);
            found.get(found.len() / 2).copied().unwrap_or(0.0)
        };
        let mut line = format!("| {batch} |");
        for field in ["prefill_tokens_per_second", "decode_tokens_per_second"] {
            let (one, other) = (of(&ours, field), of(&theirs, field));
            line += &format!(" {one:.0} | {other:.0} | {:.2}x |", one / other);
        }
        println!("{line}");
    }
    println!("({threads} threads, prompts of {PROMPT} tokens, answers of {ANSWER}; medians of {ROUNDS} runs in turn)");
    Ok(())
}

fn rows(command: &mut Command) -> Result<Vec<Value>, String> {
    let output = command.output().map_err(|error| format!("cannot start {command:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().rfind(|line| line.starts_with('{')).unwrap_or_default();
    let read: Value = serde_json::from_str(last).map_err(|error| format!("{command:?} said no figures: {error}"))?;
    Ok(read["rows"].as_array().cloned().unwrap_or_default())
}
