//! The lines of a trace.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::crash::Crash;
use crate::look_up::Query;
use crate::names::{ResourceAddress, StepName};
use crate::plugin::{Failure, Limits, LogLevel, PluginError};

/// The first line: where the trace comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Version of the format.
    pub llmhost_trace: u32,
    /// The llmhost that wrote it.
    pub llmhost: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// The folder of the pipeline file, absolute: relative paths of plugins start there.
    pub base: PathBuf,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "kebab-case")]
pub enum Entry {
    /// A plugin was called.
    Run(Box<Begun>),
    /// It asked something of the host.
    Call {
        /// Which run.
        run: usize,
        /// What it asked.
        #[serde(flatten)]
        asked: Box<Asked>,
        /// What it got: an address, a value, or an unknown token.
        gave: Answer,
    },
    /// It said something.
    Log {
        /// Which run.
        run: usize,
        /// How loud.
        level: LogLevel,
        /// What.
        message: String,
    },
    /// It returned, or was stopped.
    End {
        /// Which run.
        run: usize,
        /// What came of it.
        #[serde(flatten)]
        ended: Ended,
    },
}

/// What a plugin was called with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Begun {
    /// The number that its entries carry.
    pub run: usize,
    /// What for.
    pub phase: Phase,
    /// The step.
    pub step: StepName,
    /// The plugin, as the file has it.
    pub uses: String,
    /// SHA-256 of the component, hex.
    pub sha256: String,
    /// The pipeline's region.
    pub region: String,
    /// What the file grants.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// The limits of its sandbox.
    #[serde(default)]
    pub limits: Limits,
    /// The `with` table, references replaced.
    pub config: Value,
}

/// What a plugin was run for. It cannot tell, and does the same for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// To see what it declares.
    Plan,
    /// To make that.
    Apply,
}

/// What a plugin asks of the host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    /// That this resource be there.
    Declare {
        /// The kind: `ec2.vpc`.
        kind: String,
        /// Its name within the step.
        name: String,
        /// As the plugin gave it.
        spec: Value,
        /// Addresses of what it comes after.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        after: Vec<String>,
    },
    /// An output of a resource.
    Output {
        /// The resource.
        address: ResourceAddress,
        /// The output's name.
        name: String,
    },
    /// What only the outside can tell.
    Fact(String),
    /// An attribute of what exists.
    Existing {
        /// Which.
        query: Box<Query>,
        /// The attribute.
        attribute: String,
    },
    /// The files of a folder.
    List(String),
    /// A part of a file. The answer has it in base64.
    Read {
        /// Its path.
        file: String,
        /// The first byte.
        start: u64,
        /// How many bytes at most.
        most: u32,
    },
    /// What stands in the file at a JSON pointer into the step's `with` table.
    Written(String),
}

/// What the host answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// What was asked for.
    Value(Value),
    /// Why it gave nothing.
    Failure(Failure),
}

/// How a plugin's run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// It returned these outputs.
    Outputs(Value),
    /// It returned an error, or outputs that it does not describe.
    Error(String),
    /// It crashed, or went over a limit.
    Crashed(Box<Crash>),
}

impl Ended {
    /// Of what a plugin's run gave.
    pub(super) fn of(result: &Result<Value, PluginError>) -> Self {
        match result {
            Ok(outputs) => Self::Outputs(outputs.clone()),
            Err(error) => match error.crash() {
                Some(crash) => Self::Crashed(Box::new(crash.clone())),
                None => Self::Error(error.to_string()),
            },
        }
    }

    /// Whether two runs ended alike. Of a crash only the message counts: frames change with each build,
    /// and what a plugin logs is not compared.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Crashed(one), Self::Crashed(other)) => one.headline() == other.headline(),
            _ => self == other,
        }
    }
}

impl Answer {
    /// Of what the host gave.
    pub(super) fn of<T: Clone + Into<Value>>(result: &Result<T, Failure>) -> Self {
        match result {
            Ok(value) => Self::Value(value.clone().into()),
            Err(failure) => Self::Failure(failure.clone()),
        }
    }
}

impl From<Answer> for Result<Value, Failure> {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Value(value) => Ok(value),
            Answer::Failure(failure) => Err(failure),
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Declare { kind, name, .. } => write!(f, "it declares {kind} '{name}'"),
            Self::Output { address, name } => write!(f, "it reads '{name}' of {address}"),
            Self::Fact(key) => write!(f, "it asks for {key}"),
            Self::Existing { query, attribute } => write!(f, "it looks up '{attribute}' of {}", query.kind),
            Self::List(folder) => write!(f, "it lists the files of '{folder}'"),
            Self::Read { file, start: 0, .. } => write!(f, "it reads the file '{file}'"),
            Self::Read { file, start, .. } => write!(f, "it reads the file '{file}' from byte {start} on"),
            Self::Written(pointer) => write!(f, "it asks for the text of the file at {pointer}"),
        }
    }
}

impl Entry {
    /// The run that it belongs to.
    pub fn run(&self) -> usize {
        match self {
            Self::Run(begun) => begun.run,
            Self::Call { run, .. } | Self::Log { run, .. } | Self::End { run, .. } => *run,
        }
    }
}
