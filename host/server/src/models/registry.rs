//! Every model of a server, by its names.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::Served;
use super::entry::{Condition, Entry, LoadAt, Look, ModelSpec};
use super::instance::Instance;
use super::loader::{LoadFailure, Loaded, Loader, Place, Prepared, Room};
use super::memory::Memory;
use crate::error::ApiError;
use crate::metrics::Metrics;
use crate::{Backend, Failure};

/// How long a model that did not load is left alone.
const PAUSE: Duration = Duration::from_secs(10);

/// The models of a server.
pub struct Models {
    pub(super) entries: Vec<Entry>,
    /// Places of the entries, by names and aliases.
    names: BTreeMap<String, usize>,
    default: usize,
    pub(super) loader: Arc<dyn Loader>,
    pub(super) memory: Arc<Memory>,
    pub(crate) metrics: Metrics,
    pub(super) pause: Duration,
    /// One load at a time: two that look for memory at once would find the same.
    pub(super) loading: tokio::sync::Mutex<()>,
}

/// Why these models cannot be served together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelsError {
    /// There is none.
    #[error("there is no model to serve")]
    None,
    /// A name stands for two.
    #[error(
        "two models have the name or alias '{name}': '{first}' and '{second}'; a request could not choose between them"
    )]
    Twice {
        /// The name or alias.
        name: String,
        /// The name of the first model that has it.
        first: String,
        /// Of the second.
        second: String,
    },
    /// A name that no request can carry.
    #[error("a model has an empty name or alias")]
    Unnamed,
    /// Two are the default.
    #[error("both '{first}' and '{second}' are the default; one can be")]
    Defaults {
        /// The first of them.
        first: String,
        /// The second.
        second: String,
    },
}

impl Models {
    /// The models, none of which is loaded yet. `memory` is what they may take of the machine's memory
    /// together; without it, what is free now.
    pub fn new(specs: Vec<ModelSpec>, loader: Arc<dyn Loader>, memory: Option<u64>) -> Result<Self, ModelsError> {
        let mut names = BTreeMap::new();
        for (place, spec) in specs.iter().enumerate() {
            for name in std::iter::once(&spec.name).chain(&spec.aliases) {
                if name.is_empty() {
                    return Err(ModelsError::Unnamed);
                }
                if let Some(first) = names.insert(name.clone(), place) {
                    let [first, second] = [first, place].map(|place| specs[place].name.clone());
                    return Err(ModelsError::Twice { name: name.clone(), first, second });
                }
            }
        }
        let mut defaults = specs.iter().enumerate().filter(|(_, spec)| spec.is_default);
        let default = match (defaults.next(), defaults.next()) {
            _ if specs.is_empty() => return Err(ModelsError::None),
            (Some((_, first)), Some((_, second))) => {
                return Err(ModelsError::Defaults { first: first.name.clone(), second: second.name.clone() });
            }
            (one, _) => one.map_or(0, |(place, _)| place),
        };
        let memory = Memory::new(memory, &*loader);
        let metrics = Metrics::new(specs.iter().map(|spec| spec.name.as_str()));
        let entries = specs.into_iter().map(|spec| Entry::new(spec, None)).collect();
        Ok(Self {
            entries,
            names,
            default,
            loader,
            memory,
            metrics,
            pause: PAUSE,
            loading: tokio::sync::Mutex::default(),
        })
    }

    /// Leaves a model that did not load alone for so long; 10 s where nothing is said.
    #[must_use]
    pub fn with_pause(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    /// One model, which is there already.
    pub(crate) fn of(backend: Arc<dyn Backend>) -> Self {
        let name = backend.info().name.clone();
        let loader: Arc<dyn Loader> = Arc::new(Given(Arc::clone(&backend)));
        let (memory, metrics) = (Memory::new(None, &*loader), Metrics::new([name.as_str()]));
        let instance = Instance::new(backend, String::new(), memory.reserve(Place::System, 0));
        let spec = ModelSpec { name: name.clone(), ..ModelSpec::default() };
        let (entries, names) = (vec![Entry::new(spec, Some(instance))], BTreeMap::from([(name, 0)]));
        let loading = tokio::sync::Mutex::default();
        Self { entries, names, default: 0, loader, memory, metrics, pause: PAUSE, loading }
    }

    /// The place of the model that a request names; of the default where it names none.
    pub(crate) fn find(&self, asked: Option<&str>) -> Result<usize, ApiError> {
        let Some(asked) = asked.filter(|asked| !asked.is_empty()) else { return Ok(self.default) };
        self.names.get(asked).copied().ok_or_else(|| {
            let all: Vec<String> = self.entries.iter().map(|entry| format!("'{}'", entry.spec.name)).collect();
            let message = format!("there is no model '{asked}' here; this server has {}", all.join(", "));
            ApiError::not_found(message, "model_not_found")
        })
    }

    /// The model that a request names. Where it is not loaded, it is, and the request waits.
    pub(crate) async fn get(self: &Arc<Self>, asked: Option<&str>) -> Result<Served, ApiError> {
        let place = self.find(asked)?;
        let entry = &self.entries[place];
        let mut waiting = None;
        loop {
            // Before the look: what changes after it is not missed.
            let mut changes = entry.changes();
            match entry.look(self.pause) {
                Look::Loaded(instance, lease) => return Ok(self.served(entry, instance, Some(lease))),
                Look::Failed(failure, rest) => return Err(ApiError::not_loaded(&entry.spec.name, &failure.told, rest)),
                Look::Begin => drop(self.load_aside(place)),
                Look::Wait => {}
            }
            if waiting.is_none() {
                waiting = Some(entry.wait().ok_or(Failure::Busy)?);
            }
            // The sender is the entry's own.
            _ = changes.changed().await;
        }
    }

    fn served(&self, entry: &Entry, instance: Arc<Instance>, lease: Option<super::Lease>) -> Served {
        Served { instance, figures: self.metrics.of(&entry.spec.name), _lease: lease }
    }

    /// Every model that is loaded, the default one first.
    pub(crate) fn loaded(&self) -> Vec<Served> {
        let default = std::iter::once(self.default);
        let all = default.chain((0..self.entries.len()).filter(|place| *place != self.default));
        all.filter_map(|place| {
            let entry = &self.entries[place];
            Some(self.served(entry, entry.seen().loaded?, None))
        })
        .collect()
    }

    /// Whether all that are to be loaded at the start were.
    pub(crate) fn is_ready(&self) -> bool {
        let mut first = self.entries.iter().filter(|entry| entry.spec.load == LoadAt::Start);
        first.all(|entry| entry.seen().has_started)
    }

    /// Whether a request for it has an answer without waiting for long: it is loaded, or will be with the request.
    pub(crate) fn takes_requests(&self, place: usize) -> bool {
        matches!(self.entries[place].seen().condition, Condition::Loaded | Condition::Unloaded)
    }

    pub(crate) fn name(&self, place: usize) -> &str {
        &self.entries[place].spec.name
    }

    /// For everybody: names and how each one is.
    pub(crate) fn conditions(&self) -> Vec<Value> {
        let one = |entry: &Entry| {
            let seen = entry.seen();
            let mut one = json!({ "name": entry.spec.name, "state": seen.condition.as_str() });
            match (seen.loaded, seen.failure) {
                (Some(instance), _) => one["now"] = json!(instance.backend().stats()),
                (None, Some(failure)) => one["reason"] = json!(failure.told),
                (None, None) => {}
            }
            one
        };
        self.entries.iter().map(one).collect()
    }

    /// As OpenAI lists them: an alias is a model whose root is another one.
    pub(crate) fn listed(&self) -> Vec<Value> {
        let one = |entry: &Entry| {
            let loaded = entry.seen().loaded;
            let info = loaded.as_ref().map(|instance| instance.backend().info());
            let names = std::iter::once(&entry.spec.name).chain(&entry.spec.aliases);
            let described = |id: &String| {
                let mut one = json!({
                    "id": id, "object": "model", "created": info.map_or(0, |info| info.loaded_at),
                    "owned_by": "llmhost", "root": entry.spec.name,
                });
                if let Some(info) = info {
                    one["context_length"] = json!(info.context);
                }
                one
            };
            names.map(described).collect::<Vec<_>>()
        };
        self.entries.iter().flat_map(one).collect()
    }

    /// For administrators: everything.
    pub(crate) fn details(&self) -> Value {
        let models: Vec<Value> = (0..self.entries.len()).map(|place| self.detail(place)).collect();
        let memory = |place: Place| json!({ "total": self.memory.total(place), "used": self.memory.used(place) });
        let memory = json!({ "system": memory(Place::System), "gpu": memory(Place::Gpu) });
        json!({ "models": models, "memory": memory })
    }

    pub(crate) fn detail(&self, place: usize) -> Value {
        let (entry, seen) = (&self.entries[place], self.entries[place].seen());
        let load = if entry.spec.load == LoadAt::Start { "start" } else { "first-use" };
        let mut one = json!({
            "name": entry.spec.name, "aliases": entry.spec.aliases, "load": load,
            "default": place == self.default, "state": seen.condition.as_str(), "waiting": entry.waiting(),
        });
        if let Some(failure) = seen.failure {
            one["reason"] = json!(failure.reason);
        }
        if let Some(instance) = seen.loaded {
            let place = if instance.reservation().place == Place::System { "system" } else { "gpu" };
            one["version"] = json!(instance.version);
            one["bytes"] = json!(instance.reservation().bytes);
            one["memory"] = json!(place);
            one["requests"] = json!(instance.leases());
            one["idle_seconds"] = json!(instance.last_used().elapsed().as_secs());
            one["model"] = json!(instance.backend().info());
            one["now"] = json!(instance.backend().stats());
        }
        one
    }
}

/// A backend that somebody else made. It cannot be made anew.
struct Given(Arc<dyn Backend>);

#[async_trait]
impl Loader for Given {
    async fn prepare(&self, _: &str) -> Result<Prepared, LoadFailure> {
        Ok(Prepared { folder: "".into(), version: String::new(), bytes: 0, place: Place::System })
    }

    async fn load(&self, _: &str, _: &Prepared, _: Room) -> Result<Loaded, LoadFailure> {
        Ok(Loaded { backend: Arc::clone(&self.0), bytes: 0, place: Place::System })
    }

    fn free(&self, _: Place) -> Option<u64> {
        None
    }
}
