//! `llmhost state mv`: renames a resource, a step or the pipeline in the state, or moves the state. What
//! is renamed in the file only would be made anew, and the old one deleted.

use llmhost_engine::names::{NameError, ResourceAddress, StepName};
use llmhost_engine::state::{Change, State};

use super::relocate::relocate;
use super::{change, known, parse};
use crate::app::{self, Console};
use crate::args::{StateAt, StateMv};
use crate::failure::Failure;

/// Renames something in the state, or moves it.
pub(super) async fn mv(args: StateMv) -> Result<(), Failure> {
    let console = Console::new(false);
    let StateMv { at, from: Some(from), to: Some(to), .. } = &args else { return relocate(&args, &console).await };
    rename(at, from, to, &console).await
}

/// Renames a resource or a step.
async fn rename(at: &StateAt, from: &str, to: &str, console: &Console) -> Result<(), Failure> {
    let steps = app::pipeline(&at.file)?.steps.iter().map(|step| step.name.clone()).collect::<Vec<_>>();
    change(at, console, "state mv", async |store, _| {
        let state = store.snapshot();
        let (moved, step) = match (from.contains('/'), to.contains('/')) {
            (true, true) => resource(&state, from, to)?,
            (false, false) => whole_step(&state, from, to)?,
            _ => {
                let help = "Give two addresses (step/kind/name), or the names of two steps.";
                return Err(Failure::usage(format!("'{from}' and '{to}' are of different kinds"), help));
            }
        };
        store.record(moved).await?;
        app::print(&format!("Renamed {from} to {to}. The next run updates its tags.\n"));
        if !steps.contains(&step) {
            console.note(&format!("The file has no step '{step}': add it, or the next run deletes its resources."));
        }
        Ok(())
    })
    .await
}

fn resource(state: &State, from: &str, to: &str) -> Result<(Change, StepName), Failure> {
    let (from, to) = (known(state, from)?, parse(to)?);
    if from.kind() != to.kind() {
        let message = format!("{from} is a {}, and {to} would be a {}", from.kind(), to.kind());
        return Err(Failure::usage(message, "Only step and name can change."));
    }
    if state.resources.contains_key(&to) {
        return Err(taken(&to.to_string(), "Move or remove that one first."));
    }
    settled(state, &from)?;
    let step = to.step().clone();
    Ok((Change::Moved { from, to }, step))
}

fn whole_step(state: &State, from: &str, to: &str) -> Result<(Change, StepName), Failure> {
    let name = |text: &str| {
        text.parse::<StepName>().map_err(|error: NameError| Failure::usage(error.to_string(), "Give a step's name."))
    };
    let (from, to) = (name(from)?, name(to)?);
    if !state.has_step(&from) {
        let help = "llmhost state list shows its resources.".to_owned();
        return Err(Failure::Other { message: format!("the state has no step '{from}'"), help, status: 1 });
    }
    if state.has_step(&to) {
        return Err(taken(&format!("step '{to}'"), "Move its resources one by one."));
    }
    let of_step = state.resources.keys().filter(|address| *address.step() == from);
    of_step.map(|address| settled(state, address)).collect::<Result<Vec<()>, _>>()?;
    Ok((Change::StepMoved { from, to: to.clone() }, to))
}

/// A create whose result was never recorded is looked for by the name that it was made with.
pub(super) fn settled(state: &State, address: &ResourceAddress) -> Result<(), Failure> {
    if state.resources[address].pending.is_none() {
        return Ok(());
    }
    let message = format!("the creation of {address} did not finish, and it would not be found by another name");
    let help = "Run the unchanged pipeline first; that finds or creates it.".to_owned();
    Err(Failure::Other { message, help, status: 1 })
}

fn taken(what: &str, help: &str) -> Failure {
    Failure::Other { message: format!("{what} is already in the state"), help: help.to_owned(), status: 1 }
}
