//! Changes that a service is known to refuse: said when they are planned, before anything begins.

use super::report::{Reason, StepFailure};
use crate::names::ResourceAddress;
use crate::plan::{Action, Plan, PlannedResource};
use crate::registry::Registry;
use crate::state::State;

/// The updates of a plan that cannot be made.
pub(super) fn violations(plan: &Plan, registry: &Registry, state: &State) -> Vec<StepFailure> {
    let refused = |(address, planned): (&ResourceAddress, &PlannedResource)| {
        if !matches!(planned.action, Action::Update | Action::Finish) {
            return None;
        }
        let current = state.resources.get(address)?.current.as_ref()?;
        let reason = registry.kind_of(address)?.check_change(&current.spec, &planned.spec).err()?;
        Some(StepFailure {
            step: address.step().clone(),
            address: Some(address.clone()),
            reason: Reason::Declaration(reason),
        })
    };
    plan.resources.iter().filter_map(refused).collect()
}
