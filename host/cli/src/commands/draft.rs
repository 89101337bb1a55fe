//! The draft model beside a model.

use std::path::PathBuf;

use llmhost_inference::engine::Speculate;

use super::model;
use crate::app::Console;
use crate::args::{Fetching, Running};
use crate::failure::Failure;

/// Its folder, fetched where it is not on this machine; nothing where none is wanted.
pub(crate) async fn folder(
    running: &Running,
    fetching: &Fetching,
    console: &Console,
) -> Result<Option<PathBuf>, Failure> {
    let Some(address) = &running.draft.draft else { return Ok(None) };
    if running.speculation == Speculate::Off {
        let message = "a draft model guesses tokens, and --speculation off has none guessed";
        return Err(Failure::usage(message, "Remove the draft model, or --speculation off."));
    }
    let fetched = model::folder(address, fetching, console).await.map_err(|failure| match failure {
        Failure::Other { message, help, status } => {
            Failure::Other { message: format!("the draft model {address}: {message}"), help, status }
        }
        other => other,
    })?;
    Ok(Some(fetched.folder))
}
