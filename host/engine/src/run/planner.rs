//! Planning: every plugin runs once against a host that mutates nothing.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use indexmap::{IndexMap, IndexSet};
use serde_json::Value;

use super::common::{Common, Declaration};
use super::decide::{Known, decide};
use super::event::Event;
use super::files::{Digests, Files};
use super::probe::{DecidesByUnknown, Planned, probe};
use super::report::{Reason, StepFailure};
use super::{
    Engine, StepConfig, existing, facts, failure_of_plugin, ignored, impossible, interrupts, moves, own_outputs,
    pieces, protect, select, takeover,
};
use crate::graph::{self, Outcome};
use crate::look_up::Query;
use crate::names::{ResourceAddress, StepName};
use crate::pipeline::{FieldPath, Ignored};
use crate::plan::{Action, Move, Plan, PlannedExisting, PlannedResource, PlannedStep};
use crate::plugin::{Capabilities, Failure, FailureCode, FileEntry, LogLevel, PluginError};
use crate::state::State;
use crate::trace::Phase;
use crate::{secret, unknown};

/// Why there is no plan: every problem that planning found.
#[derive(Debug, thiserror::Error)]
#[error("the pipeline cannot be planned: {} problem{}", .failures.len(), if .failures.len() == 1 { "" } else { "s" })]
pub struct PlanError {
    /// Each problem once.
    pub failures: Vec<StepFailure>,
    /// Steps that were not planned, each with the step that is missing.
    pub skipped: Vec<(StepName, StepName)>,
}

/// What one step declared.
#[derive(Default)]
struct StepPlan {
    outputs: Value,
    resources: IndexMap<ResourceAddress, PlannedResource>,
    /// What it looked up.
    existing: Vec<PlannedExisting>,
    /// Fields that stay as they are.
    ignored: Vec<(ResourceAddress, Vec<FieldPath>)>,
    /// Files that it read.
    files: Digests,
    /// Tokens that it has seen.
    tokens: IndexSet<String>,
    /// What it would do otherwise once they are known.
    decides: Option<Box<DecidesByUnknown>>,
}

/// More passes than any chain of moves needs that makes sense.
const MOST_PASSES: usize = 10;

/// Whether a plan that would delete something protected is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guards {
    Held,
    Ignored,
}

/// Plans a pipeline against a state. What only moved is planned where it is now: a plan that shows
/// moves is made again as if they had been made.
pub(super) async fn plan(engine: &Engine, state: &Arc<State>, guards: Guards) -> Result<Plan, PlanError> {
    let mut moves = moves::declared(&engine.pipeline, state);
    let mut failures = moves::elsewhere(&moves, &engine.registry, state);
    failures.extend(moves::taken(&engine.pipeline, state));
    if !failures.is_empty() {
        return Err(PlanError { failures, skipped: Vec::new() });
    }
    let mut state = moves::made(state, &moves);
    for pass in 0..MOST_PASSES {
        let (common, plan, doubts) = draft(engine, &state, pass == 0).await?;
        let found = moves::recognised(&plan, &state, &common.registry);
        if found.is_empty() {
            return finish(plan, doubts, moves, &common, &state, guards);
        }
        state = moves::made(&state, &found);
        moves.extend(found);
    }
    let (common, plan, doubts) = draft(engine, &state, false).await?;
    finish(plan, doubts, moves, &common, &state, guards)
}

/// Runs every plugin, and puts what they declare beside the state. What they log is passed on where `heard`. Steps
/// that decide by unknown values come last: what moves first may be known then.
async fn draft(
    engine: &Engine,
    state: &Arc<State>,
    heard: bool,
) -> Result<(Arc<Common>, Plan, Vec<StepFailure>), PlanError> {
    let common = &engine.common(engine.registry_for(state));
    let looked_up = existing::look_up(common, state).await;
    let looked_up = looked_up.map_err(|failures| PlanError { failures, skipped: Vec::new() })?;
    let outputs = engine.first_outputs(looked_up.outputs);
    let outcomes = graph::walk(&common.graph, engine.parallelism, |step| {
        let outputs = &outputs;
        async move {
            let planned = plan_step(engine, common, state, step, outputs, heard).await?;
            let name = common.graph.name(step).clone();
            outputs.lock().expect("no panic under this lock").insert(name, planned.outputs.clone());
            Ok(planned)
        }
    })
    .await;
    let (mut plan, doubts) = collect(engine, common, state, outcomes)?;
    plan.existing.splice(0..0, looked_up.planned);
    let failures = own_outputs::violations(engine, &plan, &outputs.into_inner().expect("no panic under this lock"));
    if !failures.is_empty() {
        return Err(PlanError { failures, skipped: Vec::new() });
    }
    Ok((Arc::clone(common), plan, doubts))
}

/// Checks what can only be said of a whole plan.
fn finish(
    mut plan: Plan,
    doubts: Vec<StepFailure>,
    moves: Vec<Move>,
    common: &Common,
    state: &State,
    guards: Guards,
) -> Result<Plan, PlanError> {
    plan.moves = moves;
    takeover::resolve(&mut plan, state, &common.registry);
    interrupts::note(&mut plan, state, &common.registry);
    let mut failures = doubts;
    failures.extend(takeover::held(&plan, state, &common.registry));
    if guards == Guards::Held {
        failures.extend(protect::violations(&plan, &common.pipeline, state));
    }
    failures.extend(impossible::violations(&plan, &common.registry, state));
    if !failures.is_empty() {
        return Err(PlanError { failures, skipped: Vec::new() });
    }
    common.events.emit(Event::Planned { pipeline: plan.pipeline.clone(), summary: plan.summary() });
    Ok(plan)
}

async fn plan_step(
    engine: &Engine,
    common: &Arc<Common>,
    state: &Arc<State>,
    step: usize,
    outputs: &Mutex<HashMap<StepName, Value>>,
    heard: bool,
) -> Result<StepPlan, Vec<StepFailure>> {
    let name = common.graph.name(step).clone();
    if engine.selection.leaves_out(&name) {
        return Ok(StepPlan { outputs: select::keep(common, state, &name), ..StepPlan::default() });
    }
    let fail = |reason| StepFailure { step: name.clone(), address: None, reason };
    let config = engine.config(step, outputs).map_err(|reasons| reasons.into_iter().map(fail).collect::<Vec<_>>())?;
    let given = unknown::unknowns(config.given());
    let files = Arc::new(Files::new(&engine.pipeline, &name, &config.written).fetching(engine.charts.clone()));
    let session = Arc::new(PlanSession {
        common: Arc::clone(common),
        state: Arc::clone(state),
        step: name.clone(),
        config,
        ignored: engine.pipeline.steps[step].ignored.clone(),
        seen: Mutex::new(Seen { given, ..Seen::default() }),
        heard,
        existing: Mutex::default(),
        files: Arc::clone(&files),
    });
    let host: Arc<dyn Capabilities> = Arc::clone(&session) as _;
    let result = engine.run_plugin(Phase::Plan, step, session.config.given(), host).await;
    let Seen { resources, mut problems, given, asked_about } = std::mem::take(&mut *session.seen());
    match result {
        Ok(outputs) if problems.is_empty() => {
            let checked = secret::check_given(&outputs, &session.config.written);
            checked.map_err(|error| vec![fail(Reason::Declaration(format!("outputs: {error}")))])?;
            let (config, outputs) = (&session.config, &outputs);
            let planned = Planned {
                step,
                name: &name,
                config,
                resources: &resources,
                outputs,
                given: &given,
                asked_about,
                files,
            };
            let decides = probe(engine, common, state, planned).await;
            let outputs = outputs.clone();
            let existing = std::mem::take(&mut *session.existing.lock().expect("no panic under this lock"));
            let files = session.files.digests();
            let mut planned = StepPlan { outputs, existing, files, tokens: given, decides, ..StepPlan::default() };
            for (address, known) in resources {
                if !known.ignored.is_empty() {
                    planned.ignored.push((address.clone(), known.ignored));
                }
                planned.resources.insert(address, known.planned);
            }
            Ok(planned)
        }
        Ok(_) => Err(problems),
        Err(error) => {
            let error = match error {
                PluginError::Returned(failure) => PluginError::Returned(noted(failure, &Value::Null, &given)),
                other => other,
            };
            problems.extend(failure_of_plugin(error, !problems.is_empty()).map(fail));
            Err(problems)
        }
    }
}

/// What is wrong with a declaration or an option, and which unknown value was cut, where one was.
fn noted(failure: Failure, value: &Value, tokens: &IndexSet<String>) -> Failure {
    match failure.code {
        FailureCode::Invalid => Failure { message: pieces::noted(failure.message, value, tokens), ..failure },
        _ => failure,
    }
}

fn collect(
    engine: &Engine,
    common: &Common,
    state: &State,
    outcomes: Vec<Outcome<StepPlan, Vec<StepFailure>>>,
) -> Result<(Plan, Vec<StepFailure>), PlanError> {
    let mut plan = Plan { pipeline: common.pipeline.name.clone(), ..Plan::default() };
    let mut error = PlanError { failures: Vec::new(), skipped: Vec::new() };
    let mut outcomes: Vec<_> = outcomes.into_iter().map(Some).collect();
    let (mut tokens, mut doubts) = (HashMap::new(), Vec::new());
    for &step in common.graph.order() {
        let name = common.graph.name(step);
        match outcomes[step].take().expect("each step is visited once") {
            Outcome::Done(done) => {
                let needs = common.graph.needs(step).into_iter().map(|step| common.graph.name(step).clone());
                plan.steps.push(PlannedStep {
                    name: name.clone(),
                    uses: engine.pipeline.steps[step].uses.clone(),
                    placement: engine.pipeline.steps[step].placement.clone(),
                    depends_on: engine.pipeline.existing_of(step).into_iter().chain(needs).collect(),
                    outputs: done.outputs,
                    sensitive: engine.plugins[step].description().sensitive_outputs(),
                    files: done.files,
                });
                plan.resources.extend(done.resources);
                plan.existing.extend(done.existing);
                plan.ignored.extend(done.ignored);
                tokens.insert(name, done.tokens);
                let doubt = |decides| StepFailure {
                    step: name.clone(),
                    address: None,
                    reason: Reason::DecidesByUnknown(decides),
                };
                doubts.extend(done.decides.map(doubt));
            }
            Outcome::Failed(failures) => error.failures.extend(failures),
            Outcome::NotRun { because } => error.skipped.push((name.clone(), common.graph.name(because).clone())),
        }
    }
    for (address, planned) in &plan.resources {
        let Some(kind) = common.registry.kind_of(address) else { continue };
        if let Err(reason) = kind.check(address, &planned.spec, &common.book.view(address.step())) {
            let reason = match tokens.get(address.step()) {
                Some(tokens) => pieces::noted(reason, &planned.spec, tokens),
                None => reason,
            };
            error.failures.push(StepFailure {
                step: address.step().clone(),
                address: Some(address.clone()),
                reason: Reason::Declaration(reason),
            });
        }
    }
    error.failures.extend(ignored::unmatched(engine, &plan, state));
    if !error.failures.is_empty() {
        error.failures.extend(doubts);
        return Err(error);
    }
    plan.facts = std::mem::take(&mut *common.asked.lock().expect("no panic under this lock"));
    let all = plan.steps.iter().map(|step| &step.name).chain(state.resources.keys().map(ResourceAddress::step));
    plan.left_out = all.filter(|step| engine.selection.leaves_out(step)).cloned().collect();
    add_leftovers(&mut plan, state);
    Ok((plan, doubts))
}

/// Adds what the state holds and nobody declares any more.
fn add_leftovers(plan: &mut Plan, state: &State) {
    for (address, record) in &state.resources {
        let old = record.deposed.iter().map(|instance| instance.id.clone()).collect();
        if let Some(planned) = plan.resources.get_mut(address) {
            planned.leftovers = old;
            continue;
        }
        let (spec, depends_on) = match (&record.current, &record.pending, record.deposed.first()) {
            (Some(instance), _, _) | (None, None, Some(instance)) => {
                (instance.spec.clone(), instance.depends_on.clone())
            }
            (None, Some(pending), _) => (pending.spec.clone(), pending.depends_on.clone()),
            (None, None, None) => continue,
        };
        let stays = plan.left_out.contains(address.step());
        let action = if stays { Action::Keep } else { Action::Delete };
        let leftovers = if stays { Vec::new() } else { old };
        let planned = PlannedResource { depends_on, leftovers, ..PlannedResource::new(action, spec) };
        plan.resources.insert(address.clone(), planned);
    }
}

/// The host as one step sees it while a plan is made.
struct PlanSession {
    common: Arc<Common>,
    state: Arc<State>,
    step: StepName,
    config: StepConfig,
    /// Fields of its resources that stay as they are.
    ignored: Vec<Ignored>,
    seen: Mutex<Seen>,
    /// Whether what the plugin logs is passed on: in the first pass, and no more in those that plan it again.
    heard: bool,
    /// What it looked up.
    existing: Mutex<Vec<PlannedExisting>>,
    files: Arc<Files>,
}

/// What a plugin did, and which unknown values it got.
#[derive(Default)]
struct Seen {
    resources: IndexMap<ResourceAddress, Known>,
    problems: Vec<StepFailure>,
    /// Tokens that it has seen.
    given: IndexSet<String>,
    /// Those among them of which it asked whether they are known.
    asked_about: HashSet<String>,
}

impl PlanSession {
    /// Takes a declaration in. Fields that are ignored are as the state has them; what is made anew is made as the
    /// file has it.
    fn settle(&self, kind: &str, name: &str, spec: Value, after: &[String]) -> Result<Declaration, Failure> {
        let Self { common, step, config, .. } = self;
        let address = ResourceAddress::new(step, kind, name).ok().filter(|_| !self.ignored.is_empty());
        let there = address.and_then(|address| {
            let fields: Vec<_> = self.ignored.iter().filter_map(|ignored| ignored.path_in(&address)).collect();
            Some((fields, &self.state.resources.get(&address)?.current.as_ref()?.spec))
        });
        let draft = |spec, ignored| common.draft(step, &config.written, kind, name, spec, after, ignored);
        let declaration = match there {
            None => draft(spec, None)?,
            Some((fields, there)) => {
                let kept = draft(spec.clone(), Some((&fields[..], there)))?;
                let is_renewed = || matches!(decide(&kept, &self.state, common).planned.action, Action::Replace { .. });
                if !kept.ignored.is_empty() && is_renewed() { draft(spec, None)? } else { kept }
            }
        };
        common.register(&declaration)?;
        Ok(declaration)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("no panic under this lock")
    }
}

#[async_trait]
impl Capabilities for PlanSession {
    fn declare(&self, kind: &str, name: &str, spec: Value, after: &[String]) -> Result<ResourceAddress, Failure> {
        // Kept for the error, where it is refused.
        let given = Some(&spec).filter(|_| !self.seen().given.is_empty()).cloned();
        let declared = self.settle(kind, name, spec, after);
        let declaration = declared.map_err(|failure| {
            let mut seen = self.seen();
            let failure = noted(failure, &given.unwrap_or_default(), &seen.given);
            let reason = Reason::Declaration(failure.to_string());
            seen.problems.push(StepFailure { step: self.step.clone(), address: None, reason });
            failure
        })?;
        let address = declaration.address.clone();
        let known = decide(&declaration, &self.state, &self.common);
        self.seen().resources.insert(address.clone(), known);
        Ok(address)
    }

    async fn output(&self, address: &ResourceAddress, output: &str) -> Result<Value, Failure> {
        let mut seen = self.seen();
        let known = seen.resources.get(address).and_then(|known| known.outputs.get(output));
        let value = known.cloned().unwrap_or_else(|| Value::String(unknown::output(address, output)));
        seen.given.extend(unknown::unknowns(&value));
        drop(seen);
        self.common.identify(address, output, &value);
        Ok(value)
    }

    async fn fact(&self, key: &str) -> Result<String, Failure> {
        let key = &*self.common.pipeline.fact_key(&self.step, key);
        self.common.asked.lock().expect("no panic under this lock").insert(key.to_owned());
        Ok(facts::known(&self.common, &self.state, key).unwrap_or_else(|| {
            let token = unknown::fact(key);
            self.seen().given.insert(token.clone());
            token
        }))
    }

    async fn existing(&self, query: &Query, attribute: &str) -> Result<Vec<Value>, Failure> {
        let found = existing::attribute(&self.common, &self.state, &self.step, query, attribute, &self.existing).await;
        match found {
            Ok(Some(values)) => Ok(values),
            Ok(None) => {
                let token = existing::token(query, attribute);
                self.seen().given.insert(token.clone());
                Ok(vec![Value::String(token)])
            }
            Err(error) => {
                let reason = Reason::Operation(error);
                let failure = reason.as_failure();
                self.seen().problems.push(StepFailure { step: self.step.clone(), address: None, reason });
                Err(failure)
            }
        }
    }

    async fn list_files(&self, folder: &str) -> Result<Vec<FileEntry>, Failure> {
        Ok(self.files.list(folder)?)
    }

    async fn read_file(&self, file: &str, start: u64, most: u32) -> Result<Vec<u8>, Failure> {
        Ok(self.files.read(file, start, most).await?)
    }

    fn region(&self) -> &str {
        self.common.pipeline.region_of(&self.step)
    }

    fn written(&self, pointer: &str) -> Option<String> {
        self.common.pipeline.written(&self.step, pointer)
    }

    fn is_known(&self, text: &str) -> bool {
        let tokens = unknown::unknowns_in(text);
        let is_known = tokens.is_empty();
        self.seen().asked_about.extend(tokens);
        is_known
    }

    fn log(&self, level: LogLevel, message: &str) {
        if self.heard {
            let (step, message) = (self.step.clone(), message.to_owned());
            self.common.events.emit(Event::StepLog { step, phase: Phase::Plan, level, message });
        }
    }
}
