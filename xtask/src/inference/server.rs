//! A server that runs while it is measured; and what serving costs beside the bare loop.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use llmhost_example_models::Example;
use serde_json::{Value, json};

use super::http::Client;
use super::peer::Target;
use super::{median, threads};

/// The same program is quicker or slower by some percent from one start to the next, by where its
/// memory happens to lie: one start of each says nothing about a difference of two percent.
const STARTS: usize = 9;
const ROUNDS: usize = 4;
const ANSWER: usize = 128;
const REST: Duration = Duration::from_millis(200);

/// A program that prints an address on its standard output or error, and serves there until this is
/// dropped.
pub(super) struct Server {
    child: Child,
    pub(super) address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

impl Server {
    pub(super) fn start(command: &mut Command) -> Result<Self, String> {
        let started = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = started.map_err(|error| format!("cannot start {command:?}: {error}"))?;
        let mut stderr = BufReader::new(child.stderr.take().ok_or("standard error is not piped")?);
        let mut said = String::new();
        let address = loop {
            let mut line = String::new();
            if stderr.read_line(&mut line).map_err(|error| error.to_string())? == 0 {
                return Err(format!("{command:?} ended: {said}"));
            }
            if let Some((_, rest)) = line.split_once("http://") {
                break rest.split_whitespace().next().unwrap_or_default().to_owned();
            }
            said += &line;
        };
        // Nobody reads on, and nobody is to wait for that.
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        Ok(Self { child, address })
    }

    /// A program that was told where to listen; what it prints is not read.
    pub(super) fn launch(command: &mut Command, port: &str) -> Result<Self, String> {
        let started = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = started.map_err(|error| format!("cannot start {command:?}: {error}"))?;
        Ok(Self { child, address: format!("127.0.0.1:{port}") })
    }

    /// Waits until a path is answered with 200.
    pub(super) fn wait_for(&mut self, path: &str) -> Result<(), String> {
        const PATIENCE: Duration = Duration::from_secs(120);
        const POLL: Duration = Duration::from_millis(2);
        let began = Instant::now();
        loop {
            let answer = Client::connect(&self.address).and_then(|mut client| client.get(path));
            match answer {
                Ok((200, _)) => return Ok(()),
                other if began.elapsed() > PATIENCE => return Err(format!("{path}: {other:?}")),
                _ => {}
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("the server ended with {status} before {path} was answered"));
            }
            sleep(POLL);
        }
    }

    /// Memory of it that is in use now.
    pub(super) fn resident_mib(&self) -> Result<f64, String> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(&path).map_err(|error| format!("cannot read {path}: {error}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        kib.map(|kib| kib / 1024.0).ok_or_else(|| format!("{path} has no VmRSS"))
    }
}

/// A port that nobody listens at.
pub(super) fn free_port() -> Result<String, String> {
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|bound| bound.local_addr());
    Ok(port.map_err(|error| format!("no port is free: {error}"))?.port().to_string())
}

/// A plain loop over the model that runs once for each line it is sent.
struct Loop {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Drop for Loop {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

impl Loop {
    fn start(command: &mut Command) -> Result<Self, String> {
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = started.map_err(|error| format!("cannot start {command:?}: {error}"))?;
        let (to, from) = (child.stdin.take(), child.stdout.take());
        let (to, from) = (to.ok_or("no standard input")?, BufReader::new(from.ok_or("no standard output")?));
        Ok(Self { child, to, from })
    }

    fn ask(&mut self, question: &Value) -> Result<Value, String> {
        let mut line = String::new();
        let asked = writeln!(self.to, "{question}").and_then(|()| self.from.read_line(&mut line));
        asked.map_err(|error| format!("the loop ended: {error}"))?;
        serde_json::from_str(&line).map_err(|error| format!("the loop said no figures: {error}"))
    }
}

/// A text of about 128 tokens. Each time it begins otherwise, so that the server finds nothing in
/// its cache; and it is continued by plain words, of which each token is an event of its own.
fn prompt(round: usize) -> String {
    let story = "the old keeper of the lighthouse wrote down what he had seen from the window above the sea. ";
    format!("On day {round} {}On the next day ", story.repeat(6))
}

/// Answers of a server beside a loop over `session.run`, in turn.
pub(super) fn overhead() -> Result<(), String> {
    let all = threads();
    println!("| one client | llmhost serve, ms a request | loop over session.run, in Python | overhead |");
    println!("|---|---:|---:|---:|");
    row("threads on all cores, streamed", &all, true)?;
    row("threads on all cores, answered at the end", &all, false)?;
    let fewer = (all.parse::<usize>().unwrap_or(2) - 1).max(1).to_string();
    row("one core left to the server and its client, streamed", &fewer, true)?;
    println!(
        "({all} cores, prompts of 128 tokens or so, answers of {ANSWER}; medians of {ROUNDS} requests in \
         each of {STARTS} starts, in turn)"
    );
    Ok(())
}

fn row(name: &str, threads: &str, stream: bool) -> Result<(), String> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let (one, other) = pair(threads, stream)?;
        ours.extend(one);
        theirs.extend(other);
    }
    let (one, other) = (median(ours), median(theirs));
    println!("| {name} | {one:.1} | {other:.1} | {:.1} % |", (one / other - 1.0) * 100.0);
    Ok(())
}

/// Milliseconds of some requests, of both.
fn pair(threads: &str, stream: bool) -> Result<(Vec<f64>, Vec<f64>), String> {
    const MODEL: Example = Example::SmolLm2Int4;
    let target = Target::processor()?;
    let server = Server::start(target.llmhost_with("serve", MODEL, threads)?.args(["--port", "0"]))?;
    let mut bare = Loop::start(&mut target.python_with("loop.py", MODEL, threads)?)?;
    let mut client = Client::connect(&server.address)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let prompt = prompt(round);
        let ask =
            json!({ "prompt": prompt, "max_tokens": ANSWER, "ignore_eos": true, "temperature": 0, "stream": stream });
        // The threads of the one before go on waiting in a loop for a while.
        sleep(REST);
        let began = Instant::now();
        let tokens = match stream {
            // The last tells why it ended.
            true => client.events("/v1/completions", &ask.to_string())?.len() - 1,
            false => {
                let answer = client.post("/v1/completions", &ask.to_string())?;
                let answer: Value = serde_json::from_slice(&answer).map_err(|error| error.to_string())?;
                answer["usage"]["completion_tokens"].as_u64().unwrap_or(0) as usize
            }
        };
        let time = began.elapsed();
        if tokens != ANSWER {
            return Err(format!("{tokens} tokens came instead of {ANSWER}"));
        }
        sleep(REST);
        let figures = bare.ask(&json!({ "prompt": prompt, "answer": ANSWER }))?;
        // The first round allocates.
        if round > 0 {
            ours.push(time.as_secs_f64() * 1e3);
            theirs.push(figures["ms"].as_f64().unwrap_or(f64::NAN));
        }
    }
    Ok((ours, theirs))
}
