//! Embeddings by HTTP beside what people write in an afternoon: FastAPI over ONNX Runtime.

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use llmhost_example_models::Example;
use serde_json::{Value, json};

use super::http::Client;
use super::peer::Target;
use super::server::Server;
use super::{median, threads};

const CLIENTS: usize = 16;
const ROUNDS: usize = 5;
const SECONDS: u64 = 3;
type Words = RangeInclusive<usize>;
const MODEL: Example = Example::MiniLm;
/// What is embedded while somebody searches, and while a collection is read in. The longer the text,
/// the more of the time is the model's own, which is the same in both.
const LENGTHS: [(&str, Words); 2] = [("questions", 3..=12), ("passages", 4..=60)];
const WORDS: [&str; 16] = [
    "network", "model", "server", "bucket", "token", "graph", "cluster", "memory", "plan", "role", "node", "queue",
    "batch", "state", "stream", "image",
];

/// Requests of one text each, from many clients.
pub(super) fn throughput() -> Result<(), String> {
    let target = Target::processor()?;
    let servers = [
        Server::start(target.llmhost("serve", MODEL)?.args(["--port", "0"]))?,
        Server::start(&mut target.python("embed_server.py", MODEL)?)?,
    ];
    same(&servers)?;
    println!("| {CLIENTS} clients, one text a request | llmhost requests/s | FastAPI, uvicorn, onnxruntime | ratio |");
    println!("|---|---:|---:|---:|");
    for (name, words) in &LENGTHS {
        let mut figures = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for (server, figures) in servers.iter().zip(&mut figures) {
                figures.push(load(&server.address, words)?);
            }
        }
        let [ours, theirs] = figures.map(median);
        let ratio = ours / theirs;
        println!("| {name}, {} to {} words | {ours:.0} | {theirs:.0} | {ratio:.2}x |", words.start(), words.end());
    }
    println!("({} threads; medians of {ROUNDS} runs of {SECONDS} s in turn)", threads());
    Ok(())
}

fn text(number: usize, words: &Words) -> String {
    let words = words.start() + number * 7919 % (words.end() - words.start() + 1);
    (0..words).map(|at| WORDS[(number * 31 + at * 17 + at / 3) % WORDS.len()]).collect::<Vec<_>>().join(" ")
}

fn ask(client: &mut Client, number: usize, words: &Words) -> Result<Vec<u8>, String> {
    client.post("/v1/embeddings", &json!({ "input": text(number, words) }).to_string())
}

/// Fails unless both servers give the same vectors: otherwise speeds say nothing.
fn same(servers: &[Server; 2]) -> Result<(), String> {
    for number in 0..8 {
        let mut vectors = Vec::new();
        for server in servers {
            let answer = ask(&mut Client::connect(&server.address)?, number, &LENGTHS[1].1)?;
            let answer: Value = serde_json::from_slice(&answer).map_err(|error| error.to_string())?;
            let vector: Option<Vec<f64>> =
                answer["data"][0]["embedding"].as_array().map(|all| all.iter().filter_map(Value::as_f64).collect());
            vectors.push(vector.unwrap_or_default());
        }
        let dot: f64 = vectors[0].iter().zip(&vectors[1]).map(|(one, other)| one * other).sum();
        if vectors[0].len() != vectors[1].len() || (dot - 1.0).abs() > 1e-3 {
            return Err(format!("the servers do not agree about '{}': {dot}", text(number, &LENGTHS[1].1)));
        }
    }
    Ok(())
}

/// Requests a second.
fn load(address: &str, words: &Words) -> Result<f64, String> {
    let (stop, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    let client = |number: usize| -> Result<(), String> {
        let mut client = Client::connect(address)?;
        let mut number = number;
        while !stop.load(Relaxed) {
            ask(&mut client, number, words)?;
            number += CLIENTS;
            done.fetch_add(1, Relaxed);
        }
        Ok(())
    };
    let client = &client;
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(move || client(number))).collect();
        // Until all of them are in their stride.
        std::thread::sleep(Duration::from_millis(300));
        let (began, before) = (Instant::now(), done.load(Relaxed));
        std::thread::sleep(Duration::from_secs(SECONDS));
        let rate = (done.load(Relaxed) - before) as f64 / began.elapsed().as_secs_f64();
        stop.store(true, Relaxed);
        for client in clients {
            client.join().map_err(|_| "a client panicked".to_owned())??;
        }
        Ok(rate)
    })
}
