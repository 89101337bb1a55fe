//! Makes one declared resource real: create, finish, update, replace, or leave it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};

use super::common::Declaration;
use super::event::Operation;
use super::facts;
use super::hands::{Hands, Stop, intent};
use super::remove::{self, Removals};
use super::report::{Departure, Reason, StepFailure};
use crate::graph;
use crate::kind::{Intent, Outputs, ReplaceOrder};
use crate::lock::Lock;
use crate::names::{ResourceAddress, StepName};
use crate::pipeline::FieldPath;
use crate::plan::{Action, Plan};
use crate::plugin::{Failure, FailureCode};
use crate::state::{Change, Instance, Pending, ResourceRecord};
use crate::tags;

/// Every operation of one apply.
pub(crate) struct Operations {
    pub(crate) hands: Hands,
    pub(crate) plan: Arc<Plan>,
    pub(crate) removals: Removals,
    /// What each step declares by the plan, so that a step need not search all of it.
    pub(crate) planned_of: HashMap<StepName, Vec<ResourceAddress>>,
    /// Where each step stands in the plan.
    steps: HashMap<StepName, usize>,
    started: Mutex<HashMap<ResourceAddress, Started>>,
    failures: Mutex<Vec<(ResourceAddress, Reason)>>,
    facts: tokio::sync::Mutex<()>,
    /// What is deleted for the sake of those that take its name over, as it was when the run began.
    holders: HashMap<ResourceAddress, Instance>,
    turns: Mutex<HashMap<ResourceAddress, Arc<tokio::sync::Mutex<()>>>>,
}

type Started = Shared<BoxFuture<'static, Result<Arc<Outputs>, OpFailure>>>;

/// Why an operation gave no outputs, for those who wait for it. The reason itself is reported once.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum OpFailure {
    #[error("{0}")]
    Reported(Failure),
    #[error("not started, because {0} failed")]
    NotStarted(ResourceAddress),
    #[error("not finished, because the run was interrupted")]
    Interrupted,
}

impl From<OpFailure> for Failure {
    fn from(failure: OpFailure) -> Self {
        match failure {
            OpFailure::Reported(failure) => failure,
            OpFailure::NotStarted(_) => Self::failed(failure.to_string()),
            OpFailure::Interrupted => Self { code: FailureCode::Interrupted, message: failure.to_string() },
        }
    }
}

impl Operations {
    pub(crate) fn new(hands: Hands, plan: Arc<Plan>) -> Self {
        let mut planned_of: HashMap<StepName, Vec<ResourceAddress>> = HashMap::new();
        for (address, planned) in &plan.resources {
            if planned.action != Action::Delete {
                planned_of.entry(address.step().clone()).or_default().push(address.clone());
            }
        }
        let holders = plan.resources.values().filter_map(|planned| planned.takes_over.as_ref());
        let instance = |holder: &ResourceAddress| Some((holder.clone(), hands.store.resource(holder)?.current?));
        let holders = holders.filter_map(instance).collect();
        let steps = plan.steps.iter().enumerate().map(|(at, step)| (step.name.clone(), at)).collect();
        Self {
            hands,
            plan,
            steps,
            holders,
            removals: Removals::default(),
            planned_of,
            started: Mutex::default(),
            failures: Mutex::default(),
            facts: tokio::sync::Mutex::default(),
            turns: Mutex::default(),
        }
    }

    /// Begins to make a declared resource real.
    pub(crate) fn start(self: &Arc<Self>, declaration: Declaration) {
        let address = declaration.address.clone();
        let started = match self.as_it_is(&declaration) {
            Some(outputs) => futures::future::ready(Ok(Arc::new(outputs))).boxed().shared(),
            None => {
                let task = tokio::spawn(converge(Arc::clone(self), declaration));
                let ended =
                    task.map(|ended| ended.unwrap_or_else(|_| Err(OpFailure::Reported(Failure::failed("it crashed")))));
                ended.boxed().shared()
            }
        };
        self.started.lock().expect("no panic under this lock").insert(address, started);
    }

    /// Waits for a declared resource and gives its outputs.
    pub(crate) async fn wait(&self, address: &ResourceAddress) -> Result<Arc<Outputs>, OpFailure> {
        let started = self.started.lock().expect("no panic under this lock").get(address).cloned();
        match started {
            Some(started) => started.await,
            None if self.plan.left_out.contains(address.step()) => {
                let current = self.hands.store.resource(address).and_then(|record| record.current);
                let outputs = current.map(|current| Arc::new(current.outputs));
                outputs.ok_or_else(|| OpFailure::NotStarted(address.clone()))
            }
            None => Err(OpFailure::Reported(Failure::failed(format!("{address} is not declared")))),
        }
    }

    /// Whether this address was made as declared in this run, so that what it was before counts no more.
    pub(crate) fn is_converged(&self, address: &ResourceAddress) -> bool {
        let started = self.started.lock().expect("no panic under this lock");
        started.get(address).is_some_and(|started| matches!(started.peek(), Some(Ok(_))))
    }

    /// The failures of a step so far, or of every step, each given out once.
    pub(crate) fn take_failures(&self, step: Option<&StepName>) -> Vec<StepFailure> {
        let mut failures = self.failures.lock().expect("no panic under this lock");
        let of_step = failures.extract_if(.., |(address, _)| step.is_none_or(|step| address.step() == step));
        let failure = |(address, reason): (ResourceAddress, Reason)| StepFailure {
            step: address.step().clone(),
            address: Some(address),
            reason,
        };
        of_step.map(failure).collect()
    }

    /// Whose turn it is to change a resource.
    pub(crate) fn turn(&self, address: &ResourceAddress) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(self.turns.lock().expect("no panic under this lock").entry(address.clone()).or_default())
    }

    /// What the plan that was shown says of a resource.
    pub(crate) fn planned(&self, address: &ResourceAddress) -> Option<Action> {
        self.plan.resources.get(address).map(|planned| planned.action)
    }

    /// The fields of a resource that stay as the plan has them, and how it has them.
    pub(crate) fn ignored(&self, address: &ResourceAddress) -> Option<(&[FieldPath], &serde_json::Value)> {
        let fields = self.plan.ignored.get(address)?;
        Some((fields, &self.plan.resources.get(address)?.spec))
    }

    /// The outputs of a step that the plan shows.
    pub(crate) fn planned_outputs(&self, step: &StepName) -> Option<&serde_json::Value> {
        Some(&self.plan.steps.get(*self.steps.get(step)?)?.outputs)
    }

    pub(crate) fn failed(&self, address: ResourceAddress, reason: Reason) -> OpFailure {
        let failure = reason.as_failure();
        self.failures.lock().expect("no panic under this lock").push((address, reason));
        OpFailure::Reported(failure)
    }

    /// A fact: from the state, or asked for and recorded.
    pub(crate) async fn fact(&self, key: &str, lock: Option<&Lock>) -> Result<String, Reason> {
        // One at a time, so that two steps that ask the same get the same answer.
        let _turn = self.facts.lock().await;
        if let Some(value) = self.hands.store.fact(key) {
            return Ok(value);
        }
        let registry = &self.hands.registry;
        let value = match lock.and_then(|lock| lock.fact(key)) {
            Some(chosen) => chosen,
            None => {
                let known = self.hands.store.look(|state| state.facts.clone());
                facts::ask(registry, key, &known).await.map_err(Reason::Operation)?
            }
        };
        facts::pin(registry, lock, key, &value).map_err(Reason::Operation)?;
        self.hands.record(Change::Fact { key: key.to_owned(), value: value.clone() }).await?;
        Ok(value)
    }

    /// The outputs, where the resource is already as declared and nothing needs recording.
    fn as_it_is(&self, declaration: &Declaration) -> Option<Outputs> {
        let current = self.hands.store.resource(&declaration.address)?.current?;
        let same = self.planned(&declaration.address) == Some(Action::Keep)
            && !current.unfinished
            && current.depends_on == declaration.depends_on
            && declaration.kind.compare(&current.spec, &declaration.spec).fields.is_empty();
        same.then_some(current.outputs)
    }
}

async fn converge(operations: Arc<Operations>, declaration: Declaration) -> Result<Arc<Outputs>, OpFailure> {
    for needed in &declaration.depends_on {
        if operations.wait(needed).await.is_err() {
            return Err(OpFailure::NotStarted(needed.clone()));
        }
    }
    match make_so(&operations, &declaration).await {
        Ok(outputs) => Ok(Arc::new(outputs)),
        Err(Stop::Interrupted) => Err(OpFailure::Interrupted),
        Err(Stop::Blocked(by)) => Err(OpFailure::NotStarted(by)),
        Err(Stop::Because(reason)) => Err(operations.failed(declaration.address, reason)),
    }
}

async fn make_so(operations: &Arc<Operations>, declaration: &Declaration) -> Result<Outputs, Stop> {
    let Declaration { address, kind, spec, .. } = declaration;
    // Not while somebody else takes a reference out of it.
    let turn = operations.turn(address);
    let _turn = turn.lock().await;
    let hands = &operations.hands;
    let record = hands.store.resource(address).unwrap_or_default();
    let Some(current) = found(hands, declaration, &record).await? else {
        // The intent that made nothing is as good as a new one, and better: should what it made be seen only
        // later, services with client tokens give that instead of another.
        let intent = record.pending.filter(|pending| pending.spec == **spec).map(|pending| pending.intent);
        return create(operations, declaration, intent, None).await;
    };
    let compared = kind.compare(&current.spec, spec);
    let planned = operations.planned(address);
    // What an interrupted create made is the successor already.
    let is_adopted = record.pending.is_some_and(|pending| pending.intent.generation() == current.generation);
    let is_planned = matches!(planned, Some(Action::Replace { .. })) && !is_adopted;
    if compared.replaces() || current.broken.is_some() || is_planned {
        return replace(operations, declaration, compared.fields).await;
    }
    if compared.fields.is_empty() && !current.unfinished && planned != Some(Action::Update) {
        let current = bound(operations, declaration, current);
        let outputs = current.outputs.clone();
        hands.record(Change::Current { address: address.clone(), instance: current }).await?;
        return Ok(outputs);
    }
    update(operations, declaration, current, compared.fields.is_empty()).await
}

/// Changes a resource in place. Where the text of its spec is the same (`is_same`), it was planned
/// because of what that refers to, and all of it is sent again.
async fn update(
    operations: &Operations,
    declaration: &Declaration,
    current: Instance,
    is_same: bool,
) -> Result<Outputs, Stop> {
    let Declaration { address, kind, spec, ignored, .. } = declaration;
    // Recorded as unfinished first: an update that stops half-way is one that the next run finishes.
    let before = current.depends_on.clone();
    let mut current = bound(operations, declaration, current);
    let resumes = current.unfinished;
    match &mut current.was {
        // Some of the update that did not end may be done.
        Some(was) if resumes => tags::remember(was, &current.spec),
        _ if resumes => {}
        was => *was = Some(std::mem::take(&mut current.spec)),
    }
    current.spec = serde_json::Value::clone(spec);
    current.unfinished = true;
    let hands = &operations.hands;
    let mut unfinished = current.clone();
    unfinished.depends_on.extend(still_used(operations, address, &before, &current.depends_on));
    hands.record(Change::Current { address: address.clone(), instance: unfinished }).await?;
    match current.was.clone() {
        Some(was) if resumes => hands.reapply(address, &**kind, current, &was, Operation::Update, ignored).await,
        Some(was) if is_same => hands.reapply(address, &**kind, current, &was, Operation::Update, ignored).await,
        was => hands.configure(address, &**kind, current, was.as_ref()).await,
    }
}

/// What a resource used before, and uses until its update has ended: who deletes that has to know. Left out is what
/// comes after the resource by now, so that nobody is ever in front of itself.
fn still_used(
    operations: &Operations,
    address: &ResourceAddress,
    before: &[ResourceAddress],
    now: &[ResourceAddress],
) -> Vec<ResourceAddress> {
    let planned = &operations.plan.resources;
    operations.hands.store.look(|state| {
        let needs = |at| {
            let to_be = planned.get(at).map(|planned| &planned.depends_on).into_iter().flatten();
            to_be.chain(state.resources.get(at).into_iter().flat_map(ResourceRecord::depends_on))
        };
        let comes_after = |used| graph::reaches(used, address, needs);
        before.iter().filter(|used| !now.contains(used) && !comes_after(used)).cloned().collect()
    })
}

/// The instance with what it depends on now.
fn bound(operations: &Operations, declaration: &Declaration, current: Instance) -> Instance {
    let depends_on = declaration.depends_on.clone();
    let bound = operations.hands.store.look(|state| state.generations(&depends_on));
    Instance { depends_on, bound, ..current }
}

/// The instance in the state, or the one that an interrupted create made.
async fn found(hands: &Hands, declaration: &Declaration, record: &ResourceRecord) -> Result<Option<Instance>, Stop> {
    match (&record.current, &record.pending) {
        (Some(current), _) => Ok(Some(current.clone())),
        (None, Some(pending)) => match hands.find(&declaration.address, &*declaration.kind, pending).await? {
            Some(made) => Ok(Some(made)),
            // Its predecessor, where it has one, counts again.
            None => Ok(hands.store.resource(&declaration.address).and_then(|record| record.current)),
        },
        (None, None) => Ok(None),
    }
}

async fn create(
    operations: &Arc<Operations>,
    declaration: &Declaration,
    known: Option<Intent>,
    replaces: Option<String>,
) -> Result<Outputs, Stop> {
    let Declaration { address, kind, spec, depends_on, .. } = declaration;
    let holder = operations.plan.resources.get(address).and_then(|planned| planned.takes_over.as_ref());
    if let Some((holder, there)) = holder.and_then(|holder| operations.holders.get_key_value(holder)) {
        remove::instance(operations, holder, there).await.map_err(|_| Stop::Blocked(holder.clone()))?;
    }
    let is_resumed = known.is_some();
    let (intent, spec) = (known.unwrap_or_else(|| intent(address)), serde_json::Value::clone(spec));
    let bound = operations.hands.store.look(|state| state.generations(depends_on));
    let pending = Pending { intent, spec, begun: Pending::now(), replaces, depends_on: depends_on.clone(), bound };
    operations.hands.create(address, &**kind, pending, is_resumed).await
}

async fn replace(
    operations: &Arc<Operations>,
    declaration: &Declaration,
    changes: Vec<crate::plan::FieldChange>,
) -> Result<Outputs, Stop> {
    let address = &declaration.address;
    let Some(Action::Replace { order }) = operations.planned(address) else {
        let changes = changes.into_iter().filter(|change| change.replaces).collect();
        let departure = Departure::Unforeseen { address: address.clone(), changes };
        return Err(Stop::Because(Reason::NotAsPlanned(departure)));
    };
    let predecessor = match order {
        ReplaceOrder::CreateFirst => {
            let current = operations.hands.store.resource(address).and_then(|record| record.current);
            current.map(|current| current.id)
        }
        ReplaceOrder::DeleteFirst => {
            remove::current(operations, address).await.map_err(|_| Stop::Blocked(address.clone()))?;
            None
        }
    };
    create(operations, declaration, None, predecessor).await
}
