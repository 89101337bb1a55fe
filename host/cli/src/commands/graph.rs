//! `llmhost graph`: the plan as a drawing.

use std::sync::Arc;

use llmhost_engine::graph::draw::{self, Format};

use super::run::{not_drawn, text_style, write_graph};
use crate::app::{self, Console};
use crate::args::Graph;
use crate::failure::Failure;
use crate::place::Place;

/// Draws the plan of a pipeline.
pub(crate) async fn graph(args: Graph) -> Result<(), Failure> {
    let console = Console::new(false);
    let pipeline = app::pipeline(&args.file)?;
    let format = args.output.as_deref().map(Format::of_path).transpose().map_err(not_drawn)?;
    let place = Place::real(&pipeline, &args.file)?.offline();
    let engine = app::engine(Arc::clone(&pipeline), &args.file, place.settings(), &console, 10).await?;
    let plan = engine.plan(&Arc::new(place.read().await?)).await?;
    match args.output.as_deref().zip(format) {
        Some((path, format)) => write_graph(&plan, path, format),
        None => {
            app::print(&draw::text(&plan, text_style()));
            Ok(())
        }
    }
}
