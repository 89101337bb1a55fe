//! The programs that llmhost is measured beside, and the models and libraries that all of them use.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use llmhost_example_models::{Example, onnxruntime};
use llmhost_python_env::Environment;

const PACKAGES: Environment = Environment {
    name: "peers",
    requirements: include_str!("../../python/requirements.txt"),
    variable: "LLMHOST_PEERS_VENV",
};

/// What both sides of a comparison run on.
pub(super) struct Target {
    pub(super) python: PathBuf,
    /// ONNX Runtime for llmhost; the peer's packages bring the same.
    pub(super) library: PathBuf,
    pub(super) device: &'static str,
    /// Cargo's profile of llmhost.
    pub(super) profile: &'static str,
    /// Where the loader looks for what the library needs.
    pub(super) libraries: OsString,
}

impl Target {
    /// The processor.
    pub(super) fn processor() -> Result<Self, String> {
        let python = PACKAGES.python(&|text| println!("{text}")).map_err(|error| error.to_string())?;
        let library = onnxruntime().map_err(|error| error.to_string())?;
        let libraries = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
        Ok(Self { python, library, device: "cpu", profile: "release", libraries })
    }

    /// `llmhost COMMAND` on a model, with as many threads as there are cores.
    pub(super) fn llmhost(&self, command: &str, model: Example) -> Result<Command, String> {
        self.llmhost_with(command, model, &super::threads())
    }

    /// `llmhost COMMAND` on a model.
    pub(super) fn llmhost_with(&self, command: &str, model: Example, threads: &str) -> Result<Command, String> {
        Ok(self.llmhost_at(command, folder(model)?.as_os_str(), threads))
    }

    /// `llmhost COMMAND` on the model at an address.
    pub(super) fn llmhost_at(&self, command: &str, model: &OsStr, threads: &str) -> Command {
        let mut built = Command::new(crate::target().join(self.profile).join("llmhost"));
        built.arg(command).arg("--model").arg(model).arg("--onnxruntime").arg(&self.library);
        built.args(["--device", self.device, "--threads", threads]).env("LD_LIBRARY_PATH", &self.libraries);
        built
    }

    /// One of the Python programs beside this crate, about to be run on a model.
    pub(super) fn python(&self, program: &str, model: Example) -> Result<Command, String> {
        self.python_with(program, model, &super::threads())
    }

    /// The same, with so many threads.
    pub(super) fn python_with(&self, program: &str, model: Example, threads: &str) -> Result<Command, String> {
        self.python_as(&self.python, program, model, threads)
    }

    /// The same, by another interpreter.
    pub(super) fn python_of(&self, python: &Path, program: &str, model: Example) -> Result<Command, String> {
        self.python_as(python, program, model, &super::threads())
    }

    fn python_as(&self, python: &Path, program: &str, model: Example, threads: &str) -> Result<Command, String> {
        let mut command = Command::new(python);
        command.arg(crate::repository().join("xtask/python").join(program)).arg(folder(model)?).arg(threads);
        command.env("LD_LIBRARY_PATH", &self.libraries);
        Ok(command)
    }
}

/// A model's folder, made where it is missing.
pub(super) fn folder(model: Example) -> Result<PathBuf, String> {
    model.folder().map_err(|error| error.to_string())
}
