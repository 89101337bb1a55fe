//! The programs that llmhost is measured beside, and the models and libraries that all of them use.

use std::path::PathBuf;
use std::process::Command;

use llmhost_example_models::{Example, onnxruntime};
use llmhost_python_env::Environment;

const PACKAGES: Environment = Environment {
    name: "peers",
    requirements: include_str!("../../python/requirements.txt"),
    variable: "LLMHOST_PEERS_VENV",
};

/// One of the Python programs beside this crate, about to be run on so many threads.
pub(super) fn python(program: &str, model: Example, threads: &str) -> Result<Command, String> {
    let interpreter = PACKAGES.python(&|text| println!("{text}")).map_err(|error| error.to_string())?;
    let mut command = Command::new(interpreter);
    command.arg(crate::repository().join("xtask/python").join(program)).arg(folder(model)?).arg(threads);
    Ok(command)
}

/// `llmhost COMMAND` on the same model, library and threads.
pub(super) fn llmhost(command: &str, model: Example, threads: &str) -> Result<Command, String> {
    let library = onnxruntime().map_err(|error| error.to_string())?;
    let mut built = Command::new(crate::target().join("release/llmhost"));
    built.arg(command).arg("--model").arg(folder(model)?).arg("--onnxruntime").arg(library);
    built.args(["--device", "cpu", "--threads", threads]);
    Ok(built)
}

fn folder(model: Example) -> Result<PathBuf, String> {
    model.folder().map_err(|error| error.to_string())
}
