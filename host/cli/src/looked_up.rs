//! What exists already is looked up with credentials, and stood in for in an emulator.

use std::sync::Arc;

use llmhost_engine::run::Engine;
use llmhost_resources::{Aws, StandIns};

use crate::app::Console;
use crate::place::Place;

/// An engine that asks for what its file says exists, as far as there is somebody to ask.
pub(crate) async fn asking(engine: Engine, place: &Place, console: &Console) -> Engine {
    if engine.pipeline().existing.is_empty() {
        return engine;
    }
    if place.is_emulated() {
        // One that was not started has nothing to ask.
        return match place.settings().endpoint_url {
            Some(_) => {
                let stand_ins = StandIns::new(Arc::clone(engine.registry()), &place.settings().region);
                engine.with_stand_ins(Arc::new(stand_ins))
            }
            None => engine,
        };
    }
    if Aws::new(place.settings()).has_credentials().await {
        return engine.asking();
    }
    console.note(
        "There are no credentials, so that nothing is looked up: [existing] has what the last run found, or is known after \
         apply.",
    );
    engine
}
