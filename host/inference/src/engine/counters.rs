//! What the engine counts, for metrics. Written by its thread, read by anyone.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Notify;

use super::speculate::Source;

/// A reading of the counters.
#[derive(Debug, Clone, Serialize)]
pub struct Stats {
    /// Requests that wait.
    pub queued: usize,
    /// Requests that run.
    pub active: usize,
    /// Requests that can run at the same time.
    pub slots: usize,
    /// Tokens of prompt and answer, at most.
    pub context: usize,
    /// Bytes that keys and values may take.
    pub cache_bytes: usize,
    /// Tokens of all requests together that this is enough for.
    pub cache_tokens: usize,
    /// Bytes of that which are taken, those of ended requests included.
    pub held_bytes: usize,
    /// Tokens whose keys and values are kept, those of ended requests included.
    pub cached_tokens: usize,
    /// Requests that began.
    pub requests: u64,
    /// Requests that ended well, that failed, and that were given up by the caller.
    pub finished: u64,
    /// Requests that failed in the engine.
    pub failed: u64,
    /// Requests whose caller went away.
    pub cancelled: u64,
    /// Requests refused because the queue was full.
    pub refused: u64,
    /// How often a request had to make room for older ones, to be read again later.
    pub paused: u64,
    /// Tokens of prompts that were computed.
    pub prompt_tokens: u64,
    /// Tokens of prompts that were taken from the cache.
    pub reused_tokens: u64,
    /// Tokens that were generated.
    pub generated_tokens: u64,
    /// Of those, the ones that were chosen from the likeliest few, without the row of all logits.
    pub short_rows: u64,
    /// Tokens that were guessed from texts and run.
    pub proposed_tokens: u64,
    /// Of those, the ones that answers took.
    pub accepted_tokens: u64,
    /// Tokens that a draft model guessed and that were run.
    pub draft_proposed_tokens: u64,
    /// Of those, the ones that answers took.
    pub draft_accepted_tokens: u64,
    /// Texts that were embedded.
    pub embedded_texts: u64,
    /// Decode steps by the number of requests in them: the first entry is for one request.
    pub batch_sizes: Vec<u64>,
    /// Time inside ONNX Runtime.
    pub run_time: Duration,
    /// Time at work, ONNX Runtime included.
    pub busy_time: Duration,
    /// `cpu` or `cuda`.
    pub provider: &'static str,
}

/// The counters.
#[derive(Debug)]
pub(super) struct Counters {
    pub(super) queued: AtomicUsize,
    pub(super) active: AtomicUsize,
    /// Jobs that are neither waiting nor running requests: embeddings and tensors.
    pub(super) jobs: AtomicUsize,
    pub(super) slots: usize,
    pub(super) context: usize,
    pub(super) cache_bytes: usize,
    pub(super) cache_tokens: usize,
    pub(super) held_bytes: AtomicUsize,
    pub(super) cached_tokens: AtomicUsize,
    pub(super) requests: AtomicU64,
    pub(super) finished: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) cancelled: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) paused: AtomicU64,
    pub(super) prompt_tokens: AtomicU64,
    pub(super) reused_tokens: AtomicU64,
    pub(super) generated_tokens: AtomicU64,
    pub(super) short_rows: AtomicU64,
    pub(super) proposed_tokens: AtomicU64,
    pub(super) accepted_tokens: AtomicU64,
    pub(super) draft_proposed_tokens: AtomicU64,
    pub(super) draft_accepted_tokens: AtomicU64,
    pub(super) embedded_texts: AtomicU64,
    pub(super) batch_sizes: Vec<AtomicU64>,
    pub(super) run_nanos: AtomicU64,
    pub(super) busy_nanos: AtomicU64,
    pub(super) provider: &'static str,
    /// Rung whenever nothing is left to do.
    pub(super) idle: Notify,
}

impl Counters {
    /// `cache` are the bytes for keys and values, and the tokens that this is enough for.
    pub(super) fn new(slots: usize, context: usize, cache: (usize, usize), provider: &'static str) -> Self {
        let (cache_bytes, cache_tokens) = cache;
        Self {
            queued: AtomicUsize::new(0),
            active: AtomicUsize::new(0),
            jobs: AtomicUsize::new(0),
            slots,
            context,
            cache_bytes,
            cache_tokens,
            held_bytes: AtomicUsize::new(0),
            cached_tokens: AtomicUsize::new(0),
            requests: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            paused: AtomicU64::new(0),
            prompt_tokens: AtomicU64::new(0),
            reused_tokens: AtomicU64::new(0),
            generated_tokens: AtomicU64::new(0),
            short_rows: AtomicU64::new(0),
            proposed_tokens: AtomicU64::new(0),
            accepted_tokens: AtomicU64::new(0),
            draft_proposed_tokens: AtomicU64::new(0),
            draft_accepted_tokens: AtomicU64::new(0),
            embedded_texts: AtomicU64::new(0),
            batch_sizes: (0..slots).map(|_| AtomicU64::new(0)).collect(),
            run_nanos: AtomicU64::new(0),
            busy_nanos: AtomicU64::new(0),
            provider,
            idle: Notify::new(),
        }
    }

    /// Takes a place in the queue, or says how many wait.
    pub(super) fn enter_queue(&self, limit: usize) -> Result<(), usize> {
        let more = |waiting: usize| (waiting < limit).then_some(waiting + 1);
        self.queued.fetch_update(Relaxed, Relaxed, more).map(|_| ()).inspect_err(|_| {
            self.refused.fetch_add(1, Relaxed);
        })
    }

    pub(super) fn idle(&self) -> bool {
        self.queued.load(Relaxed) + self.active.load(Relaxed) + self.jobs.load(Relaxed) == 0
    }

    pub(super) fn ran(&self, time: Duration) {
        self.run_nanos.fetch_add(nanos(time), Relaxed);
    }

    /// So many tokens were guessed, and so many of them were right.
    pub(super) fn guessed(&self, source: Source, tokens: usize, right: usize) {
        let (proposed, accepted) = match source {
            Source::Text => (&self.proposed_tokens, &self.accepted_tokens),
            Source::Draft => (&self.draft_proposed_tokens, &self.draft_accepted_tokens),
        };
        proposed.fetch_add(tokens as u64, Relaxed);
        accepted.fetch_add(right as u64, Relaxed);
    }

    pub(super) fn worked(&self, time: Duration) {
        self.busy_nanos.fetch_add(nanos(time), Relaxed);
    }

    pub(super) fn read(&self) -> Stats {
        Stats {
            queued: self.queued.load(Relaxed),
            active: self.active.load(Relaxed),
            slots: self.slots,
            context: self.context,
            cache_bytes: self.cache_bytes,
            cache_tokens: self.cache_tokens,
            held_bytes: self.held_bytes.load(Relaxed),
            cached_tokens: self.cached_tokens.load(Relaxed),
            requests: self.requests.load(Relaxed),
            finished: self.finished.load(Relaxed),
            failed: self.failed.load(Relaxed),
            cancelled: self.cancelled.load(Relaxed),
            refused: self.refused.load(Relaxed),
            paused: self.paused.load(Relaxed),
            prompt_tokens: self.prompt_tokens.load(Relaxed),
            reused_tokens: self.reused_tokens.load(Relaxed),
            generated_tokens: self.generated_tokens.load(Relaxed),
            short_rows: self.short_rows.load(Relaxed),
            proposed_tokens: self.proposed_tokens.load(Relaxed),
            accepted_tokens: self.accepted_tokens.load(Relaxed),
            draft_proposed_tokens: self.draft_proposed_tokens.load(Relaxed),
            draft_accepted_tokens: self.draft_accepted_tokens.load(Relaxed),
            embedded_texts: self.embedded_texts.load(Relaxed),
            batch_sizes: self.batch_sizes.iter().map(|count| count.load(Relaxed)).collect(),
            run_time: Duration::from_nanos(self.run_nanos.load(Relaxed)),
            busy_time: Duration::from_nanos(self.busy_nanos.load(Relaxed)),
            provider: self.provider,
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
