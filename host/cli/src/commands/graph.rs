//! `llmhost graph`: the plan as a drawing.

use std::sync::Arc;

use llmhost_engine::graph::draw::{self, Format};
use llmhost_prices::Table;

use super::run::{not_drawn, text_style, write_graph};
use crate::app::{self, Console};
use crate::args::Graph;
use crate::cost;
use crate::failure::Failure;
use crate::notes::notes;
use crate::place::Place;

/// Draws the plan of a pipeline.
pub(crate) async fn graph(args: Graph) -> Result<(), Failure> {
    let console = Console::new(false);
    let pipeline = app::pipeline(&args.file)?;
    let format = args.output.as_deref().map(Format::of_path).transpose().map_err(not_drawn)?;
    let place = Place::real(&pipeline, &args.file)?.offline();
    let engine = app::engine(Arc::clone(&pipeline), &args.file, place.settings(), &console, 10).await?;
    let state = Arc::new(place.read().await?);
    let plan = engine.plan(&state).await?;
    match args.output.as_deref().zip(format) {
        Some((path, format)) => {
            let cost = cost::of_table(&Table::built_in(), &pipeline, (&plan, &state));
            let notes = notes(&pipeline, engine.registry(), (&plan, &state), Some(&cost));
            write_graph(&plan, &notes, path, format)
        }
        None => {
            app::print(&draw::text(&plan, text_style()));
            Ok(())
        }
    }
}
