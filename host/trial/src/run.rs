//! Running one case.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use llmhost_engine::diagnostic::Diagnostics;
use llmhost_engine::pipeline::Pipeline;
use llmhost_engine::plugin::{FailureCode, LogLevel, PluginLoader};
use llmhost_engine::registry::Registry;
use llmhost_engine::run::{self, Cancel, Engine, Event, Events, Selection, StepFailure};
use llmhost_engine::state::{LocalStore, State, StateStore};
use llmhost_engine::trace::Phase;
use serde_json::{Map, Value};

use crate::case::{Case, During, STEP};
use crate::expect;
use crate::given::CaseLoader;
use crate::pretend::{self, Provider};
use crate::report::{CaseReport, Seen, SeenFailure, Verdict};
use crate::watch::Watch;

/// What is tested, and with what.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// A built-in plugin's name, or the absolute path of a component.
    pub plugin: &'a str,
    /// Where relative paths in a case's options start.
    pub base: &'a Path,
    /// What the plugin is granted, where a case says nothing.
    pub allow: &'a [String],
    /// Loads the plugin.
    pub loader: &'a dyn PluginLoader,
    /// The kinds of resources, for a region.
    pub kinds: &'a (dyn Fn(&str) -> Registry + Sync),
    /// Who answers.
    pub provider: Provider,
}

/// Runs a case: plans, applies, and holds what the plugin did against what the case expects.
///
/// # Errors
/// What is wrong on this side, such as a folder that cannot be written; never the plugin's failure.
pub async fn run(case: &Case, subject: &Subject<'_>) -> Result<CaseReport, String> {
    let began = Instant::now();
    let case = Arc::new(case.clone());
    let watch = Arc::<Watch>::default();
    let log = Arc::<Mutex<Vec<String>>>::default();
    let mut seen = Seen::default();
    attempt(&case, subject, &watch, &log, &mut seen).await?;
    let runs = watch.runs();
    seen.planned = runs.first().cloned().unwrap_or_default();
    let applied = seen.outputs.is_some() || seen.failure.as_ref().is_some_and(|failed| failed.during == During::Apply);
    seen.declared = if applied { runs.last() } else { runs.first() }.cloned().unwrap_or_default();
    let differences = expect::differences(case.content.expect.as_ref(), &seen, subject.provider);
    let log = std::mem::take(&mut *log.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(CaseReport {
        name: case.name.clone(),
        path: case.path.clone(),
        description: case.description().map(str::to_owned),
        verdict: if differences.is_empty() { Verdict::Passed } else { Verdict::Failed(differences) },
        log,
        took: began.elapsed(),
        seen,
    })
}

async fn attempt(
    case: &Arc<Case>,
    subject: &Subject<'_>,
    watch: &Arc<Watch>,
    log: &Arc<Mutex<Vec<String>>>,
    seen: &mut Seen,
) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("a temporary folder cannot be used: {error}");
    let folder = tempfile::tempdir().map_err(failed)?;
    let file = folder.path().join("case.toml");
    let allow = case.allow().unwrap_or(subject.allow);
    std::fs::write(&file, case.pipeline(subject.plugin, allow)).map_err(failed)?;
    let secret = |name: &str| case.content.secrets.iter().any(|known| known == name).then(|| format!("the-{name}"));
    let engine = async {
        let mut pipeline = Pipeline::load(&file, &[], &secret)?;
        subject.base.clone_into(&mut pipeline.base);
        let registry = pretend::registry(&(subject.kinds)(case.region()), case, watch, subject.provider);
        let loader = CaseLoader { loader: subject.loader, case, watch: Arc::clone(watch) };
        Engine::load(Arc::new(pipeline), &loader, Arc::new(registry), events(log), run::DEFAULT_PARALLELISM).await
    };
    let engine = match engine.await {
        Ok(engine) => engine,
        Err(problems) => {
            seen.failure = Some(of_file(&problems));
            return Ok(());
        }
    };
    let plan = match engine.plan(&Arc::new(State { pipeline: "test".to_owned(), ..State::default() })).await {
        Ok(plan) => Arc::new(plan),
        Err(error) => {
            seen.failure = first(&error.failures, During::Plan);
            return Ok(());
        }
    };
    let planned = plan.steps.iter().find(|step| step.name.as_str() == STEP);
    seen.planned_outputs = planned.and_then(|step| step.outputs.as_object().cloned());
    let (store, _) = LocalStore::open(&folder.path().join("state"), "test", "plugin test").map_err(said)?;
    let store: Arc<dyn StateStore> = Arc::new(store);
    let report = engine.apply(plan, Arc::clone(&store), Cancel::default()).await.map_err(said)?;
    seen.failure = first(&report.failures, During::Apply);
    if seen.failure.is_none() {
        let outputs = report.outputs.into_iter().find(|(step, _)| step.as_str() == STEP);
        seen.outputs = Some(outputs.map_or_else(Map::new, |(_, outputs)| match outputs {
            Value::Object(outputs) => outputs,
            _ => Map::new(),
        }));
    }
    if subject.provider == Provider::Real {
        let (registry, store, selection) = (Arc::clone(engine.registry()), Arc::clone(&store), Selection::default());
        let gone =
            run::destroy(registry, store, Events::new(|_| ()), Cancel::default(), run::DEFAULT_PARALLELISM, &selection);
        let left = gone.await.map_err(said)?.failures;
        if let Some(left) = left.first() {
            return Err(format!("case '{}': cannot delete its resources: {}", case.name, left.reason));
        }
    }
    store.close().await.map_err(said)
}

fn said(error: impl std::error::Error) -> String {
    error.to_string()
}

/// Messages of the plugin. While it plans it says the same as when it applies: they are kept once.
fn events(log: &Arc<Mutex<Vec<String>>>) -> Events {
    let log = Arc::clone(log);
    Events::new(move |event| {
        if let Event::StepLog { step, phase, level, message } = event
            && step.as_str() == STEP
            && level != LogLevel::Debug
        {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            if phase == Phase::Plan || !log.contains(&message) {
                log.push(message);
            }
        }
    })
}

/// The tested step's failure; another's, where that is the only one.
fn first(failures: &[StepFailure], during: During) -> Option<SeenFailure> {
    let of_step = failures.iter().find(|failure| failure.step.as_str() == STEP);
    of_step.or(failures.first()).map(|failure| SeenFailure::of(failure, during))
}

/// Options that do not fit, and grants that are missing.
fn of_file(problems: &Diagnostics) -> SeenFailure {
    let messages: Vec<&str> = problems.problems.iter().map(|problem| problem.message.as_str()).collect();
    SeenFailure {
        code: FailureCode::Invalid.name().to_owned(),
        message: messages.join("; "),
        during: During::Plan,
        crash: None,
    }
}
