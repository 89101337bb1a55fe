//! Our server beside llama.cpp's, both asked by the same client in turn.

use std::ffi::OsStr;
use std::process::Command;
use std::sync::Mutex;
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use llmhost_example_models::Example;
use serde_json::json;

use super::http::Client;
use super::llama::{Llama, llama};
use super::peer::{Target, folder};
use super::server::{Server, free_port};
use super::{median, threads};

const ROUNDS: usize = 3;
/// Requests at a time that both servers are given room for.
const PLACES: usize = 32;
/// Tokens of prompt and answer that each place holds.
const CONTEXT: usize = 512;
/// A prompt that is only read, and an answer that is only written.
const PROMPT: usize = 448;
const ANSWER: usize = 128;
/// Clients, and the requests of all of them together.
const LOADS: [(usize, usize); 2] = [(8, 24), (32, 64)];
const REST: Duration = Duration::from_millis(300);

/// What a server did in one round.
#[derive(Default)]
struct Round {
    prefill: f64,
    decode: f64,
    loads: Vec<Load>,
    /// Resident memory after all of it, in MiB.
    memory: f64,
}

#[derive(Default)]
struct Load {
    tokens_per_second: f64,
    /// Seconds to the first token of every request.
    first: Vec<f64>,
    /// Seconds between two tokens of an answer.
    next: Vec<f64>,
}

/// Both servers, in turn.
pub(super) fn table() -> Result<(), String> {
    let target = Target::processor()?;
    let peer = llama(&target)?;
    let model = folder(Example::SmolLm2Int4)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // Which goes first changes: the second finds the machine as the first left it.
        for turn in 0..2 {
            match (round + turn) % 2 {
                0 => ours.push(measure(Server::start(&mut llmhost(&target, model.as_os_str(), "0"))?, round)?),
                _ => theirs.push(measure(Server::start(&mut llama_server(&peer, &free_port()?))?, round)?),
            }
        }
    }
    println!("| one machine, the same client | llmhost | llama.cpp's server, Q4_0 | ratio |\n|---|---:|---:|---:|");
    row("prefill, tokens/s", &ours, &theirs, false, |round| round.prefill);
    row("decode, one client, tokens/s", &ours, &theirs, false, |round| round.decode);
    for (at, (clients, _)) in LOADS.into_iter().enumerate() {
        let of = |what: &str| format!("{clients} clients, {what}");
        row(&of("tokens/s"), &ours, &theirs, false, |round| round.loads[at].tokens_per_second);
        row(&of("first token p50, s"), &ours, &theirs, true, |round| percentile(&round.loads[at].first, 0.5));
        row(&of("first token p99, s"), &ours, &theirs, true, |round| percentile(&round.loads[at].first, 0.99));
        row(&of("next token p50, s"), &ours, &theirs, true, |round| percentile(&round.loads[at].next, 0.5));
    }
    row("resident memory, MiB", &ours, &theirs, true, |round| round.memory);
    println!(
        "({} threads each; {}; room for {PLACES} requests of {CONTEXT} tokens; prompts of 32 to 256 tokens and answers of \
         16 to 128 under load, {PROMPT} and {ANSWER} else; medians of {ROUNDS} starts in turn; above 1.00x llmhost is better)",
        threads(),
        peer.version
    );
    Ok(())
}

/// A row: the medians of what `of` gives of both sides' rounds, and their ratio.
pub(super) fn row<T>(name: &str, ours: &[T], theirs: &[T], less_is_better: bool, of: impl Fn(&T) -> f64) {
    let middle = |all: &[T]| median(all.iter().map(&of).collect());
    let (one, other) = (middle(ours), middle(theirs));
    let ratio = if less_is_better { other / one } else { one / other };
    let digits = if one < 10.0 { 3 } else { 0 };
    println!("| {name} | {one:.digits$} | {other:.digits$} | {ratio:.2}x |");
}

/// With room for as many requests as the peer's has.
pub(super) fn llmhost(target: &Target, model: &OsStr, port: &str) -> Command {
    let mut command = target.llmhost_at("serve", model, &threads());
    command.args(["--port", port, "--context", &CONTEXT.to_string(), "--max-batch", &PLACES.to_string()]);
    command
}

pub(super) fn llama_server(llama: &Llama, port: &str) -> Command {
    let mut command = Command::new(&llama.server);
    command.arg("--model").arg(&llama.model).args(["--host", "127.0.0.1", "--port", port]);
    command.args(["--threads", &threads(), "--threads-batch", &threads(), "--parallel", &PLACES.to_string()]);
    command.args(["--ctx-size", &(PLACES * CONTEXT).to_string(), "--no-webui"]);
    command
}

fn measure(server: Server, round: usize) -> Result<Round, String> {
    let address = &server.address;
    ready(address)?;
    let mut figures = Round::default();
    let (mut prefill, mut decode) = (Vec::new(), Vec::new());
    for turn in 0..4 {
        sleep(REST);
        let seed = round * 1000 + turn;
        let (began, at) = ask(address, seed, PROMPT, 1)?;
        let read = at.first().map_or(f64::NAN, |first| (*first - began).as_secs_f64());
        sleep(REST);
        let (_, at) = ask(address, seed + 500, 8, ANSWER)?;
        let (first, last) = (at.first().ok_or("no token came")?, at.last().ok_or("no token came")?);
        // The first turn allocates.
        if turn > 0 {
            prefill.push(PROMPT as f64 / read);
            decode.push((at.len() - 1) as f64 / (*last - *first).as_secs_f64());
        }
    }
    (figures.prefill, figures.decode) = (median(prefill), median(decode));
    for (clients, requests) in LOADS {
        sleep(REST);
        figures.loads.push(load(address, clients, requests, round)?);
    }
    figures.memory = server.resident_mib()?;
    Ok(figures)
}

/// Waits until a server has loaded its model.
fn ready(address: &str) -> Result<(), String> {
    const PATIENCE: Duration = Duration::from_secs(60);
    let began = Instant::now();
    loop {
        match ask(address, 0, 8, 2) {
            Err(error) if began.elapsed() > PATIENCE => return Err(error),
            Err(_) => sleep(REST),
            Ok(_) => return Ok(()),
        }
    }
}

/// Asks for an answer of this length; gives when it was asked and when each token came. Prompts of different seeds
/// below 40,000 have nothing in common, so that no server finds one in its cache. llama.cpp's server closes a connection after a
/// stream, so each request has its own.
fn ask(address: &str, seed: usize, prompt: usize, answer: usize) -> Result<(Instant, Vec<Instant>), String> {
    let tokens: Vec<usize> = (0..prompt).map(|at| 100 + (at + 1) * (7919 + 31 * seed) % 40_000).collect();
    let body = json!({
        "prompt": tokens, "max_tokens": answer, "ignore_eos": true, "temperature": 0, "stream": true,
    });
    let mut client = Client::connect(address)?;
    let began = Instant::now();
    let mut at = client.events("/v1/completions", &body.to_string())?;
    // The last tells why it ended.
    at.pop();
    Ok((began, at))
}

/// Requests of many lengths, the same at every run.
fn lengths(requests: usize) -> Vec<(usize, usize)> {
    let spread = |at: usize, by: usize, least: usize, most: usize| least + at * by % (most - least + 1);
    (0..requests).map(|at| (spread(at, 97, 32, 256), spread(at, 61, 16, 128))).collect()
}

fn load(address: &str, clients: usize, requests: usize, round: usize) -> Result<Load, String> {
    let todo = Mutex::new(lengths(requests).into_iter().enumerate());
    let began = Instant::now();
    let client = || -> Result<(usize, Load), String> {
        let (mut tokens, mut load) = (0, Load::default());
        loop {
            let next = todo.lock().expect("no panic under this lock").next();
            let Some((number, (prompt, answer))) = next else { return Ok((tokens, load)) };
            let (began, at) = ask(address, 5_000 + 10_000 * round + 200 * clients + number, prompt, answer)?;
            tokens += answer;
            load.first.extend(at.first().map(|first| (*first - began).as_secs_f64()));
            load.next.extend(at.windows(2).map(|two| (two[1] - two[0]).as_secs_f64()));
        }
    };
    scope(|scope| {
        let running: Vec<_> = (0..clients).map(|_| scope.spawn(client)).collect();
        let (mut tokens, mut all) = (0, Load::default());
        for thread in running {
            let (some, load) = thread.join().unwrap_or_else(|_| Err("a client panicked".to_owned()))?;
            tokens += some;
            all.first.extend(load.first);
            all.next.extend(load.next);
        }
        all.tokens_per_second = tokens as f64 / began.elapsed().as_secs_f64();
        Ok(all)
    })
}

pub(super) fn percentile(all: &[f64], share: f64) -> f64 {
    let mut sorted = all.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_sorted_figures() {
        let all = [3.0, 1.0, 2.0, 4.0];
        assert_eq!((percentile(&all, 0.5), percentile(&all, 0.99)), (3.0, 4.0));
        assert!(percentile(&[], 0.5).is_nan());
    }

    #[test]
    fn requests_fit_into_their_places() {
        assert!(lengths(96).iter().all(|(prompt, answer)| prompt + answer <= CONTEXT));
    }
}
