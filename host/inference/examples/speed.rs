//! Tokens a second of a model folder, at several batch sizes, and the share of time that is not
//! ONNX Runtime's.
//!
//!     cargo run --release --example speed -- FOLDER [--threads 2] [--prompt 64] [--tokens 128] [--batch 1,4,8] [--repeat 3]
//!
//! The library is found by `ORT_DYLIB_PATH`. `bench/genai.py` measures the same with onnxruntime-genai.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use llmhost_inference::engine::{Event, Options, Prompt, Request, Stats};
use llmhost_inference::{Device, Engine};

struct Arguments {
    folder: PathBuf,
    threads: usize,
    prompt: usize,
    tokens: usize,
    batches: Vec<usize>,
    repeat: usize,
    spinning: bool,
}

fn arguments() -> Result<Arguments, Box<dyn Error>> {
    let mut given = std::env::args().skip(1);
    let folder = given.next().ok_or("which folder?")?.into();
    let mut arguments =
        Arguments { folder, threads: 2, prompt: 64, tokens: 128, batches: vec![1, 4, 8], repeat: 3, spinning: true };
    while let Some(name) = given.next() {
        let value = given.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--threads" => arguments.threads = value.parse()?,
            "--prompt" => arguments.prompt = value.parse()?,
            "--tokens" => arguments.tokens = value.parse()?,
            "--batch" => arguments.batches = value.split(',').map(str::parse).collect::<Result<_, _>>()?,
            "--repeat" => arguments.repeat = value.parse()?,
            "--spinning" => arguments.spinning = value.parse()?,
            other => return Err(format!("there is no {other}").into()),
        }
    }
    Ok(arguments)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = arguments()?;
    let options = Options {
        device: Device::Auto,
        threads: Some(arguments.threads),
        spinning: arguments.spinning,
        max_batch: arguments.batches.iter().copied().max().unwrap_or(1),
        reuse: false,
        ..Options::default()
    };
    let engine = Engine::load(&arguments.folder, &options)?;
    let report = engine.report();
    println!(
        "ONNX Runtime {} on {}, {} threads, prompt {}, {} tokens",
        report.library.version,
        report.provider.as_str(),
        report.threads,
        arguments.prompt,
        arguments.tokens
    );
    for batch in &arguments.batches {
        let runs = (0..arguments.repeat).map(|_| once(&engine, &arguments, *batch)).collect::<Result<Vec<_>, _>>()?;
        let best = |speed: fn(&Run) -> f64| runs.iter().map(speed).fold(0.0, f64::max);
        let outside = runs.iter().map(|run| run.outside).fold(1.0, f64::min);
        println!(
            "batch {batch}: prefill {:.1} tokens/s, decode {:.1} tokens/s, outside of ONNX Runtime {:.2} %",
            best(|run| run.prefill),
            best(|run| run.decode),
            outside * 100.0
        );
    }
    Ok(())
}

struct Run {
    prefill: f64,
    decode: f64,
    outside: f64,
}

/// `batch` requests at once. Prefill is over when all have their first token, decode counts the
/// tokens from there on.
fn once(engine: &Engine, arguments: &Arguments, batch: usize) -> Result<Run, Box<dyn Error>> {
    let prompt: Vec<u32> = (0..arguments.prompt as u32).map(|i| (17 + 7 * i) % 20_000 + 100).collect();
    let before = engine.stats();
    let begun = Instant::now();
    let streams = (0..batch)
        .map(|_| {
            let request = Request {
                max_tokens: Some(arguments.tokens),
                ignore_eos: true,
                ..Request::new(Prompt::Tokens(prompt.clone()))
            };
            engine.generate(request)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let readers: Vec<_> = streams
        .into_iter()
        .map(|mut stream| {
            std::thread::spawn(move || {
                let mut times = Vec::new();
                while let Some(event) = stream.next_blocking() {
                    match event {
                        Event::Token { .. } => times.push(begun.elapsed()),
                        Event::Done { .. } => {}
                        Event::Failed(error) => return Err(error.to_string()),
                    }
                }
                Ok(times)
            })
        })
        .collect();
    let mut times = Vec::new();
    for reader in readers {
        times.push(reader.join().map_err(|_| "a reader panicked")??);
    }
    let started = times.iter().filter_map(|times| times.first()).max().copied().unwrap_or_default();
    let ended = times.iter().filter_map(|times| times.last()).max().copied().unwrap_or_default();
    let later = times.iter().flatten().filter(|time| **time > started).count();
    Ok(Run {
        prefill: (batch * arguments.prompt) as f64 / started.as_secs_f64(),
        decode: later as f64 / (ended - started).as_secs_f64(),
        outside: outside(&before, &engine.stats()),
    })
}

fn outside(before: &Stats, after: &Stats) -> f64 {
    let share = |time: fn(&Stats) -> Duration| (time(after) - time(before)).as_secs_f64();
    1.0 - share(|stats| stats.run_time) / share(|stats| stats.busy_time)
}
