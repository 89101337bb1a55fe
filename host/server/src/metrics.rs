//! Figures for Prometheus.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::Usage;
use crate::models::Served;

/// Seconds, from a quick machine's next token to a long prompt's first.
const SECONDS: [f64; 14] = [0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.2, 2.5, 5.0, 10.0, 60.0];
/// What is counted by its path; anything else is one.
const PATHS: [&str; 17] = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
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
    "/openapi.json",
    "/v2",
    "/",
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    path: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByModel {
    model: Arc<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Tokens {
    model: Arc<String>,
    of: Of,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[allow(non_camel_case_types, reason = "the label's values")]
enum Of {
    prompt,
    cached,
    generated,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Guessed {
    model: Arc<String>,
    source: Source,
}

/// Where guessed tokens are from: the text itself, or a draft model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[allow(non_camel_case_types, reason = "the label's values")]
enum Source {
    ngram,
    draft,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Info {
    name: String,
    provider: String,
}

type Figure<T> = Family<ByModel, T>;
type Ratio = Gauge<f64, AtomicU64>;
type Histograms = Family<ByModel, Histogram, fn() -> Histogram>;

/// The time that tokens a second are of. Some readers come many times a second, and leave others their figure.
const RATE_OVER: Duration = Duration::from_secs(10);

/// When tokens were counted for a rate.
struct Rate {
    since: Instant,
    is_known: bool,
}

/// Every figure.
pub(crate) struct Metrics {
    registry: Registry,
    answered: Family<Answered, Counter>,
    seconds: Histogram,
    models: BTreeMap<String, Arc<Figures>>,
    info: Family<Info, Gauge>,
    is_loaded: Figure<Gauge>,
    waiting: Figure<Gauge>,
    running: Figure<Gauge>,
    cache_used: Figure<Ratio>,
    tokens_per_second: Figure<Ratio>,
    proposed: Family<Guessed, Counter>,
    accepted: Family<Guessed, Counter>,
    /// One reader at a time.
    rate: Mutex<Rate>,
}

/// What is counted of one model.
pub(crate) struct Figures {
    label: ByModel,
    requests: Counter,
    first_token: Histogram,
    next_token: Histogram,
    tokens: [Counter; 3],
    cancelled: Counter,
    generated: AtomicU64,
    /// Of them, those that the last reader knows.
    seen: AtomicU64,
}

impl Figures {
    /// A request means this model.
    pub(crate) fn asked(&self) {
        self.requests.inc();
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
        let all = [usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens];
        for (counter, tokens) in self.tokens.iter().zip(all) {
            counter.inc_by(tokens as u64);
        }
    }

    pub(crate) fn cancelled(&self) {
        self.cancelled.inc();
    }
}

fn histogram() -> Histogram {
    Histogram::new(SECONDS)
}

impl Metrics {
    /// Figures of a server with models of these names.
    pub(crate) fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut registry = Registry::with_prefix("llmhost");
        let (answered, seconds) = (Family::<Answered, Counter>::default(), histogram());
        let (requests, tokens, cancelled) =
            (Figure::<Counter>::default(), Family::<Tokens, Counter>::default(), Figure::<Counter>::default());
        let histograms = || Histograms::new_with_constructor(histogram);
        let (first_token, next_token) = (histograms(), histograms());
        let new = Self {
            answered: answered.clone(),
            seconds: seconds.clone(),
            models: names
                .into_iter()
                .map(|name| {
                    let label = ByModel { model: Arc::new(name.to_owned()) };
                    let count = |of| {
                        let label = Tokens { model: Arc::clone(&label.model), of };
                        tokens.get_or_create(&label).clone()
                    };
                    let figures = Figures {
                        requests: requests.get_or_create(&label).clone(),
                        first_token: first_token.get_or_create(&label).clone(),
                        next_token: next_token.get_or_create(&label).clone(),
                        tokens: [Of::prompt, Of::cached, Of::generated].map(count),
                        cancelled: cancelled.get_or_create(&label).clone(),
                        label,
                        generated: AtomicU64::new(0),
                        seen: AtomicU64::new(0),
                    };
                    (name.to_owned(), Arc::new(figures))
                })
                .collect(),
            info: Family::default(),
            is_loaded: Family::default(),
            waiting: Family::default(),
            running: Family::default(),
            cache_used: Family::default(),
            tokens_per_second: Family::default(),
            proposed: Family::default(),
            accepted: Family::default(),
            rate: Mutex::new(Rate { since: Instant::now(), is_known: false }),
            registry: Registry::default(),
        };
        registry.register("requests", "Requests, by path and status", answered);
        let unit = || Unit::Seconds;
        registry.register_with_unit("request_duration", "Time until the response started", unit(), seconds);
        let text = "From a request to its first token";
        registry.register_with_unit("time_to_first_token", text, unit(), first_token);
        let text = "From one token of an answer to the next";
        registry.register_with_unit("inter_token_latency", text, unit(), next_token);
        let text = "Tokens of prompts and answers; cached ones are among the prompts'";
        registry.register("tokens", text, tokens);
        registry.register("model_requests", "Requests for a model, by name or as the default", requests);
        registry.register("cancelled_requests", "Requests whose client disconnected", cancelled);
        let text = "Tokens of answers that were guessed, from the text (ngram) or by a draft model, and checked";
        registry.register("speculative_proposed_tokens", text, new.proposed.clone());
        let text = "Guessed tokens that became part of answers";
        registry.register("speculative_accepted_tokens", text, new.accepted.clone());
        registry.register("queue_depth", "Requests that wait", new.waiting.clone());
        registry.register("batch_size", "Requests in the batch", new.running.clone());
        registry.register("kv_cache_used_ratio", "Share of the key/value cache in use", new.cache_used.clone());
        let text = "Tokens generated a second, over the last ten seconds or more";
        registry.register("tokens_per_second", text, new.tokens_per_second.clone());
        registry.register("model_loaded", "1 where the model is loaded", new.is_loaded.clone());
        registry.register("model_info", "The models that are loaded, and what runs them", new.info.clone());
        Self { registry, ..new }
    }

    /// The path as it is counted.
    pub(crate) fn path(&self, path: &str) -> &'static str {
        const ADMIN: &str = "/admin/models";
        if path.starts_with(ADMIN) {
            return ADMIN;
        }
        // The models' names are not counted apart: there may be many.
        let path = if path.starts_with("/v2/") { "/v2" } else { path };
        PATHS.into_iter().find(|known| *known == path).unwrap_or("other")
    }

    pub(crate) fn answered(&self, path: &'static str, status: u16, took: Duration) {
        self.answered.get_or_create(&Answered { path, status }).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// What is counted of the model of this name, which is one of those that [`Self::new`] was told.
    pub(crate) fn of(&self, name: &str) -> Arc<Figures> {
        Arc::clone(&self.models[name])
    }

    /// `models` are those that are loaded.
    pub(crate) fn text(&self, models: &[Served]) -> String {
        let mut text = String::new();
        let mut rate = self.rate.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let since = rate.since.elapsed();
        let renews = !rate.is_known || since >= RATE_OVER;
        if renews {
            *rate = Rate { since: Instant::now(), is_known: true };
        }
        self.info.clear();
        for figures in self.models.values() {
            if renews {
                let generated = figures.generated.load(Ordering::Relaxed);
                let more = generated - figures.seen.swap(generated, Ordering::Relaxed);
                let rate = more as f64 / since.as_secs_f64().max(f64::MIN_POSITIVE);
                self.tokens_per_second.get_or_create(&figures.label).set(rate);
            }
            self.show(figures, None);
        }
        for model in models {
            self.show(model.figures(), Some(model));
        }
        // Writing into a string cannot fail.
        _ = encode(&mut text, &self.registry);
        crate::protocol_metrics::add(&mut text, models);
        text
    }

    fn show(&self, figures: &Figures, model: Option<&Served>) {
        let now = model.map(|model| model.backend().stats()).unwrap_or_default();
        let label = &figures.label;
        self.waiting.get_or_create(label).set(now.waiting as i64);
        self.running.get_or_create(label).set(now.running as i64);
        self.cache_used.get_or_create(label).set(now.cache_used);
        for (source, proposed, accepted) in [
            (Source::ngram, now.proposed_tokens, now.accepted_tokens),
            (Source::draft, now.draft_proposed_tokens, now.draft_accepted_tokens),
        ] {
            let label = Guessed { model: Arc::clone(&label.model), source };
            self.proposed.get_or_create(&label).inner().store(proposed, Ordering::Relaxed);
            self.accepted.get_or_create(&label).inner().store(accepted, Ordering::Relaxed);
        }
        self.is_loaded.get_or_create(label).set(i64::from(model.is_some()));
        if let Some(info) = model.map(Served::info) {
            let label = Info { name: info.name.clone(), provider: info.provider.clone() };
            self.info.get_or_create(&label).set(1);
        }
    }
}
