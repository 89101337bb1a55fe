//! What a plugin asks of its host, written down beside.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use indexmap::IndexMap;
use llmhost_engine::look_up::Query;
use llmhost_engine::names::ResourceAddress;
use llmhost_engine::plugin::{Capabilities, Description, Failure, FileEntry, LogLevel, Plugin, PluginError};
use serde_json::Value;

/// What a plugin did in one run: its declarations as it made them, by `kind/name`.
pub(crate) type Declared = IndexMap<String, Value>;

/// What all runs of a plugin did.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    runs: Mutex<Vec<Declared>>,
    /// Outputs of resources that it asked for.
    asked: Mutex<BTreeSet<(ResourceAddress, String)>>,
}

impl Watch {
    /// The declarations of the first run, which plans, and of the last, which applies where anything was applied.
    pub(crate) fn runs(&self) -> Vec<Declared> {
        lock(&self.runs).clone()
    }

    /// Which outputs of a resource were asked for.
    pub(crate) fn asked_of(&self, address: &ResourceAddress) -> Vec<String> {
        lock(&self.asked).iter().filter(|(of, _)| of == address).map(|(_, output)| output.clone()).collect()
    }
}

/// A plugin that is watched.
pub(crate) struct Watched {
    pub(crate) plugin: Arc<dyn Plugin>,
    pub(crate) watch: Arc<Watch>,
}

#[async_trait]
impl Plugin for Watched {
    fn description(&self) -> &Description {
        self.plugin.description()
    }

    fn sha256(&self) -> &str {
        self.plugin.sha256()
    }

    async fn run(&self, config: &Value, host: Arc<dyn Capabilities>) -> Result<Value, PluginError> {
        let run = {
            let mut runs = lock(&self.watch.runs);
            runs.push(Declared::new());
            runs.len() - 1
        };
        self.plugin.run(config, Arc::new(Watching { host, run, watch: Arc::clone(&self.watch) })).await
    }
}

struct Watching {
    host: Arc<dyn Capabilities>,
    run: usize,
    watch: Arc<Watch>,
}

#[async_trait]
impl Capabilities for Watching {
    fn declare(&self, kind: &str, name: &str, spec: Value, after: &[String]) -> Result<ResourceAddress, Failure> {
        if let Some(run) = lock(&self.watch.runs).get_mut(self.run) {
            run.insert(format!("{kind}/{name}"), spec.clone());
        }
        self.host.declare(kind, name, spec, after)
    }

    async fn output(&self, address: &ResourceAddress, output: &str) -> Result<Value, Failure> {
        lock(&self.watch.asked).insert((address.clone(), output.to_owned()));
        self.host.output(address, output).await
    }

    async fn existing(&self, query: &Query, attribute: &str) -> Result<Vec<Value>, Failure> {
        self.host.existing(query, attribute).await
    }

    async fn fact(&self, key: &str) -> Result<String, Failure> {
        self.host.fact(key).await
    }

    async fn list_files(&self, folder: &str) -> Result<Vec<FileEntry>, Failure> {
        self.host.list_files(folder).await
    }

    async fn read_file(&self, file: &str, start: u64, most: u32) -> Result<Vec<u8>, Failure> {
        self.host.read_file(file, start, most).await
    }

    fn region(&self) -> &str {
        self.host.region()
    }

    fn written(&self, pointer: &str) -> Option<String> {
        self.host.written(pointer)
    }

    fn is_known(&self, text: &str) -> bool {
        self.host.is_known(text)
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.host.log(level, message);
    }
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}
