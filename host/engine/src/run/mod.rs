//! A pipeline at work: plan, apply, destroy.

mod applier;
mod blame;
mod book;
mod common;
mod converge;
mod decide;
mod destroy;
mod destruction;
mod drift;
mod event;
mod existing;
mod facts;
mod files;
mod foresight;
mod hands;
mod ignored;
mod import;
mod impossible;
mod interrupts;
mod known;
mod ledger;
mod letting_go;
mod moves;
mod own_outputs;
mod pieces;
mod planner;
mod probe;
mod protect;
mod remove;
mod report;
mod select;
mod takeover;
mod world;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::sync::watch;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::graph::StepGraph;
use crate::lock::Lock;
use crate::look_up::StandIns;
use crate::names::StepName;
use crate::pipeline::{ConfigSchema, Others, Pipeline};
use crate::plan::Plan;
use crate::plugin::{Capabilities, Charts, Failure, FailureCode, LoadRequest, Plugin, PluginError, PluginLoader};
use crate::registry::{DynKind, Registry};
use crate::secret;
use crate::state::{State, StateStore};
use crate::trace::{Phase, Trace};
pub use common::{ADDRESS_ANNOTATION, ADDRESS_TAG, PIPELINE_ANNOTATION, PIPELINE_TAG};
pub use destroy::destroy;
pub use destruction::{Destruction, Doomed, Holding};
pub use drift::{Drift, Found, Refresh, drift, drift_at, drift_from, refresh, refresh_from};
pub use event::{Event, Events, Operation, Unit};
pub use foresight::Foresight;
pub use import::{
    Existing, Found as FoundResource, How, Import, ImportError, Missing, Stray, Survey, Why, adoptable, import, survey,
};
pub use planner::PlanError;
pub use probe::{DecidesByUnknown, Difference};
pub use protect::protected;
pub use report::{Departure, Reason, Report, StepFailure, Waiting};
pub use select::{Consequences, Selection, UnknownStep};
pub use world::{WorldError, check_world, repinned};

use book::Book;
use common::Common;
use existing::LookUps;
use world::{asks_aws, enter, same_world};

/// How many steps, and how many operations, run at a time where the user says nothing.
pub const DEFAULT_PARALLELISM: usize = 10;

/// A pipeline with its plugins loaded and its file checked against them.
pub struct Engine {
    pipeline: Arc<Pipeline>,
    graph: Arc<StepGraph>,
    plugins: Vec<Arc<dyn Plugin>>,
    schemas: Vec<Arc<ConfigSchema>>,
    registry: Arc<Registry>,
    events: Events,
    parallelism: usize,
    lock: Option<Arc<Lock>>,
    selection: Selection,
    trace: Option<Arc<Trace>>,
    look_ups: Arc<LookUps>,
    others: Others,
    charts: Option<Arc<dyn Charts>>,
}

/// What stops a run from outside. Calls that are in flight finish and are recorded; waits end, and nothing
/// begins.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<watch::Sender<bool>>);

impl Cancel {
    /// Stops the run.
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when the run is stopped.
    pub async fn cancelled(&self) {
        // The sender lives as long as `self`.
        let _ = self.0.subscribe().wait_for(|stopped| *stopped).await;
    }
}

impl Engine {
    /// Loads the plugins of a pipeline and checks the file against their schemas and outputs.
    /// Every problem is reported in one go; nothing has run when this fails.
    pub async fn load(
        pipeline: Arc<Pipeline>,
        loader: &dyn PluginLoader,
        registry: Arc<Registry>,
        events: Events,
        parallelism: usize,
    ) -> Result<Self, Diagnostics> {
        let mut problems = Vec::new();
        let mut plugins: Vec<Arc<dyn Plugin>> = Vec::with_capacity(pipeline.steps.len());
        for step in &pipeline.steps {
            let request = LoadRequest {
                step: &step.name,
                uses: &step.uses,
                base: &pipeline.base,
                allow: &step.allow,
                limits: &step.limits,
            };
            match loader.load(&request).await {
                Ok(plugin) => plugins.push(plugin),
                Err(error) => problems.push(step.load_problem(&error)),
            }
        }
        let schemas = if problems.is_empty() { schemas(&pipeline, &plugins, &mut problems) } else { Vec::new() };
        if problems.is_empty() {
            let by_name: HashMap<_, _> = pipeline.steps.iter().map(|step| &step.name).zip(&plugins).collect();
            let outputs_of = |name: &StepName| by_name.get(name).map(|p| p.description().outputs.as_slice());
            problems.extend(pipeline.check_outputs(outputs_of));
            problems.extend(unknown_kinds(&pipeline, &registry));
            problems.extend(pipeline.unknown_grants(&registry.kinds().map(|kind| kind.name()).collect::<Vec<_>>()));
            let checks: HashMap<&StepName, _> = pipeline.steps.iter().map(|step| &step.name).zip(&schemas).collect();
            problems.extend(pipeline.check_parts(|step| {
                let check = registry.check(checks.get(&step.name)?.asks_for()?)?;
                Some(check.outputs(&step.with_outline()))
            }));
            for (step, schema) in pipeline.steps.iter().zip(&schemas) {
                problems.extend(schema.check_static(step));
                if let Some(check) = schema.asks_for().and_then(|name| registry.check(name)) {
                    problems.extend(ConfigSchema::check_by(&**check, step));
                }
            }
        }
        if !problems.is_empty() {
            return Err(pipeline.diagnostics(problems));
        }
        let graph = Arc::new(pipeline.graph());
        let is_placed = pipeline.placements().any(|(_, placement)| !placement.is_own());
        let registry = if is_placed { registry.placed(pipeline.placements()) } else { registry };
        Ok(Self {
            pipeline,
            graph,
            plugins,
            schemas,
            registry,
            events,
            parallelism,
            lock: None,
            selection: Selection::default(),
            trace: None,
            look_ups: Arc::default(),
            others: Others::default(),
            charts: None,
        })
    }

    /// Takes choices that were made before from a lock file, and writes new ones into it.
    #[must_use]
    pub fn with_lock(mut self, lock: Lock) -> Self {
        self.lock = Some(Arc::new(lock));
        self
    }

    /// Leaves some steps as they are.
    #[must_use]
    pub fn with_selection(mut self, selection: Selection) -> Self {
        self.selection = selection;
        self
    }

    /// Also sends every event to `sink`, which must not block.
    pub fn with_listener(mut self, sink: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        let before = self.events.clone();
        self.events = Events::new(move |event| {
            sink(&event);
            before.emit(event);
        });
        self
    }

    /// Writes down what passes between the plugins and the host.
    #[must_use]
    pub fn with_trace(mut self, trace: Option<Arc<Trace>>) -> Self {
        self.trace = trace;
        self
    }

    /// Has the charts fetched that steps name by an address.
    #[must_use]
    pub fn with_charts(mut self, charts: Arc<dyn Charts>) -> Self {
        self.charts = Some(charts);
        self
    }

    /// Has AWS asked for what the file says exists. Without this, what the last run found counts, and what nobody has
    /// found yet is unknown.
    #[must_use]
    pub fn asking(self) -> Self {
        Self { look_ups: Arc::new(LookUps::asking(None)), ..self }
    }

    /// Has stand-ins made for what would be looked up.
    #[must_use]
    pub fn with_stand_ins(self, stand_ins: Arc<dyn StandIns>) -> Self {
        Self { look_ups: Arc::new(LookUps::asking(Some(stand_ins))), ..self }
    }

    /// Gives it the outputs of other pipelines. References to what they do not have are problems of the file.
    pub fn with_others(mut self, others: Others) -> Result<Self, Diagnostics> {
        let problems = self.pipeline.check_others(&others);
        if !problems.is_empty() {
            return Err(self.pipeline.diagnostics(problems));
        }
        self.others = others;
        Ok(self)
    }

    /// What each reference to another pipeline stands for, as the file has it: `pipeline.network.vpc_id`.
    pub fn other_values(&self) -> BTreeMap<String, Value> {
        self.pipeline.other_values(&self.others)
    }

    /// The outputs that are there before any step has run: those of other pipelines, and what was looked up.
    fn first_outputs(&self, mut outputs: HashMap<StepName, Value>) -> Mutex<HashMap<StepName, Value>> {
        outputs.extend(self.others.iter().map(|(name, other)| (name.clone(), other.value().clone())));
        Mutex::new(outputs)
    }

    /// The kinds of resources, with the placements of all steps: of those that only the state has, too.
    fn registry_for(&self, state: &State) -> Arc<Registry> {
        self.registry.hide_sensitive(state);
        if state.placements.is_empty() {
            return Arc::clone(&self.registry);
        }
        self.registry.placed(self.pipeline.placements()).with_steps_of(state)
    }

    /// What leaving them out means.
    pub fn consequences(&self, state: &State) -> Consequences {
        self.selection.consequences(&self.graph, state)
    }

    /// The kinds of resources that it makes.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// The pipeline.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// Plans against a state. Mutates nothing, and asks for nothing but what the file says exists ([`asking`](Self::asking)).
    pub async fn plan(&self, state: &Arc<State>) -> Result<Plan, PlanError> {
        let state = world::as_seen_from(&self.registry, state).await;
        planner::plan(self, &state, planner::Guards::Held).await
    }

    /// Plans to see what is declared, against a state that is incomplete: protected steps may seem to be replaced. For
    /// imports, which delete nothing.
    async fn plan_to_import(&self, state: &Arc<State>) -> Result<Plan, PlanError> {
        let state = world::as_seen_from(&self.registry, state).await;
        planner::plan(self, &state, planner::Guards::Ignored).await
    }

    /// Applies a plan that was shown. A declaration that differs from it is refused.
    pub async fn apply(
        &self,
        plan: Arc<Plan>,
        store: Arc<dyn StateStore>,
        cancel: Cancel,
    ) -> Result<Report, WorldError> {
        let state = store.snapshot();
        let registry = self.registry_for(&state);
        match plan.summary().operations() {
            0 => world::note(&registry, &*store).await?,
            _ => {
                let asks_aws = asks_aws(&registry, plan.resources.keys().chain(state.resources.keys()));
                enter(&registry, &*store, asks_aws).await?;
            }
        }
        Ok(applier::apply(self, &self.common(registry), plan, store, cancel).await)
    }

    /// The account that a plan changes something in; none where it asks AWS for nothing.
    pub async fn account_of(&self, plan: &Plan, state: &Arc<State>) -> Result<Option<String>, WorldError> {
        world::account_of_plan(&self.registry_for(state), plan).await
    }

    /// What the deletions and replacements of a plan would meet. Changes nothing.
    pub async fn foresee(&self, plan: &Plan, state: &Arc<State>) -> Result<Foresight, WorldError> {
        let destructive = plan.resources.iter().filter(|(_, planned)| planned.action.is_destructive());
        let going: HashSet<_> = destructive.map(|(address, _)| address.clone()).collect();
        if going.is_empty() {
            return Ok(Foresight::default());
        }
        let registry = self.registry_for(state);
        same_world(&registry, state).await?;
        let state = moves::made(state, &plan.moves);
        let registry = registry.with_steps_of(&state);
        Ok(foresight::foresee(&registry, &state, &going, self.parallelism).await)
    }

    fn common(&self, registry: Arc<Registry>) -> Arc<Common> {
        Arc::new(Common {
            pipeline: Arc::clone(&self.pipeline),
            graph: Arc::clone(&self.graph),
            registry,
            book: Arc::new(Book::new(Arc::clone(&self.graph))),
            events: self.events.clone(),
            asked: Mutex::default(),
            lock: self.lock.clone(),
            look_ups: Arc::clone(&self.look_ups),
        })
    }

    /// Runs the plugin of a step.
    async fn run_plugin(
        &self,
        phase: Phase,
        step: usize,
        config: &Value,
        host: Arc<dyn Capabilities>,
    ) -> Result<Value, PluginError> {
        let plugin = &*self.plugins[step];
        let result = match &self.trace {
            Some(trace) => trace.run(phase, &self.pipeline.steps[step], plugin, config, host).await,
            None => plugin.run(config, host).await,
        };
        if let Ok(outputs) = &result {
            let sensitive = plugin.description().sensitive_outputs();
            sensitive.iter().filter_map(|name| outputs.get(name)).for_each(secret::hide_output);
        }
        result
    }

    /// A step's `with` table with the outputs of earlier steps in place, checked once more.
    fn config(&self, step: usize, outputs: &Mutex<HashMap<StepName, Value>>) -> Result<StepConfig, Vec<Reason>> {
        let outputs = outputs.lock().expect("no panic under this lock");
        let described = &self.pipeline.steps[step];
        let resolved = described.resolve(|name| outputs.get(name));
        let words = |problems: Vec<Diagnostic>| problems.into_iter().map(|p| Reason::Config(p.message)).collect();
        let written = resolved.map_err(words)?;
        drop(outputs);
        let problems = self.schemas[step].check_resolved(described, &written);
        if !problems.is_empty() {
            return Err(words(problems));
        }
        let filled = self.schemas[step].filled(&written);
        Ok(StepConfig { written, filled })
    }
}

/// A step's `with` table, references replaced.
struct StepConfig {
    /// As the file has it. What a step may reach, and which secrets it was given, goes by this alone.
    written: Value,
    /// With the defaults of the schema, where there are such.
    filled: Option<Value>,
}

impl StepConfig {
    /// What the plugin gets.
    fn given(&self) -> &Value {
        self.filled.as_ref().unwrap_or(&self.written)
    }
}

/// Look-ups of kinds that cannot be looked up.
fn unknown_kinds(pipeline: &Pipeline, registry: &Registry) -> Vec<Diagnostic> {
    // The form of an id is for the look-up itself to refuse.
    let is_known = |kind: &dyn DynKind| kind.blank("cluster/v1/Kind/-/name").is_some();
    let known = || registry.kinds().filter(|kind| is_known(&***kind)).map(|kind| kind.name()).collect::<Vec<_>>();
    let unknown =
        pipeline.existing.iter().filter(|one| !registry.kind(&one.kind).is_some_and(|kind| is_known(&**kind)));
    unknown.map(|one| one.kind_problem(&known())).collect()
}

/// One compiled schema for each plugin, shared by the steps that use it.
fn schemas(pipeline: &Pipeline, plugins: &[Arc<dyn Plugin>], problems: &mut Vec<Diagnostic>) -> Vec<Arc<ConfigSchema>> {
    let mut compiled: HashMap<*const (), Arc<ConfigSchema>> = HashMap::new();
    let mut schemas = Vec::with_capacity(plugins.len());
    for (step, plugin) in pipeline.steps.iter().zip(plugins) {
        let description = plugin.description();
        let schema = match compiled.get(&std::ptr::from_ref(description).cast()) {
            Some(schema) => Arc::clone(schema),
            None => match ConfigSchema::of(description) {
                Ok(schema) => Arc::new(schema),
                Err(error) => {
                    problems.push(step.schema_problem(&error));
                    continue;
                }
            },
        };
        compiled.insert(std::ptr::from_ref(description).cast(), Arc::clone(&schema));
        schemas.push(schema);
    }
    schemas
}

/// What a plugin's error adds to the report. Trouble that the host has reported already comes back
/// through the plugin as `failed` or `invalid`, and is not said twice.
fn failure_of_plugin(error: PluginError, reported: bool) -> Option<Reason> {
    match error {
        PluginError::Returned(_) if reported => None,
        PluginError::Returned(Failure { code: FailureCode::Invalid, message }) => Some(Reason::Config(message)),
        error => Some(Reason::Plugin(error)),
    }
}
