//! What a run did, held against what was planned: address by address.

use std::sync::Mutex;

use super::event::Operation;
use super::report::Departure;
use crate::names::ResourceAddress;
use crate::plan::{Action, Plan, PlannedResource, Summary};
use crate::state::State;

/// Every operation of a run that succeeded.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<Vec<Entry>>);

struct Entry {
    address: ResourceAddress,
    operation: Operation,
    id: String,
}

impl Ledger {
    /// Notes an operation that succeeded.
    pub(crate) fn note(&self, address: &ResourceAddress, operation: Operation, id: &str) {
        let entry = Entry { address: address.clone(), operation, id: id.to_owned() };
        self.0.lock().expect("no panic under this lock").push(entry);
    }

    /// How many instances were deleted.
    pub(crate) fn deletions(&self) -> usize {
        let entries = self.0.lock().expect("no panic under this lock");
        entries.iter().filter(|entry| entry.operation == Operation::Delete).count()
    }

    /// How much of a plan was done. `state` is the state after the run.
    pub(crate) fn summary(&self, plan: &Plan, state: &State) -> Summary {
        let mut summary = Summary { keep: plan.summary().keep, ..Summary::default() };
        for (address, planned) in &plan.resources {
            if self.is_done(address, planned, state) {
                summary.count(planned);
            }
            summary.delete += planned.leftovers.iter().filter(|id| self.deleted(address, id)).count();
        }
        summary
    }

    /// Where a run that failed nowhere still did something else than was planned.
    pub(crate) fn departures(&self, plan: &Plan, state: &State) -> Vec<Departure> {
        let planned = plan.resources.iter().filter(|(_, planned)| planned.action != Action::Keep);
        let undone = planned.filter(|(address, planned)| {
            !self.is_done(address, planned, state) || !planned.leftovers.iter().all(|id| self.deleted(address, id))
        });
        let mut departures: Vec<_> = undone.map(|(address, _)| Departure::NotDone(address.clone())).collect();
        let entries = self.0.lock().expect("no panic under this lock");
        let unasked = entries.iter().filter(|entry| {
            let planned = plan.resources.get(&entry.address);
            planned.is_none_or(|planned| planned.action == Action::Keep && planned.leftovers.is_empty())
        });
        departures.extend(unasked.map(|entry| Departure::Unasked(entry.address.clone())));
        departures
    }

    fn is_done(&self, address: &ResourceAddress, planned: &PlannedResource, state: &State) -> bool {
        let any = |operations: &[Operation]| {
            let entries = self.0.lock().expect("no panic under this lock");
            entries.iter().any(|entry| entry.address == *address && operations.contains(&entry.operation))
        };
        match planned.action {
            Action::Keep => false,
            Action::Create | Action::Finish | Action::Update => {
                any(&[Operation::Create, Operation::Finish, Operation::Update])
            }
            Action::Replace { .. } => any(&[Operation::Create, Operation::Finish]),
            Action::Delete => !state.resources.contains_key(address),
        }
    }

    fn deleted(&self, address: &ResourceAddress, id: &str) -> bool {
        let entries = self.0.lock().expect("no panic under this lock");
        let mut of_address = entries.iter().filter(|entry| entry.address == *address);
        of_address.any(|entry| entry.operation == Operation::Delete && entry.id == id)
    }
}
