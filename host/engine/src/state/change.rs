//! What can happen to a state: the lines of its journal.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexSet;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Instance, Pending, Placed, ResourceRecord, State};
use crate::names::{ResourceAddress, StepName};
use crate::world::World;

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
    /// The state belongs to this world from now on.
    World {
        /// Which.
        world: World,
    },
    /// The resources of a step live elsewhere from now on, or where those of the pipeline live.
    StepPlaced {
        /// The step.
        step: StepName,
        /// Where; absent for the pipeline's own world.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        placed: Option<Placed>,
    },
    /// A create is about to happen. A current one that makes room for it waits to be deleted.
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
    /// The instance with this id is gone, be it current or deposed.
    Gone {
        /// The resource.
        address: ResourceAddress,
        /// Its id.
        id: String,
    },
    /// A create whose result was never recorded made nothing. A predecessor that made room for it
    /// is the current one again.
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
        /// Which of them are not to be shown.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        sensitive: BTreeSet<String>,
    },
    /// What the file itself gives is this from now on.
    FileOutputs {
        /// Its outputs.
        outputs: BTreeMap<String, Value>,
        /// Which of them are not to be shown.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        sensitive: BTreeSet<String>,
    },
    /// A step is no longer in the file.
    StepGone {
        /// The step.
        step: StepName,
    },
    /// A step's resources are not to be deleted, or are again.
    Protected {
        /// The step.
        step: StepName,
        /// Whether they are protected.
        on: bool,
    },
    /// A resource is no longer looked after: it stays where it is.
    Forgotten {
        /// The resource.
        address: ResourceAddress,
    },
    /// A resource is called otherwise from now on.
    Moved {
        /// As it was called.
        from: ResourceAddress,
        /// As it is called.
        to: ResourceAddress,
    },
    /// A step is called otherwise from now on, with everything in it.
    StepMoved {
        /// As it was called.
        from: StepName,
        /// As it is called.
        to: StepName,
    },
    /// The pipeline is called otherwise from now on.
    PipelineMoved {
        /// As it is called.
        to: String,
    },
    /// The state is kept elsewhere from now on: nobody goes on with this one, which stays as it is.
    MovedAway {
        /// Where.
        to: String,
    },
    /// The state that was kept elsewhere is kept here from now on.
    MovedIn {
        /// All of it.
        state: Box<State>,
    },
}

impl State {
    /// Takes one change in.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Fact { key, value } => {
                self.facts.insert(key, value);
            }
            Change::World { world } => self.enter(world),
            Change::StepPlaced { step, placed: Some(placed) } => {
                self.placements.insert(step, placed);
            }
            Change::StepPlaced { step, placed: None } => {
                self.placements.remove(&step);
            }
            Change::Intent { pending } => {
                let record = self.resources.entry(pending.intent.address.clone()).or_default();
                if let Some(current) = record.current.take_if(|current| Some(&current.id) == pending.replaces.as_ref())
                {
                    record.deposed.push(current);
                }
                record.pending = Some(pending);
            }
            Change::Current { address, instance } => {
                let record = self.resources.entry(address).or_default();
                record.pending = None;
                record.current = Some(instance);
            }
            Change::Gone { address, id } => self.edit(&address, |record| {
                record.deposed.retain(|old| old.id != id);
                if record.current.as_ref().is_some_and(|current| current.id == id) {
                    record.current = None;
                }
            }),
            Change::NothingMade { address } => self.edit(&address, |record| {
                let predecessor = record.pending.take().and_then(|pending| pending.replaces);
                let at = record.deposed.iter().position(|old| Some(&old.id) == predecessor.as_ref());
                if let (None, Some(at)) = (&record.current, at) {
                    record.current = Some(record.deposed.remove(at));
                }
            }),
            Change::StepDone { step, outputs, sensitive } => {
                match sensitive.is_empty() {
                    true => self.sensitive.remove(&step),
                    false => self.sensitive.insert(step.clone(), sensitive),
                };
                self.outputs.insert(step, outputs);
            }
            Change::StepGone { step } => {
                self.outputs.remove(&step);
                self.sensitive.remove(&step);
                self.protected.remove(&step);
                // What could not be deleted is found there.
                if !self.holds(&step) {
                    self.placements.remove(&step);
                }
                // They may have been its outputs. A run that goes on sets them again.
                self.forget_file_outputs();
            }
            Change::FileOutputs { outputs, sensitive } => {
                self.file_outputs = outputs;
                self.sensitive_file_outputs = sensitive;
            }
            Change::Protected { step, on: true } => {
                self.protected.insert(step);
            }
            Change::Protected { step, on: false } => {
                self.protected.remove(&step);
            }
            Change::Forgotten { address } => {
                self.resources.remove(&address);
                self.each_use(|used, bound| {
                    used.retain(|used| *used != address);
                    bound.remove(&address);
                });
            }
            // Two records never become one: what is taken stays as it is.
            Change::Moved { from, to } if !self.resources.contains_key(&to) => {
                self.rename(|address| if *address == from { to.clone() } else { address.clone() });
            }
            Change::StepMoved { from, to } if !self.has_step(&to) => {
                self.rename(|address| if *address.step() == from { address.in_step(&to) } else { address.clone() });
                if self.protected.remove(&from) {
                    self.protected.insert(to.clone());
                }
                if let Some(placed) = self.placements.remove(&from) {
                    self.placements.insert(to.clone(), placed);
                }
                if let Some(sensitive) = self.sensitive.remove(&from) {
                    self.sensitive.insert(to.clone(), sensitive);
                }
                if let Some(outputs) = self.outputs.remove(&from) {
                    self.outputs.insert(to, outputs);
                }
            }
            Change::Moved { .. } | Change::StepMoved { .. } => {}
            Change::PipelineMoved { to } if to != self.pipeline => {
                self.was_called = Some(std::mem::replace(&mut self.pipeline, to));
            }
            Change::PipelineMoved { .. } => {}
            Change::MovedAway { to } => self.moved_to = Some(to),
            Change::MovedIn { state } => *self = *state,
        }
    }

    /// Makes a world this state's. Where nothing lives in the one before, what was asked there says
    /// nothing of this one.
    pub fn enter(&mut self, world: World) {
        if self.resources.is_empty() && self.world.as_ref() != Some(&world) {
            self.facts.clear();
            self.outputs.clear();
            self.sensitive.clear();
            self.forget_file_outputs();
        }
        self.world = Some(world);
    }

    fn forget_file_outputs(&mut self) {
        self.file_outputs.clear();
        self.sensitive_file_outputs.clear();
    }

    /// Whether anything is known of a step.
    pub fn has_step(&self, step: &StepName) -> bool {
        self.outputs.contains_key(step) || self.holds(step)
    }

    /// Calls resources otherwise, where they stand and where others depend on them.
    fn rename(&mut self, name: impl Fn(&ResourceAddress) -> ResourceAddress) {
        let records = std::mem::take(&mut self.resources);
        self.resources = records.into_iter().map(|(address, record)| (name(&address), record)).collect();
        self.each_use(|used, bound| {
            let renamed: IndexSet<_> = used.iter().map(&name).collect();
            *used = renamed.into_iter().collect();
            // What had the new name before is gone, though somebody may have been bound to it.
            let (moved, mut stayed): (BTreeMap<_, _>, BTreeMap<_, _>) =
                std::mem::take(bound).into_iter().partition(|(used, _)| name(used) != *used);
            stayed.extend(moved.into_iter().map(|(used, generation)| (name(&used), generation)));
            *bound = stayed;
        });
    }

    /// Edits what each instance depends on and is bound to.
    fn each_use(&mut self, edit: impl Fn(&mut Vec<ResourceAddress>, &mut BTreeMap<ResourceAddress, String>)) {
        for record in self.resources.values_mut() {
            let instances = record.current.iter_mut().chain(&mut record.deposed);
            instances.for_each(|instance| edit(&mut instance.depends_on, &mut instance.bound));
            record.pending.iter_mut().for_each(|pending| edit(&mut pending.depends_on, &mut pending.bound));
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
