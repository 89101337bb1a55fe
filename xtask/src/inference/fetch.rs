//! A model out of a bucket, beside as many connections that only read ranges and write them to a
//! file: no hash, no marks, no signature. Both from one server in this process.

use std::fs::File;
use std::io::{BufRead, BufReader, Error, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use super::bucket::{Bucket, Object};
use super::{figures, median};

/// As many as llmhost opens.
const CONNECTIONS: usize = 16;
const PART: u64 = 8 << 20;
const SIZE: u64 = 1 << 30;
const ROUNDS: usize = 5;
/// A name, and megabits a second; 0 is as fast as this machine sends to itself.
const LINES: [(&str, u64); 3] = [("a line of 2.5 Gbit/s", 2_500), ("a line of 5 Gbit/s", 5_000), ("no limit", 0)];
const KEY: &str = "model/model.onnx.data";

/// Reads all of the object by ranges into a file; gives the seconds.
fn raw(address: &str, to: &Path) -> Result<f64, Error> {
    let began = Instant::now();
    let file = File::create(to)?;
    file.set_len(SIZE)?;
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(|| ranges(address, &file, &next))).collect();
        readers.into_iter().try_for_each(|reader| reader.join().unwrap_or_else(|_| Err(Error::other("it panicked"))))
    })?;
    file.sync_all()?;
    Ok(began.elapsed().as_secs_f64())
}

fn ranges(address: &str, file: &File, next: &AtomicU64) -> Result<(), Error> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut stream = BufReader::with_capacity(64 << 10, stream);
    let mut buffer = vec![0; 256 << 10];
    loop {
        let from = next.fetch_add(PART, Relaxed);
        if from >= SIZE {
            return Ok(());
        }
        let last = (from + PART).min(SIZE) - 1;
        write!(stream.get_mut(), "GET /bucket/{KEY} HTTP/1.1\r\nHost: x\r\nRange: bytes={from}-{last}\r\n\r\n")?;
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            stream.read_line(&mut line)?;
        }
        let mut at = from;
        while at <= last {
            let most = ((last + 1 - at) as usize).min(buffer.len());
            let read = stream.read(&mut buffer[..most])?;
            file.write_all_at(&buffer[..read], at)?;
            at += read as u64;
        }
    }
}

/// Both, in turn, over lines of different speed.
pub(super) fn throughput() -> Result<(), String> {
    let content = (0..1_u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let bucket = Bucket::new(vec![Object { key: KEY.to_owned(), content, size: SIZE }]);
    let address = bucket.serve().map_err(|error| error.to_string())?;
    println!("| 1 GiB by {CONNECTIONS} connections | llmhost fetch, MiB/s | ranges read and written | ratio |");
    println!("|---|---:|---:|---:|");
    for (name, megabits) in LINES {
        bucket.limit(megabits);
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            bucket.change();
            let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
            ours.push(fetch(&address, folder.path())?);
            theirs.push(raw(&address, &folder.path().join("raw")).map_err(|error| error.to_string())?);
        }
        let rate = |all: Vec<f64>| SIZE as f64 / f64::from(1 << 20) / median(all);
        let (ours, theirs) = (rate(ours), rate(theirs));
        println!("| {name} | {ours:.0} | {theirs:.0} | {:.2}x |", ours / theirs);
    }
    let cores = super::threads();
    println!("({cores} cores, shared with the server; llmhost hashes all it reads; medians of {ROUNDS} runs in turn)");
    Ok(())
}

/// Seconds that `llmhost fetch` takes.
fn fetch(address: &str, cache: &Path) -> Result<f64, String> {
    let mut command = Command::new(crate::target().join("release/llmhost"));
    command.args(["fetch", "--model", "s3://bucket/model", "--json", "--endpoint-url", &format!("http://{address}")]);
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test").arg("--cache").arg(cache);
    let fetched = figures(&mut command)?;
    match (fetched["bytes"].as_u64(), fetched["seconds"].as_f64()) {
        (Some(SIZE), Some(seconds)) => Ok(seconds),
        _ => Err(format!("not all was fetched: {fetched}")),
    }
}
