//! How long a server takes from the start of its process to the first request that it would answer.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use llmhost_example_models::Example;

use super::bucket::Bucket;
use super::llama::llama;
use super::load::{llama_server, llmhost};
use super::peer::{Target, folder};
use super::server::{Server, free_port};
use super::{median, threads};

const ROUNDS: usize = 5;
const MODEL: Example = Example::SmolLm2Int4;
/// Megabits a second of a line to the bucket.
const LINE: u64 = 2_500;

/// Where the model is at the start, and where the peer's is.
struct Row {
    name: String,
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

/// Starts of both servers, in turn.
pub(super) fn starts() -> Result<(), String> {
    let target = Target::processor()?;
    let (peer, model) = (llama(&target)?, folder(MODEL)?);
    let failed = |error: std::io::Error| error.to_string();
    let bucket = Bucket::of(&model, "model").map_err(failed)?;
    let address = bucket.serve().map_err(failed)?;
    let filled = tempfile::tempdir().map_err(failed)?;
    let fetching = |cache: &Path, megabits: u64| from(&target, &bucket, &address, cache, megabits);
    fetching(filled.path(), 0)?;
    let mut rows = [
        "a folder".to_owned(),
        "a bucket, already in the cache".to_owned(),
        format!("a bucket, fetched over a line of {} Gbit/s", LINE as f64 / 1e3),
        "a bucket, fetched without a limit".to_owned(),
    ]
    .map(|name| Row { name, ours: Vec::new(), theirs: Vec::new() });
    for _ in 0..ROUNDS {
        for (at, row) in rows.iter_mut().enumerate() {
            let empty = tempfile::tempdir().map_err(failed)?;
            row.ours.push(match at {
                0 => time("/readyz", |port| llmhost(&target, model.as_os_str(), port))?,
                1 => fetching(filled.path(), 0)?,
                2 => fetching(empty.path(), LINE)?,
                _ => fetching(empty.path(), 0)?,
            });
            if at == 0 {
                row.theirs.push(time("/health", |port| llama_server(&peer, port))?);
            }
        }
    }
    println!("| ready to answer, from | llmhost, s | llama.cpp's server, Q4_0, s | ratio |\n|---|---:|---:|---:|");
    for Row { name, ours, theirs } in rows {
        let ours = median(ours);
        let beside = match theirs.is_empty() {
            true => " | ".to_owned(),
            false => format!("{:.2} | {:.2}x", median(theirs.clone()), median(theirs) / ours),
        };
        println!("| {name} | {ours:.2} | {beside} |");
    }
    println!(
        "({} threads; {}; from the start of the process to 200 at /readyz, or /health; files are in the system's cache, \
         and the bucket is in this process; medians of {ROUNDS} starts in turn; above 1.00x llmhost is better)",
        threads(),
        peer.version
    );
    Ok(())
}

/// Seconds of a start on the model in the bucket.
fn from(target: &Target, bucket: &Arc<Bucket>, address: &str, cache: &Path, megabits: u64) -> Result<f64, String> {
    bucket.limit(megabits);
    time("/readyz", |port| {
        let mut command = llmhost(target, OsStr::new("s3://bucket/model"), port);
        command.args(["--endpoint-url", &format!("http://{address}")]).arg("--cache").arg(cache);
        command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
        command
    })
}

/// Seconds until a server answers a path with 200.
fn time(path: &str, command: impl FnOnce(&str) -> Command) -> Result<f64, String> {
    let port = free_port()?;
    let mut command = command(&port);
    let began = Instant::now();
    let mut server = Server::launch(&mut command, &port)?;
    server.wait_for(path).map_err(|error| format!("{command:?}: {error}"))?;
    Ok(began.elapsed().as_secs_f64())
}
