//! Applying: every plugin runs again, against a host that makes what it declares, and holds it
//! to the plan.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use async_trait::async_trait;
use serde_json::Value;

use super::common::Common;
use super::converge::Operations;
use super::event::Event;
use super::files::{self, Files, Unread};
use super::hands::Hands;
use super::report::{Departure, Reason, Report, StepFailure};
use super::{Cancel, Engine, StepConfig, existing, failure_of_plugin, own_outputs, protect, remove, select};
use crate::graph::{self, Outcome};
use crate::look_up::Query;
use crate::names::{ResourceAddress, StepName};
use crate::plan::{Move, Plan, PlannedStep, departing, departing_outputs};
use crate::plugin::{Capabilities, Failure, FileEntry, LogLevel};
use crate::secret::without_sensitive;
use crate::state::{Change, State, StateStore};
use crate::trace::Phase;
use crate::{secret, unknown};

/// Applies a plan.
pub(super) async fn apply(
    engine: &Engine,
    common: &Arc<Common>,
    plan: Arc<Plan>,
    store: Arc<dyn StateStore>,
    cancel: Cancel,
) -> Report {
    let failures = changed_files(engine, &plan);
    if !failures.is_empty() {
        return Report { failures, ..Report::default() };
    }
    let hands =
        Hands::new(Arc::clone(&common.registry), store, common.events.clone(), cancel.clone(), engine.parallelism)
            .with_sensitive(plan.sensitive_sources());
    if let Some(failed) = make_moves(&hands, &plan).await {
        return failed;
    }
    let operations = Arc::new(Operations::new(hands, Arc::clone(&plan)));
    let looked_up = existing::look_up(common, &operations.hands.store.snapshot()).await;
    let remembered = existing::remember(&plan.existing, &*operations.hands.store).await;
    let outputs = match (looked_up, remembered) {
        (Ok(looked_up), Ok(())) => engine.first_outputs(looked_up.outputs),
        (Err(failures), _) => return Report { failures, ..Report::default() },
        (_, Err(error)) => {
            let failures = plan.existing.first().map(|one| StepFailure {
                step: one.name.clone(),
                address: None,
                reason: Reason::State(error),
            });
            return Report { failures: failures.into_iter().collect(), ..Report::default() };
        }
    };
    if let Err(error) = protect::remember(&common.pipeline, &*operations.hands.store).await {
        // A state that cannot be written: everything that follows fails by it, and says so.
        tracing::warn!(%error, "cannot record which steps are protected");
    }
    common.events.emit(Event::RunStarted { operations: plan.summary().calls() });
    let outcomes = graph::walk(&common.graph, engine.parallelism, |step| {
        let (operations, outputs) = (Arc::clone(&operations), &outputs);
        async move { apply_step(engine, common, operations, step, outputs).await }
    })
    .await;

    let mut report = Report::default();
    for (&step, outcome) in common.graph.order().iter().zip(in_order(&common.graph, outcomes)) {
        let name = common.graph.name(step).clone();
        match outcome {
            Outcome::Done(_) if plan.left_out.contains(&name) => {}
            Outcome::Done(outputs) => {
                let outputs = without_sensitive(&outputs, &engine.plugins[step].description().sensitive_outputs());
                report.outputs.push((name, outputs));
            }
            Outcome::Failed(failures) => report.failures.extend(failures),
            Outcome::NotRun { because } => report.skipped.push((name, common.graph.name(because).clone())),
        }
    }
    // What had to be deleted before a replacement may belong to a step that never ran.
    report.failures.extend(operations.take_failures(None));
    remove::leftovers(&operations, &mut report).await;
    let state = operations.hands.store.snapshot();
    report.done = operations.hands.ledger.summary(&plan, &state);
    report.kept = std::mem::take(&mut *operations.hands.kept.lock().expect("no panic under this lock"));
    report.interrupted = cancel.is_cancelled();
    report.waiting = operations.hands.take_waiting();
    if report.is_ok() {
        report.failures = departures(&operations, &state);
    }
    if report.is_ok() {
        let outputs = outputs.into_inner().expect("no panic under this lock");
        match own_outputs::record(engine, &operations.plan, &outputs, &operations.hands).await {
            Ok(own) => report.file_outputs = own,
            Err(reason) => {
                let step = common.graph.order().last().map(|&step| common.graph.name(step).clone());
                report.failures.extend(step.map(|step| StepFailure { step, address: None, reason }));
            }
        }
    }
    let (ok, failures) = (report.is_ok(), report.failures.len());
    common.events.emit(Event::Finished { ok, done: report.done, failures });
    report
}

/// Files that are not what the plan was made of: nothing is begun where there are such.
fn changed_files(engine: &Engine, plan: &Plan) -> Vec<StepFailure> {
    let of_step = |step: &PlannedStep| {
        let failure =
            |departure| StepFailure { step: step.name.clone(), address: None, reason: Reason::NotAsPlanned(departure) };
        files::changed(&engine.pipeline, &step.name, &step.files).into_iter().map(failure).collect::<Vec<_>>()
    };
    plan.steps.iter().flat_map(of_step).collect()
}

/// Calls in the state what the plan says by its new name, before anything is done to it.
async fn make_moves(hands: &Hands, plan: &Plan) -> Option<Report> {
    for change in plan.moves.iter().cloned() {
        let step = match &change {
            Move::Step { to, .. } => to.clone(),
            Move::Resource { to, .. } => to.step().clone(),
        };
        if let Err(reason) = hands.record(change.into()).await {
            let failures = vec![StepFailure { step, address: None, reason }];
            return Some(Report { failures, ..Report::default() });
        }
    }
    None
}

/// What was planned is done, and nothing else: where that does not hold, the run has failed.
fn departures(operations: &Operations, state: &State) -> Vec<StepFailure> {
    let departures = operations.hands.ledger.departures(&operations.plan, state);
    let failure = |departure: Departure| {
        let address = departure.address()?.clone();
        let step = address.step().clone();
        Some(StepFailure { step, address: Some(address), reason: Reason::NotAsPlanned(departure) })
    };
    departures.into_iter().filter_map(failure).collect()
}

fn in_order<T, E>(graph: &graph::StepGraph, outcomes: Vec<Outcome<T, E>>) -> impl Iterator<Item = Outcome<T, E>> {
    let mut outcomes: Vec<_> = outcomes.into_iter().map(Some).collect();
    let order = graph.order().to_vec();
    order.into_iter().map(move |step| outcomes[step].take().expect("each step is visited once"))
}

async fn apply_step(
    engine: &Engine,
    common: &Arc<Common>,
    operations: Arc<Operations>,
    step: usize,
    outputs: &Mutex<HashMap<StepName, Value>>,
) -> Result<Value, Vec<StepFailure>> {
    let name = common.graph.name(step).clone();
    if operations.plan.left_out.contains(&name) {
        return run_step(engine, common, operations, step, outputs).await;
    }
    let began = Instant::now();
    common.events.emit(Event::StepStarted { step: name.clone() });
    let result = run_step(engine, common, operations, step, outputs).await;
    common.events.emit(match &result {
        Ok(_) => Event::StepDone { step: name, millis: began.elapsed().as_millis() as u64 },
        Err(_) => Event::StepFailed { step: name },
    });
    result
}

async fn run_step(
    engine: &Engine,
    common: &Arc<Common>,
    operations: Arc<Operations>,
    step: usize,
    outputs: &Mutex<HashMap<StepName, Value>>,
) -> Result<Value, Vec<StepFailure>> {
    let name = common.graph.name(step);
    let fail = |address: Option<ResourceAddress>, reason| StepFailure { step: name.clone(), address, reason };
    if operations.hands.cancel.is_cancelled() {
        return Err(Vec::new());
    }
    if operations.plan.left_out.contains(name) {
        let result = select::keep(common, &operations.hands.store.snapshot(), name);
        outputs.lock().expect("no panic under this lock").insert(name.clone(), result.clone());
        return Ok(result);
    }
    let config = engine.config(step, outputs);
    let config = config.map_err(|reasons| reasons.into_iter().map(|r| fail(None, r)).collect::<Vec<_>>())?;
    let planned = operations.plan.steps.iter().find(|planned| planned.name == *name);
    let planned = planned.map(|planned| planned.files.clone()).unwrap_or_default();
    let session = Arc::new(ApplySession {
        files: Files::new(&engine.pipeline, name, &config.written).fetching(engine.charts.clone()).holding_to(planned),
        common: Arc::clone(common),
        operations: Arc::clone(&operations),
        step: name.clone(),
        config,
        declared: Mutex::default(),
        problems: Mutex::default(),
    });
    let host: Arc<dyn Capabilities> = Arc::clone(&session) as _;
    let result = engine.run_plugin(Phase::Apply, step, session.config.given(), host).await;

    // Whatever the plugin made of it, what was started is waited for and recorded.
    let declared = std::mem::take(&mut *session.declared.lock().expect("no panic under this lock"));
    let mut failures = std::mem::take(&mut *session.problems.lock().expect("no panic under this lock"));
    let mut complete = true;
    for address in &declared {
        complete &= operations.wait(address).await.is_ok();
    }
    failures.extend(operations.take_failures(Some(name)));
    match result {
        Err(error) => {
            let reported = !complete || !failures.is_empty();
            failures.extend(failure_of_plugin(error, reported).map(|reason| fail(None, reason)));
        }
        Ok(_) if !complete || !failures.is_empty() => {}
        Ok(result) => {
            let planned = operations.planned_of.get(name).into_iter().flatten();
            let declared: HashSet<_> = declared.iter().collect();
            let missing = planned.filter(|address| !declared.contains(address)).map(|address| {
                fail(Some(address.clone()), Reason::NotAsPlanned(Departure::Undeclared(address.clone())))
            });
            failures.extend(missing);
            if let Err(error) = secret::check_given(&result, &session.config.written) {
                failures.push(fail(None, Reason::Declaration(format!("outputs: {error}"))));
            }
            let planned = operations.planned_outputs(name).filter(|_| failures.is_empty());
            let changes = planned.map(|planned| departing_outputs(planned, &result)).unwrap_or_default();
            let sensitive = engine.plugins[step].description().sensitive_outputs();
            if !changes.is_empty() {
                let changes = changes.into_iter().map(|change| change.without(&sensitive)).collect();
                failures.push(fail(None, Reason::NotAsPlanned(Departure::Outputs(changes))));
            }
            if failures.is_empty() {
                return finish(&operations, name, result, sensitive, outputs)
                    .await
                    .map_err(|reason| vec![fail(None, reason)]);
            }
        }
    }
    Err(failures)
}

/// Records a step's outputs, where they are new.
async fn finish(
    operations: &Operations,
    step: &StepName,
    result: Value,
    sensitive: BTreeSet<String>,
    outputs: &Mutex<HashMap<StepName, Value>>,
) -> Result<Value, Reason> {
    if !operations.hands.store.has_outputs(step, &result, &sensitive) {
        let change = Change::StepDone { step: step.clone(), outputs: result.clone(), sensitive };
        operations.hands.store.record(change).await.map_err(Reason::State)?;
    }
    outputs.lock().expect("no panic under this lock").insert(step.clone(), result.clone());
    Ok(result)
}

/// The host as one step sees it while a plan is applied.
struct ApplySession {
    common: Arc<Common>,
    operations: Arc<Operations>,
    step: StepName,
    config: StepConfig,
    declared: Mutex<Vec<ResourceAddress>>,
    problems: Mutex<Vec<StepFailure>>,
    files: Files,
}

impl ApplySession {
    fn problem(&self, address: Option<ResourceAddress>, reason: Reason) {
        let failure = StepFailure { step: self.step.clone(), address, reason };
        self.problems.lock().expect("no panic under this lock").push(failure);
    }

    /// A plugin that could do without a file that has changed is stopped, too.
    fn unread(&self, unread: Unread) -> Failure {
        if let Unread::Changed(departure) = &unread {
            self.problem(None, Reason::NotAsPlanned(departure.clone()));
        }
        unread.into()
    }
}

#[async_trait]
impl Capabilities for ApplySession {
    fn declare(&self, kind: &str, name: &str, spec: Value, after: &[String]) -> Result<ResourceAddress, Failure> {
        let known = ResourceAddress::new(&self.step, kind, name).ok();
        let ignored = known.and_then(|address| self.operations.ignored(&address));
        let declared = self.common.declare(&self.step, &self.config.written, kind, name, spec, after, ignored);
        let declaration =
            declared.inspect_err(|failure| self.problem(None, Reason::Declaration(failure.to_string())))?;
        let address = declaration.address.clone();
        let planned = self.operations.plan.resources.get(&address).filter(|p| p.action != crate::plan::Action::Delete);
        let departure = match planned {
            None => Some(Departure::Unplanned(address.clone())),
            Some(planned) if unknown::matches(&planned.spec, &declaration.spec) => None,
            Some(planned) => {
                let changes = departing(&planned.spec, &declaration.spec);
                Some(Departure::Differs { address: address.clone(), changes })
            }
        };
        if let Some(departure) = departure {
            let message = departure.to_string();
            self.problem(Some(address), Reason::NotAsPlanned(departure));
            return Err(Failure::refused(message));
        }
        self.declared.lock().expect("no panic under this lock").push(address.clone());
        self.operations.start(declaration);
        Ok(address)
    }

    async fn output(&self, address: &ResourceAddress, output: &str) -> Result<Value, Failure> {
        let outputs = self.operations.wait(address).await.map_err(Failure::from)?;
        let value = outputs.get(output).cloned();
        let value = value.ok_or_else(|| Failure::failed(format!("{address} has no output '{output}'")))?;
        self.common.identify(address, output, &value);
        Ok(value)
    }

    async fn fact(&self, key: &str) -> Result<String, Failure> {
        let key = &*self.common.pipeline.fact_key(&self.step, key);
        match self.operations.fact(key, self.common.lock.as_deref()).await {
            Ok(value) => Ok(value),
            Err(reason) => {
                let failure = reason.as_failure();
                self.problem(None, reason);
                Err(failure)
            }
        }
    }

    async fn existing(&self, query: &Query, attribute: &str) -> Result<Vec<Value>, Failure> {
        let state = self.operations.hands.store.snapshot();
        let seen = Mutex::default();
        let found = existing::attribute(&self.common, &state, &self.step, query, attribute, &seen).await;
        // What the plan did not know is kept, too.
        let seen = seen.into_inner().expect("no panic under this lock");
        let kept = existing::remember(&seen, &*self.operations.hands.store).await.map_err(Reason::State);
        let found = found.map_err(Reason::Operation).and_then(|found| kept.map(|()| found));
        match found {
            Ok(values) => Ok(values.unwrap_or_else(|| vec![Value::String(existing::token(query, attribute))])),
            Err(reason) => {
                let failure = reason.as_failure();
                self.problem(None, reason);
                Err(failure)
            }
        }
    }

    async fn list_files(&self, folder: &str) -> Result<Vec<FileEntry>, Failure> {
        self.files.list(folder).map_err(|unread| self.unread(unread))
    }

    async fn read_file(&self, file: &str, start: u64, most: u32) -> Result<Vec<u8>, Failure> {
        self.files.read(file, start, most).await.map_err(|unread| self.unread(unread))
    }

    fn region(&self) -> &str {
        self.common.pipeline.region_of(&self.step)
    }

    fn written(&self, pointer: &str) -> Option<String> {
        self.common.pipeline.written(&self.step, pointer)
    }

    fn log(&self, level: LogLevel, message: &str) {
        let message = message.to_owned();
        self.common.events.emit(Event::StepLog { step: self.step.clone(), phase: Phase::Apply, level, message });
    }
}
