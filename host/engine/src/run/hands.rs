//! What changes the world: every mutating call goes through here, is announced, and is recorded
//! before anything builds on it.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::Value;
use tokio::sync::Semaphore;

use super::event::{Event, Events, Operation, Unit};
use super::known::{VISIBLE, once_known, until_seen};
use super::ledger::Ledger;
use super::report::{Reason, Waiting};
use super::{Cancel, blame};
use crate::byproduct::Byproduct;
use crate::kind::{Created, ErrorClass, Intent, OpError, Outputs, Progress};
use crate::names::ResourceAddress;
use crate::pipeline::FieldPath;
use crate::registry::{DynKind, Registry};
use crate::secret;
use crate::state::{Change, Instance, Pending, StateStore};
use crate::tags;
use crate::wait::{Scope, every, heartbeats};

/// The means of a run.
pub(crate) struct Hands {
    pub(crate) registry: Arc<Registry>,
    pub(crate) store: Arc<dyn StateStore>,
    pub(crate) events: Events,
    pub(crate) cancel: Cancel,
    pub(crate) permits: Semaphore,
    pub(crate) ledger: Ledger,
    /// What resources made by themselves and what stays though these are gone.
    pub(crate) kept: Mutex<Vec<(ResourceAddress, Byproduct)>>,
    /// Waits that ended because the user stopped the run.
    waiting: Mutex<Vec<Waiting>>,
    /// Whether it was said that the state is no longer this run's.
    said_lost: AtomicBool,
    /// Outputs of resources that are sensitive outputs of steps: not to be shown from the moment that they are known.
    sensitive: HashMap<ResourceAddress, BTreeSet<String>>,
}

/// Why an operation gave nothing.
pub(crate) enum Stop {
    /// It failed.
    Because(Reason),
    /// The run was stopped, by the user or because the state was lost, before it began or while it waited.
    Interrupted,
    /// This one failed, which had to come first.
    Blocked(ResourceAddress),
}

impl From<Reason> for Stop {
    fn from(reason: Reason) -> Self {
        Self::Because(reason)
    }
}

/// Reports a resource's progress as events.
pub(super) struct Reporter<'a> {
    pub(super) hands: &'a Hands,
    pub(super) address: &'a ResourceAddress,
    pub(super) scope: &'a Scope,
}

impl Reporter<'_> {
    fn progress(&self, message: &str, (done, total): (u64, u64), unit: Option<Unit>) {
        self.scope.note(message);
        let (address, message) = (self.address.clone(), message.to_owned());
        self.hands.events.emit(Event::OperationProgress { address, message, done, total, unit });
    }
}

impl Progress for Reporter<'_> {
    fn report(&self, message: &str, done: u64, total: u64) {
        self.progress(message, (done, total), None);
    }

    fn transferred(&self, message: &str, done: u64, total: u64) {
        self.progress(message, (done, total), Some(Unit::Bytes));
    }

    fn note(&self, message: &str) {
        let (address, message) = (self.address.clone(), message.to_owned());
        self.hands.events.emit(Event::OperationNote { address, message });
    }

    fn byproduct(&self, byproduct: Byproduct) {
        if byproduct.kept.is_some() {
            let mut kept = self.hands.kept.lock().expect("no panic under this lock");
            kept.push((self.address.clone(), byproduct.clone()));
        }
        self.hands.events.emit(Event::Byproduct { address: self.address.clone(), byproduct });
    }
}

impl Hands {
    pub(crate) fn new(
        registry: Arc<Registry>,
        store: Arc<dyn StateStore>,
        events: Events,
        cancel: Cancel,
        parallelism: usize,
    ) -> Self {
        let permits = Semaphore::new(parallelism.max(1));
        let said_lost = AtomicBool::new(false);
        Self {
            registry,
            store,
            events,
            cancel,
            permits,
            ledger: Ledger::default(),
            kept: Mutex::default(),
            waiting: Mutex::default(),
            said_lost,
            sensitive: HashMap::new(),
        }
    }

    /// With outputs of resources that are not to be shown.
    pub(crate) fn with_sensitive(self, sensitive: HashMap<ResourceAddress, BTreeSet<String>>) -> Self {
        Self { sensitive, ..self }
    }

    /// The waits that ended because the user stopped the run, in order.
    pub(crate) fn take_waiting(&self) -> Vec<Waiting> {
        let mut waiting = std::mem::take(&mut *self.waiting.lock().expect("no panic under this lock"));
        waiting.sort_by(|a, b| a.address.cmp(&b.address));
        waiting
    }

    /// What the work on a resource runs in: its retries are said, and its waits end when the run is stopped.
    pub(super) fn scope(&self, address: &ResourceAddress) -> Scope {
        let (events, address) = (self.events.clone(), address.clone());
        Scope::new(self.cancel.clone(), move |retry| {
            events.emit(Event::Retrying { address: Some(address.clone()), retry });
        })
    }

    /// Whether something may be begun: the user has not stopped the run, and the state is still
    /// this run's. That it is not is reported once, not for everything that waits.
    fn may_begin(&self) -> Result<(), Stop> {
        if self.cancel.is_cancelled() { Err(Stop::Interrupted) } else { self.still_ours() }
    }

    /// Whether the state is still this run's to change.
    fn still_ours(&self) -> Result<(), Stop> {
        match self.store.check() {
            Ok(()) => Ok(()),
            Err(_) if self.said_lost.swap(true, Ordering::SeqCst) => Err(Stop::Interrupted),
            Err(error) => Err(Stop::Because(Reason::State(error))),
        }
    }

    /// Makes a resource: intent, call, result, the rest of its settings, each recorded in turn. `is_resumed` where the
    /// intent is an earlier run's, which may have made it after all.
    pub(crate) async fn create(
        &self,
        address: &ResourceAddress,
        kind: &dyn DynKind,
        pending: Pending,
        is_resumed: bool,
    ) -> Result<Outputs, Stop> {
        let scope = &self.scope(address);
        let work = async {
            let progress = &Reporter { hands: self, address, scope };
            self.record(Change::Intent { pending: pending.clone() }).await?;
            // Recording may have taken long enough for somebody else to take the state over: what is made
            // now would be in nobody's.
            self.still_ours()?;
            // What it refers to may have been made a moment ago.
            let create = || kind.create(&pending.spec, &pending.intent, progress);
            let created = if pending.depends_on.is_empty() { create().await } else { once_known(create).await };
            let created = match created {
                Err(error) if is_resumed && error.class == ErrorClass::Conflict => {
                    // The service refuses it and did not show it: what is in the way may be what the earlier run made.
                    let seen = until_seen(VISIBLE, || kind.find(&pending.spec, &pending.intent)).await;
                    seen.and_then(|seen| seen.ok_or(error))
                }
                created => created,
            };
            let created = match created {
                Ok(created) => created,
                Err(error) => {
                    // No answer says nothing, and neither does a wait that was cut short: the resource may be
                    // there. The intent stays, and the next run looks for it.
                    use ErrorClass::{Interrupted, Service, Unreachable};
                    if !matches!(error.class, Unreachable | Service | Interrupted) {
                        self.record(Change::NothingMade { address: address.clone() }).await?;
                    }
                    let error = blame::explain(&*self.store, address, kind, &pending.spec, error).await;
                    return Err(Reason::Operation(error).into());
                }
            };
            let made = self.made(address, &pending, created).await?;
            Ok(self.finish(address, kind, made, None, progress).await?)
        };
        let instance = self.operate(address, Operation::Create, scope, work, |made| made.id.clone()).await?;
        Ok(instance.outputs)
    }

    /// Looks for what an interrupted create made.
    pub(crate) async fn find(
        &self,
        address: &ResourceAddress,
        kind: &dyn DynKind,
        pending: &Pending,
    ) -> Result<Option<Instance>, Stop> {
        self.may_begin()?;
        let (scope, operation) = (self.scope(address), Operation::Adopt);
        let find = || kind.find(&pending.spec, &pending.intent);
        let found = if kind.repeats() {
            scope.run(until_seen(VISIBLE.saturating_sub(pending.age()), find)).await
        } else {
            scope.run(find()).await
        };
        match found.map_err(|error| self.stop(address, operation, Reason::Operation(error).into()))? {
            Some(created) => {
                let id = created.id.clone();
                let made = self.made(address, pending, created).await?;
                self.events.emit(Event::OperationDone { address: address.clone(), operation, id, millis: 0 });
                Ok(Some(made))
            }
            None => {
                self.record(Change::NothingMade { address: address.clone() }).await?;
                Ok(None)
            }
        }
    }

    /// Brings a resource in line with its instance's spec and records that it is.
    pub(crate) async fn configure(
        &self,
        address: &ResourceAddress,
        kind: &dyn DynKind,
        instance: Instance,
        was: Option<&Value>,
    ) -> Result<Outputs, Stop> {
        let operation = if was.is_some() { Operation::Update } else { Operation::Finish };
        let scope = &self.scope(address);
        let progress = &Reporter { hands: self, address, scope };
        let work = async { Ok(self.finish(address, kind, instance, was, progress).await?) };
        let instance = self.operate(address, operation, scope, work, |done| done.id.clone()).await?;
        Ok(instance.outputs)
    }

    /// Brings a resource in line with its spec whatever the state says of it: what is there is read and
    /// counts, and what cannot be read is sent again. For an update that did not end, of which some may
    /// have been done (`operation` is `Finish`), and for one whose text is the same and whose references
    /// are to others now (`Update`).
    pub(crate) async fn reapply(
        &self,
        address: &ResourceAddress,
        kind: &dyn DynKind,
        mut instance: Instance,
        was: &Value,
        operation: Operation,
        ignored: &[FieldPath],
    ) -> Result<Outputs, Stop> {
        let scope = &self.scope(address);
        let progress = &Reporter { hands: self, address, scope };
        let work = async {
            let seen = kind.read(&instance.id, was).await.map_err(Reason::Operation)?;
            let mut there = seen.map_or_else(|| was.clone(), |seen| seen.spec);
            tags::leave_others(&mut there, &[was, &instance.spec]);
            super::ignored::copy(ignored, &there, &mut instance.spec);
            let more = kind.configure(&instance.id, &instance.spec, Some(&there), progress).await;
            // What this changed, what follows may not tell again.
            instance.outputs.extend(more.map_err(Reason::Operation)?);
            Ok(self.finish(address, kind, instance, None, progress).await?)
        };
        let instance = self.operate(address, operation, scope, work, |done| done.id.clone()).await?;
        Ok(instance.outputs)
    }

    /// The kind of a resource in the state.
    pub(crate) fn kind(&self, address: &ResourceAddress) -> Result<Arc<dyn DynKind>, Reason> {
        let unknown = || {
            let message = format!("this llmhost knows no resources of kind {}", address.kind());
            let mut error = OpError::local("find the kind", message);
            let provider = address.kind().split('.').next().unwrap_or_default();
            error.advice = Some(format!(
                "If a provider made it, keep [providers.{provider}] in the file until the resource is deleted. Otherwise use \
                 the llmhost that made it, or a newer one."
            ));
            Reason::Operation(error)
        };
        self.registry.kind_of(address).cloned().ok_or_else(unknown)
    }

    pub(crate) async fn record(&self, change: Change) -> Result<(), Reason> {
        if let Change::Current { address, instance } = &change
            && let Some(names) = self.sensitive.get(address)
        {
            names.iter().filter_map(|name| instance.outputs.get(name)).for_each(secret::hide_output);
        }
        self.store.record(change).await.map_err(Reason::State)
    }

    async fn made(&self, address: &ResourceAddress, pending: &Pending, created: Created) -> Result<Instance, Reason> {
        let Created { id, outputs } = created;
        let instance = Instance {
            id,
            spec: pending.spec.clone(),
            outputs,
            depends_on: pending.depends_on.clone(),
            generation: pending.intent.generation(),
            bound: pending.bound.clone(),
            unfinished: true,
            was: None,
            going: false,
            broken: None,
        };
        self.record(Change::Current { address: address.clone(), instance: instance.clone() }).await?;
        Ok(instance)
    }

    pub(super) async fn finish(
        &self,
        address: &ResourceAddress,
        kind: &dyn DynKind,
        mut instance: Instance,
        was: Option<&Value>,
        progress: &dyn Progress,
    ) -> Result<Instance, Reason> {
        let configure = || kind.configure(&instance.id, &instance.spec, was, progress);
        // What was just made may not be found at first; what is changed has been there for a while.
        let configured = if was.is_none() { once_known(configure).await } else { configure().await };
        let more = match configured {
            Ok(more) => more,
            Err(error) => {
                if error.class == ErrorClass::Broken {
                    instance.broken = Some(error.message.clone());
                    self.record(Change::Current { address: address.clone(), instance }).await?;
                }
                return Err(Reason::Operation(error));
            }
        };
        instance.outputs.extend(kind.foreknown(&instance.spec));
        instance.outputs.extend(more);
        instance.unfinished = false;
        instance.was = None;
        self.record(Change::Current { address: address.clone(), instance: instance.clone() }).await?;
        Ok(instance)
    }

    /// Does one thing to a resource: waits for its turn, announces it, says now and then that it is still at
    /// work, and says how it ended.
    pub(super) async fn operate<T>(
        &self,
        address: &ResourceAddress,
        operation: Operation,
        scope: &Scope,
        work: impl Future<Output = Result<T, Stop>>,
        id: impl FnOnce(&T) -> String,
    ) -> Result<T, Stop> {
        let _permit = self.permits.acquire().await.expect("the semaphore is never closed");
        self.may_begin()?;
        let began = Instant::now();
        self.events.emit(Event::OperationStarted { address: address.clone(), operation });
        let still_at_work = || {
            let (millis, latest) = (began.elapsed().as_millis() as u64, scope.latest());
            self.events.emit(Event::OperationWaiting { address: address.clone(), operation, millis, latest });
        };
        match every(heartbeats(), still_at_work, scope.run(work)).await {
            Ok(value) => {
                let (id, millis) = (id(&value), began.elapsed().as_millis() as u64);
                self.ledger.note(address, operation, &id);
                self.events.emit(Event::OperationDone { address: address.clone(), operation, id, millis });
                Ok(value)
            }
            Err(stop) => Err(self.stop(address, operation, stop)),
        }
    }

    /// Says that an operation failed; or, where the run was stopped while it waited, that it waits no longer.
    fn stop(&self, address: &ResourceAddress, operation: Operation, stop: Stop) -> Stop {
        match stop {
            Stop::Because(Reason::Operation(error)) if error.class == ErrorClass::Interrupted => {
                let (address, waiting) = (address.clone(), error.message);
                let event =
                    Event::OperationInterrupted { address: address.clone(), operation, waiting: waiting.clone() };
                self.events.emit(event);
                let mut all = self.waiting.lock().expect("no panic under this lock");
                all.push(Waiting { address, operation, waiting });
                Stop::Interrupted
            }
            stop => {
                self.announce_failure(address, operation, &stop);
                stop
            }
        }
    }

    fn announce_failure(&self, address: &ResourceAddress, operation: Operation, stop: &Stop) {
        let error = match stop {
            Stop::Because(Reason::Operation(error)) => error.clone(),
            Stop::Because(other) => OpError::local("record", other.to_string()),
            Stop::Interrupted | Stop::Blocked(_) => OpError::local("begin", "the state is no longer this run's"),
        };
        self.events.emit(Event::OperationFailed { address: address.clone(), operation, error });
    }
}

/// A new intent: its token is unique, ASCII, and within AWS's 64 characters.
pub(crate) fn intent(address: &ResourceAddress) -> Intent {
    Intent { address: address.clone(), token: format!("llmhost-{}", uuid::Uuid::new_v4().simple()) }
}
