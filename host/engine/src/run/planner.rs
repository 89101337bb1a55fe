//! Planning: every plugin runs once against a host that mutates nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use indexmap::IndexMap;
use serde_json::Value;

use super::common::Common;
use super::decide::{Known, decide};
use super::event::Event;
use super::report::{Reason, StepFailure};
use super::{Engine, failure_of_plugin, impossible, interrupts, moves, protect, select, takeover};
use crate::graph::{self, Outcome};
use crate::names::{ResourceAddress, StepName};
use crate::plan::{Action, Move, Plan, PlannedResource, PlannedStep};
use crate::plugin::{Capabilities, Failure, LogLevel};
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
struct StepPlan {
    outputs: Value,
    resources: IndexMap<ResourceAddress, PlannedResource>,
}

/// More passes than any chain of moves needs that makes sense.
const MOST_PASSES: usize = 10;

/// Plans a pipeline against a state. What only moved is planned where it is now: a plan that shows
/// moves is made again as if they had been made.
pub(super) async fn plan(engine: &Engine, state: &Arc<State>) -> Result<Plan, PlanError> {
    let mut moves = moves::declared(&engine.pipeline, state);
    let mut state = moves::made(state, &moves);
    for pass in 0..MOST_PASSES {
        let (common, plan) = draft(engine, &state, pass == 0).await?;
        let found = moves::recognised(&plan, &state, &common.registry);
        if found.is_empty() {
            return finish(plan, moves, &common, &state);
        }
        state = moves::made(&state, &found);
        moves.extend(found);
    }
    let (common, plan) = draft(engine, &state, false).await?;
    finish(plan, moves, &common, &state)
}

/// Runs every plugin, and puts what they declare beside the state. What they log is passed on where `heard`.
async fn draft(engine: &Engine, state: &Arc<State>, heard: bool) -> Result<(Arc<Common>, Plan), PlanError> {
    let common = &engine.common();
    let outputs: Mutex<HashMap<StepName, Value>> = Mutex::default();
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
    let plan = collect(engine, common, state, outcomes)?;
    Ok((Arc::clone(common), plan))
}

/// Checks what can only be said of a whole plan.
fn finish(mut plan: Plan, moves: Vec<Move>, common: &Common, state: &State) -> Result<Plan, PlanError> {
    plan.moves = moves;
    takeover::resolve(&mut plan, state, &common.registry);
    interrupts::note(&mut plan, state, &common.registry);
    let mut failures = takeover::held(&plan, state, &common.registry);
    failures.extend(protect::violations(&plan, &common.pipeline, state));
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
        return Ok(StepPlan { outputs: select::keep(common, state, &name), resources: IndexMap::new() });
    }
    let fail = |reason| StepFailure { step: name.clone(), address: None, reason };
    let config = engine.config(step, outputs).map_err(|reasons| reasons.into_iter().map(fail).collect::<Vec<_>>())?;
    let session = Arc::new(PlanSession {
        common: Arc::clone(common),
        state: Arc::clone(state),
        step: name.clone(),
        config,
        resources: Mutex::default(),
        problems: Mutex::default(),
        heard,
    });
    let host: Arc<dyn Capabilities> = Arc::clone(&session) as _;
    let result = engine.run_plugin(Phase::Plan, step, &session.config, host).await;
    let mut problems = std::mem::take(&mut *session.problems.lock().expect("no panic under this lock"));
    let resources = std::mem::take(&mut *session.resources.lock().expect("no panic under this lock"));
    match result {
        Ok(outputs) if problems.is_empty() => {
            let given = secret::check_given(&outputs, &session.config);
            given.map_err(|error| vec![fail(Reason::Declaration(format!("outputs: {error}")))])?;
            let resources = resources.into_iter().map(|(address, known)| (address, known.planned)).collect();
            Ok(StepPlan { outputs, resources })
        }
        Ok(_) => Err(problems),
        Err(error) => {
            problems.extend(failure_of_plugin(error, !problems.is_empty()).map(fail));
            Err(problems)
        }
    }
}

fn collect(
    engine: &Engine,
    common: &Common,
    state: &State,
    outcomes: Vec<Outcome<StepPlan, Vec<StepFailure>>>,
) -> Result<Plan, PlanError> {
    let mut plan = Plan { pipeline: common.pipeline.name.clone(), ..Plan::default() };
    let mut error = PlanError { failures: Vec::new(), skipped: Vec::new() };
    let mut outcomes: Vec<_> = outcomes.into_iter().map(Some).collect();
    for &step in common.graph.order() {
        let name = common.graph.name(step);
        match outcomes[step].take().expect("each step is visited once") {
            Outcome::Done(done) => {
                plan.steps.push(PlannedStep {
                    name: name.clone(),
                    uses: engine.pipeline.steps[step].uses.clone(),
                    depends_on: common.graph.needs(step).into_iter().map(|s| common.graph.name(s).clone()).collect(),
                    outputs: done.outputs,
                });
                plan.resources.extend(done.resources);
            }
            Outcome::Failed(failures) => error.failures.extend(failures),
            Outcome::NotRun { because } => error.skipped.push((name.clone(), common.graph.name(because).clone())),
        }
    }
    for (address, planned) in &plan.resources {
        let Some(kind) = common.registry.kind(address.kind()) else { continue };
        if let Err(reason) = kind.check(address, &planned.spec, &common.book.view(address.step())) {
            error.failures.push(StepFailure {
                step: address.step().clone(),
                address: Some(address.clone()),
                reason: Reason::Declaration(reason),
            });
        }
    }
    if !error.failures.is_empty() {
        return Err(error);
    }
    plan.facts = std::mem::take(&mut *common.asked.lock().expect("no panic under this lock"));
    let all = plan.steps.iter().map(|step| &step.name).chain(state.resources.keys().map(ResourceAddress::step));
    plan.left_out = all.filter(|step| engine.selection.leaves_out(step)).cloned().collect();
    add_leftovers(&mut plan, state);
    Ok(plan)
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
        let planned = PlannedResource {
            action: if stays { Action::Keep } else { Action::Delete },
            spec,
            changes: Vec::new(),
            depends_on,
            leftovers: if stays { Vec::new() } else { old },
            unfinished: false,
            was_going: false,
            broken: None,
            takes_over: None,
            interrupts: None,
            derived: &[],
        };
        plan.resources.insert(address.clone(), planned);
    }
}

/// The host as one step sees it while a plan is made.
struct PlanSession {
    common: Arc<Common>,
    state: Arc<State>,
    step: StepName,
    config: Value,
    resources: Mutex<IndexMap<ResourceAddress, Known>>,
    problems: Mutex<Vec<StepFailure>>,
    /// Whether what the plugin logs is passed on: in the first pass, and no more in those that plan it again.
    heard: bool,
}

#[async_trait]
impl Capabilities for PlanSession {
    fn declare(&self, kind: &str, name: &str, spec: Value, after: &[String]) -> Result<ResourceAddress, Failure> {
        let declared = self.common.declare(&self.step, &self.config, kind, name, spec, after);
        let declaration = declared.inspect_err(|failure| {
            let reason = Reason::Declaration(failure.to_string());
            let failure = StepFailure { step: self.step.clone(), address: None, reason };
            self.problems.lock().expect("no panic under this lock").push(failure);
        })?;
        let address = declaration.address.clone();
        let known = decide(&declaration, &self.state, &self.common);
        self.resources.lock().expect("no panic under this lock").insert(address.clone(), known);
        Ok(address)
    }

    async fn output(&self, address: &ResourceAddress, output: &str) -> Result<Value, Failure> {
        let resources = self.resources.lock().expect("no panic under this lock");
        let known = resources.get(address).and_then(|known| known.outputs.get(output));
        let value = known.cloned().unwrap_or_else(|| Value::String(unknown::output(address, output)));
        drop(resources);
        self.common.identify(address, output, &value);
        Ok(value)
    }

    async fn fact(&self, key: &str) -> Result<String, Failure> {
        self.common.asked.lock().expect("no panic under this lock").insert(key.to_owned());
        let known = self.state.facts.get(key).cloned();
        let known = known.or_else(|| self.common.lock.as_ref()?.fact(key));
        Ok(known.unwrap_or_else(|| unknown::fact(key)))
    }

    fn region(&self) -> &str {
        &self.common.pipeline.region
    }

    fn written(&self, pointer: &str) -> Option<String> {
        self.common.pipeline.written(&self.step, pointer)
    }

    fn log(&self, level: LogLevel, message: &str) {
        if self.heard {
            let (step, message) = (self.step.clone(), message.to_owned());
            self.common.events.emit(Event::StepLog { step, phase: Phase::Plan, level, message });
        }
    }
}
