//! `llmhost validate`: the file, its plugins and its plan, without touching anything.

use std::sync::Arc;

use super::preflight::{self, Before};
use crate::app::{self, Console};
use crate::args::Validate;
use crate::failure::Failure;
use crate::looked_up;
use crate::place::Place;
use crate::view::{JsonLine, style};

/// Checks a pipeline file.
pub(crate) async fn validate(args: Validate) -> Result<(), Failure> {
    let console = Console::new(args.json);
    let pipeline = app::pipeline(&args.file)?;
    let place = Place::new(&pipeline, &args.file, &args.place)?;
    let mut place = if args.online { place } else { place.offline() };
    if place.is_emulated() && args.online {
        // An emulator that nobody started has to be asked, and is gone after it.
        place.open(&console, "validate").await?.close().await?;
    }
    let result = console.hear(check(&args, &console, &pipeline, &place)).await;
    place.leave(&console).await?;
    result
}

async fn check(
    args: &Validate,
    console: &Console,
    pipeline: &Arc<llmhost_engine::pipeline::Pipeline>,
    place: &Place,
) -> Result<(), Failure> {
    let state = place.read().await?;
    let engine = app::engine(Arc::clone(pipeline), &args.file, place.settings(), console, 10).await?;
    let engine = if place.is_emulated() { engine } else { app::locked(engine)? };
    let engine = if args.online { looked_up::asking(engine, place) } else { engine };
    let state = Arc::new(state);
    let plan = console.during("planning", engine.plan(&state)).await?;
    let online = args.online.then(|| place.settings());
    let findings = preflight::check(console, pipeline, (&plan, &state), online, true).await?;
    let (good, steps, resources) = (style::GOOD, plan.steps.len(), plan.resources.len());
    let (step_s, resource_s) = (if steps == 1 { "" } else { "s" }, if resources == 1 { "" } else { "s" });
    let path = args.file.path.display();
    let text = || format!("{good}Valid{good:#}: {path}, {steps} step{step_s}, {resources} resource{resource_s}.\n");
    preflight::stop_at_errors(&findings, Before::Validation)?;
    console.result(text, &JsonLine::Validated { steps, resources, findings: findings.len() });
    Ok(())
}
