//! Drift: what is there, beside what the state says.

use std::collections::HashSet;

use futures::StreamExt;
use serde::Serialize;
use serde_json::Value;

use super::{WorldError, ignored, same_world};
use crate::kind::OpError;
use crate::names::ResourceAddress;
use crate::pipeline::{FieldPath, Pipeline};
use crate::plan::FieldChange;
use crate::registry::{DynKind, Registry};
use crate::state::{Change, Instance, State, StateError, StateStore};
use crate::tags;

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

/// Reads every resource of a state and compares it, `parallelism` at a time. Nothing is changed. Refused
/// in another world than the state's: there, everything would look gone.
pub async fn drift(registry: &Registry, state: &State, parallelism: usize) -> Result<Vec<Drift>, WorldError> {
    let registry = &*registry.with_steps_of(state);
    if !state.resources.is_empty() {
        same_world(registry, state).await?;
    }
    Ok(drift_at(registry, state, parallelism).await)
}

/// As [`drift`], wherever this run is: to find out whether what a state holds is here.
pub async fn drift_at(registry: &Registry, state: &State, parallelism: usize) -> Vec<Drift> {
    let registry = &*registry.with_steps_of(state);
    seen(registry, state, None, parallelism).await.into_iter().filter_map(|(_, drift, _)| drift).collect()
}

/// As [`drift`], without the fields that the pipeline's file says to ignore.
pub async fn drift_from(
    pipeline: &Pipeline,
    registry: &Registry,
    state: &State,
    parallelism: usize,
) -> Result<Vec<Drift>, WorldError> {
    let registry = &*registry.with_steps_of(state);
    if !state.resources.is_empty() {
        same_world(registry, state).await?;
    }
    let seen = seen(registry, state, Some(pipeline), parallelism).await;
    Ok(seen.into_iter().filter_map(|(_, drift, _)| drift).collect())
}

/// What was found, and what it makes of the state.
pub struct Refresh {
    /// Each resource that differs.
    pub drift: Vec<Drift>,
    changes: Vec<Change>,
}

impl Refresh {
    /// Whether something could not be read, so that nothing can be said of it.
    pub fn is_partial(&self) -> bool {
        self.drift.iter().any(|drift| matches!(drift.found, Found::Unread { .. }))
    }

    /// The state as it is there.
    pub fn apply_to(&self, state: &mut State) {
        self.changes.iter().cloned().for_each(|change| state.apply(change));
    }

    /// Takes what is there into the state.
    pub async fn record(&self, store: &dyn StateStore) -> Result<(), StateError> {
        for change in &self.changes {
            store.record(change.clone()).await?;
        }
        Ok(())
    }
}

/// Reads every resource of a state, for a plan that starts from what is there: what is gone is to be
/// made again, what somebody changed is to be brought back. Refused in another world than the state's:
/// there, everything would look gone.
pub async fn refresh(registry: &Registry, state: &State, parallelism: usize) -> Result<Refresh, WorldError> {
    refresh_from(None, registry, state, parallelism).await
}

/// As [`refresh`]. Fields that the pipeline's file says to ignore are taken as they are there, and are no drift.
pub async fn refresh_from(
    pipeline: Option<&Pipeline>,
    registry: &Registry,
    state: &State,
    parallelism: usize,
) -> Result<Refresh, WorldError> {
    let registry = &*registry.with_steps_of(state);
    if !state.resources.is_empty() {
        same_world(registry, state).await?;
    }
    let (mut drift, mut changes) = (Vec::new(), Vec::new());
    for (address, found, instance) in seen(registry, state, pipeline, parallelism).await {
        match (&found, instance) {
            (Some(Drift { found: Found::Gone, id, .. }), _) => changes.push(Change::Gone { address, id: id.clone() }),
            (_, Some(instance)) => changes.push(Change::Current { address, instance }),
            (_, None) => {}
        }
        drift.extend(found);
    }
    Ok(Refresh { drift, changes })
}

/// Each resource that differs, and how it is now, in order.
async fn seen(
    registry: &Registry,
    state: &State,
    pipeline: Option<&Pipeline>,
    parallelism: usize,
) -> Vec<(ResourceAddress, Option<Drift>, Option<Instance>)> {
    let current = state.resources.iter().filter_map(|(address, record)| Some((address, record.current.as_ref()?)));
    let reads = current.map(|(address, instance)| async move {
        let ignored = pipeline.map(|pipeline| pipeline.ignored(address)).unwrap_or_default();
        let (found, now) = look(registry, address, instance, &ignored).await?;
        let drift = found.map(|found| Drift { address: address.clone(), id: instance.id.clone(), found });
        Some((address.clone(), drift, now))
    });
    let mut all: Vec<_> = futures::stream::iter(reads)
        .buffer_unordered(parallelism.max(1))
        .filter_map(|found| async { found })
        .collect()
        .await;
    all.sort_by(|(a, ..), (b, ..)| a.cmp(b));
    all
}

async fn look(
    registry: &Registry,
    address: &ResourceAddress,
    instance: &Instance,
    ignored: &[FieldPath],
) -> Option<(Option<Found>, Option<Instance>)> {
    let Some(kind) = registry.kind_of(address) else {
        let message = format!("this llmhost knows no resources of kind {}", address.kind());
        return Some((Some(Found::Unread { error: OpError::local("read", message) }), None));
    };
    match kind.read(&instance.id, &instance.spec).await {
        Err(error) => Some((Some(Found::Unread { error }), None)),
        Ok(None) => Some((Some(Found::Gone), None)),
        Ok(Some(mut seen)) => {
            let known: Vec<&Value> = [Some(&instance.spec), instance.was.as_ref()].into_iter().flatten().collect();
            tags::leave_others(&mut seen.spec, &known);
            let mut minded = seen.spec.clone();
            ignored::copy(ignored, &instance.spec, &mut minded);
            let fields = changed(&**kind, instance, &minded);
            if fields.is_empty() && (minded == seen.spec || changed(&**kind, instance, &seen.spec).is_empty()) {
                return None;
            }
            let was = instance.was.as_ref().map(|_| seen.spec.clone());
            let mut now = Instance { spec: seen.spec, was, ..instance.clone() };
            now.outputs.extend(seen.outputs);
            Some(((!fields.is_empty()).then_some(Found::Changed { fields }), Some(now)))
        }
    }
}

/// The fields that somebody else changed. After an update that did not end, each field may have its value
/// from before the update or from after it: neither is drift.
fn changed(kind: &dyn DynKind, instance: &Instance, seen: &Value) -> Vec<FieldChange> {
    let mut fields = kind.compare(&instance.spec, seen).fields;
    if let Some(was) = instance.was.as_ref().filter(|_| instance.unfinished) {
        let since: HashSet<String> = kind.compare(was, seen).fields.into_iter().map(|field| field.path).collect();
        fields.retain(|field| since.contains(&field.path));
    }
    fields
}
