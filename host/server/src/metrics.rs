//! Figures for Prometheus.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::models::Served;
use crate::{ModelInfo, Usage};

/// Seconds, from a quick machine's next token to a long prompt's first.
const SECONDS: [f64; 14] = [0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.2, 2.5, 5.0, 10.0, 60.0];
/// What is counted by its path; anything else is one.
const PATHS: [&str; 14] = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/rerank",
    "/v1/score",
    "/v1/models",
    "/tokenize",
    "/detokenize",
    "/livez",
    "/readyz",
    "/health",
    "/version",
    "/metrics",
    "/",
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    path: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Tokens {
    of: Of,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[allow(non_camel_case_types, reason = "the label's values")]
enum Of {
    prompt,
    cached,
    generated,
}

/// Every figure.
pub(crate) struct Metrics {
    registry: Registry,
    answered: Family<Answered, Counter>,
    seconds: Histogram,
    first_token: Histogram,
    next_token: Histogram,
    tokens: Family<Tokens, Counter>,
    cancelled: Counter,
    waiting: Gauge,
    running: Gauge,
    cache_used: Gauge<f64, AtomicU64>,
    tokens_per_second: Gauge<f64, AtomicU64>,
    /// Tokens and time of the last look, for the rate.
    last: std::sync::Mutex<(u64, std::time::Instant)>,
    generated: AtomicU64,
}

impl Metrics {
    pub(crate) fn new(info: &ModelInfo) -> Self {
        let mut registry = Registry::with_prefix("llmhost");
        let histogram = || Histogram::new(SECONDS);
        let new = Self {
            answered: Family::default(),
            seconds: histogram(),
            first_token: histogram(),
            next_token: histogram(),
            tokens: Family::default(),
            cancelled: Counter::default(),
            waiting: Gauge::default(),
            running: Gauge::default(),
            cache_used: Gauge::default(),
            tokens_per_second: Gauge::default(),
            last: std::sync::Mutex::new((0, std::time::Instant::now())),
            generated: AtomicU64::new(0),
            registry: Registry::default(),
        };
        registry.register("requests", "Requests, by path and status", new.answered.clone());
        let seconds = Unit::Seconds;
        registry.register_with_unit(
            "request_duration",
            "Until a request's answer began",
            seconds.clone(),
            new.seconds.clone(),
        );
        let text = "From a request to its first token";
        registry.register_with_unit("time_to_first_token", text, seconds.clone(), new.first_token.clone());
        let text = "From one token of an answer to the next";
        registry.register_with_unit("inter_token_latency", text, seconds, new.next_token.clone());
        registry.register(
            "tokens",
            "Tokens of prompts and answers; cached ones are among the prompts'",
            new.tokens.clone(),
        );
        registry.register("cancelled_requests", "Requests whose client went away", new.cancelled.clone());
        registry.register("queue_depth", "Requests that wait", new.waiting.clone());
        registry.register("batch_size", "Requests in the batch", new.running.clone());
        registry.register("kv_cache_used_ratio", "Share of the key/value cache in use", new.cache_used.clone());
        let text = "Tokens generated a second since the last time this was read";
        registry.register("tokens_per_second", text, new.tokens_per_second.clone());
        // A gauge, as Prometheus' older text has no type for it and its parsers refuse the whole text: endpoint pickers do.
        let about = Family::<Vec<(&str, String)>, Gauge>::default();
        about.get_or_create(&vec![("name", info.name.clone()), ("provider", info.provider.clone())]).set(1);
        registry.register("model_info", "The model, and what runs it", about);
        Self { registry, ..new }
    }

    /// The path as it is counted.
    pub(crate) fn path(&self, path: &str) -> &'static str {
        PATHS.into_iter().find(|known| *known == path).unwrap_or("other")
    }

    pub(crate) fn answered(&self, path: &'static str, status: u16, took: Duration) {
        self.answered.get_or_create(&Answered { path, status }).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn first_token(&self, after: Duration) {
        self.first_token.observe(after.as_secs_f64());
        self.generated.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn next_token(&self, after: Duration) {
        self.next_token.observe(after.as_secs_f64());
        self.generated.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn done(&self, usage: Usage) {
        let count = |of, tokens: usize| self.tokens.get_or_create(&Tokens { of }).inc_by(tokens as u64);
        count(Of::prompt, usage.prompt_tokens);
        count(Of::cached, usage.cached_tokens);
        count(Of::generated, usage.completion_tokens);
    }

    pub(crate) fn cancelled(&self) {
        self.cancelled.inc();
    }

    pub(crate) fn text(&self, models: &[Served]) -> String {
        for model in models {
            let now = model.backend().stats();
            self.waiting.set(now.waiting as i64);
            self.running.set(now.running as i64);
            self.cache_used.set(now.cache_used);
        }
        let generated = self.generated.load(Ordering::Relaxed);
        if let Ok(mut last) = self.last.lock() {
            let seconds = last.1.elapsed().as_secs_f64();
            if seconds > 0.0 {
                self.tokens_per_second.set((generated - last.0) as f64 / seconds);
            }
            *last = (generated, std::time::Instant::now());
        }
        let mut text = String::new();
        // Writing into a string cannot fail.
        _ = encode(&mut text, &self.registry);
        crate::protocol_metrics::add(&mut text, models);
        text
    }
}
