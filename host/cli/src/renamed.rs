//! A pipeline that was renamed in its file, and whose state still has the old name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use llmhost_engine::pipeline::Pipeline;
use llmhost_engine::state::LocalStore;

use crate::failure::Failure;
use crate::place::folder_of;

/// The state of a pipeline that may have been renamed.
pub(crate) struct Renamed {
    file: PathBuf,
    /// What it is called now, and where its state would be.
    is: String,
    own: PathBuf,
    /// What it was called.
    was: String,
    resources: usize,
}

impl Renamed {
    /// A state beside the file that is this pipeline's under the name that it had: to begin from nothing
    /// would make everything a second time.
    pub(crate) fn find(pipeline: &Pipeline) -> Option<Self> {
        // Another value of a variable is another environment, and no other name.
        if pipeline.is_name_given {
            return None;
        }
        let own = folder_of(pipeline, &pipeline.name);
        if own.join("state.json").exists() || own.join("journal.jsonl").exists() {
            return None;
        }
        let (was, resources) = old_state(pipeline)?;
        Some(Self { file: pipeline.path.clone(), is: pipeline.name.clone(), own, was, resources })
    }

    /// Why nothing is begun.
    pub(crate) fn refusal(&self) -> Failure {
        let Self { file, is, own, was, resources } = self;
        let message =
            format!("there is no state of '{is}', but one of '{was}' with {resources} resources of the same steps");
        let help = format!(
            "Nothing was changed. If '{is}' is the new name of '{was}', rename the state as well: llmhost state mv {} \
             --pipeline {was}. If it is another pipeline, use --state {} to create its own state.",
            file.display(),
            own.display()
        );
        Failure::Other { message, help, status: 1 }
    }
}

/// The pipeline whose state it may be, and how many resources that has.
fn old_state(pipeline: &Pipeline) -> Option<(String, usize)> {
    let steps: BTreeSet<&str> = pipeline.steps.iter().map(|step| step.name.as_str()).collect();
    let mut names: Vec<String> = std::fs::read_dir(pipeline.base.join(".llmhost"))
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| *name != pipeline.name)
        .collect();
    names.sort_unstable();
    names.into_iter().find_map(|name| {
        // Of a state that cannot be read nothing is known; whoever uses it is told.
        let state = LocalStore::read(&folder_of(pipeline, &name), &name).ok()?;
        let is_of_these_steps = state.resources.keys().all(|address| steps.contains(address.step().as_str()));
        let left = !state.resources.is_empty() && state.moved_to.is_none() && is_of_these_steps;
        (left && !is_used(pipeline, &name)).then_some((name, state.resources.len()))
    })
}

/// Whether another file beside this one may be the pipeline of that name.
fn is_used(pipeline: &Pipeline, name: &str) -> bool {
    let quoted = [format!("\"{name}\""), format!("'{name}'")];
    let names_it = |path: &Path| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        quoted.iter().any(|quoted| text.contains(quoted.as_str()))
    };
    let own = pipeline.path.file_name();
    let files = std::fs::read_dir(&pipeline.base).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut others = files.filter(|path| path.extension().is_some_and(|end| end == "toml") && path.file_name() != own);
    others.any(|path| names_it(&path))
}
