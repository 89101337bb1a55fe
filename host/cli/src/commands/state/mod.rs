//! `llmhost state …`: looking into the state, and changing what it says. What changes it does so
//! under the lock and through the journal, like a run.

mod mv;
mod pin;
mod relocate;
mod rm;
mod show;
mod unlock;

use llmhost_engine::diagnostic::did_you_mean;
use llmhost_engine::names::ResourceAddress;
use llmhost_engine::state::{State as Contents, StateStore};

use crate::app::{self, Console};
use crate::args::{State, StateAt};
use crate::failure::Failure;
use crate::place::Place;

/// One of its commands.
pub(crate) async fn state(command: State) -> Result<(), Failure> {
    match command {
        State::List(args) => show::list(args).await,
        State::Show(args) => show::show(args).await,
        State::Rm(args) => rm::rm(args).await,
        State::Mv(args) => mv::mv(args).await,
        State::Pin(args) => pin::pin(args).await,
        State::Unlock(args) => unlock::unlock(args).await,
    }
}

/// The state as it is.
async fn read(at: &StateAt) -> Result<Contents, Failure> {
    let pipeline = app::pipeline(&at.file)?;
    Place::new(&pipeline, &at.file, &at.place)?.look().await
}

/// Opens the state, changes it, and closes it.
async fn change(
    at: &StateAt,
    console: &Console,
    command: &str,
    work: impl AsyncFnOnce(&dyn StateStore, &Place) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let pipeline = app::pipeline(&at.file)?;
    let mut place = Place::new(&pipeline, &at.file, &at.place)?.offline();
    let store = place.open_kept(console, command).await?;
    let result = work(&*store, &place).await;
    let result = app::close(&*store, console, result).await;
    place.leave(console).await?;
    result
}

/// An address as the user wrote it, of a resource that the state has.
fn known(state: &Contents, text: &str) -> Result<ResourceAddress, Failure> {
    let address = parse(text)?;
    if state.resources.contains_key(&address) {
        return Ok(address);
    }
    let known: Vec<String> = state.resources.keys().map(ToString::to_string).collect();
    let help = match did_you_mean(text, known.iter().map(String::as_str)) {
        Some(near) => format!("Did you mean {near}?"),
        None => "llmhost state list shows its resources.".to_owned(),
    };
    Err(Failure::Other { message: format!("{address} is not in the state"), help, status: 1 })
}

fn parse(text: &str) -> Result<ResourceAddress, Failure> {
    text.parse().map_err(|error: llmhost_engine::names::NameError| {
        Failure::usage(error.to_string(), "Write it as llmhost state list prints it: step/kind/name.")
    })
}
