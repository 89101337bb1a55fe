//! `llmhost run`: plan, show, ask, apply.

use std::path::Path;
use std::sync::Arc;

use llmhost_engine::graph::draw::{self, Format, Notes};
use llmhost_engine::pipeline::Pipeline;
use llmhost_engine::plan::{Plan, TextStyle};
use llmhost_engine::run::{self, Engine, Refresh, Selection};
use llmhost_engine::secret::shown;
use llmhost_engine::state::{State, StateStore};
use llmhost_engine::trace::Trace;
use llmhost_resources::{Aws, AwsSettings};

use super::conclude::{Ran, conclude};
use super::destroy;
use super::preflight::{self, Before};
use crate::app::{self, Console};
use crate::args::{Prices, Run, Watching};
use crate::asked::{self, confirm};
use crate::cost;
use crate::failure::Failure;
use crate::looked_up;
use crate::notes::notes;
use crate::place::Place;
use crate::saved::Saved;
use crate::signals;
use crate::traced;
use crate::view::{self, JsonLine};
use crate::watch::{Recorder, Watch};

/// Runs a pipeline.
pub(crate) async fn run(mut args: Run) -> Result<(), Failure> {
    let console = Console::new(args.how.json);
    let saved = Saved::read(&args.file.path)?;
    if let Some(saved) = &saved {
        take_from(saved, &mut args)?;
    }
    let pipeline = app::pipeline(&args.file)?;
    saved.as_ref().map_or(Ok(()), |saved| saved.check_file(&pipeline))?;
    let place = Place::new(&pipeline, &args.file, &args.place)?;
    saved.as_ref().map_or(Ok(()), |saved| saved.check_world(&place.world()))?;
    let is_offline = args.dry_run && !args.refresh && !looked_up::is_needed(&pipeline, &place).await;
    let place = if is_offline { place.offline() } else { place };
    let format = args.graph.as_deref().map(Format::of_path).transpose().map_err(not_drawn)?;
    let trace = args.trace.as_deref().map(|path| traced::begin(&pipeline, path)).transpose()?;
    let recorder = args.watching.is_on().then(|| Arc::new(Recorder::new()));
    let job = Job { args: &args, console: &console, pipeline: &pipeline, format, trace: trace.as_ref(), recorder };
    let work = async { if args.dry_run { job.show(&place).await } else { job.make(place, saved.as_ref()).await } };
    let result = console.hear(work).await;
    if let (Some(trace), Some(path)) = (&trace, &args.trace) {
        traced::end(trace, path, &console);
    }
    result
}

/// What is to be done.
struct Job<'a> {
    args: &'a Run,
    console: &'a Console,
    pipeline: &'a Arc<Pipeline>,
    format: Option<Format>,
    trace: Option<&'a Arc<Trace>>,
    /// What the page of the run is fed with.
    recorder: Option<Arc<Recorder>>,
}

impl Job<'_> {
    async fn engine(&self, place: &Place) -> Result<Engine, Failure> {
        let Self { args, console, pipeline, trace, .. } = self;
        let engine =
            app::engine(Arc::clone(pipeline), &args.file, place.settings(), console, args.how.parallelism).await?;
        let engine = if place.is_emulated() { engine } else { app::locked(engine)? };
        let asks = !args.dry_run || place.asks() && pipeline.looks_up();
        let engine = if asks { looked_up::asking(engine, place) } else { engine };
        let engine = match self.recorder.clone() {
            Some(recorder) => engine.with_listener(move |event| recorder.push(event)),
            None => engine,
        };
        Ok(engine.with_selection(selection(pipeline, args)?).with_trace(trace.cloned()))
    }

    fn graph(&self) -> Option<(&Path, Format)> {
        self.args.graph.as_deref().zip(self.format)
    }

    /// Shows what would change.
    async fn show(&self, place: &Place) -> Result<(), Failure> {
        let Self { args, console, pipeline, .. } = self;
        let mut state = place.read().await?;
        let engine = self.engine(place).await?;
        if args.refresh {
            refreshed(&engine, console, &state, args.how.parallelism).await?.apply_to(&mut state);
        }
        let state = Arc::new(state);
        tell_consequences(&engine, console, &state)?;
        let plan = console.during("planning", engine.plan(&state)).await?;
        console.result(|| view::plan(&plan, text_style()), &JsonLine::Plan { plan: &plan });
        let cost = match place.is_emulated() {
            true => None,
            false => Some(cost::estimated(console, pipeline, (&plan, &state), args.prices, place.settings()).await),
        };
        if let Some((path, format)) = self.graph() {
            write_graph(&plan, &notes(pipeline, engine.registry(), (&plan, &state), cost.as_ref()), path, format)?;
        }
        if let Some(cost) = &cost {
            cost::tell(console, &plan, cost);
        }
        looked_up::tell(console, &plan);
        if let Some(out) = &args.out {
            is_looked_up(&plan)?;
            Saved::of(pipeline, args, place.world(), &engine.other_values(), &state, &plan).write(out)?;
        }
        if !args.skip_preflight {
            preflight::check(console, pipeline, (&plan, &state), None, false).await?;
        }
        if !plan.is_empty() {
            console.note(&asked::next_command(args.out.as_deref()));
        }
        if args.exit_code && !plan.is_empty() { Err(Failure::Changes) } else { Ok(()) }
    }

    /// Makes it so.
    async fn make(&self, mut place: Place, saved: Option<&Saved>) -> Result<(), Failure> {
        let result = match place.open(self.console, "run").await {
            Ok(store) => {
                let result = self.make_in(&place, &store, saved).await;
                app::close(&*store, self.console, result).await
            }
            Err(failure) => Err(failure),
        };
        place.leave(self.console).await?;
        result
    }

    async fn make_in(&self, place: &Place, store: &Arc<dyn StateStore>, saved: Option<&Saved>) -> Result<(), Failure> {
        let Self { args, console, .. } = self;
        let engine = self.engine(place).await?;
        if args.refresh {
            let refresh = refreshed(&engine, console, &store.snapshot(), args.how.parallelism).await?;
            refresh.record(&**store).await?;
        }
        let how = Apply {
            graph: self.graph(),
            checks: (!args.skip_preflight).then(|| place.settings()),
            settings: place.settings(),
            prices: (!place.is_emulated()).then_some(args.prices),
            asks: !(args.how.yes || place.is_emulated() || saved.is_some()),
            is_real: place.is_real(),
            saved,
            ran: Ran::run(&args.file, &args.place),
            watching: self.recorder.as_ref().map(|recorder| (&args.watching, recorder)),
        };
        apply(&engine, store, console, how).await
    }
}

/// Refuses to save a plan that could not be applied as it is.
fn is_looked_up(plan: &Plan) -> Result<(), Failure> {
    match plan.existing.iter().find(|one| one.ids.is_none()) {
        None => Ok(()),
        Some(one) => Err(Failure::Other {
            message: format!("{} was not looked up, so the plan cannot be saved", one.name),
            help: "Create the plan with credentials for its account.".to_owned(),
            status: 1,
        }),
    }
}

/// The steps that the command line is about.
fn selection(pipeline: &Pipeline, args: &Run) -> Result<Selection, Failure> {
    Ok(Selection::new(pipeline, &args.steps.only, &args.steps.exclude)?)
}

/// Says what leaving steps out means, or that it cannot be done, before anything else.
fn tell_consequences(engine: &Engine, console: &Console, state: &State) -> Result<(), Failure> {
    let found = engine.consequences(state);
    if let Some((step, needed)) = found.missing.first() {
        let all: Vec<String> = found.missing.iter().map(|(step, needed)| format!("{step} needs {needed}")).collect();
        let message =
            format!("other steps depend on a step that is excluded and was never finished: {}", all.join(", "));
        let help = format!("Include '{needed}' as well, or exclude '{step}' too.");
        return Err(Failure::Other { message, help, status: 1 });
    }
    if !found.left_out.is_empty() {
        let names: Vec<&str> = found.left_out.iter().map(|step| step.as_str()).collect();
        console.note(&format!("Skipped: {}.", names.join(", ")));
    }
    for (step, needed) in &found.older {
        console.note(&format!("{step} uses the outputs of the last run of {needed}."));
    }
    for (step, needed) in &found.stale {
        console.note(&format!("{step} depends on {needed}, and does not get its changes until it runs again."));
    }
    Ok(())
}

/// Reads what is there, and shows in what it differs from the state.
async fn refreshed(engine: &Engine, console: &Console, state: &State, parallelism: u16) -> Result<Refresh, Failure> {
    let refresh = run::refresh_from(Some(engine.pipeline()), engine.registry(), state, parallelism.into());
    let refresh = console.during("reading every resource", refresh).await?;
    if !refresh.drift.is_empty() {
        let line = JsonLine::Drift { resources: state.resources.len(), drift: &refresh.drift };
        console.result(|| super::drift::text(&refresh.drift) + "\n", &line);
    }
    if refresh.is_partial() {
        let message = "some resources could not be read, so no plan is possible".to_owned();
        let help = "Nothing was changed. Run again when they can be read, or without --refresh.".to_owned();
        return Err(Failure::Other { message, help, status: 1 });
    }
    Ok(refresh)
}

/// A saved plan brings file and variables with it.
fn take_from(saved: &Saved, args: &mut Run) -> Result<(), Failure> {
    let others = args.refresh || args.out.is_some() || !args.steps.only.is_empty() || !args.steps.exclude.is_empty();
    let variables = saved.variables();
    // What a plan does not hold has to be given.
    if others
        || args.file.environment.is_some()
        || args.file.vars.iter().any(|(name, _)| !variables.secrets.contains(name))
    {
        let help = "It has its own variables and options, and accepts only the values of secret variables. Create a new plan for \
                    other values.";
        return Err(Failure::usage(
            "a saved plan cannot be used with --var, --env, --refresh, --only, --exclude or --out",
            help,
        ));
    }
    args.steps.only.clone_from(&saved.only);
    args.steps.exclude.clone_from(&saved.exclude);
    args.file.path = saved.pipeline_file(&args.file.path)?;
    args.file.kept = Some(variables);
    args.file.environment.clone_from(&saved.environment);
    args.refresh = saved.refresh;
    Ok(())
}

/// How a plan is applied.
struct Apply<'a> {
    graph: Option<(&'a Path, Format)>,
    checks: Option<AwsSettings>,
    /// Where secrets are read, and prices asked for.
    settings: AwsSettings,
    /// Where prices come from; none where nothing is billed.
    prices: Option<Prices>,
    /// Whether somebody is asked, and whether also before something is made: an endpoint on this machine bills nobody.
    asks: bool,
    is_real: bool,
    saved: Option<&'a Saved>,
    ran: Ran,
    watching: Option<(&'a Watching, &'a Arc<Recorder>)>,
}

async fn apply(
    engine: &Engine,
    store: &Arc<dyn StateStore>,
    console: &Console,
    Apply { graph, checks, settings, prices, asks, is_real, saved, ran, watching }: Apply<'_>,
) -> Result<(), Failure> {
    let state = Arc::new(store.snapshot());
    saved.map_or(Ok(()), |saved| saved.check_state(&state))?;
    saved.map_or(Ok(()), |saved| saved.check_others(&engine.other_values()))?;
    tell_consequences(engine, console, &state)?;
    let plan = Arc::new(console.during("planning", engine.plan(&state)).await?);
    saved.map_or(Ok(()), |saved| saved.check_plan(&plan, engine.pipeline()))?;
    // Who has agreed, and wants to see results alone, is not shown it.
    let is_shown = asks || !view::is_quiet() || matches!(console, Console::Json(_));
    if is_shown {
        console.result(|| view::plan(&plan, text_style()), &JsonLine::Plan { plan: &plan });
    }
    // Pictures of other formats show neither costs nor notes.
    let has_page = watching.is_some() || graph.is_some_and(|(_, format)| format == Format::Html);
    // What nobody sees is not asked for.
    let cost = match prices.filter(|_| is_shown || has_page) {
        Some(prices) => {
            let estimated = cost::estimated(console, engine.pipeline(), (&plan, &state), prices, settings.clone());
            Some(estimated.await)
        }
        None => None,
    };
    let notes = match has_page {
        true => notes(engine.pipeline(), engine.registry(), (&plan, &state), cost.as_ref()),
        false => Notes::default(),
    };
    if let Some((path, format)) = graph {
        write_graph(&plan, &notes, path, format)?;
    }
    if let Some(cost) = cost.as_ref().filter(|_| is_shown) {
        cost::tell(console, &plan, cost);
    }
    let foresight = console.during("checking what the deletions affect", engine.foresee(&plan, &state)).await?;
    if !foresight.is_empty() {
        console.result(|| view::foresight(&foresight, text_style()), &JsonLine::Foresight { foresight: &foresight });
    }
    destroy::stop_at_protected(&foresight)?;
    let summary = plan.summary();
    if let Some(settings) = checks.filter(|_| summary.operations() > 0) {
        let findings = preflight::check(console, engine.pipeline(), (&plan, &state), Some(settings), false).await?;
        preflight::stop_at_errors(&findings, Before::Run)?;
    }
    let loses = summary.replace + summary.delete > 0;
    if asks && (loses || is_real && summary.changes() > 0) {
        let cost = cost.and_then(|cost| cost.in_short());
        let account = engine.account_of(&plan, &state).await?;
        confirm(&asked::question(
            summary,
            plan.interruptions(),
            account.as_deref(),
            &engine.pipeline().region,
            cost.as_deref(),
        ))?;
    }
    if summary.operations() > 0 {
        llmhost_resources::check_secrets(&Aws::new(settings), &plan).await.map_err(|error| Failure::Other {
            help: format!("{} Nothing was changed.", error.advice()),
            message: error.message,
            status: 1,
        })?;
    }
    let cancel = signals::listen(console);
    let watch = match watching {
        Some((args, recorder)) => Some(Watch::start(args, recorder, (&plan, notes), console).await?),
        None => None,
    };
    let report = engine.apply(plan, Arc::clone(store), cancel).await?;
    let ended = conclude(console, &report, Some((&ran, &store.snapshot())));
    if let Some(watch) = watch {
        watch.end(&report, console).await;
    }
    ended
}

/// How plans and graphs are written for this terminal.
pub(crate) fn text_style() -> TextStyle {
    let utf8 =
        ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    let unicode = utf8.is_none_or(|locale| !matches!(locale.as_str(), "C" | "POSIX"));
    TextStyle { color: view::stdout_has_colour(), unicode, width: view::width() }
}

/// Draws a plan into a file.
pub(crate) fn write_graph(plan: &Plan, notes: &Notes, path: &Path, format: Format) -> Result<(), Failure> {
    std::fs::write(path, &*shown(&draw::draw(plan, notes, format))).map_err(|error| {
        let message = format!("cannot write the graph to {}: {error}", path.display());
        Failure::Other { message, help: "Choose another file with --graph.".to_owned(), status: 1 }
    })
}

/// The command line asks for a drawing that there is not.
pub(crate) fn not_drawn(error: draw::DrawError) -> Failure {
    Failure::usage(error.to_string(), "Give the file one of these extensions.")
}
