//! A server that runs while it is measured; and what serving costs beside the bare loop.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use llmhost_example_models::Example;
use serde_json::{Value, json};

use super::http::Client;
use super::{median, peer, threads};

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

/// One stream of a server beside a loop over `session.run`, in turn.
pub(super) fn overhead() -> Result<(), String> {
    const ROUNDS: usize = 15;
    const PROMPT: usize = 128;
    const ANSWER: usize = 128;
    const MODEL: Example = Example::SmolLm2Int4;
    let server = Server::start(peer::llmhost("serve", MODEL)?.args(["--port", "0"]))?;
    let mut bare = Loop::start(&mut peer::python("loop.py", MODEL)?)?;
    let mut client = Client::connect(&server.address)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        // Each time other tokens, so that the server finds nothing in its cache.
        let prompt: Vec<usize> = (0..PROMPT).map(|at| 3 + ((at * 7919) ^ (round * 104_729)) % 250).collect();
        let ask =
            json!({ "prompt": prompt, "max_tokens": ANSWER, "ignore_eos": true, "temperature": 0, "stream": true });
        let at = client.events("/v1/completions", &ask.to_string())?;
        let steps: Vec<Duration> = at.windows(2).map(|two| two[1] - two[0]).collect();
        let theirs_now = bare.ask(&json!({ "prompt": prompt, "answer": ANSWER }))?;
        // The first round allocates.
        if round > 0 {
            // The last event tells the end, and is no token.
            let whole = (at[ANSWER - 1] - at[0]).as_secs_f64() * 1e3 / (ANSWER - 1) as f64;
            ours.push((whole, median(steps.iter().map(|step| step.as_secs_f64() * 1e3).collect())));
            let figure = |field: &str| theirs_now[field].as_f64().unwrap_or(f64::NAN);
            theirs.push((figure("mean_ms"), figure("median_ms")));
        }
    }
    println!("| one stream | ms a token | the middle one |\n|---|---:|---:|");
    let of = |all: &[(f64, f64)]| {
        let (one, other): (Vec<_>, Vec<_>) = all.iter().copied().unzip();
        (median(one), median(other))
    };
    let ((ours_mean, ours_middle), (bare_mean, bare_middle)) = (of(&ours), of(&theirs));
    println!("| llmhost serve, by HTTP | {ours_mean:.3} | {ours_middle:.3} |");
    println!("| a loop over session.run, in Python | {bare_mean:.3} | {bare_middle:.3} |");
    let more = |one: f64, other: f64| (one / other - 1.0) * 100.0;
    println!("| overhead | {:.1} % | {:.1} % |", more(ours_mean, bare_mean), more(ours_middle, bare_middle));
    let threads = threads();
    println!("({threads} threads, prompts of {PROMPT} tokens, answers of {ANSWER}; medians of {ROUNDS} runs in turn)");
    Ok(())
}
