//! The host that a plugin sees when it is held to its plan: nothing is unknown, and nothing happens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use indexmap::IndexMap;
use serde_json::Value;

use super::samples::Samples;
use crate::kind::Outputs;
use crate::look_up::Query;
use crate::names::{ResourceAddress, StepName};
use crate::pipeline::FieldPath;
use crate::plugin::{Capabilities, Failure, FileEntry, LogLevel};
use crate::run::common::Common;
use crate::run::files::Files;
use crate::run::{existing, facts};
use crate::state::State;
use crate::unknown;

/// A declared resource: its canonical spec and what it depends on.
pub(super) struct Declared {
    pub(super) spec: Arc<Value>,
    pub(super) depends_on: Vec<ResourceAddress>,
}

/// One more run of a plugin whose step is planned. What it declares stays here.
pub(super) struct ProbeSession {
    pub(super) common: Arc<Common>,
    pub(super) state: Arc<State>,
    pub(super) step: StepName,
    /// The `with` table as the file has it.
    pub(super) written: Arc<Value>,
    /// Outputs that the plan knows.
    pub(super) known: Arc<HashMap<ResourceAddress, Outputs>>,
    /// Fields that stay as they are in a resource, and its spec.
    pub(super) ignored: Arc<HashMap<ResourceAddress, (Vec<FieldPath>, Value)>>,
    pub(super) samples: Samples,
    pub(super) seen: Mutex<Seen>,
    /// As the plan has read them.
    pub(super) files: Arc<Files>,
}

/// What the plugin did.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) declared: IndexMap<ResourceAddress, Declared>,
    pub(super) refused: Vec<String>,
}

impl ProbeSession {
    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sample(&self, token: String) -> Value {
        match self.samples.get(&token) {
            Some(sample) => sample.value,
            None => Value::String(token),
        }
    }
}

#[async_trait]
impl Capabilities for ProbeSession {
    fn declare(&self, kind: &str, name: &str, spec: Value, after: &[String]) -> Result<ResourceAddress, Failure> {
        // The kind sees tokens as it did in the plan: what it thinks of a sample says nothing about the plugin.
        let spec = self.samples.restore(spec);
        let ignored = ResourceAddress::new(&self.step, kind, name).ok().and_then(|address| self.ignored.get(&address));
        let ignored = ignored.map(|(fields, there)| (&fields[..], there));
        let declared = self.common.declare(&self.step, &self.written, kind, name, spec, after, ignored);
        let declaration = declared.inspect_err(|failure| self.seen().refused.push(failure.to_string()))?;
        let declared = Declared { spec: declaration.spec, depends_on: declaration.depends_on };
        self.seen().declared.insert(declaration.address.clone(), declared);
        Ok(declaration.address)
    }

    async fn output(&self, address: &ResourceAddress, output: &str) -> Result<Value, Failure> {
        match self.known.get(address).and_then(|outputs| outputs.get(output)) {
            Some(value) if !unknown::any_unknown(value) => {
                self.common.identify(address, output, value);
                Ok(value.clone())
            }
            Some(value) => Ok(self.samples.fill(value)),
            None => Ok(self.sample(unknown::output(address, output))),
        }
    }

    async fn fact(&self, key: &str) -> Result<String, Failure> {
        let key = &*self.common.pipeline.fact_key(&self.step, key);
        if let Some(known) = facts::known(&self.common, &self.state, key) {
            return Ok(known);
        }
        match self.sample(unknown::fact(key)) {
            Value::String(text) => Ok(text),
            other => Ok(other.to_string()),
        }
    }

    async fn existing(&self, query: &Query, attribute: &str) -> Result<Vec<Value>, Failure> {
        let query: Query =
            serde_json::from_value(self.samples.restore(serde_json::to_value(query).unwrap_or_default()))
                .unwrap_or_else(|_| query.clone());
        let seen = Mutex::default();
        match existing::attribute(&self.common, &self.state, &self.step, &query, attribute, &seen).await {
            Ok(Some(values)) => Ok(values),
            Ok(None) => Ok(vec![self.sample(existing::token(&query, attribute))]),
            Err(error) => Err(Failure::refused(error.to_string())),
        }
    }

    async fn list_files(&self, folder: &str) -> Result<Vec<FileEntry>, Failure> {
        Ok(self.files.list(folder)?)
    }

    async fn read_file(&self, file: &str, start: u64, most: u32) -> Result<Vec<u8>, Failure> {
        Ok(self.files.read(file, start, most).await?)
    }

    fn region(&self) -> &str {
        self.common.pipeline.region_of(&self.step)
    }

    fn written(&self, pointer: &str) -> Option<String> {
        self.common.pipeline.written(&self.step, pointer)
    }

    fn log(&self, _: LogLevel, _: &str) {}
}
