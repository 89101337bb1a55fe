//! `llmhost state pin`: takes the endpoint that the state's resources are reached at now.

use llmhost_engine::run::{self, Found};
use llmhost_engine::state::StateStore;

use crate::app::{self, Console};
use crate::args::StatePin;
use crate::commands::drift;
use crate::failure::Failure;
use crate::place::Place;

/// How many resources are read at a time.
const AT_A_TIME: usize = 10;

/// Pins the state to the endpoint of the command line, where all that it holds is found there.
pub(super) async fn pin(args: StatePin) -> Result<(), Failure> {
    let console = Console::new(false);
    let pipeline = app::pipeline(&args.at.file)?;
    let place = Place::new(&pipeline, &args.at.file, &args.at.place)?;
    if place.is_emulated() {
        let help = "A kept emulator is identified by its address.";
        return Err(Failure::usage("state pin cannot be used with --emulate", help));
    }
    let store = place.open_state(&console, "state pin").await?;
    let result = repin(&console, &place, &*store).await;
    app::close(&*store, &console, result).await
}

async fn repin(console: &Console, place: &Place, store: &dyn StateStore) -> Result<(), Failure> {
    let state = store.snapshot();
    if state.resources.is_empty() {
        app::print("The state has no resources and no endpoint: the next run sets the endpoint.\n");
        return Ok(());
    }
    let registry = place.registry();
    let changes = run::repinned(&registry, &state).await?;
    let found = run::drift_at(&registry, &state, AT_A_TIME).await;
    let missing: Vec<_> = found.into_iter().filter(|found| !matches!(found.found, Found::Changed { .. })).collect();
    let all = state.resources.len();
    if !missing.is_empty() {
        console.note(drift::text(&missing).trim_end());
        let message = format!("{} of the state's {all} resources do not exist at this endpoint", missing.len());
        let help = "Nothing was changed. Check the endpoint. If a resource was deleted, remove it from the state \
                    first: llmhost state rm FILE ADDRESS.";
        return Err(Failure::Other { message, help: help.to_owned(), status: 1 });
    }
    for change in changes {
        store.record(change).await?;
    }
    let endpoint = store.snapshot().world.as_ref().and_then(|world| world.endpoint.clone());
    let endpoint = endpoint.unwrap_or_else(|| "AWS's own".to_owned());
    app::print(&format!("All {all} resources exist there. The state's endpoint is now {endpoint}.\n"));
    Ok(())
}
