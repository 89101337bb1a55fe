//! What a provider is where its service may not be asked.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::provider::{Call, CallError, CallErrorClass, Described, Made, Provider, ProviderError, Seen};

/// Stands in for a provider: it keeps in memory what is made, and makes outputs up. No code of the provider runs after it has said
/// what its kinds are.
pub(crate) struct StandIn {
    described: Described,
    /// By id.
    kept: Mutex<BTreeMap<String, Kept>>,
}

struct Kept {
    kind: String,
    token: String,
    spec: Value,
}

impl StandIn {
    /// For the provider that says this of itself.
    pub(crate) fn new(described: Described) -> Self {
        Self { described, kept: Mutex::default() }
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<String, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A text for every output of the kind.
    fn outputs(&self, kind: &str, id: &str) -> String {
        let doc = self.described.kinds.iter().find(|doc| doc.name == kind);
        let outputs = doc.into_iter().flat_map(|doc| &doc.outputs);
        let values = outputs.map(|output| (output.name.clone(), Value::from(format!("emulated-{}-{id}", output.name))));
        Value::Object(values.collect::<Map<_, _>>()).to_string()
    }

    fn made(&self, kind: &str, id: &str) -> Made {
        Made { id: id.to_owned(), outputs: self.outputs(kind, id) }
    }
}

fn gone(id: &str) -> CallError {
    let message = format!("there is no {id}");
    CallError::Returned(ProviderError { class: CallErrorClass::NotFound, code: None, message, advice: None })
}

#[async_trait]
impl Provider for StandIn {
    fn description(&self) -> &Described {
        &self.described
    }

    async fn create(&self, call: Call<'_>, spec: &Value, token: &str) -> Result<Made, CallError> {
        let id = format!("{}-{token}", call.kind);
        let kept = Kept { kind: call.kind.to_owned(), token: token.to_owned(), spec: spec.clone() };
        self.kept().insert(id.clone(), kept);
        Ok(self.made(call.kind, &id))
    }

    async fn find(&self, call: Call<'_>, _: &Value, token: &str) -> Result<Option<Made>, CallError> {
        let kept = self.kept();
        let found = kept.iter().find(|(_, kept)| kept.kind == call.kind && kept.token == token);
        Ok(found.map(|(id, _)| self.made(call.kind, id)))
    }

    async fn read(&self, call: Call<'_>, id: &str, _: &Value) -> Result<Option<Seen>, CallError> {
        let spec = self.kept().get(id).map(|kept| kept.spec.to_string());
        Ok(spec.map(|spec| Seen { id: id.to_owned(), spec, outputs: self.outputs(call.kind, id) }))
    }

    async fn update(&self, call: Call<'_>, id: &str, _: &Value, new: &Value) -> Result<String, CallError> {
        self.kept().get_mut(id).ok_or_else(|| gone(id))?.spec = new.clone();
        Ok(self.outputs(call.kind, id))
    }

    async fn delete(&self, _: Call<'_>, id: &str, _: &Value) -> Result<(), CallError> {
        self.kept().remove(id);
        Ok(())
    }
}
