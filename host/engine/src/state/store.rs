//! Where the state is kept between runs.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde_json::Value;

use super::{Change, ResourceRecord, State, StateError};
use crate::names::{ResourceAddress, StepName};

/// A state that is open for one run. Whoever has it open is the only one to change it.
#[async_trait]
pub trait StateStore: Send + Sync {
    /// Records a change. When this returns, the change survives a crash.
    async fn record(&self, change: Change) -> Result<(), StateError>;

    /// Whether the state is still this run's to change. Asked before anything is begun.
    fn check(&self) -> Result<(), StateError> {
        Ok(())
    }

    /// Looks at the state as it is now, changes that are being recorded included.
    fn with(&self, look: &mut dyn FnMut(&State));

    /// Ends the run: compacts, and lets others in.
    async fn close(&self) -> Result<(), StateError>;
}

impl dyn StateStore + '_ {
    /// Looks at the state and gives what was seen.
    pub fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        let (mut look, mut seen) = (Some(look), None);
        self.with(&mut |state| seen = look.take().map(|look| look(state)));
        seen.expect("a store shows its state once")
    }

    /// The whole state, copied.
    pub fn snapshot(&self) -> State {
        self.look(State::clone)
    }

    /// What is known of one resource.
    pub fn resource(&self, address: &ResourceAddress) -> Option<ResourceRecord> {
        self.look(|state| state.resources.get(address).cloned())
    }

    /// The outputs of a step that finished.
    pub fn outputs(&self, step: &StepName) -> Option<Value> {
        self.look(|state| state.outputs.get(step).cloned())
    }

    /// Whether a step finished with these outputs, of which these are not to be shown.
    pub fn has_outputs(&self, step: &StepName, outputs: &Value, sensitive: &BTreeSet<String>) -> bool {
        self.look(|state| {
            let hidden = state.sensitive.get(step);
            state.outputs.get(step) == Some(outputs)
                && hidden.map_or(sensitive.is_empty(), |hidden| hidden == sensitive)
        })
    }

    /// A fact that was asked for before.
    pub fn fact(&self, key: &str) -> Option<String> {
        self.look(|state| state.facts.get(key).cloned())
    }
}
