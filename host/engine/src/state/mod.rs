//! What exists, as far as this pipeline made it: a readable document and the journal since.

mod error;
mod journal;
mod local;
mod snapshot;
mod store;
mod writer;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use error::StateError;
pub use local::{LocalStore, Recovered};
pub use store::StateStore;
pub use writer::Cost;

use crate::kind::{Intent, Outputs};
use crate::names::{ResourceAddress, StepName};

/// Everything a run must remember. Small: ids, specs, outputs, edges.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The pipeline it belongs to.
    pub pipeline: String,
    /// What was asked of the outside once and is kept: zone names, the account.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
    /// Every resource.
    #[serde(default)]
    pub resources: BTreeMap<ResourceAddress, ResourceRecord>,
    /// Outputs of every step that finished.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<StepName, Value>,
}

/// What is known of one resource.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceRecord {
    /// The one that counts; absent while a create has not been recorded, or after a replaced
    /// resource was deleted and before its successor was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<Instance>,
    /// A create that was about to happen and whose result was never recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
    /// Predecessors that wait to be deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deposed: Vec<Instance>,
}

/// A resource that exists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    /// AWS's id, or what stands for one.
    pub id: String,
    /// The canonical spec it was last brought in line with (or is being made with).
    pub spec: Value,
    /// Its outputs.
    #[serde(default)]
    pub outputs: Outputs,
    /// Resources that must be gone after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<ResourceAddress>,
    /// Made, but not yet brought in line: the next run finishes it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unfinished: bool,
    /// Made, but it came up broken, and why: the next run makes it anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
}

/// A create that was about to happen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pending {
    /// Its token, for finding what it made.
    pub intent: Intent,
    /// The spec it was made with.
    pub spec: Value,
    /// Resources that must be gone after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<ResourceAddress>,
}

/// One thing that happened: a line of the journal. Applying the same change twice is the same as
/// applying it once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Change {
    /// A fact was asked for and answered.
    Fact {
        /// Its key.
        key: String,
        /// The answer.
        value: String,
    },
    /// A create is about to happen.
    Intent {
        /// What was about to happen.
        pending: Pending,
    },
    /// A resource is as recorded here now; ends its intent.
    Current {
        /// The resource.
        address: ResourceAddress,
        /// What is known of it.
        instance: Instance,
    },
    /// The current one makes room for its successor and waits to be deleted.
    Depose {
        /// The resource.
        address: ResourceAddress,
    },
    /// The instance with this id is gone, be it current or deposed.
    Gone {
        /// The resource.
        address: ResourceAddress,
        /// Its id.
        id: String,
    },
    /// A create whose result was never recorded made nothing.
    NothingMade {
        /// The resource.
        address: ResourceAddress,
    },
    /// A step finished.
    StepDone {
        /// The step.
        step: StepName,
        /// Its outputs.
        outputs: Value,
    },
    /// A step is no longer in the file.
    StepGone {
        /// The step.
        step: StepName,
    },
}

impl State {
    /// Takes one change in.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Fact { key, value } => {
                self.facts.insert(key, value);
            }
            Change::Intent { pending } => {
                let address = pending.intent.address.clone();
                self.resources.entry(address).or_default().pending = Some(pending);
            }
            Change::Current { address, instance } => {
                let record = self.resources.entry(address).or_default();
                record.pending = None;
                record.current = Some(instance);
            }
            Change::Depose { address } => {
                if let Some(record) = self.resources.get_mut(&address)
                    && let Some(instance) = record.current.take()
                {
                    record.deposed.push(instance);
                }
            }
            Change::Gone { address, id } => self.edit(&address, |record| {
                record.deposed.retain(|old| old.id != id);
                if record.current.as_ref().is_some_and(|current| current.id == id) {
                    record.current = None;
                }
            }),
            Change::NothingMade { address } => self.edit(&address, |record| record.pending = None),
            Change::StepDone { step, outputs } => {
                self.outputs.insert(step, outputs);
            }
            Change::StepGone { step } => {
                self.outputs.remove(&step);
            }
        }
    }

    /// Edits a record, and drops it where nothing is left of it.
    fn edit(&mut self, address: &ResourceAddress, edit: impl FnOnce(&mut ResourceRecord)) {
        if let Some(record) = self.resources.get_mut(address) {
            edit(record);
            if *record == ResourceRecord::default() {
                self.resources.remove(address);
            }
        }
    }
}
