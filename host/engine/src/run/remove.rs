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

/// Deletions that came before a replacement, each done once whoever asks: of an instance by its id,
/// of what an interrupted create may have made by its token.
#[derive(Default)]
pub(crate) struct Removals(Mutex<HashMap<(ResourceAddress, String), Removal>>);

impl Removals {
    fn once(&self, address: &ResourceAddress, which: &str, work: impl FnOnce() -> Removal) -> Removal {
        let mut removals = self.0.lock().expect("no panic under this lock");
        removals.entry((address.clone(), which.to_owned())).or_insert_with(work).clone()
    }
}

/// Deletes the current instance of a resource that is about to be made anew, and before it what
/// hangs on it.
pub(crate) async fn current(operations: &Arc<Operations>, address: &ResourceAddress) -> Result<(), OpFailure> {
    match operations.hands.store.resource(address).and_then(|record| record.current) {
        Some(current) => instance(operations, address, &current).await,
        None => Ok(()),
    }
}

/// Deletes this very instance: by the time it goes, its address may have a successor.
pub(crate) fn instance(operations: &Arc<Operations>, address: &ResourceAddress, instance: &Instance) -> Removal {
    operations.removals.once(address, &instance.id, || {
        let (operations, address, instance) = (Arc::clone(operations), address.clone(), instance.clone());
        let work = async move {
            operations.hands.release(&address, &instance).await;
            clear(&operations, &address, &instance).await?;
            delete_now(&operations, &address, &instance).await
        };
        work.boxed().shared()
    })
}

/// Deletes what hangs on a resource and cannot stay when that goes: users that are to be replaced or
/// deleted, predecessors that an earlier run left, and what an interrupted create may have made.
async fn clear(operations: &Arc<Operations>, address: &ResourceAddress, gone: &Instance) -> Result<(), OpFailure> {
    let going = |user: &ResourceAddress| {
        let planned = operations.plan.resources.get(user);
        planned.is_some_and(|planned| planned.action.is_destructive()) && !operations.is_converged(user)
    };
    let users: Vec<Target> = operations.hands.store.look(|state| {
        let all = state.resources.iter().flat_map(|(user, record)| Target::all(user, record));
        let using = all.filter(|user| user.depends_on().contains(address) && user.may_use(address, gone));
        using.collect()
    });
    // What is left out stays as it is, and so does what it uses.
    let left_out = users.iter().find(|user| operations.plan.left_out.contains(user.address.step()));
    if let Some(user) = left_out {
        let reason = Reason::StillUsed(vec![user.address.clone()]);
        return Err(operations.failed(address.clone(), reason));
    }
    let removal = |user: &Target| match &user.thing {
        Thing::Made(made) => {
            (user.is_deposed || going(&user.address)).then(|| instance(operations, &user.address, made))
        }
        Thing::Perhaps(pending) => {
            let free = is_after(operations, &user.address, address);
            free.then(|| perhaps(operations, &user.address, pending))
        }
    };
    for user in users.iter().filter(|user| !user.is_deposed && !going(&user.address)) {
        if let Thing::Made(_) = &user.thing {
            let_go(operations, &user.address, address, gone).await?;
        }
    }
    let removals = users.iter().filter_map(|user| Some((&user.address, removal(user)?)));
    let (users, removals): (Vec<_>, Vec<_>) = removals.unzip();
    for (user, removed) in users.into_iter().zip(join_all(removals).await) {
        removed.map_err(|_| OpFailure::NotStarted(user.clone()))?;
    }
    Ok(())
}

/// Takes the references to an instance that is about to be deleted out of a resource that stays and is
/// updated later in this plan.
async fn let_go(
    operations: &Arc<Operations>,
    user: &ResourceAddress,
    used: &ResourceAddress,
    gone: &Instance,
) -> Result<(), OpFailure> {
    if !matches!(operations.planned(user), Some(Action::Update | Action::Finish)) {
        return Ok(());
    }
    let turn = operations.turn(user);
    let _turn = turn.lock().await;
    let hands = &operations.hands;
    let kinds = hands.kind(user).and_then(|of_user| Ok((of_user, hands.kind(used)?)));
    let (kind, of_used) = kinds.map_err(|reason| operations.failed(user.clone(), reason))?;
    // It may have been updated in the meantime, and no longer refer to it.
    let Some(now) = hands.store.resource(user).and_then(|record| record.current) else { return Ok(()) };
    let gone = gone.identities(&*of_used);
    if now.unfinished {
        return hands.detach_unfinished(user, &*kind, now, &gone).await.map_err(|stop| stopped(operations, user, stop));
    }
    let Some(spec) = kind.without(&now.spec, &gone) else { return Ok(()) };
    let was = now.spec.clone();
    let detached = hands.detach(user, &*kind, Instance { spec, unfinished: false, ..now }, &was).await;
    detached.map_err(|stop| stopped(operations, user, stop))
}

/// Whether a user's turn comes only after a resource is there again, or not at all: until then
/// nobody else gets to what the user's interrupted create made.
fn is_after(operations: &Operations, user: &ResourceAddress, address: &ResourceAddress) -> bool {
    let resources = &operations.plan.resources;
    if resources.get(user).is_none_or(|planned| planned.action == Action::Delete) {
        return true;
    }
    graph::reaches(user, address, |at| resources.get(at).map(|planned| &planned.depends_on).into_iter().flatten())
}

/// Deletes what an interrupted create made, if it made something.
fn perhaps(operations: &Arc<Operations>, user: &ResourceAddress, pending: &Pending) -> Removal {
    operations.removals.once(user, &pending.intent.token, || {
        let (operations, user, pending) = (Arc::clone(operations), user.clone(), pending.clone());
        let work = async move {
            let hands = &operations.hands;
            let found = match hands.kind(&user) {
                Ok(kind) => hands.find(&user, &*kind, &pending).await,
                Err(reason) => Err(Stop::Because(reason)),
            };
            match found.map_err(|stop| stopped(&operations, &user, stop))? {
                Some(instance) => delete_now(&operations, &user, &instance).await,
                None => Ok(()),
            }
        };
        work.boxed().shared()
    })
}

async fn delete_now(operations: &Operations, address: &ResourceAddress, instance: &Instance) -> Result<(), OpFailure> {
    operations.hands.delete(address, instance).await.map_err(|stop| stopped(operations, address, stop))
}

fn stopped(operations: &Operations, address: &ResourceAddress, stop: Stop) -> OpFailure {
    match stop {
        Stop::Interrupted => OpFailure::Interrupted,
        Stop::Blocked(by) => OpFailure::NotStarted(by),
        Stop::Because(reason) => operations.failed(address.clone(), reason),
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
    for (address, record) in state.resources.iter().filter(|(at, _)| !operations.plan.left_out.contains(at.step())) {
        targets.extend(Target::all(address, record).into_iter().filter(|t| t.is_deposed || is_deleted(address)));
    }
    if !report.failures.is_empty() || !report.skipped.is_empty() || hands.cancel.is_cancelled() {
        let addresses: HashSet<_> = targets.into_iter().map(|target| target.address).collect();
        report.postponed.extend(addresses);
        report.postponed.sort();
        return;
    }
    // Who was made as declared in this run uses the successor, no longer the predecessor. Their own
    // predecessors still do.
    let moved_on = |user: &Target| !user.is_deposed && operations.is_converged(&user.address);
    let counts = |target: &Target, user: &Target| !(target.is_deposed && moved_on(user));
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

    /// Whether it can be this very instance that it uses, and not a successor of it.
    fn may_use(&self, address: &ResourceAddress, used: &Instance) -> bool {
        let bound = match &self.thing {
            // What it was bound to before the update that did not end is not known.
            Thing::Made(instance) if instance.is_half_updated() => return true,
            Thing::Made(instance) => &instance.bound,
            Thing::Perhaps(pending) => &pending.bound,
        };
        bound.get(address).is_none_or(|generation| *generation == used.generation)
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
    counts: impl Fn(&Target, &Target) -> bool,
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
                if !counts(&targets[used], &user) {
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
    Ok(())
}
