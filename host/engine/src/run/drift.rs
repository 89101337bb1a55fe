//! Drift: what is there, beside what the state says.

use futures::StreamExt;
use serde::Serialize;

use crate::kind::OpError;
use crate::names::ResourceAddress;
use crate::plan::FieldChange;
use crate::registry::Registry;
use crate::state::State;

/// One resource that is not as the state has it.
#[derive(Debug, Clone, Serialize)]
pub struct Drift {
    /// The resource.
    pub address: ResourceAddress,
    /// Its id.
    pub id: String,
    /// In what it differs.
    #[serde(flatten)]
    pub found: Found,
}

/// In what a resource differs from the state.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "drift", rename_all = "kebab-case")]
pub enum Found {
    /// It is no longer there.
    Gone,
    /// Fields that somebody changed; `old` is what the state has, `new` what is there.
    Changed {
        /// Each field.
        fields: Vec<FieldChange>,
    },
    /// It could not be read.
    Unread {
        /// Why.
        error: OpError,
    },
}

/// Reads every resource of a state and compares it, `parallelism` at a time. Nothing is changed.
pub async fn drift(registry: &Registry, state: &State, parallelism: usize) -> Vec<Drift> {
    let current = state.resources.iter().filter_map(|(address, record)| Some((address, record.current.as_ref()?)));
    let reads = current.map(|(address, instance)| async move {
        let Some(kind) = registry.kind(address.kind()) else {
            let message = format!("this llmhost knows no resources of kind {}", address.kind());
            let error = OpError::local("read", message);
            return Some(Drift { address: address.clone(), id: instance.id.clone(), found: Found::Unread { error } });
        };
        let found = match kind.read(&instance.id, &instance.spec).await {
            Err(error) => Found::Unread { error },
            Ok(None) => Found::Gone,
            Ok(Some(seen)) => {
                let fields = kind.compare(&instance.spec, &seen.spec).fields;
                if fields.is_empty() {
                    return None;
                }
                Found::Changed { fields }
            }
        };
        Some(Drift { address: address.clone(), id: instance.id.clone(), found })
    });
    let mut all: Vec<Drift> = futures::stream::iter(reads)
        .buffer_unordered(parallelism.max(1))
        .filter_map(|drift| async { drift })
        .collect()
        .await;
    all.sort_by(|a, b| a.address.cmp(&b.address));
    all
}
