//! `cargo xtask soak`: three models in one server and a thousand clients for some minutes. Memory must stay as it is, and
//! nothing but 200 and 429 may be answered.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, scope, sleep};
use std::time::{Duration, Instant};

use llmhost_example_models::{Example, onnxruntime, python};
use serde_json::{Value, json};

use super::http::Client;
use super::peer::folder;
use super::server::Server;
use super::threads;

const CLIENTS: usize = 1_000;
const MINUTES: u64 = 10;
/// The first part of the run fills pools and caches; memory is compared from its end on.
const WARM_UP: f64 = 0.2;
/// What memory may grow by after that.
const GROWTH: f64 = 0.03;
/// How long a client waits between two requests, at most.
const PAUSE: Duration = Duration::from_secs(4);
/// How often memory is read.
const SAMPLE: Duration = Duration::from_secs(5);
/// A client's thread needs little, and there are a thousand.
const STACK: usize = 256 << 10;

/// What was answered, by path and status; and what failed without an answer.
#[derive(Default)]
struct Answers {
    statuses: BTreeMap<(&'static str, u16), usize>,
    errors: Vec<String>,
    /// Seconds of the requests that were answered with 200.
    seconds: BTreeMap<&'static str, Vec<f64>>,
}

/// Runs for so many minutes, and says what happened.
pub(crate) fn run(minutes: Option<&str>) -> Result<(), String> {
    let minutes = match minutes.map(str::parse) {
        None => MINUTES,
        Some(Ok(minutes)) if minutes > 0 => minutes,
        Some(_) => return Err("'cargo xtask soak' takes a number of minutes".to_owned()),
    };
    crate::run("cargo", &["build", "--release", "--workspace", "--bin", "llmhost"])?;
    let rank = tempfile::tempdir().map_err(|error| format!("cannot make a folder: {error}"))?;
    reranker(rank.path())?;
    let server = start(rank.path())?;
    let (end, answers) = (AtomicBool::new(false), Mutex::new(Answers::default()));
    println!("{CLIENTS} clients for {minutes} minutes, models chat, embed and rank, {} threads", threads());
    let began = Instant::now();
    let memory = scope(|scope| {
        for number in 0..CLIENTS {
            let (end, answers, address) = (&end, &answers, &server.address);
            let client = move || client(number, address, end, answers);
            if let Err(error) = Builder::new().stack_size(STACK).spawn_scoped(scope, client) {
                end.store(true, Ordering::Relaxed);
                return Err(format!("cannot start a client: {error}"));
            }
        }
        let memory = watch(&server, began, Duration::from_secs(60 * minutes));
        end.store(true, Ordering::Relaxed);
        memory
    })?;
    let answers = answers.into_inner().map_err(|_| "a client panicked")?;
    report(&answers, &memory, began.elapsed())
}

/// Memory in MiB, read from time to time.
fn watch(server: &Server, began: Instant, time: Duration) -> Result<Vec<f64>, String> {
    let mut memory = Vec::new();
    while began.elapsed() < time {
        sleep(SAMPLE);
        memory.push(server.resident_mib()?);
    }
    Ok(memory)
}

/// Asks until the end, on one connection for as long as that is good.
fn client(number: usize, address: &str, end: &AtomicBool, answers: &Mutex<Answers>) {
    let mut connection = None;
    let note = |error: String| answers.lock().expect("no panic under this lock").errors.push(error);
    for turn in 0.. {
        // Spread over the pause, and otherwise at each turn.
        pause(PAUSE.mul_f64(f64::from((number * 7919 + turn * 104_729) as u32 % 1_000) / 1e3), end);
        if end.load(Ordering::Relaxed) {
            return;
        }
        let mut open = match connection.take().map_or_else(|| Client::connect(address), Ok) {
            Ok(open) => open,
            Err(error) => {
                note(error);
                continue;
            }
        };
        let (path, body) = request(number, turn);
        let began = Instant::now();
        match open.exchange(path, &body.to_string()) {
            Ok((status, _)) => {
                let mut answers = answers.lock().expect("no panic under this lock");
                *answers.statuses.entry((path, status)).or_default() += 1;
                if status == 200 {
                    answers.seconds.entry(path).or_default().push(began.elapsed().as_secs_f64());
                }
                connection = Some(open);
            }
            Err(error) => note(format!("{path}: {error}")),
        }
    }
}

fn pause(time: Duration, end: &AtomicBool) {
    const STEP: Duration = Duration::from_millis(100);
    let until = Instant::now() + time;
    while !end.load(Ordering::Relaxed) && Instant::now() < until {
        sleep(STEP.min(until - Instant::now().min(until)));
    }
}

/// Chats of several lengths, some of them alike at the beginning; embeddings; documents to rank.
fn request(number: usize, turn: usize) -> (&'static str, Value) {
    let text =
        format!("Client {number} asks for the {turn}th time: {}", "what does the sea look like? ".repeat(turn % 5));
    match (number + turn) % 5 {
        0 => ("/v1/embeddings", json!({ "model": "embed", "input": [text, "a second text"] })),
        // The tiny reranker reads few tokens.
        1 => {
            let query = format!("{turn}th question of client {number}");
            ("/v1/rerank", json!({ "model": "rank", "query": query, "documents": ["the sea", "a mountain", "rain"] }))
        }
        kind => {
            let messages = json!([
                { "role": "system", "content": "You answer in a few words." },
                { "role": "user", "content": text },
            ]);
            let temperature = if kind == 2 { 0.0 } else { 0.8 };
            let ask = json!({
                "model": "chat", "messages": messages, "max_tokens": 4 + turn % 13, "temperature": temperature,
            });
            ("/v1/chat/completions", ask)
        }
    }
}

fn start(rank: &Path) -> Result<Server, String> {
    let library = onnxruntime().map_err(|error| error.to_string())?;
    let mut command = Command::new(crate::target().join("release/llmhost"));
    command.arg("serve").args(["--port", "0", "--device", "cpu", "--context", "1024"]);
    command.arg("--onnxruntime").arg(library).args(["--threads", &threads()]);
    let models =
        [("chat", folder(Example::SmolLm2Int4)?), ("embed", folder(Example::MiniLm)?), ("rank", rank.to_owned())];
    for (name, folder) in models {
        command.arg("--model").arg(format!("{name}={}", folder.display()));
    }
    let mut server = Server::start(&mut command)?;
    // The models load once the server listens, and it is ready when all have.
    server.wait_for("/readyz")?;
    Ok(server)
}

/// A cross-encoder out of the tiny encoder.
fn reranker(to: &Path) -> Result<(), String> {
    let from = folder(Example::TinyEmbeddings)?;
    let io = |error: std::io::Error| format!("cannot make the reranker: {error}");
    for name in ["model.onnx", "tokenizer.json"] {
        std::fs::copy(from.join(name), to.join(name)).map_err(io)?;
    }
    let config = std::fs::read(from.join("config.json")).map_err(io)?;
    let mut config: Value = serde_json::from_slice(&config).map_err(|error| error.to_string())?;
    config["architectures"] = json!(["BertForSequenceClassification"]);
    std::fs::write(to.join("config.json"), config.to_string()).map_err(io)?;
    let program = crate::repository().join("host/inference/tests/reference/cross_encoder.py");
    let mut command = Command::new(python().map_err(|error| error.to_string())?);
    let mut child = command.arg(program).stdin(Stdio::piped()).spawn().map_err(io)?;
    let task = json!({ "make": { "folder": to, "labels": 1 } }).to_string();
    child.stdin.take().ok_or("standard input is not piped")?.write_all(task.as_bytes()).map_err(io)?;
    match child.wait().map_err(io)?.success() {
        true => Ok(()),
        false => Err("cross_encoder.py failed".to_owned()),
    }
}

fn report(answers: &Answers, memory: &[f64], took: Duration) -> Result<(), String> {
    println!("| request | 200 | 429 | others | p50, s | p99, s |\n|---|---:|---:|---:|---:|---:|");
    let asked: BTreeSet<_> = answers.statuses.keys().map(|(path, _)| *path).collect();
    for path in &asked {
        let count = |wanted: fn(u16) -> bool| -> usize {
            let counts = answers.statuses.iter().filter(|((of, status), _)| of == path && wanted(*status));
            counts.map(|(_, count)| count).sum()
        };
        let (good, busy) = (count(|status| status == 200), count(|status| status == 429));
        let others = count(|status| ![200, 429].contains(&status));
        let seconds = answers.seconds.get(path).map_or(&[][..], Vec::as_slice);
        let of = |share| super::load::percentile(seconds, share);
        println!("| {path} | {good} | {busy} | {others} | {:.2} | {:.2} |", of(0.5), of(0.99));
    }
    let warm = ((memory.len() as f64 * WARM_UP) as usize).min(memory.len().saturating_sub(1));
    let (Some(first), Some(last)) = (memory.get(warm), memory.last()) else {
        return Err("memory was not read".to_owned());
    };
    let most = memory[warm..].iter().copied().fold(0.0, f64::max);
    println!(
        "memory after {:.0} s: {first:.0} MiB, at the end: {last:.0} MiB, most: {most:.0} MiB; {:.0} s in all",
        warm as f64 * SAMPLE.as_secs_f64(),
        took.as_secs_f64()
    );
    let never = |path: &&str| format!("{path} was never answered with 200");
    let wrong: Vec<String> = answers
        .statuses
        .iter()
        .filter(|((_, status), _)| ![200, 429].contains(status))
        .map(|((path, status), count)| format!("{path} answered {status} {count} times"))
        .chain(asked.iter().filter(|path| !answers.statuses.contains_key(&(**path, 200))).map(never))
        .chain(answers.errors.iter().take(5).cloned())
        .collect();
    if !wrong.is_empty() {
        return Err(format!("{}; {} requests had no answer", wrong.join("; "), answers.errors.len()));
    }
    match last <= &(first * (1.0 + GROWTH)) {
        true => Ok(()),
        false => Err(format!("memory grew from {first:.0} to {last:.0} MiB")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_statuses_missing_answers_and_growing_memory_fail_the_soak() {
        let good = || Answers {
            statuses: BTreeMap::from([(("/v1/rerank", 200), 5), (("/v1/rerank", 429), 2)]),
            ..Answers::default()
        };
        let memory = [100.0, 120.0, 121.0, 122.0, 121.0];
        assert_eq!(report(&good(), &memory, SAMPLE), Ok(()));
        let mut answers = good();
        answers.statuses.insert(("/v1/rerank", 500), 1);
        assert!(report(&answers, &memory, SAMPLE).is_err_and(|error| error.contains("answered 500 1 times")));
        let answers = Answers { errors: vec!["no answer".to_owned()], ..good() };
        assert!(report(&answers, &memory, SAMPLE).is_err_and(|error| error.ends_with("1 requests had no answer")));
        let busy = Answers { statuses: BTreeMap::from([(("/v1/rerank", 429), 7)]), ..Answers::default() };
        assert!(
            report(&busy, &memory, SAMPLE).is_err_and(|error| error.contains("/v1/rerank was never answered with 200"))
        );
        let grown = report(&good(), &[100.0, 120.0, 121.0, 122.0, 140.0], SAMPLE);
        assert_eq!(grown, Err("memory grew from 120 to 140 MiB".to_owned()));
    }
}
