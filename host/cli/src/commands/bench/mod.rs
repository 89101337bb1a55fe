//! `llmhost bench`: how fast a model is on this machine.

mod batches;
mod clients;
mod texts;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use llmhost_inference::engine::{Prompt, Speculate};
use llmhost_inference::{Engine, Event, Request, RequestError};
use serde::Serialize;

use super::model;
use crate::app::{self, Console};
use crate::args::Bench;
use crate::failure::Failure;

#[derive(Debug, Serialize)]
pub(super) struct Percentiles {
    p50: f64,
    p90: f64,
    p99: f64,
}

impl Percentiles {
    fn of(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        let at = |share: f64| {
            let index = ((all.len() as f64 * share).ceil() as usize).clamp(1, all.len().max(1)) - 1;
            all.get(index).map_or(0.0, |found| found.as_secs_f64() * 1e3)
        };
        Self { p50: at(0.5), p90: at(0.9), p99: at(0.99) }
    }
}

/// An answer: when each of its tokens came, since it was asked for.
struct Answered {
    at: Vec<Duration>,
}

impl Answered {
    /// From each token to the next.
    fn gaps(&self) -> impl Iterator<Item = Duration> {
        self.at.windows(2).map(|two| two[1] - two[0])
    }
}

/// A prompt unlike any other, so that nothing is found in the cache.
fn tokens(length: usize) -> Vec<u32> {
    static ROUND: AtomicU32 = AtomicU32::new(0);
    let salt = ROUND.fetch_add(1, Ordering::Relaxed).wrapping_mul(104_729);
    (0..length as u32).map(|at| 3 + (at.wrapping_mul(7919) ^ salt) % 250).collect()
}

/// Asks for an answer of that length.
async fn answer(engine: &Engine, prompt: Vec<u32>, length: usize, began: Instant) -> Result<Answered, RequestError> {
    let request = Request { max_tokens: Some(length), ignore_eos: true, ..Request::new(Prompt::Tokens(prompt)) };
    let mut stream = engine.generate(request)?;
    let mut at = Vec::with_capacity(length);
    while let Some(event) = stream.next().await {
        match event {
            Event::Token { .. } => at.push(began.elapsed()),
            Event::Done { .. } => break,
            Event::Failed(error) => return Err(error),
        }
    }
    Ok(Answered { at })
}

/// Measures a model.
pub(crate) async fn bench(args: Bench) -> Result<(), Failure> {
    let console = Console::new(false);
    let mut wanted = args.model;
    let most = args.clients.unwrap_or_else(|| args.batch.iter().copied().max().unwrap_or(1)).max(1);
    let running = &mut wanted.running;
    running.max_batch = running.max_batch.max(most);
    let least = if args.texts { 2048 } else { 512 };
    running.context = running.context.or(Some((args.prompt_tokens + args.answer_tokens + 1).max(least)));
    let engine = model::load(&wanted, u32::from(most) * 2, &console).await?;
    let (prompt, length) = (args.prompt_tokens as usize, args.answer_tokens as usize);
    let failed = |error: RequestError| Failure::Other {
        message: format!("a request failed: {error}"),
        help: "Choose fewer tokens, or a smaller batch.".to_owned(),
        status: 1,
    };
    // Once for nothing: the first run of each shape allocates.
    batches::measure(&engine, 1, prompt, length.min(8)).await.map_err(failed)?;
    let report = engine.report();
    let head = format!(
        "{} by ONNX Runtime {}, {} threads; prompts of {prompt} tokens, answers of {length}\n",
        report.provider.as_str(),
        report.library.version,
        report.threads
    );
    if args.texts {
        wanted.running.speculation = Speculate::Off;
        wanted.running.draft.draft = None;
        let without = model::load(&wanted, 1, &console).await?;
        let rows = texts::measure(&engine, &without, length).await.map_err(failed)?;
        let text = texts::Row::HEAD.to_owned() + &rows.iter().map(texts::Row::line).collect::<String>();
        print(args.json, text, || serde_json::json!({ "runtime": engine.report(), "rows": rows }));
        return Ok(());
    }
    if let Some(clients) = args.clients {
        let requests = clients::lengths(args.requests.into(), prompt, length);
        let load = clients::measure(&engine, clients.into(), requests).await.map_err(failed)?;
        let text = format!(
            "{head}{clients} clients, {} requests of an eighth of that to all of it\n{}\n",
            args.requests,
            load.line()
        );
        print(args.json, text, || serde_json::json!({ "runtime": report, "load": load }));
        return Ok(());
    }
    let mut rows = Vec::new();
    for batch in args.batch.iter().map(|batch| usize::from(*batch).max(1)) {
        rows.push(batches::measure(&engine, batch, prompt, length).await.map_err(failed)?);
    }
    let text = head + batches::Row::HEAD + &rows.iter().map(batches::Row::line).collect::<String>();
    print(
        args.json,
        text,
        || serde_json::json!({ "runtime": report, "prompt_tokens": prompt, "answer_tokens": length, "rows": rows }),
    );
    Ok(())
}

fn print(json: bool, text: String, value: impl FnOnce() -> serde_json::Value) {
    app::print(&if json { format!("{}\n", value()) } else { text });
}
