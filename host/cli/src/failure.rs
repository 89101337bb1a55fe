//! Everything that ends the program, and its exit status.

use llmhost_engine::crash::Crash;
use llmhost_engine::diagnostic::Diagnostics;
use llmhost_engine::lock::LockError;
use llmhost_engine::plugin::LoadError;
use llmhost_engine::run::{PlanError, UnknownStep, WorldError};
use llmhost_engine::state::StateError;
use llmhost_registry::RegistryError;

use crate::view;

/// Why the program ends without having done what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The pipeline file is wrong; nothing ran.
    #[error(transparent)]
    File(#[from] Diagnostics),
    /// The pipeline cannot be planned; nothing was changed.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The run failed; its report has been shown.
    #[error("the run failed")]
    Reported,
    /// The user stopped it; its report has been shown.
    #[error("interrupted")]
    Interrupted,
    /// There are changes, and `--exit-code` asks to say so.
    #[error("there are changes")]
    Changes,
    /// The state cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// What the state holds is elsewhere.
    #[error(transparent)]
    World(#[from] WorldError),
    /// The emulator did not start.
    #[error(transparent)]
    Emulator(#[from] llmhost_emulator::EmulatorError),
    /// A plugin does not load.
    #[error("{error}")]
    Plugin { error: Box<LoadError>, help: String },
    /// Anything else, with what to do about it.
    #[error("{message}")]
    Other { message: String, help: String, status: u8 },
}

impl Failure {
    /// A plugin that does not load; `help` where the error itself does not say what to do.
    pub(crate) fn plugin(error: LoadError, help: &str) -> Self {
        let help = match &error {
            LoadError::Unfetched { help, .. } | LoadError::AbsentBuiltin { help, .. } => sentence(help),
            _ => help.to_owned(),
        };
        Self::Plugin { error: Box::new(error), help }
    }

    /// A wrong command line.
    pub(crate) fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Other { message: message.into(), help: help.into(), status: 2 }
    }

    /// The process's exit status.
    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::File(_) | Self::Plugin { .. } => 2,
            Self::Changes => 3,
            Self::Interrupted => 130,
            Self::Other { status, .. } => *status,
            _ => 1,
        }
    }

    /// How a plugin crashed, where that is why.
    pub(crate) fn crash(&self) -> Option<&Crash> {
        match self {
            Self::Plugin { error, .. } => match &**error {
                LoadError::BadDescription { crash, .. } => crash.as_deref(),
                _ => None,
            },
            _ => None,
        }
    }

    /// What to do about it.
    pub(crate) fn help(&self) -> Option<String> {
        match self {
            Self::Other { help, .. } => Some(help.clone()),
            Self::Plugin { help, .. } => Some(self.crash().map_or(help, |crash| &crash.advice).clone()),
            Self::World(error) => Some(error.advice()).filter(|advice| !advice.is_empty()),
            Self::State(error) => error.advice().map(str::to_owned),
            _ => None,
        }
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        Self::Other { message: error.to_string(), help: error.advice.to_owned(), status: 2 }
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        let status = if matches!(error, RegistryError::Address { .. }) { 2 } else { 1 };
        Self::Other { message: error.to_string(), help: sentence(error.advice()), status }
    }
}

/// With a capital letter and a full stop.
fn sentence(text: &str) -> String {
    view::capitalized(text) + "."
}

impl From<UnknownStep> for Failure {
    fn from(unknown: UnknownStep) -> Self {
        let names: Vec<&str> = unknown.known.iter().map(|step| step.as_str()).collect();
        let help = match &unknown.near {
            Some(near) => format!("Did you mean '{near}'?"),
            None => format!("The steps are {}.", names.join(", ")),
        };
        Self::usage(unknown.to_string(), help)
    }
}
