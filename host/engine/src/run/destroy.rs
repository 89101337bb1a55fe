//! Destroying: what the state holds goes, users before what they use. No plugin runs.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::event::{Event, Events};
use super::hands::Hands;
use super::remove::{Target, delete_all};
use super::report::{Report, StepFailure};
use super::select::Selection;
use super::{Cancel, WorldError, asks_aws, enter};
use crate::registry::Registry;
use crate::state::{Change, StateStore};

/// Deletes everything in the state, or what a selection takes of it. What could not be deleted stays in the state, and the report
/// says why; another destroy goes on from there.
pub async fn destroy(
    registry: Arc<Registry>,
    store: Arc<dyn StateStore>,
    events: Events,
    cancel: Cancel,
    parallelism: usize,
    selection: &Selection,
) -> Result<Report, WorldError> {
    let state = store.snapshot();
    let registry = registry.with_steps_of(&state);
    if !state.resources.is_empty() {
        enter(&registry, &*store, asks_aws(&registry, state.resources.keys())).await?;
    }
    let hands = Hands::new(registry, store, events.clone(), cancel.clone(), parallelism);
    let going = state.resources.iter().filter(|(address, _)| !selection.leaves_out(address.step()));
    let targets: Vec<_> = going.flat_map(|(address, record)| Target::all(address, record)).collect();
    events.emit(Event::RunStarted { operations: targets.len() });
    let mut report = Report { failures: delete_all(&hands, &state, targets, |_, _| true).await, ..Report::default() };
    report.interrupted = cancel.is_cancelled();
    if report.failures.is_empty() && !report.interrupted {
        let steps: BTreeSet<_> = state.outputs.keys().chain(state.placements.keys()).collect();
        for step in steps.into_iter().filter(|step| !selection.leaves_out(step)) {
            if let Err(reason) = hands.record(Change::StepGone { step: step.clone() }).await {
                report.failures.push(StepFailure { step: step.clone(), address: None, reason });
            }
        }
    }
    report.kept = std::mem::take(&mut *hands.kept.lock().expect("no panic under this lock"));
    report.done.delete = hands.ledger.deletions();
    report.waiting = hands.take_waiting();
    events.emit(Event::Finished { ok: report.is_ok(), done: report.done, failures: report.failures.len() });
    Ok(report)
}
