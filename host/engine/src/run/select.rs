//! A run of some steps only: the others stay as they are, and their outputs are those of the state.

use std::collections::BTreeSet;

use serde_json::Value;

use super::common::Common;
use crate::diagnostic::did_you_mean;
use crate::graph::StepGraph;
use crate::names::{ResourceAddress, StepName};
use crate::pipeline::Pipeline;
use crate::state::State;

/// Which steps a run is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only these; all where there are none.
    only: BTreeSet<StepName>,
    /// Not these.
    exclude: BTreeSet<StepName>,
}

/// A step that is not in the file.
#[derive(Debug, thiserror::Error)]
#[error("there is no step '{name}'")]
pub struct UnknownStep {
    /// As it was asked for.
    pub name: String,
    /// One that reads like it.
    pub near: Option<String>,
    /// All that there are.
    pub known: Vec<StepName>,
}

/// What a selection means for steps that need each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consequences {
    /// Steps that are left out.
    pub left_out: Vec<StepName>,
    /// A step, and one that it needs, that is left out and was never finished: this cannot be done.
    pub missing: Vec<(StepName, StepName)>,
    /// A step, and one that it needs, that is left out: its outputs are those of the last run.
    pub older: Vec<(StepName, StepName)>,
    /// A step that is left out, and one that it needs and that may change: it is not told.
    pub stale: Vec<(StepName, StepName)>,
}

impl Selection {
    /// Takes names of steps of the file, as a user gave them.
    pub fn new(pipeline: &Pipeline, only: &[String], exclude: &[String]) -> Result<Self, UnknownStep> {
        Self::among(pipeline.steps.iter().map(|step| &step.name).collect(), only, exclude)
    }

    /// Takes names of steps of the file, and of those that only the state has still.
    pub fn with_gone(
        pipeline: &Pipeline,
        state: &State,
        only: &[String],
        exclude: &[String],
    ) -> Result<Self, UnknownStep> {
        let of_state = state.resources.keys().map(ResourceAddress::step).chain(state.outputs.keys());
        Self::among(pipeline.steps.iter().map(|step| &step.name).chain(of_state).collect(), only, exclude)
    }

    fn among(known: BTreeSet<&StepName>, only: &[String], exclude: &[String]) -> Result<Self, UnknownStep> {
        // The name of a step that is repeated means all of them.
        let find = |name: &String| {
            let asked = name.parse::<StepName>().ok();
            let is_meant = |step: &StepName| asked.as_ref().is_some_and(|asked| step.is_part_of(asked.as_str()));
            let found: Vec<StepName> = known.iter().filter(|step| is_meant(step)).map(|step| (*step).clone()).collect();
            if !found.is_empty() {
                return Ok(found);
            }
            Err(UnknownStep {
                name: name.clone(),
                near: did_you_mean(name, known.iter().map(|step| step.as_str())).map(str::to_owned),
                known: known.iter().map(|step| (*step).clone()).collect(),
            })
        };
        let names = |all: &[String]| {
            let found: Result<Vec<_>, _> = all.iter().map(find).collect();
            found.map(|found| found.into_iter().flatten().collect::<BTreeSet<_>>())
        };
        Ok(Self { only: names(only)?, exclude: names(exclude)? })
    }

    /// Whether a step stays as it is. With `only`, one that is no longer in the file does, too.
    pub fn leaves_out(&self, step: &StepName) -> bool {
        self.exclude.contains(step) || (!self.only.is_empty() && !self.only.contains(step))
    }

    pub(super) fn consequences(&self, graph: &StepGraph, state: &State) -> Consequences {
        let mut found = Consequences::default();
        for &step in graph.order() {
            let name = graph.name(step);
            let out = self.leaves_out(name);
            if out {
                found.left_out.push(name.clone());
            }
            for needed in graph.needs(step).into_iter().map(|needed| graph.name(needed)) {
                let pair = || (name.clone(), needed.clone());
                match (out, self.leaves_out(needed)) {
                    (false, true) if state.outputs.contains_key(needed) => found.older.push(pair()),
                    (false, true) => found.missing.push(pair()),
                    (true, false) => found.stale.push(pair()),
                    _ => {}
                }
            }
        }
        found
    }
}

/// The outputs of a step that is left out; and whoever comes after it knows its resources.
pub(super) fn keep(common: &Common, state: &State, step: &StepName) -> Value {
    for (address, record) in state.resources.iter().filter(|(address, _)| address.step() == step) {
        let Some(current) = &record.current else { continue };
        common.book.declare(address, std::sync::Arc::new(current.spec.clone()));
        for (name, value) in &current.outputs {
            common.identify(address, name, value);
        }
    }
    state.outputs.get(step).cloned().unwrap_or(Value::Null)
}
