//! How a run ended: what was done, and each failure once.

use serde::Serialize;
use serde_json::Value;

use super::event::Operation;
use super::probe::{self, DecidesByUnknown};
use crate::byproduct::Byproduct;
use crate::kind::OpError;
use crate::names::{ResourceAddress, StepName};
use crate::plan::{FieldChange, Summary};
use crate::plugin::{Failure, FailureCode, PluginError};
use crate::state::StateError;

/// How a run ended.
#[derive(Debug, Default)]
pub struct Report {
    /// What was done.
    pub done: Summary,
    /// Each failure once.
    pub failures: Vec<StepFailure>,
    /// Steps that did not run, each with the step that is missing.
    pub skipped: Vec<(StepName, StepName)>,
    /// Outputs of the steps that are done, in the order of the file. Sensitive ones have a mask.
    pub outputs: Vec<(StepName, Value)>,
    /// What the file itself gives, a table. Sensitive ones have a mask. Empty where the run did not end well.
    pub file_outputs: Value,
    /// Deletions that wait until every step succeeds.
    pub postponed: Vec<ResourceAddress>,
    /// What resources made by themselves and what stays though these are gone.
    pub kept: Vec<(ResourceAddress, Byproduct)>,
    /// Whether the user stopped it.
    pub interrupted: bool,
    /// What was being waited for when the user stopped it. The next run goes on with it.
    pub waiting: Vec<Waiting>,
}

/// A wait that ended because the user stopped the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// The resource.
    pub address: ResourceAddress,
    /// What was being done to it.
    pub operation: Operation,
    /// What it was waiting for.
    pub waiting: String,
}

impl Report {
    /// Whether everything was done.
    pub fn is_ok(&self) -> bool {
        self.failures.is_empty() && self.skipped.is_empty() && self.postponed.is_empty() && !self.interrupted
    }
}

/// One failure.
#[derive(Debug, thiserror::Error)]
#[error("{}", .reason)]
pub struct StepFailure {
    /// The step; absent for a resource of a step that is no longer in the file.
    pub step: StepName,
    /// The resource, where it is about one.
    pub address: Option<ResourceAddress>,
    /// Why.
    pub reason: Reason,
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// A call failed.
    #[error("{0}")]
    Operation(OpError),
    /// The plugin declared something wrong.
    #[error("{0}")]
    Declaration(String),
    /// The plugin did something else than in its plan.
    #[error("{0}")]
    NotAsPlanned(Departure),
    /// The plugin crashed, hit a limit, or gave up.
    #[error("{0}")]
    Plugin(PluginError),
    /// The `with` table, references replaced, does not fit the plugin's schema.
    #[error("{0}")]
    Config(String),
    /// The plugin would do something else once a value is known.
    #[error("{0}")]
    DecidesByUnknown(Box<DecidesByUnknown>),
    /// The state could not be written.
    #[error("{0}")]
    State(StateError),
    /// A deletion waits for one that failed.
    #[error("not deleted, because {} still {} it", list(.0), if .0.len() == 1 { "uses" } else { "use" })]
    StillUsed(Vec<ResourceAddress>),
    /// It must be deleted before its successor is created, and something that stays uses it.
    #[error(
        "it must be deleted before its successor can be created, and {user} uses it (in {field}) until then. {}",
        change_name(.unique)
    )]
    HeldBy {
        /// What uses it.
        user: ResourceAddress,
        /// The field that does.
        field: String,
        /// The fields that make the two clash.
        unique: &'static [&'static str],
    },
    /// Its step is protected.
    #[error("it is protected, and would be {}", if *.replaced { "replaced" } else { "deleted" })]
    Protected {
        /// Whether it would be made anew, and not only deleted.
        replaced: bool,
    },
}

impl Reason {
    /// What sort of failure it is.
    pub fn code(&self) -> FailureCode {
        match self {
            Self::Operation(error) => error.class.into(),
            Self::Declaration(_) | Self::Config(_) => FailureCode::Invalid,
            Self::NotAsPlanned(_) | Self::DecidesByUnknown(_) | Self::Protected { .. } => FailureCode::Refused,
            Self::StillUsed(_) | Self::HeldBy { .. } => FailureCode::Exists,
            Self::Plugin(PluginError::Returned(failure)) => failure.code,
            Self::Plugin(_) | Self::State(_) => FailureCode::Failed,
        }
    }

    /// The failure that a plugin gets for it.
    pub(super) fn as_failure(&self) -> Failure {
        Failure { code: self.code(), message: self.to_string() }
    }
}

/// How an apply left its plan.
#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize)]
#[non_exhaustive]
pub enum Departure {
    /// Declared, and not in the plan.
    #[error("{0} is not in the plan that was shown")]
    Unplanned(ResourceAddress),
    /// In the plan, and not declared.
    #[error("{0} is in the plan that was shown, but the plugin did not declare it")]
    Undeclared(ResourceAddress),
    /// Declared otherwise.
    #[error("{address} differs from the plan that was shown: {}", fields(.changes))]
    Differs {
        /// The resource.
        address: ResourceAddress,
        /// Planned and declared values.
        changes: Vec<FieldChange>,
    },
    /// Returned otherwise.
    #[error("its outputs differ from the plan that was shown: {}", probe::fields(.0))]
    Outputs(Vec<FieldChange>),
    /// Planned, and not done, though nothing failed.
    #[error("{0} was planned to be changed, and nothing was done to it; run again")]
    NotDone(ResourceAddress),
    /// Done, and not planned.
    #[error("{0} was changed, and the plan that was shown does not say so")]
    Unasked(ResourceAddress),
    /// A file that the plan was made of is not what it was.
    #[error("'{path}' {how}, since the plan that was shown was made; plan again")]
    File {
        /// Its path as the step has it; of a folder with a slash at the end.
        path: String,
        /// What is otherwise.
        how: &'static str,
    },
    /// What the plan says of it is not enough to make it so.
    #[error("{address} would be replaced, and the plan that was shown does not say so: {}", fields(.changes))]
    Unforeseen {
        /// The resource.
        address: ResourceAddress,
        /// The fields that force it.
        changes: Vec<FieldChange>,
    },
}

impl Departure {
    /// The resource that it is about; nothing where it is about a step's outputs or files.
    pub fn address(&self) -> Option<&ResourceAddress> {
        match self {
            Self::Unplanned(address) | Self::Undeclared(address) | Self::NotDone(address) | Self::Unasked(address) => {
                Some(address)
            }
            Self::Differs { address, .. } | Self::Unforeseen { address, .. } => Some(address),
            Self::Outputs(_) | Self::File { .. } => None,
        }
    }
}

fn change_name(unique: &[&str]) -> String {
    match unique {
        [] => "Remove the reference first and run, then make the change".to_owned(),
        fields => format!("Change {} as well: then the new one is created first", fields.join(" or ")),
    }
}

fn list(addresses: &[ResourceAddress]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn fields(changes: &[FieldChange]) -> String {
    let show = |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_string);
    let words = changes.iter().map(|c| format!("{} was {} and is now {}", c.path, show(&c.old), show(&c.new)));
    words.collect::<Vec<_>>().join("; ")
}
