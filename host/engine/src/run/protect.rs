//! Steps whose resources nobody deletes by a slip: `protect = true`.

use std::collections::BTreeSet;

use super::report::{Reason, StepFailure};
use crate::names::{ResourceAddress, StepName};
use crate::pipeline::Pipeline;
use crate::plan::{Action, Plan, PlannedResource};
use crate::state::{Change, State, StateError, StateStore};

/// The steps that are protected: as the file has it, and where a step is no longer in the file, as
/// it was when it was last applied. Taking a step out of the file lifts nothing.
fn steps(pipeline: &Pipeline, state: &State) -> BTreeSet<StepName> {
    let declared = pipeline.steps.iter().filter(|step| step.protect).map(|step| step.name.clone());
    let gone = state.protected.iter().filter(|name| !pipeline.steps.iter().any(|step| step.name == **name));
    declared.chain(gone.cloned()).collect()
}

/// Every resource in the state that is protected.
pub fn protected(pipeline: &Pipeline, state: &State) -> Vec<ResourceAddress> {
    let steps = steps(pipeline, state);
    state.resources.keys().filter(|address| steps.contains(address.step())).cloned().collect()
}

/// What a plan would delete or replace, and must not.
pub(super) fn violations(plan: &Plan, pipeline: &Pipeline, state: &State) -> Vec<StepFailure> {
    let steps = steps(pipeline, state);
    let endangered = plan.resources.iter().filter(|(address, planned)| {
        let there = state.resources.get(*address).is_some_and(|record| record.current.is_some());
        planned.action.is_destructive() && there && steps.contains(address.step())
    });
    let failure = |(address, planned): (&ResourceAddress, &PlannedResource)| StepFailure {
        step: address.step().clone(),
        address: Some(address.clone()),
        reason: Reason::Protected { replaced: planned.action != Action::Delete },
    };
    endangered.map(failure).collect()
}

/// Remembers which steps are protected, for when they are no longer in the file.
pub(super) async fn remember(pipeline: &Pipeline, store: &dyn StateStore) -> Result<(), StateError> {
    for step in &pipeline.steps {
        if store.look(|state| state.protected.contains(&step.name)) != step.protect {
            store.record(Change::Protected { step: step.name.clone(), on: step.protect }).await?;
        }
    }
    Ok(())
}
