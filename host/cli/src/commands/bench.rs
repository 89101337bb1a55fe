//! `llmhost bench`: how fast a model is on this machine.

use std::time::{Duration, Instant};

use llmhost_inference::{Engine, Event, Request, RequestError, engine::Prompt};
use serde::Serialize;

use super::model;
use crate::app::{self, Console};
use crate::args::Bench;
use crate::failure::Failure;

/// One line of the table.
#[derive(Debug, Serialize)]
struct Row {
    batch: usize,
    /// Tokens of prompts a second, until all have their first token.
    prefill_tokens_per_second: f64,
    /// Tokens of answers a second, all together, from then on.
    decode_tokens_per_second: f64,
    first_token_ms: Percentiles,
    inter_token_ms: Percentiles,
}

#[derive(Debug, Serialize)]
struct Percentiles {
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

/// Measures a model.
pub(crate) async fn bench(args: Bench) -> Result<(), Failure> {
    let console = Console::new(false);
    let mut wanted = args.model;
    let most = args.batch.iter().copied().max().unwrap_or(1).max(1);
    wanted.max_batch = wanted.max_batch.max(most);
    wanted.context = wanted.context.or(Some((args.prompt_tokens + args.answer_tokens + 1).max(512)));
    let engine = model::load(&wanted, u32::from(most) * 2, &console).await?;
    let (prompt, answer) = (args.prompt_tokens as usize, args.answer_tokens as usize);
    let failed = |error: RequestError| Failure::Other {
        message: format!("a request failed: {error}"),
        help: "Choose fewer tokens, or a smaller batch.".to_owned(),
        status: 1,
    };
    // Once for nothing: the first run of each shape allocates.
    measure(&engine, 1, prompt, answer.min(8)).await.map_err(failed)?;
    let mut rows = Vec::new();
    for batch in args.batch.iter().map(|batch| usize::from(*batch).max(1)) {
        rows.push(measure(&engine, batch, prompt, answer).await.map_err(failed)?);
    }
    if args.json {
        let all = serde_json::json!({ "runtime": engine.report(), "prompt_tokens": prompt, "answer_tokens": answer, "rows": rows });
        app::print(&format!("{all}\n"));
        return Ok(());
    }
    let report = engine.report();
    let head = format!(
        "{} by ONNX Runtime {}, {} threads; prompts of {prompt} tokens, answers of {answer}\n\
         batch  prefill tokens/s  decode tokens/s  first token ms (p50 p90 p99)  next token ms (p50 p90 p99)\n",
        report.provider.as_str(),
        report.library.version,
        report.threads
    );
    let line = |row: &Row| {
        let (first, next) = (&row.first_token_ms, &row.inter_token_ms);
        format!(
            "{:5}  {:16.0}  {:15.1}  {:8.0} {:8.0} {:9.0}  {:9.1} {:8.1} {:8.1}\n",
            row.batch,
            row.prefill_tokens_per_second,
            row.decode_tokens_per_second,
            first.p50,
            first.p90,
            first.p99,
            next.p50,
            next.p90,
            next.p99
        )
    };
    app::print(&(head + &rows.iter().map(line).collect::<String>()));
    Ok(())
}

async fn measure(engine: &Engine, batch: usize, prompt: usize, answer: usize) -> Result<Row, RequestError> {
    // Each prompt another, so that nothing is found in the cache.
    static ROUND: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let began = Instant::now();
    let one = async |_: usize| {
        let salt = ROUND.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let tokens =
            (0..prompt as u32).map(|at| 3 + (at.wrapping_mul(7919) ^ salt.wrapping_mul(104_729)) % 250).collect();
        let request = Request { max_tokens: Some(answer), ignore_eos: true, ..Request::new(Prompt::Tokens(tokens)) };
        let mut stream = engine.generate(request)?;
        let mut at = Vec::with_capacity(answer);
        while let Some(event) = stream.next().await {
            match event {
                Event::Token { .. } => at.push(began.elapsed()),
                Event::Done { .. } => break,
                Event::Failed(error) => return Err(error),
            }
        }
        Ok(at)
    };
    let all = futures::future::try_join_all((0..batch).map(one)).await?;
    let firsts: Vec<Duration> = all.iter().filter_map(|at| at.first().copied()).collect();
    let first = firsts.iter().max().copied().unwrap_or_default();
    let last = all.iter().filter_map(|at| at.last().copied()).max().unwrap_or_default();
    let after: usize = all.iter().map(|at| at.iter().filter(|when| **when > first).count()).sum();
    let gaps = all.iter().flat_map(|at| at.windows(2).map(|two| two[1] - two[0])).collect();
    Ok(Row {
        batch,
        prefill_tokens_per_second: (batch * prompt) as f64 / first.as_secs_f64(),
        decode_tokens_per_second: after as f64 / (last - first).as_secs_f64(),
        first_token_ms: Percentiles::of(firsts),
        inter_token_ms: Percentiles::of(gaps),
    })
}
