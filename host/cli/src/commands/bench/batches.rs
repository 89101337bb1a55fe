//! Answers of one length, some at a time: how fast prompts are read and answers are written.

use std::time::Duration;

use llmhost_inference::{Engine, RequestError};
use serde::Serialize;

use super::{Answered, Percentiles, answer, tokens};

/// One line of the table.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    batch: usize,
    /// Tokens of prompts a second, until all have their first token.
    prefill_tokens_per_second: f64,
    /// Tokens of answers a second, all together, from then on.
    decode_tokens_per_second: f64,
    first_token_ms: Percentiles,
    inter_token_ms: Percentiles,
}

impl Row {
    pub(super) const HEAD: &str =
        "batch  prefill tokens/s  decode tokens/s  first token ms (p50 p90 p99)  next token ms (p50 p90 p99)\n";

    pub(super) fn line(&self) -> String {
        let (first, next) = (&self.first_token_ms, &self.inter_token_ms);
        format!(
            "{:5}  {:16.0}  {:15.1}  {:8.0} {:8.0} {:9.0}  {:9.1} {:8.1} {:8.1}\n",
            self.batch,
            self.prefill_tokens_per_second,
            self.decode_tokens_per_second,
            first.p50,
            first.p90,
            first.p99,
            next.p50,
            next.p90,
            next.p99
        )
    }
}

/// Asks for `batch` answers at once.
pub(super) async fn measure(engine: &Engine, batch: usize, prompt: usize, length: usize) -> Result<Row, RequestError> {
    let began = std::time::Instant::now();
    let one = |_| answer(engine, tokens(prompt), length, began);
    let all: Vec<Answered> = futures::future::try_join_all((0..batch).map(one)).await?;
    let firsts: Vec<Duration> = all.iter().filter_map(|one| one.at.first().copied()).collect();
    let first = firsts.iter().max().copied().unwrap_or_default();
    let last = all.iter().filter_map(|one| one.at.last().copied()).max().unwrap_or_default();
    let after: usize = all.iter().map(|one| one.at.iter().filter(|when| **when > first).count()).sum();
    let gaps = all.iter().flat_map(Answered::gaps).collect();
    Ok(Row {
        batch,
        prefill_tokens_per_second: (batch * prompt) as f64 / first.as_secs_f64(),
        decode_tokens_per_second: after as f64 / (last - first).as_secs_f64(),
        first_token_ms: Percentiles::of(firsts),
        inter_token_ms: Percentiles::of(gaps),
    })
}
