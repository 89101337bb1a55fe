//! What the changes of a plan interrupt, noted when it is settled which of two comes first.

use crate::kind::ChangeKind;
use crate::plan::{Action, Plan};
use crate::registry::Registry;
use crate::state::State;

/// Asks the kind of each resource that is changed.
pub(super) fn note(plan: &mut Plan, state: &State, registry: &Registry) {
    for (address, planned) in &mut plan.resources {
        let how = match planned.action {
            Action::Update => ChangeKind::Update,
            Action::Replace { order } => ChangeKind::Replace(order),
            _ => continue,
        };
        let current = state.resources.get(address).and_then(|record| record.current.as_ref());
        // What came up broken serves nobody.
        let Some(current) = current.filter(|current| current.broken.is_none()) else { continue };
        // After an update that did not end, some of it may still be as it was before.
        let old = current.was.as_ref().filter(|_| current.is_half_updated()).unwrap_or(&current.spec);
        planned.interrupts = registry.kind_of(address).and_then(|kind| kind.interrupts(old, &planned.spec, how));
    }
}
