//! `llmhost rehearse`: a pipeline's whole life against emulators: made, made again, disturbed,
//! destroyed, and nothing left.

use std::sync::Arc;
use std::time::Instant;

use llmhost_engine::kind::Progress;
use llmhost_engine::names::ResourceAddress;
use llmhost_engine::run::{self, Drift, Found, Report, Selection};
use llmhost_engine::state::StateStore;
use llmhost_resources::ModelServer;

use super::conclude::conclude;
use super::drift;
use super::preflight::{self, Before};
use super::rehearse_serving::{Served, serve};
use crate::app::{self, Console};
use crate::args::Rehearse;
use crate::failure::Failure;
use crate::looked_up;
use crate::place::Place;
use crate::signals;
use crate::view::{JsonLine, style};

/// The tag that is changed behind the pipeline's back: one of its own, which nearly everything has.
const DISTURBED: &str = "Name";

/// Rehearses a pipeline.
pub(crate) async fn rehearse(args: Rehearse) -> Result<(), Failure> {
    let console = Console::new(args.json);
    if args.file.state.is_some() {
        let help = "Remove it: a rehearsal keeps its state with its emulator, and both are removed after it.";
        return Err(Failure::usage("--state cannot be used with rehearse", help));
    }
    let pipeline = app::pipeline(&args.file)?;
    let mut place = Place::rehearsal(&pipeline, args.emulate_pace);
    let store = place.open(&console, "rehearse").await?;
    let result = whole_life(&args, &console, pipeline, &place, &store).await;
    let result = app::close(&*store, &console, result).await;
    place.leave(&console).await?;
    result
}

async fn whole_life(
    args: &Rehearse,
    console: &Console,
    pipeline: Arc<llmhost_engine::pipeline::Pipeline>,
    place: &Place,
    store: &Arc<dyn StateStore>,
) -> Result<(), Failure> {
    let began = Instant::now();
    let parallelism = args.parallelism.into();
    let engine = app::engine(Arc::clone(&pipeline), &args.file, place.settings(), console, args.parallelism).await?;
    let engine = looked_up::asking(engine, place);

    let stage = Stage::begin(console, "apply");
    let state = Arc::new(store.snapshot());
    let plan = Arc::new(console.during("planning", engine.plan(&state)).await?);
    // With what stands in for what the file looks up.
    let before = place.inventory()?;
    let findings = preflight::check(console, &pipeline, (&plan, &state), Some(place.settings()), true).await?;
    preflight::stop_at_errors(&findings, Before::Rehearsal)?;
    let cancel = signals::listen(console);
    let report = engine.apply(plan, Arc::clone(store), cancel.clone()).await?;
    done(console, &report)?;
    stage.end(&format!("{} resources made", report.done.create));

    if !args.serving.no_serve {
        for server in ModelServer::of_state(&store.snapshot()) {
            let stage = Stage::begin(console, "serve");
            match serve(&server, &place.settings(), &args.serving.ask, &cancel).await? {
                Served::Answered(said) => stage.end(&said),
                Served::Skipped(reason) => stage.end(&format!("skipped: {reason}")),
            }
        }
    }

    let stage = Stage::begin(console, "apply again");
    let plan = engine.plan(&Arc::new(store.snapshot())).await?;
    if plan.summary().operations() > 0 {
        let text = llmhost_engine::plan::show(&plan, super::run::text_style());
        return Err(stage.failed(&format!("a second run would make changes:\n{text}")));
    }
    let report = engine.apply(Arc::new(plan), Arc::clone(store), cancel.clone()).await?;
    done(console, &report)?;
    stage.end("0 changes");

    let stage = Stage::begin(console, "drift");
    let registry = engine.registry();
    let found = console.during("reading every resource", run::drift(registry, &store.snapshot(), parallelism)).await?;
    if !found.is_empty() {
        return Err(
            stage.failed(&format!("resources that were just created are not as declared:\n{}", drift::text(&found)))
        );
    }
    match disturb(registry, store).await? {
        Some(disturbed) => {
            let found =
                console.during("reading every resource", run::drift(registry, &store.snapshot(), parallelism)).await?;
            if !is_found(&found, &disturbed) {
                let text = drift::text(&found);
                return Err(
                    stage.failed(&format!("drift did not find a changed tag of {disturbed}; it found:\n{text}"))
                );
            }
            stage.end(&format!("drift found a changed tag of {disturbed}"));
        }
        None => stage.end("no resource has tags to change"),
    }

    let stage = Stage::begin(console, "destroy");
    let count = store.snapshot().resources.len();
    let report = run::destroy(
        Arc::clone(registry),
        Arc::clone(store),
        console.events(),
        cancel,
        parallelism,
        &Selection::default(),
    )
    .await?;
    done(console, &report)?;
    stage.end(&format!("{count} resources deleted"));

    let stage = Stage::begin(console, "left behind");
    let after = place.inventory()?;
    let listed = |all: Vec<&String>| all.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let (left, gone) = (listed(after.difference(&before).collect()), listed(before.difference(&after).collect()));
    if !left.is_empty() {
        return Err(stage.failed(&format!("not deleted: {left}")));
    }
    if !gone.is_empty() {
        return Err(stage.failed(&format!("existed before the pipeline and was deleted: {gone}")));
    }
    stage.end("nothing");
    let (good, seconds) = (style::GOOD, began.elapsed().as_secs_f64());
    let text = || {
        format!(
            "{good}Rehearsed{good:#} in {seconds:.1} s: applied, applied again, changed from outside, destroyed; \
                nothing left.\n"
        )
    };
    console.result(text, &JsonLine::Rehearsed { millis: began.elapsed().as_millis() as u64 });
    Ok(())
}

/// Says only what went wrong: that all went well is the stage's to say.
fn done(console: &Console, report: &Report) -> Result<(), Failure> {
    if report.is_ok() { Ok(()) } else { conclude(console, report, None) }
}

/// One part of the rehearsal, timed.
struct Stage<'a> {
    console: &'a Console,
    name: &'static str,
    began: Instant,
}

impl<'a> Stage<'a> {
    fn begin(console: &'a Console, name: &'static str) -> Self {
        Self { console, name, began: Instant::now() }
    }

    fn end(self, what: &str) {
        let (name, faint) = (style::NAME, style::FAINT);
        let (stage, seconds) = (self.name, self.began.elapsed().as_secs_f64());
        let text = || format!("{name}{stage}{name:#}: {what} {faint}({seconds:.1} s){faint:#}\n");
        let millis = self.began.elapsed().as_millis() as u64;
        self.console.result(text, &JsonLine::Stage { stage, result: what, millis });
    }

    fn failed(self, what: &str) -> Failure {
        let help = "The same would happen in AWS; fix the pipeline, or report a bug of llmhost.".to_owned();
        Failure::Other { message: format!("rehearsal, {}: {what}", self.name), help, status: 1 }
    }
}

struct Quiet;

impl Progress for Quiet {
    fn report(&self, _: &str, _: u64, _: u64) {}
}

/// Changes a tag of the first resource that has any, as somebody else might.
async fn disturb(
    registry: &llmhost_engine::registry::Registry,
    store: &Arc<dyn StateStore>,
) -> Result<Option<ResourceAddress>, Failure> {
    let state = store.snapshot();
    let tagged = state.resources.iter().find_map(|(address, record)| {
        let current = record.current.as_ref()?;
        current.spec.get("tags")?.get(DISTURBED)?;
        Some((address, current, registry.kind_of(address)?))
    });
    let Some((address, current, kind)) = tagged else { return Ok(None) };
    let mut altered = current.spec.clone();
    altered["tags"][DISTURBED] = "somebody else".into();
    kind.configure(&current.id, &altered, Some(&current.spec), &Quiet).await.map_err(|error| Failure::Other {
        message: format!("rehearsal, drift: cannot change a tag of {address}: {error}"),
        help: error.advice().to_owned(),
        status: 1,
    })?;
    Ok(Some(address.clone()))
}

fn is_found(found: &[Drift], disturbed: &ResourceAddress) -> bool {
    let [only] = found else { return false };
    let fields = match &only.found {
        Found::Changed { fields } => fields,
        _ => return false,
    };
    only.address == *disturbed && fields.len() == 1 && fields[0].path == format!("tags.{DISTURBED}")
}
