//! The engine beside onnxruntime-genai.

use std::collections::BTreeMap;

use llmhost_example_models::Example;
use serde_json::Value;

use super::peer::Target;
use super::{figures, median, threads};

/// Each program is measured so often, in turn, and the median is taken: other programs run, too.
const ROUNDS: usize = 5;
const MODEL: Example = Example::SmolLm2Int4;

/// Answers of one length, some at a time.
pub(super) fn batches() -> Result<(), String> {
    let (target, batches) = (Target::processor()?, ["1", "4", "8"]);
    const PROMPT: &str = "128";
    const ANSWER: &str = "64";
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut command = target.llmhost("bench", MODEL)?;
        command.args(["--prompt-tokens", PROMPT, "--answer-tokens", ANSWER, "--batch", &batches.join(","), "--json"]);
        ours.push(figures(&mut command)?);
        let mut command = target.python("genai.py", MODEL)?;
        theirs.push(figures(command.args([target.device, "batches", PROMPT, ANSWER]).args(batches))?);
    }
    println!("| batch | prefill tokens/s | onnxruntime-genai | ratio | decode tokens/s | onnxruntime-genai | ratio |");
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    for (at, batch) in batches.iter().enumerate() {
        let of =
            |all: &[Value], field: &str| median(all.iter().filter_map(|one| one["rows"][at][field].as_f64()).collect());
        let mut line = format!("| {batch} |");
        for field in ["prefill_tokens_per_second", "decode_tokens_per_second"] {
            let (one, other) = (of(&ours, field), of(&theirs, field));
            line += &format!(" {one:.0} | {other:.0} | {:.2}x |", one / other);
        }
        println!("{line}");
    }
    let threads = threads();
    println!("({threads} threads, prompts of {PROMPT} tokens, answers of {ANSWER}; medians of {ROUNDS} runs in turn)");
    Ok(())
}

/// Clients with requests of many lengths, and every way in which the peer can answer them.
pub(super) fn clients() -> Result<(), String> {
    const CLIENTS: &str = "8";
    const REQUESTS: &str = "48";
    const PROMPT: &str = "256";
    const ANSWER: &str = "128";
    let target = Target::processor()?;
    let mut all: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for _ in 0..ROUNDS {
        let mut command = target.llmhost("bench", MODEL)?;
        command.args(["--prompt-tokens", PROMPT, "--answer-tokens", ANSWER, "--json"]);
        let ours = figures(command.args(["--clients", CLIENTS, "--requests", REQUESTS]))?;
        let load = &ours["load"];
        all.entry("llmhost".to_owned()).or_default().extend(load["tokens_per_second"].as_f64());
        let mut command = target.python("genai.py", MODEL)?;
        let theirs = figures(command.args([target.device, "clients", CLIENTS, &load["requests"].to_string()]))?;
        for (way, figure) in theirs.as_object().into_iter().flatten() {
            all.entry(way.clone()).or_default().extend(figure.as_f64());
        }
    }
    let all: BTreeMap<_, _> = all.into_iter().map(|(way, figures)| (way, median(figures))).collect();
    let ours = all.get("llmhost").copied().unwrap_or(0.0);
    println!("| {CLIENTS} clients, {REQUESTS} requests | tokens/s | ratio |\n|---|---:|---:|");
    println!("| llmhost | {ours:.0} | |");
    for (way, figure) in all.iter().filter(|(way, _)| *way != "llmhost") {
        println!("| onnxruntime-genai, {way} | {figure:.0} | {:.2}x |", ours / figure);
    }
    let threads = threads();
    println!(
        "({threads} threads; prompts of {PROMPT} tokens and answers of {ANSWER}, down to an eighth of that, prompts \
         included in the time; medians of {ROUNDS} runs in turn)"
    );
    Ok(())
}
