//! What exists already is looked up with credentials, and stood in for in an emulator.

use std::sync::Arc;

use llmhost_engine::pipeline::Pipeline;
use llmhost_engine::plan::Plan;
use llmhost_engine::run::Engine;
use llmhost_resources::{Aws, StandIns};

use crate::app::Console;
use crate::place::Place;

/// An engine that asks for what exists, for commands that ask AWS anyway.
pub(crate) fn asking(engine: Engine, place: &Place) -> Engine {
    match (place.is_emulated(), place.settings().endpoint_url) {
        (false, _) => engine.asking(),
        (true, Some(_)) => {
            let stand_ins = StandIns::new(Arc::clone(engine.registry()), &place.settings().region);
            engine.with_stand_ins(Arc::new(stand_ins))
        }
        // An emulator that was not started has nothing to ask.
        (true, None) => engine,
    }
}

/// Whether a command that needs nobody has something to ask, and credentials to ask with.
pub(crate) async fn is_needed(pipeline: &Pipeline, place: &Place) -> bool {
    pipeline.looks_up() && (place.is_emulated() || Aws::new(place.settings()).has_credentials().await)
}

/// Says what was not looked up.
pub(crate) fn tell(console: &Console, plan: &Plan) {
    if plan.existing.iter().any(|one| one.ids.is_none()) {
        console.note("Without credentials there are no look-ups: existing resources are known after apply.");
    }
}
