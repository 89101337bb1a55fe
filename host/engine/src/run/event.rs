//! Everything that a user is shown, as it happens. Terminal, JSON lines and tests read the same.

use std::sync::Arc;

use serde::Serialize;

use crate::byproduct::Byproduct;
use crate::kind::OpError;
use crate::names::{ResourceAddress, StepName};
use crate::plan::Summary;
use crate::plugin::LogLevel;
use crate::trace::Phase;
use crate::wait::Retry;

/// One thing that happened.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event {
    /// The plan is made.
    Planned {
        /// The pipeline.
        pipeline: String,
        /// How many resources meet which fate.
        #[serde(flatten)]
        summary: Summary,
    },
    /// An apply or a destroy begins.
    RunStarted {
        /// How many operations it will take, as far as is known now. A replacement takes two.
        operations: usize,
    },
    /// A step's plugin starts to apply.
    StepStarted {
        /// The step.
        step: StepName,
    },
    /// A plugin says something.
    StepLog {
        /// The step.
        step: StepName,
        /// Whether it plans or applies: it says the same in both, as far as it knows the same.
        phase: Phase,
        /// How loud.
        level: LogLevel,
        /// What.
        message: String,
    },
    /// A step is done.
    StepDone {
        /// The step.
        step: StepName,
        /// Milliseconds it took.
        millis: u64,
    },
    /// A step failed; the report at the end says why.
    StepFailed {
        /// The step.
        step: StepName,
    },
    /// A step was not run, because one that it needs is missing.
    StepSkipped {
        /// The step.
        step: StepName,
        /// The one that is missing.
        because: StepName,
    },
    /// A call that changes something begins.
    OperationStarted {
        /// The resource.
        address: ResourceAddress,
        /// What is done to it.
        operation: Operation,
    },
    /// A long call is still at work.
    OperationProgress {
        /// The resource.
        address: ResourceAddress,
        /// What it is doing.
        message: String,
        /// Units done.
        done: u64,
        /// Units in all; 0 where not known.
        total: u64,
        /// What is counted; absent where it is nothing that has a name.
        #[serde(skip_serializing_if = "Option::is_none")]
        unit: Option<Unit>,
    },
    /// Something about a running operation that a person should read.
    OperationNote {
        /// The resource.
        address: ResourceAddress,
        /// What.
        message: String,
    },
    /// A call failed and is tried again.
    Retrying {
        /// The resource that it is for; absent where a run only looks.
        #[serde(skip_serializing_if = "Option::is_none")]
        address: Option<ResourceAddress>,
        /// The call and its failure.
        #[serde(flatten)]
        retry: Retry,
    },
    /// An operation is still at work: said at regular intervals, however long it takes.
    OperationWaiting {
        /// The resource.
        address: ResourceAddress,
        /// What is done to it.
        operation: Operation,
        /// Milliseconds since it began.
        millis: u64,
        /// What it said last of what it is doing or waiting for.
        #[serde(skip_serializing_if = "Option::is_none")]
        latest: Option<String>,
    },
    /// The run was stopped while this operation waited; the next run goes on with it.
    OperationInterrupted {
        /// The resource.
        address: ResourceAddress,
        /// What was being done to it.
        operation: Operation,
        /// What it was waiting for.
        waiting: String,
    },
    /// The change is made and recorded.
    OperationDone {
        /// The resource.
        address: ResourceAddress,
        /// What was done to it.
        operation: Operation,
        /// Its id.
        id: String,
        /// Milliseconds it took.
        millis: u64,
    },
    /// The change failed.
    OperationFailed {
        /// The resource.
        address: ResourceAddress,
        /// What was being done to it.
        operation: Operation,
        /// Why it failed.
        error: OpError,
    },
    /// Something that a resource made by itself was removed, or stays.
    Byproduct {
        /// The resource.
        address: ResourceAddress,
        /// What it was; `kept` says why it stays.
        #[serde(flatten)]
        byproduct: Byproduct,
    },
    /// The run is over.
    Finished {
        /// Whether everything was done.
        ok: bool,
        /// What was done.
        #[serde(flatten)]
        done: Summary,
        /// How many failures there were.
        failures: usize,
    },
}

/// What an operation counts while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Bytes of an upload or a download.
    Bytes,
}

/// What is done to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// It is made.
    Create,
    /// It was made before and is brought in line.
    Finish,
    /// It is found again after a run that died while making it.
    Adopt,
    /// It is changed in place.
    Update,
    /// It lets go of another resource, which is replaced: until that is there again it is without it.
    Detach,
    /// It is deleted.
    Delete,
}

/// Where events go.
#[derive(Clone)]
pub struct Events(Arc<dyn Fn(Event) + Send + Sync>);

impl Events {
    /// Sends every event to `sink`, which must not block.
    pub fn new(sink: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(Arc::new(sink))
    }

    /// Drops every event.
    pub fn none() -> Self {
        Self::new(|_| ())
    }

    pub(crate) fn emit(&self, event: Event) {
        (self.0)(event);
    }
}
