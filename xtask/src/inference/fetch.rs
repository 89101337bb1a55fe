//! A model out of a bucket, beside as many connections that only read ranges and write them to a
//! file: no hash, no marks, no signature. Both from one server in this process.

use std::fs::File;
use std::io::{BufRead, BufReader, Error, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use super::{figures, median};

/// As many as llmhost opens.
const CONNECTIONS: usize = 16;
const PART: u64 = 8 << 20;
const SIZE: u64 = 1 << 30;
const ROUNDS: usize = 5;
const KEY: &str = "model/model.onnx.data";

/// A bucket with one object.
struct Bucket {
    content: Vec<u8>,
    /// Changes with each round, as if the object were written again.
    version: AtomicU64,
}

impl Bucket {
    fn serve(self: &Arc<Self>) -> Result<String, Error> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let bucket = Arc::clone(self);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let bucket = Arc::clone(&bucket);
                // A client that has gone ends its thread.
                std::thread::spawn(move || bucket.connection(stream));
            }
        });
        Ok(address)
    }

    fn connection(&self, stream: TcpStream) -> Result<(), Error> {
        stream.set_nodelay(true)?;
        let mut stream = BufReader::new(stream);
        loop {
            let (mut line, mut path, mut range) = (String::new(), String::new(), None);
            while line != "\r\n" {
                line.clear();
                if stream.read_line(&mut line)? == 0 {
                    return Ok(());
                }
                if let Some(bytes) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
                    range = bytes.trim().split_once('-').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
                } else if path.is_empty() {
                    path = line.split(' ').nth(1).unwrap_or_default().to_owned();
                }
            }
            let etag = self.version.load(Relaxed);
            if path.contains("list-type=2") {
                let body = format!(
                    "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>{KEY}</Key><Size>{SIZE}</Size>\
                     <ETag>\"{etag}\"</ETag></Contents></ListBucketResult>"
                );
                let length = body.len();
                write!(stream.get_mut(), "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}")?;
                continue;
            }
            let (from, to): (u64, u64) = range.unwrap_or((0, SIZE - 1));
            let mut left = (to + 1 - from) as usize;
            let head = format!("HTTP/1.1 206 Partial Content\r\nETag: \"{etag}\"\r\nContent-Length: {left}\r\n\r\n");
            stream.get_mut().write_all(head.as_bytes())?;
            while left > 0 {
                let piece = left.min(self.content.len());
                stream.get_mut().write_all(&self.content[..piece])?;
                left -= piece;
            }
        }
    }
}

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

/// Both, in turn.
pub(super) fn throughput() -> Result<(), String> {
    let said = |error: Error| error.to_string();
    let content = (0..1_u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let bucket = Arc::new(Bucket { content, version: AtomicU64::new(0) });
    let address = bucket.serve().map_err(said)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bucket.version.fetch_add(1, Relaxed);
        let folder = tempfile::tempdir().map_err(said)?;
        let mut command = Command::new(crate::target().join("release/llmhost"));
        command.args([
            "fetch",
            "--model",
            "s3://bucket/model",
            "--json",
            "--endpoint-url",
            &format!("http://{address}"),
        ]);
        command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test").arg("--cache").arg(folder.path());
        let fetched = figures(&mut command)?;
        if fetched["bytes"].as_u64() != Some(SIZE) {
            return Err(format!("not all was fetched: {fetched}"));
        }
        ours.push(fetched["seconds"].as_f64().unwrap_or(f64::NAN));
        theirs.push(raw(&address, &folder.path().join("raw")).map_err(said)?);
    }
    let rate = |all: Vec<f64>| SIZE as f64 / f64::from(1 << 20) / median(all);
    let (ours, theirs) = (rate(ours), rate(theirs));
    println!("| a model of 1 GiB by {CONNECTIONS} connections | MiB/s | ratio |\n|---|---:|---:|");
    println!("| llmhost fetch: hashed, and whole in the cache | {ours:.0} | |");
    println!("| ranges read and written to a file | {theirs:.0} | {:.2}x |", ours / theirs);
    println!("(server on the same machine; medians of {ROUNDS} runs in turn)");
    Ok(())
}
