//! The engine beside onnxruntime-genai. A program is started anew for each figure: the most memory that a process held is
//! that of all it did.

use std::collections::BTreeMap;

use llmhost_example_models::Example;

use super::peer::Target;
use super::{Measured, measured, median, threads};

/// Each program is measured so often, in turn, and the median is taken: other programs run, too.
const ROUNDS: usize = 5;
const MODEL: Example = Example::SmolLm2Int4;
const BATCHES: [&str; 3] = ["1", "4", "8"];
/// Every way in which the peer can answer clients.
const WAYS: [&str; 3] = ["its engine", "static batches", "one by one"];

/// Answers of one length, some at a time.
pub(super) fn batches() -> Result<(), String> {
    let target = Target::processor()?;
    const PROMPT: &str = "128";
    const ANSWER: &str = "64";
    let mut all = BATCHES.map(|_| (Vec::new(), Vec::new()));
    for _ in 0..ROUNDS {
        for (batch, (ours, theirs)) in BATCHES.into_iter().zip(&mut all) {
            let mut command = target.llmhost("bench", MODEL)?;
            command.args(["--prompt-tokens", PROMPT, "--answer-tokens", ANSWER, "--batch", batch, "--json"]);
            ours.push(measured(&mut command)?);
            let mut command = target.python("genai.py", MODEL)?;
            theirs.push(measured(command.args([target.device, "batches", PROMPT, ANSWER, batch]))?);
        }
    }
    println!(
        "| batch | prefill tokens/s | onnxruntime-genai | ratio | decode tokens/s | onnxruntime-genai | ratio | peak \
         memory, MiB | onnxruntime-genai | ratio |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    for (batch, (ours, theirs)) in BATCHES.into_iter().zip(&all) {
        let mut line = format!("| {batch} |");
        for field in ["prefill_tokens_per_second", "decode_tokens_per_second"] {
            let of = |all: &[Measured]| {
                median(all.iter().filter_map(|one| one.figures["rows"][0][field].as_f64()).collect())
            };
            let (one, other) = (of(ours), of(theirs));
            line += &format!(" {one:.0} | {other:.0} | {:.2}x |", one / other);
        }
        let (one, other) = (peak(ours), peak(theirs));
        println!("{line} {one:.0} | {other:.0} | {:.2}x |", other / one);
    }
    let threads = threads();
    println!(
        "({threads} threads, prompts of {PROMPT} tokens, answers of {ANSWER}; medians of {ROUNDS} runs in turn; above \
         1.00x llmhost is better)"
    );
    Ok(())
}

fn peak(all: &[Measured]) -> f64 {
    median(all.iter().map(|one| one.peak).collect())
}

/// Clients with requests of many lengths, and every way in which the peer can answer them.
pub(super) fn clients() -> Result<(), String> {
    const CLIENTS: &str = "8";
    const REQUESTS: &str = "48";
    const PROMPT: &str = "256";
    const ANSWER: &str = "128";
    let target = Target::processor()?;
    let (mut ours, mut theirs): (Vec<Measured>, BTreeMap<&str, Vec<Measured>>) = Default::default();
    for _ in 0..ROUNDS {
        let mut command = target.llmhost("bench", MODEL)?;
        command.args(["--prompt-tokens", PROMPT, "--answer-tokens", ANSWER, "--json"]);
        let found = measured(command.args(["--clients", CLIENTS, "--requests", REQUESTS]))?;
        let requests = found.figures["load"]["requests"].to_string();
        ours.push(found);
        for way in WAYS {
            let mut command = target.python("genai.py", MODEL)?;
            theirs.entry(way).or_default().push(measured(command.args([
                target.device,
                "clients",
                CLIENTS,
                &requests,
                way,
            ]))?);
        }
    }
    let rate = |all: &[Measured], of: fn(&Measured) -> Option<f64>| median(all.iter().filter_map(of).collect());
    let rate_of_ours = rate(&ours, |one| one.figures["load"]["tokens_per_second"].as_f64());
    let peak_of_ours = peak(&ours);
    println!("| {CLIENTS} clients, {REQUESTS} requests | tokens/s | ratio | peak memory, MiB | ratio |");
    println!("|---|---:|---:|---:|---:|\n| llmhost | {rate_of_ours:.0} | | {peak_of_ours:.0} | |");
    for (way, found) in &theirs {
        let (rate, peak) = (rate(found, |one| one.figures["tokens_per_second"].as_f64()), peak(found));
        println!(
            "| onnxruntime-genai, {way} | {rate:.0} | {:.2}x | {peak:.0} | {:.2}x |",
            rate_of_ours / rate,
            peak / peak_of_ours
        );
    }
    let threads = threads();
    println!(
        "({threads} threads; prompts of {PROMPT} tokens and answers of {ANSWER}, down to an eighth of that, prompts \
         included in the time; medians of {ROUNDS} runs in turn; above 1.00x llmhost is better)"
    );
    Ok(())
}
