//! `llmhost plugin new`, `wit`, `build` and `inspect`: for authors.

mod build;
mod create;
mod inspect;

use llmhost_authoring::AuthoringError;

use crate::failure::Failure;

pub(crate) use build::build;
pub(crate) use create::{create, wit};
pub(crate) use inspect::inspect;

/// An error of what authors do, with its advice.
fn failed(error: &AuthoringError) -> Failure {
    let status = if error.is_usage() { 2 } else { 1 };
    Failure::Other { message: error.to_string(), help: error.advice(), status }
}

/// Does work that waits for other programs.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AuthoringError> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())).map_err(|error| failed(&error))
}
