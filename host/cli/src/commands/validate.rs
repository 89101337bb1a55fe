//! `llmhost validate`: the file, its plugins and its plan, without touching anything.

use std::sync::Arc;

use crate::app::{self, Console};
use crate::args::Validate;
use crate::failure::Failure;
use crate::place::Place;
use crate::view::style;

/// Checks a pipeline file.
pub(crate) async fn validate(args: Validate) -> Result<(), Failure> {
    let console = Console::new(false);
    let pipeline = app::pipeline(&args.file)?;
    let place = Place::real(&pipeline, &args.file);
    let engine = app::engine(Arc::clone(&pipeline), place.settings(), &console, 10).await?;
    let plan = engine.plan(&Arc::new(place.read()?)).await?;
    let (good, steps) = (style::GOOD, plan.steps.len());
    let resources = plan.resources.len();
    let (step_s, resource_s) = (if steps == 1 { "" } else { "s" }, if resources == 1 { "" } else { "s" });
    let path = args.file.path.display();
    app::print(&format!("{good}Valid{good:#}: {path}, {steps} step{step_s}, {resources} resource{resource_s}.\n"));
    Ok(())
}
