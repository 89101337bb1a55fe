//! `llmhost plugin new`, `wit`, `build`, `dev`, `test`, `run` and `inspect`: for authors.

mod build;
mod changes;
mod create;
mod dev;
mod inspect;
mod run;
mod test;

use std::path::Path;

use llmhost_authoring::{AuthoringError, Project};

use crate::failure::Failure;

pub(crate) use build::build;
pub(crate) use create::{create, wit};
pub(crate) use dev::dev;
pub(crate) use inspect::inspect;
pub(crate) use run::run;
pub(crate) use test::test;

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

/// The plugin that an argument names: a project's folder stands for its component.
fn named(plugin: &str) -> Result<String, Failure> {
    let folder = Path::new(plugin);
    if !folder.is_dir() {
        return Ok(plugin.to_owned());
    }
    let component = match Project::open(folder) {
        Ok(project) => project.component(),
        // Perhaps a built-in plugin is meant, and the folder has its name by chance.
        Err(AuthoringError::NoProject { .. }) if !plugin.contains(['/', '.']) => return Ok(plugin.to_owned()),
        Err(error) => return Err(failed(&error)),
    };
    match component.is_file() {
        true => Ok(component.display().to_string()),
        false => {
            let help = format!("Build it first: llmhost plugin build {plugin}");
            Err(Failure::usage(format!("there is no {}", component.display()), help))
        }
    }
}

/// As a pipeline file in another folder names it: the path of a component, absolute.
fn from_anywhere(plugin: &str) -> String {
    let path = Path::new(plugin);
    match path.is_file() {
        true => std::path::absolute(path).map_or_else(|_| plugin.to_owned(), |path| path.display().to_string()),
        false => plugin.to_owned(),
    }
}

/// Whether a plugin comes with the host, and its grants with it.
fn is_built_in(plugin: &str) -> bool {
    !plugin.contains("://") && !Path::new(plugin).is_file()
}
