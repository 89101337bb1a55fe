//! Deleting in the right order: what must go before a replacement, and what nobody declares any more.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, join_all};

use super::converge::{OpFailure, Operations};
use super::hands::{Hands, Stop};
use super::report::{Reason, Report, StepFailure};
use crate::graph::{self, Dag, Outcome};
use crate::kind::OpError;
use crate::names::ResourceAddress;
use crate::plan::Action;
use crate::state::{Change, Instance, Pending, State};

type Removal = Shared<BoxFuture<'static, Result<(), OpFailure>>>;

/// Deletions that came before a replacement, each done once whoever asks.
#[derive(Default)]
pub(crate) struct Removals(Mutex<HashMap<ResourceAddress, Removal>>);

/// Deletes the current instance of a resource that is about to be made anew, and before it those
/// that hang on it and are to be replaced or deleted as well.
pub(crate) fn current(operations: &Arc<Operations>, address: &ResourceAddress) -> Removal {
    let mut removals = operations.removals.0.lock().expect("no panic under this lock");
    if let Some(removal) = removals.get(address) {
        return removal.clone();
    }
    let removal = remove_current(Arc::clone(operations), address.clone()).boxed().shared();
    removals.insert(address.clone(), removal.clone());
    removal
}

async fn remove_current(operations: Arc<Operations>, address: ResourceAddress) -> Result<(), OpFailure> {
    let going = |user: &ResourceAddress| {
        let planned = operations.plan.resources.get(user);
        planned.is_some_and(|planned| planned.action.is_destructive()) && !operations.is_converged(user)
    };
    let users: Vec<ResourceAddress> = operations.hands.store.look(|state| {
        let resources = state.resources.iter();
        let using = resources.filter(|(_, record)| {
            record.current.as_ref().is_some_and(|instance| instance.depends_on.contains(&address))
        });
        using.map(|(user, _)| user).filter(|user| going(user)).cloned().collect()
    });
    if let Some(instance) = operations.hands.store.resource(&address).and_then(|record| record.current) {
        operations.hands.release(&address, &instance).await;
    }
    for (user, removed) in users.iter().zip(join_all(users.iter().map(|user| current(&operations, user))).await) {
        removed.map_err(|_| OpFailure::NotStarted(user.clone()))?;
    }
    let Some(instance) = operations.hands.store.resource(&address).and_then(|record| record.current) else {
        return Ok(());
    };
    match operations.hands.delete(&address, &instance).await {
        Ok(()) => Ok(()),
        Err(Stop::Interrupted) => Err(OpFailure::Interrupted),
        Err(Stop::Blocked(by)) => Err(OpFailure::NotStarted(by)),
        Err(Stop::Because(reason)) => Err(operations.failed(address, reason)),
    }
}

/// Deletes, at the end of a run, replaced predecessors and what is no longer declared. Where a
/// step failed they stay: something may still use them, and the next run gets to them.
pub(crate) async fn leftovers(operations: &Arc<Operations>, report: &mut Report) {
    let hands = &operations.hands;
    let state = hands.store.snapshot();
    let is_deleted = |address: &ResourceAddress| {
        operations.plan.resources.get(address).is_none_or(|planned| planned.action == Action::Delete)
    };
    let mut targets = Vec::new();
    for (address, record) in &state.resources {
        targets.extend(Target::all(address, record).into_iter().filter(|t| t.is_deposed || is_deleted(address)));
    }
    if !report.failures.is_empty() || !report.skipped.is_empty() || hands.cancel.is_cancelled() {
        let addresses: HashSet<_> = targets.into_iter().map(|target| target.address).collect();
        report.postponed.extend(addresses);
        report.postponed.sort();
        return;
    }
    // Who was made as declared in this run uses the successor, no longer the predecessor.
    let counts = |target: &Target, user: &ResourceAddress| !(target.is_deposed && operations.is_converged(user));
    report.failures.extend(delete_all(hands, &state, targets, counts).await);
    let declared: HashSet<_> = operations.plan.steps.iter().map(|planned| &planned.name).collect();
    let gone = state.outputs.keys().filter(|step| !declared.contains(step));
    for step in gone {
        if let Err(reason) = hands.record(Change::StepGone { step: step.clone() }).await {
            report.failures.push(StepFailure { step: step.clone(), address: None, reason });
        }
    }
}

/// Something to delete.
pub(crate) struct Target {
    address: ResourceAddress,
    thing: Thing,
    is_deposed: bool,
}

enum Thing {
    Made(Instance),
    /// Perhaps made: the create's result was never recorded.
    Perhaps(Pending),
}

impl Target {
    /// Everything that a record holds.
    pub(crate) fn all(address: &ResourceAddress, record: &crate::state::ResourceRecord) -> Vec<Self> {
        let target = |thing, is_deposed| Self { address: address.clone(), thing, is_deposed };
        let current = record.current.iter().map(|instance| target(Thing::Made(instance.clone()), false));
        let pending = record.pending.iter().map(|pending| target(Thing::Perhaps(pending.clone()), false));
        let deposed = record.deposed.iter().map(|instance| target(Thing::Made(instance.clone()), true));
        current.chain(pending).chain(deposed).collect()
    }

    /// Tells instances of one address apart.
    fn key(&self) -> (&ResourceAddress, &str) {
        let id = match &self.thing {
            Thing::Made(instance) => &instance.id,
            Thing::Perhaps(pending) => &pending.intent.token,
        };
        (&self.address, id)
    }

    fn depends_on(&self) -> &[ResourceAddress] {
        match &self.thing {
            Thing::Made(instance) => &instance.depends_on,
            Thing::Perhaps(pending) => &pending.depends_on,
        }
    }
}

/// Deletes the targets, users before what they use, many at a time. A user that is no target
/// keeps what it uses; `counts` says whether a user really is one.
pub(crate) async fn delete_all(
    hands: &Hands,
    state: &State,
    targets: Vec<Target>,
    counts: impl Fn(&Target, &ResourceAddress) -> bool,
) -> Vec<StepFailure> {
    let mut by_address: HashMap<&ResourceAddress, Vec<usize>> = HashMap::new();
    for (at, target) in targets.iter().enumerate() {
        by_address.entry(&target.address).or_default().push(at);
    }
    let by_key: HashMap<_, _> = targets.iter().enumerate().map(|(at, target)| (target.key(), at)).collect();
    let mut after = vec![Vec::new(); targets.len()];
    let mut kept_by = vec![Vec::new(); targets.len()];
    for (address, record) in &state.resources {
        for user in Target::all(address, record) {
            for &used in user.depends_on().iter().flat_map(|used| by_address.get(used).into_iter().flatten()) {
                if !counts(&targets[used], address) {
                    continue;
                }
                match by_key.get(&user.key()) {
                    Some(&at) => after[used].push(at),
                    None => kept_by[used].push(address.clone()),
                }
            }
        }
    }
    let releases = releases(hands, &targets, &mut after);
    let failure = |target: &Target, reason| StepFailure {
        step: target.address.step().clone(),
        address: Some(target.address.clone()),
        reason,
    };
    let dag = match Dag::new(&after) {
        Ok(dag) => dag,
        Err(circle) => {
            let names: Vec<_> = circle.0.iter().map(|&at| targets[at].address.to_string()).collect();
            let message = format!("the state says that these use each other: {}", names.join(", "));
            let reason = Reason::Operation(OpError::local("order the deletions", message));
            return circle.0.first().map(|&at| failure(&targets[at], reason)).into_iter().collect();
        }
    };
    let outcomes = graph::walk(&dag, dag.len(), |at| {
        let (target, released, kept_by) = (targets.get(at), releases.get(&at), kept_by.get(at));
        let released = released.map(|&at| &targets[at]);
        async move {
            match (target, released) {
                (Some(_), _) if kept_by.is_some_and(|by: &Vec<_>| !by.is_empty()) => {
                    Err(Stop::Because(Reason::StillUsed(kept_by.cloned().unwrap_or_default())))
                }
                (Some(target), _) => delete(hands, target).await,
                (None, Some(Target { address, thing: Thing::Made(instance), .. })) => {
                    hands.release(address, instance).await;
                    Ok(())
                }
                (None, _) => Ok(()),
            }
        }
    })
    .await;
    let mut failures = Vec::new();
    for (target, outcome) in targets.iter().zip(outcomes) {
        match outcome {
            Outcome::Done(()) | Outcome::Failed(Stop::Interrupted) => {}
            Outcome::Failed(Stop::Because(reason)) => failures.push(failure(target, reason)),
            Outcome::Failed(Stop::Blocked(by)) => failures.push(failure(target, Reason::StillUsed(vec![by]))),
            Outcome::NotRun { .. } if hands.cancel.is_cancelled() => {}
            Outcome::NotRun { because } => {
                failures.push(failure(target, Reason::StillUsed(vec![targets[because].address.clone()])));
            }
        }
    }
    failures
}

/// Adds to the order, for each target that makes things by itself, that it is released before
/// anything that hangs on it goes. Gives the new vertices, each with its target.
fn releases(hands: &Hands, targets: &[Target], after: &mut Vec<Vec<usize>>) -> HashMap<usize, usize> {
    let makes = |target: &Target| {
        matches!(target.thing, Thing::Made(_)) && hands.kind(&target.address).is_ok_and(|kind| kind.makes())
    };
    let mut releases = HashMap::new();
    for at in (0..targets.len()).filter(|&at| makes(&targets[at])) {
        let (mut hanging, mut next) = (HashSet::new(), vec![at]);
        while let Some(used) = next.pop() {
            if hanging.insert(used) {
                next.extend(after[used].iter().filter(|&&user| user < targets.len()));
            }
        }
        let release = after.len();
        after.push(Vec::new());
        hanging.into_iter().for_each(|user| after[user].push(release));
        releases.insert(release, at);
    }
    releases
}

async fn delete(hands: &Hands, target: &Target) -> Result<(), Stop> {
    match &target.thing {
        Thing::Made(instance) => hands.delete(&target.address, instance).await?,
        Thing::Perhaps(pending) => {
            let kind = hands.kind(&target.address)?;
            match hands.find(&target.address, &*kind, pending).await? {
                Some(instance) => hands.delete(&target.address, &instance).await?,
                None => return Ok(()),
            }
        }
    }
    hands.count(|done| done.delete += 1);
    Ok(())
}
