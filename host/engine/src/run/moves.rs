//! Resources that are called otherwise now: declared in `[[moved]]`, or recognised by what they are.
//! A move changes the state and nothing in the cloud.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::Value;

use super::report::{Reason, StepFailure};
use crate::names::{ResourceAddress, StepName};
use crate::pipeline::Pipeline;
use crate::placement::Placement;
use crate::plan::{Action, Move, Plan};
use crate::registry::Registry;
use crate::state::{Change, Instance, State};
use crate::unknown;

/// The moves of `[[moved]]` that are still to be made.
pub(super) fn declared(pipeline: &Pipeline, state: &State) -> Vec<Move> {
    let moves = pipeline.moved.iter().map(|moved| &moved.change);
    moves.filter(|change| is_open(change, state)).cloned().collect()
}

fn is_open(change: &Move, state: &State) -> bool {
    match change {
        Move::Step { from, to } => state.has_step(from) && !state.has_step(to),
        Move::Resource { from, to } => state.resources.contains_key(from) && !state.resources.contains_key(to),
    }
}

/// Moves to where something is already: what is there would be lost, and what is moved would be deleted.
pub(super) fn taken(pipeline: &Pipeline, state: &State) -> Vec<StepFailure> {
    let failure = |(from, to): (ResourceAddress, ResourceAddress)| StepFailure {
        step: to.step().clone(),
        reason: Reason::Declaration(format!(
            "[[moved]] cannot move {from} here: the state has both; remove the entry to delete {from}, or remove one \
             of them from the state (llmhost state rm)"
        )),
        address: Some(to),
    };
    let pairs = pipeline.moved.iter().flat_map(|moved| match &moved.change {
        Move::Resource { from, to } => vec![(from.clone(), to.clone())],
        Move::Step { from, to } => {
            let of_step = state.resources.keys().filter(|address| address.step() == from);
            of_step.map(|address| (address.clone(), address.in_step(to))).collect()
        }
    });
    let both = pairs.filter(|(from, to)| state.resources.contains_key(from) && state.resources.contains_key(to));
    both.map(failure).collect()
}

/// Moves into another region, account or role: nothing in the cloud moves with them.
pub(super) fn elsewhere(moves: &[Move], registry: &Registry, state: &State) -> Vec<StepFailure> {
    let words = |placement: &Placement| match placement.is_own() {
        true => "where the pipeline's resources are".to_owned(),
        false => placement.to_string(),
    };
    let failure = |change: &Move| {
        let (from, to, address) = match change {
            Move::Step { from, to } => (from, to, None),
            Move::Resource { from, to } => (from.step(), to.step(), Some(to.clone())),
        };
        let there = state.placements.get(from).map_or(&Placement::OWN, |placed| &placed.placement);
        let here = registry.of(to).placement();
        (there != here).then(|| StepFailure {
            step: to.clone(),
            address,
            reason: Reason::Declaration(format!(
                "{from} cannot be moved here: what it made is {}, and {to} makes its resources {}; give {to} the \
                 region, profile and assume_role that {from} had, or leave the move out",
                words(there),
                words(here)
            )),
        })
    };
    moves.iter().filter_map(failure).collect()
}

/// The state as it is when these moves are made.
pub(super) fn made(state: &Arc<State>, moves: &[Move]) -> Arc<State> {
    if moves.is_empty() {
        return Arc::clone(state);
    }
    let mut state = State::clone(state);
    moves.iter().cloned().for_each(|change| state.apply(change.into()));
    Arc::new(state)
}

/// What a plan would delete under one name and create under another though it is the same. A plan
/// after these moves may show further ones: what refers to something that moved.
pub(super) fn recognised(plan: &Plan, state: &State, registry: &Registry) -> Vec<Move> {
    let steps = renamed_steps(plan, state, registry);
    if !steps.is_empty() {
        return steps;
    }
    renamed_resources(plan, state, registry)
}

/// Steps that the file has no longer, each with the one step that declares the same resources: a new one, or one
/// that has a part of them already, for a move that stopped half-way.
fn renamed_steps(plan: &Plan, state: &State, registry: &Registry) -> Vec<Move> {
    let declared: BTreeSet<&StepName> = plan.steps.iter().map(|step| &step.name).collect();
    let mut gone: BTreeMap<&StepName, Vec<(&ResourceAddress, &Instance)>> = BTreeMap::new();
    for (address, instance) in state.instances() {
        if !declared.contains(address.step()) && !plan.left_out.contains(address.step()) {
            gone.entry(address.step()).or_default().push((address, instance));
        }
    }
    let here: Vec<&StepName> = declared.into_iter().filter(|step| !plan.left_out.contains(*step)).collect();
    let mut pairs: Vec<(&StepName, &StepName)> = Vec::new();
    for (from, instances) in &gone {
        let is_same = |to: &&&StepName| {
            instances.iter().all(|(address, instance)| is_same(plan, registry, from, &address.in_step(to), instance))
        };
        let mut candidates = here.iter().filter(is_same);
        if let (Some(to), None) = (candidates.next(), candidates.next()) {
            pairs.push((from, to));
        }
    }
    // Where two could have become the same one, nobody knows which.
    let count = |to: &StepName| pairs.iter().filter(|(_, other)| *other == to).count();
    let clear = pairs.iter().filter(|(_, to)| count(to) == 1);
    let moves = |(from, to): &(&StepName, &StepName)| match state.has_step(to) {
        false => vec![Move::Step { from: (*from).clone(), to: (*to).clone() }],
        // The step is there already, with the rest.
        true => {
            let all = gone[from].iter();
            all.map(|(address, _)| Move::Resource { from: (*address).clone(), to: address.in_step(to) }).collect()
        }
    };
    clear.flat_map(moves).collect()
}

/// Whether what is planned at an address is what there is of another name: nothing that cannot be
/// changed in place differs, as far as it is known.
fn is_same(plan: &Plan, registry: &Registry, from: &StepName, to: &ResourceAddress, instance: &Instance) -> bool {
    let Some(planned) = plan.resources.get(to).filter(|planned| planned.action == Action::Create) else { return false };
    // What is elsewhere is another resource.
    if registry.of(from).placement() != registry.of(to.step()).placement() {
        return false;
    }
    let Some(kind) = registry.kind_of(to) else { return false };
    let compared = kind.compare(&instance.spec, &planned.spec);
    let differs = |change: &crate::plan::FieldChange| {
        let known = |side: &Option<Value>| side.as_ref().is_some_and(|value| !unknown::any_unknown(value));
        change.replaces && known(&change.old) && known(&change.new)
    };
    !compared.fields.iter().any(differs)
}

/// Resources under a new name that have the name or place in the cloud of one whose name is gone.
fn renamed_resources(plan: &Plan, state: &State, registry: &Registry) -> Vec<Move> {
    let key = |address: &ResourceAddress, spec: &Value| {
        let unique = registry.kind_of(address)?.unique(spec)?;
        let placement = registry.of(address.step()).placement();
        (!unknown::any_unknown(&unique)).then(|| (placement, address.kind().to_owned(), unique.to_string()))
    };
    let of_action = |action: Action| plan.resources.iter().filter(move |(_, planned)| planned.action == action);
    let mut gone: HashMap<(&Placement, String, String), &ResourceAddress> = HashMap::new();
    for (address, _) in of_action(Action::Delete) {
        let current = state.resources.get(address).and_then(|record| record.current.as_ref());
        if let Some(key) = current.and_then(|instance| key(address, &instance.spec)) {
            gone.insert(key, address);
        }
    }
    if gone.is_empty() {
        return Vec::new();
    }
    let mut moves = Vec::new();
    for (address, planned) in of_action(Action::Create).filter(|(address, _)| !state.resources.contains_key(*address)) {
        let from = key(address, &planned.spec).and_then(|key| gone.remove(&key));
        moves.extend(from.map(|from| Move::Resource { from: from.clone(), to: address.clone() }));
    }
    moves
}

impl From<Move> for Change {
    fn from(change: Move) -> Self {
        match change {
            Move::Step { from, to } => Self::StepMoved { from, to },
            Move::Resource { from, to } => Self::Moved { from, to },
        }
    }
}
