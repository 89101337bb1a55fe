//! `llmhost state mv --pipeline` and `--to`: the state of a renamed pipeline, and a state that is kept
//! elsewhere from now on.
//!
//! A move is recorded in the old place first, then in the new one. So at no moment do two places hold a
//! state that can be gone on with, and a move that was cut off in between is ended by the same command:
//! the old place still holds all of it, and lets nobody but this command open it.

use std::sync::Arc;

use llmhost_engine::lock;
use llmhost_engine::names::StepName;
use llmhost_engine::pipeline::Pipeline;
use llmhost_engine::state::{Change, State, StateError, StateStore};

use super::mv::settled;
use crate::app::{self, Console};
use crate::args::StateMv;
use crate::failure::Failure;
use crate::keep::{Keep, StatePlace};
use crate::place::{Place, folder_of};

const COMMAND: &str = "state mv";

/// What is moved, and where.
struct Move<'a> {
    place: &'a Place,
    console: &'a Console,
    /// What the pipeline was called, and is called.
    names: (&'a str, &'a str),
    from: StatePlace,
    to: StatePlace,
}

/// Renames the state of a pipeline that was renamed, or moves a state.
pub(super) async fn relocate(args: &StateMv, console: &Console) -> Result<(), Failure> {
    let pipeline = app::pipeline(&args.at.file)?;
    let place = Place::new(&pipeline, &args.at.file, &args.at.place)?;
    if place.is_emulated() {
        let help = "The emulator's state is kept with the emulator.";
        return Err(Failure::usage("an emulator's state cannot be moved", help));
    }
    let was = old_name(args, &pipeline)?;
    let usual = |name: &str| folder_of(&pipeline, name);
    let told = args.at.file.state.as_ref();
    let from = StatePlace::of(&pipeline, told, &usual(&was))?;
    let to = match &args.new_place {
        Some(place) => place.clone(),
        None => StatePlace::of(&pipeline, told, &usual(&pipeline.name))?,
    };
    let names = (was.as_str(), pipeline.name.as_str());
    let work = Move { place: &place, console, names, from, to };
    let is_here = work.from.to_string() == work.to.to_string();
    if is_here && names.0 == names.1 {
        return Err(Failure::usage("the state is there already", "Set another place with --to."));
    }
    if is_here {
        work.rename().await?
    } else {
        work.relocate().await?
    }
    if names.0 != names.1 {
        lock::rename(&pipeline.base, names.0, names.1).map_err(|error| Failure::Other {
            message: error.to_string(),
            help: "The state is renamed. Rename the section in llmhost.lock by hand.".to_owned(),
            status: 1,
        })?;
        console.note("The next run renames the tags.");
    }
    work.say_where(&StatePlace::of(&pipeline, None, &usual(&pipeline.name))?);
    Ok(())
}

fn old_name(args: &StateMv, pipeline: &Pipeline) -> Result<String, Failure> {
    let Some(name) = &args.pipeline else { return Ok(pipeline.name.clone()) };
    match name.parse::<StepName>() {
        Ok(_) if *name == pipeline.name => {
            let help = "Rename the pipeline in the file first, then its state: --pipeline needs the old name.";
            Err(Failure::usage(format!("the pipeline in the file still has the name '{name}'"), help))
        }
        Ok(name) => Ok(name.to_string()),
        Err(error) => {
            let message = error.to_string().replace("step name", "pipeline name");
            Err(Failure::usage(message, "Use the old name of the pipeline."))
        }
    }
}

impl Move<'_> {
    /// Renames the pipeline where its state is.
    async fn rename(&self) -> Result<(), Failure> {
        let (was, is) = self.names;
        self.something(&self.keep(&self.from).read(was).await?)?;
        let store = self.open(&self.from, was).await?;
        let result = async {
            let state = store.snapshot();
            if let Some(to) = state.moved_to.clone() {
                return Err(StateError::MovedAway { path: self.from.to_string(), to }.into());
            }
            all_settled(&state)?;
            store.record(Change::PipelineMoved { to: is.to_owned() }).await?;
            app::print(&format!("Renamed the state of '{was}' to '{is}'.\n"));
            Ok(())
        };
        let result = result.await;
        app::close(&*store, self.console, result).await
    }

    /// Moves the state, under the locks of both places.
    async fn relocate(&self) -> Result<(), Failure> {
        self.something(&self.keep(&self.from).read(self.names.0).await?)?;
        // What is wrong with the new place is said before the old one is touched.
        self.keep(&self.to).read(self.names.1).await?;
        let source = self.open(&self.from, self.names.0).await?;
        let moved = match self.open(&self.to, self.names.1).await {
            Ok(target) => match (self.copy(&*source, &*target).await, target.close().await) {
                (Ok(_), Err(error)) => Err(error.into()),
                (moved, _) => moved,
            },
            Err(failure) => Err(failure),
        };
        let verified = match moved {
            Ok(state) => self.verify(&state).await,
            Err(failure) => Err(failure),
        };
        app::close(&*source, self.console, verified).await
    }

    /// Says in the old place where the state is from now on, and writes it there.
    async fn copy(&self, source: &dyn StateStore, target: &dyn StateStore) -> Result<State, Failure> {
        let (old, there) = (source.snapshot(), target.snapshot());
        let address = self.to.to_string();
        let state = State { pipeline: self.names.1.to_owned(), moved_to: None, ..old.clone() };
        if self.names.0 != self.names.1 {
            all_settled(&old)?;
        }
        let moved_before = old.moved_to.as_ref() == Some(&address);
        if !(there.is_empty() || there.moved_to.is_some() || there == state) {
            let message = match moved_before {
                true => format!("the state was moved to {address} before, and has changed there since"),
                false => format!("{address} already has a state, with {} resources", there.resources.len()),
            };
            let help = "Nothing was changed. Use that one, or choose another place with --to.".to_owned();
            return Err(Failure::Other { message, help, status: 1 });
        }
        if let Some(elsewhere) = old.moved_to.filter(|_| !moved_before) {
            self.has_nothing(&elsewhere).await?;
        }
        if !moved_before {
            source.record(Change::MovedAway { to: address }).await?;
        }
        if there != state {
            target.record(Change::MovedIn { state: Box::new(state.clone()) }).await?;
        }
        Ok(state)
    }

    /// A state that was moved can be moved to yet another place only where that move came to nothing.
    async fn has_nothing(&self, elsewhere: &str) -> Result<(), Failure> {
        let to = elsewhere.to_owned();
        let refused = || StateError::MovedAway { path: self.from.to_string(), to: to.clone() };
        let place: StatePlace = elsewhere.parse().map_err(|_| refused())?;
        match self.keep(&place).read(self.names.1).await {
            Ok(state) if state.is_empty() => Ok(()),
            _ => Err(refused().into()),
        }
    }

    /// Reads what was written.
    async fn verify(&self, state: &State) -> Result<(), Failure> {
        let there = self.keep(&self.to).read(self.names.1).await?;
        let (count, address) = (state.resources.len(), &self.to);
        if there != *state {
            let message = format!("the state read from {address} differs from the one written");
            let help =
                "Nothing is lost: the old place still has the whole state. Run the same command again.".to_owned();
            return Err(Failure::Other { message, help, status: 1 });
        }
        app::print(&format!("Moved the state, with {count} resources, to {address}.\n"));
        Ok(())
    }

    async fn open(&self, place: &StatePlace, name: &str) -> Result<Arc<dyn StateStore>, Failure> {
        let (store, notes) = self.keep(place).open(name, COMMAND, self.place.lease()).await?;
        notes.iter().for_each(|note| self.console.note(&note.to_string()));
        Ok(store)
    }

    fn keep(&self, place: &StatePlace) -> Keep {
        place.keep(&self.place.settings())
    }

    /// Refuses where there is nothing to move.
    fn something(&self, state: &State) -> Result<(), Failure> {
        if !state.is_empty() || state.moved_to.is_some() {
            return Ok(());
        }
        let message = format!("there is no state of '{}' at {}", self.names.0, self.from);
        let help = "Set the place of the state with --state, and the pipeline's old name with --pipeline.".to_owned();
        Err(Failure::Other { message, help, status: 1 })
    }

    /// Says what has to be said at each run from now on.
    fn say_where(&self, usual: &StatePlace) {
        if usual.to_string() != self.to.to_string() {
            let address = &self.to;
            self.console.note(&format!(
                "Add state = \"{address}\" to [pipeline], or use --state {address}: llmhost does not find it \
                 otherwise."
            ));
        }
    }
}

/// A create whose result was never recorded is looked for under the pipeline's old name.
fn all_settled(state: &State) -> Result<(), Failure> {
    state.resources.keys().try_for_each(|address| settled(state, address))
}
