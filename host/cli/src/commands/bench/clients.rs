//! Clients that ask one request after another, of many lengths: how much a server gets done.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use llmhost_inference::{Engine, RequestError};
use serde::Serialize;

use super::{Answered, Percentiles, answer, tokens};

/// Lengths of a request, in tokens.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Lengths {
    prompt: usize,
    answer: usize,
}

/// What the clients saw.
#[derive(Debug, Serialize)]
pub(super) struct Load {
    clients: usize,
    requests: Vec<Lengths>,
    seconds: f64,
    /// Tokens of answers a second, all clients together, reading prompts included.
    tokens_per_second: f64,
    first_token_ms: Percentiles,
    inter_token_ms: Percentiles,
}

impl Load {
    pub(super) fn line(&self) -> String {
        let (first, next) = (&self.first_token_ms, &self.inter_token_ms);
        format!(
            "{:.1} tokens/s; first token {:.0} {:.0} {:.0} ms, next token {:.1} {:.1} {:.1} ms (p50 p90 p99)",
            self.tokens_per_second, first.p50, first.p90, first.p99, next.p50, next.p90, next.p99
        )
    }
}

/// Lengths from an eighth of the most to the most, the same at every run.
pub(super) fn lengths(requests: usize, prompt: usize, answer: usize) -> Vec<Lengths> {
    let mut state = 1_u64;
    let mut draw = |most: usize| {
        // Knuth's linear congruential generator; its high bits are the random ones.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let least = most.div_ceil(8);
        least + (state >> 33) as usize % (most - least + 1)
    };
    (0..requests).map(|_| Lengths { prompt: draw(prompt), answer: draw(answer) }).collect()
}

/// Answers `requests` for so many clients, each of which waits for its answer before it asks again.
pub(super) async fn measure(engine: &Engine, clients: usize, requests: Vec<Lengths>) -> Result<Load, RequestError> {
    let began = Instant::now();
    let left = Mutex::new(requests.iter());
    let client = async |_| {
        let mut answers = Vec::new();
        loop {
            let next = left.lock().expect("no panic under this lock").next();
            let Some(next) = next else { return Ok::<_, RequestError>(answers) };
            answers.push(answer(engine, tokens(next.prompt), next.answer, Instant::now()).await?);
        }
    };
    let all = futures::future::try_join_all((0..clients).map(client)).await?;
    let wall = began.elapsed();
    let all: Vec<Answered> = all.into_iter().flatten().collect();
    let firsts: Vec<Duration> = all.iter().filter_map(|one| one.at.first().copied()).collect();
    let gaps = all.iter().flat_map(Answered::gaps).collect();
    let written: usize = all.iter().map(|one| one.at.len()).sum();
    Ok(Load {
        clients,
        requests,
        seconds: wall.as_secs_f64(),
        tokens_per_second: written as f64 / wall.as_secs_f64(),
        first_token_ms: Percentiles::of(firsts),
        inter_token_ms: Percentiles::of(gaps),
    })
}
