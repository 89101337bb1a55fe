//! `llmhost destroy`: what the state holds goes.

use std::sync::Arc;

use llmhost_engine::pipeline::Pipeline;
use llmhost_engine::registry::Registry;
use llmhost_engine::run::{self, Destruction, Foresight, Selection};
use llmhost_engine::state::{State, StateStore};

use super::conclude::{Ran, conclude};
use super::run::text_style;
use crate::app::{self, Console};
use crate::args::Destroy;
use crate::asked::confirm;
use crate::cost;
use crate::failure::Failure;
use crate::place::Place;
use crate::providers;
use crate::signals;
use crate::view::{self, JsonLine};

/// Destroys what a pipeline made, or what some of its steps made.
pub(crate) async fn destroy(args: Destroy) -> Result<(), Failure> {
    let console = Console::new(args.how.json);
    console.hear(destroy_with(&console, args)).await
}

async fn destroy_with(console: &Console, args: Destroy) -> Result<(), Failure> {
    let pipeline = app::pipeline(&args.file)?;
    let mut place = Place::new(&pipeline, &args.file, &args.place)?;
    if args.dry_run {
        let state = place.read().await?;
        let registry = providers::placed(console, &pipeline, &args.file, &place).await?;
        return show(console, &args, (&pipeline, &place), &registry, &state).await.map(drop);
    }
    let store = place.open_kept(console, "destroy").await?;
    let result = delete(console, &args, &pipeline, &place, &store).await;
    let result = app::close(&*store, console, result).await;
    if result.is_ok() && store.snapshot().resources.is_empty() {
        place.destroyed();
    }
    place.leave(console).await?;
    result
}

async fn delete(
    console: &Console,
    args: &Destroy,
    pipeline: &Pipeline,
    place: &Place,
    store: &Arc<dyn StateStore>,
) -> Result<(), Failure> {
    let registry = providers::placed(console, pipeline, &args.file, place).await?;
    let Some((selection, found)) = show(console, args, (pipeline, place), &registry, &store.snapshot()).await? else {
        return Ok(());
    };
    stop_at_held(&found)?;
    stop_at_protected(&found.foresight)?;
    if !(args.how.yes || place.is_emulated()) {
        confirm(&question(found.resources.len()))?;
    }
    let ran = Ran::destroy(&args.file, &args.place);
    let (events, cancel, parallelism) = (console.events(), signals::listen(console), args.how.parallelism.into());
    let report = run::destroy(registry, Arc::clone(store), events, cancel, parallelism, &selection).await?;
    conclude(console, &report, Some((&ran, &store.snapshot())))
}

fn question(count: usize) -> String {
    format!("Delete {count} resource{}?", if count == 1 { "" } else { "s" })
}

/// Shows what would go; nothing, where nothing is there.
async fn show(
    console: &Console,
    args: &Destroy,
    (pipeline, place): (&Pipeline, &Place),
    registry: &Registry,
    state: &State,
) -> Result<Option<(Selection, Destruction)>, Failure> {
    let selection = Selection::with_gone(pipeline, state, &args.steps.only, &args.steps.exclude)?;
    stop_at_guarded(pipeline, state, &selection)?;
    let parallelism = args.how.parallelism.into();
    let found = Destruction::foresee(pipeline, registry, state, &selection, parallelism);
    let found = console.during("checking what else is deleted", found).await?;
    if found.resources.is_empty() {
        let what = if state.resources.is_empty() { "is empty" } else { "has nothing of these steps" };
        console.note(&format!("Nothing to destroy: the state of '{}' {what}.", pipeline.name));
        return Ok(None);
    }
    console.result(|| view::destruction(&found, text_style()), &JsonLine::Destruction { destruction: &found });
    if !place.is_emulated() {
        cost::tell_end(console, pipeline, state, &selection);
    }
    for (step, needed) in &found.stranded {
        console.note(&format!("{step} is kept and uses outputs of {needed}, which is deleted."));
    }
    Ok(Some((selection, found)))
}

/// Refuses what the file protects.
fn stop_at_guarded(pipeline: &Pipeline, state: &State, selection: &Selection) -> Result<(), Failure> {
    let protected = run::protected(pipeline, state);
    let names: Vec<String> =
        protected.iter().filter(|address| !selection.leaves_out(address.step())).map(ToString::to_string).collect();
    if names.is_empty() {
        return Ok(());
    }
    let help = "Nothing was deleted. To remove the protection, delete 'protect = true' from the step in the file; if the step \
                is no longer in the file, add it again without that line first. To delete the rest, use --exclude with these steps.";
    let message = format!("protected, so it cannot be destroyed: {}", names.join(", "));
    Err(Failure::Other { message, help: help.to_owned(), status: 1 })
}

/// Refuses to take from under a step that stays what it uses.
fn stop_at_held(found: &Destruction) -> Result<(), Failure> {
    let Some(first) = found.held.first() else { return Ok(()) };
    let all: Vec<String> = found.held.iter().map(|held| format!("{} uses {}", held.by, held.used)).collect();
    let message = format!("a step that is kept depends on a step to delete: {}", all.join(", "));
    let (stays, goes) = (first.by.step(), first.used.step());
    let help = format!("Nothing was deleted. Delete '{stays}' as well, or exclude '{goes}' too.");
    Err(Failure::Other { message, help, status: 1 })
}

/// Refuses what AWS would refuse on purpose.
pub(super) fn stop_at_protected(found: &Foresight) -> Result<(), Failure> {
    let Some((_, error)) = found.protected.first() else { return Ok(()) };
    let all: Vec<String> =
        found.protected.iter().map(|(address, error)| format!("{address}: {}", error.message)).collect();
    let help = format!("Nothing was deleted. {}", error.advice());
    Err(Failure::Other { message: all.join("; "), help, status: 1 })
}
