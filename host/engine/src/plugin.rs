//! What the engine asks of a plugin, and what a plugin may ask of the engine.
//!
//! The engine knows no WebAssembly: whoever loads components implements [`PluginLoader`] and
//! [`Plugin`], and calls [`Capabilities`] for what the guest does.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use crate::crash::Crash;
use crate::kind::ErrorClass;
use crate::look_up::Query;
use crate::names::{ResourceAddress, StepName};

/// What a plugin says of itself.
#[derive(Debug, Clone)]
pub struct Description {
    /// One sentence.
    pub summary: String,
    /// JSON Schema of the step's `with` table.
    pub config_schema: Value,
    /// Its outputs.
    pub outputs: Vec<OutputDoc>,
    /// Grants that it needs and its imports do not tell: resource types of `cloud-control`, calls of `request`.
    pub needs: Vec<String>,
}

impl Description {
    /// The names of the outputs that are marked as sensitive.
    pub fn sensitive_outputs(&self) -> BTreeSet<String> {
        self.outputs.iter().filter(|output| output.sensitive).map(|output| output.name.clone()).collect()
    }

    /// What it says of an output.
    pub fn output(&self, name: &str) -> Option<&OutputDoc> {
        self.outputs.iter().find(|output| output.name == name)
    }
}

/// What a plugin says of one of its outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputDoc {
    /// Its name in `${step.name}`.
    pub name: String,
    /// One sentence.
    pub description: String,
    /// What it is; anything where the plugin does not say.
    pub value_type: Option<ValueType>,
    /// Whether the value is kept out of everything that is shown.
    pub sensitive: bool,
}

/// The type of a value, as JSON has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ValueType {
    /// A string.
    Text,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl ValueType {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Text, Self::Number, Self::Boolean, Self::Array, Self::Object];

    /// `text`, as WIT calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Array => "array",
            Self::Object => "object",
        }
    }

    /// Whether a value is of this type. `null` is of every type: in a plan, a number or a list may not be known yet.
    pub fn fits(self, value: &Value) -> bool {
        match value {
            Value::Null => true,
            // A whole token stands for a value of any type.
            Value::String(text) => self == Self::Text || crate::unknown::whole(text).is_some(),
            Value::Number(_) => self == Self::Number,
            Value::Bool(_) => self == Self::Boolean,
            Value::Array(_) => self == Self::Array,
            Value::Object(_) => self == Self::Object,
        }
    }
}

/// A loaded plugin, its grants checked.
#[async_trait]
pub trait Plugin: Send + Sync {
    /// What it says of itself.
    fn description(&self) -> &Description;

    /// SHA-256 of the component, hex.
    fn sha256(&self) -> &str;

    /// Runs it once. `config` is the `with` table, references replaced. Returns the outputs.
    async fn run(&self, config: &Value, host: Arc<dyn Capabilities>) -> Result<Value, PluginError>;
}

/// Which plugin it is; known before any of its code runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// What pins it: `sha256:` and the digest of the component, or of its manifest in a registry.
    pub digest: String,
    /// What it imports of llmhost, with versions: `llmhost:aws/ec2@0.1.0`.
    pub interfaces: Vec<String>,
}

/// Finds and compiles plugins, and refuses those that import what they were not granted.
#[async_trait]
pub trait PluginLoader: Send + Sync {
    /// Says which plugin `uses` is; nothing of one that comes with the host. `locked` is the digest that the lock
    /// file has, for a tag that cannot be asked for. What is loaded after this is that plugin.
    async fn identify(&self, _uses: &str, _base: &Path, _locked: Option<&str>) -> Result<Option<Identity>, LoadError> {
        Ok(None)
    }

    /// Loads the plugin of one step.
    async fn load(&self, request: &LoadRequest<'_>) -> Result<Arc<dyn Plugin>, LoadError>;
}

/// Which plugin a step wants, and under which terms.
#[derive(Debug, Clone, Copy)]
pub struct LoadRequest<'a> {
    /// The step.
    pub step: &'a StepName,
    /// `vpc`, `./my.wasm`, `oci://ghcr.io/acme/x:1.0`.
    pub uses: &'a str,
    /// The folder of the pipeline file.
    pub base: &'a Path,
    /// Grants from the file, `interface:resource` or `interface`; built-in plugins carry theirs.
    pub allow: &'a [String],
    /// Limits from the file.
    pub limits: &'a Limits,
}

/// What one run of a plugin may use up. `None` takes the host's default.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Limits {
    /// Linear memory in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Time spent computing; waiting for the host does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Duration>,
}

/// What a plugin may ask of the host while it runs. One implementation plans, another applies.
#[async_trait]
pub trait Capabilities: Send + Sync {
    /// Declares a resource. Returns at once.
    fn declare(&self, kind: &str, name: &str, spec: Value, after: &[String]) -> Result<ResourceAddress, Failure>;

    /// Waits for a declared resource and reads an output of it; while planning, gives the known
    /// value or an unknown token.
    async fn output(&self, address: &ResourceAddress, output: &str) -> Result<Value, Failure>;

    /// Something only the outside can tell ([`crate::kind::Facts`]).
    async fn fact(&self, key: &str) -> Result<String, Failure>;

    /// An attribute of each resource that exists and that a query finds ([`crate::look_up`]); while planning, one unknown
    /// token where nobody has looked.
    async fn existing(&self, _query: &Query, _attribute: &str) -> Result<Vec<Value>, Failure> {
        Err(Failure::refused("this host does not look up resources"))
    }

    /// The pipeline's region.
    fn region(&self) -> &str;

    /// The text of a value of the step's `with` table that other steps give, as it stands in the file. Nothing
    /// where the file alone tells the value. `pointer` is a JSON pointer.
    fn written(&self, _pointer: &str) -> Option<String> {
        None
    }

    /// Whether a text is known: it holds no unknown token. The handle of a secret is one that stays.
    fn is_known(&self, text: &str) -> bool {
        !crate::unknown::is_unknown(text)
    }

    /// The files of a folder that the step's `with` table names, or of a pattern ([`FileEntry`]).
    async fn list_files(&self, _folder: &str) -> Result<Vec<FileEntry>, Failure> {
        Err(Failure::refused("this host has no files for plugins"))
    }

    /// A part of a file that the step's `with` table names, or that is in such a folder.
    async fn read_file(&self, _file: &str, _start: u64, _most: u32) -> Result<Vec<u8>, Failure> {
        Err(Failure::refused("this host has no files for plugins"))
    }

    /// A message of the plugin for the user.
    fn log(&self, level: LogLevel, message: &str);
}

/// Fetches the charts that steps name by an address in a registry.
#[async_trait]
pub trait Charts: Send + Sync {
    /// The packed chart at `oci://…@sha256:…`, of at most so many bytes: what has the digest, and nothing else.
    async fn fetch(&self, address: &str, most: u64) -> Result<Vec<u8>, Failure>;
}

/// A file of a folder.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FileEntry {
    /// Its path from the folder, with `/` between the parts.
    pub path: String,
    /// Bytes.
    pub size: u64,
}

/// How loud a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// For the plugin's author.
    Debug,
    /// For the user.
    Info,
    /// For the user, and it matters.
    Warn,
}

/// Why a capability call gave no value. Mirrors `failure` in WIT.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[error("{message}")]
pub struct Failure {
    /// What sort of failure it is.
    pub code: FailureCode,
    /// One sentence.
    pub message: String,
}

impl Failure {
    /// The declaration is wrong.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self { code: FailureCode::Invalid, message: message.into() }
    }

    /// Not granted, or not in the plan.
    pub fn refused(message: impl Into<String>) -> Self {
        Self { code: FailureCode::Refused, message: message.into() }
    }

    /// The operation failed; the engine has reported it already.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { code: FailureCode::Failed, message: message.into() }
    }
}

/// Sorts of failures. Mirrors `failure-code` in WIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureCode {
    /// The declaration or an option is wrong.
    Invalid,
    /// Not granted, or not in the plan.
    Refused,
    /// The operation failed, and none of the other codes says why.
    Failed,
    /// The credentials lack a permission, or have expired.
    Denied,
    /// A name is taken, or something is in use.
    Exists,
    /// What is referred to does not exist.
    NotFound,
    /// A quota is reached.
    Quota,
    /// The provider has no capacity.
    Capacity,
    /// Too many calls.
    Throttled,
    /// The service cannot be reached, or has a fault.
    Unavailable,
    /// The run was interrupted.
    Interrupted,
}

impl FailureCode {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Invalid,
        Self::Refused,
        Self::Failed,
        Self::Denied,
        Self::Exists,
        Self::NotFound,
        Self::Quota,
        Self::Capacity,
        Self::Throttled,
        Self::Unavailable,
        Self::Interrupted,
    ];

    /// `not-found`, as WIT calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Denied => "denied",
            Self::Exists => "exists",
            Self::NotFound => "not-found",
            Self::Quota => "quota",
            Self::Capacity => "capacity",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Interrupted => "interrupted",
        }
    }
}

impl From<ErrorClass> for FailureCode {
    fn from(class: ErrorClass) -> Self {
        match class {
            ErrorClass::Invalid => Self::Invalid,
            ErrorClass::Denied | ErrorClass::Expired => Self::Denied,
            ErrorClass::Quota => Self::Quota,
            ErrorClass::Capacity => Self::Capacity,
            ErrorClass::Throttled => Self::Throttled,
            ErrorClass::Conflict => Self::Exists,
            ErrorClass::NotFound => Self::NotFound,
            ErrorClass::Unreachable | ErrorClass::Service => Self::Unavailable,
            ErrorClass::Broken | ErrorClass::Local => Self::Failed,
            ErrorClass::Interrupted => Self::Interrupted,
        }
    }
}

/// Why a plugin's run gave no outputs.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PluginError {
    /// The plugin returned an error.
    #[error("{0}")]
    Returned(Failure),
    /// It crashed.
    #[error("the plugin crashed: {0}")]
    Trapped(Box<Crash>),
    /// It went over a limit of its sandbox. The crash's reason says how far, of how much, and which
    /// setting raises it.
    #[error("the plugin went over its {limit} limit: {crash}")]
    LimitHit {
        /// `memory`, `time`, `table`, `stack`, `message size`, `declarations`.
        limit: &'static str,
        /// Where it was and what it did last.
        crash: Box<Crash>,
    },
    /// Its outputs are not what it promised.
    #[error("the plugin returned {0}")]
    BadOutput(String),
}

impl PluginError {
    /// What is known of the crash, if it is one.
    pub fn crash(&self) -> Option<&Crash> {
        match self {
            Self::Trapped(crash) | Self::LimitHit { crash, .. } => Some(crash),
            Self::Returned(_) | Self::BadOutput(_) => None,
        }
    }
}

/// Why a plugin could not be loaded. Nothing has run when this comes.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// No such built-in plugin.
    #[error("there is no built-in plugin '{name}'")]
    UnknownBuiltin {
        /// What the file says.
        name: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// A built-in plugin that this build of the host has not.
    #[error("the built-in plugin '{name}' is not in this llmhost")]
    AbsentBuiltin {
        /// What the file says.
        name: String,
        /// What to do.
        help: String,
    },
    /// The file cannot be read.
    #[error("cannot read the plugin {path}: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// The system's word.
        reason: String,
    },
    /// It could not be fetched, or is not to be trusted.
    #[error("{message}")]
    Unfetched {
        /// One sentence.
        message: String,
        /// What to do.
        help: String,
    },
    /// Not a component, or one of another world.
    #[error("{path} is not a plugin: {reason}")]
    NotAPlugin {
        /// The file.
        path: String,
        /// What is wrong with it, and how to make one.
        reason: String,
    },
    /// It imports what the step does not grant.
    #[error("the plugin {uses} imports what step '{step}' does not grant: {}", .missing.iter().map(String::as_str).chain(.unsaid.iter().copied()).collect::<Vec<_>>().join(", "))]
    NotGranted {
        /// The step.
        step: StepName,
        /// The plugin.
        uses: String,
        /// Grants to add to `allow`, if the user agrees.
        missing: Vec<String>,
        /// Interfaces that are granted by resource type or by call, where the plugin does not say which it needs.
        unsaid: Vec<&'static str>,
    },
    /// A grant in the file that names nothing.
    #[error("'{grant}' is not a grant")]
    UnknownGrant {
        /// What the file says.
        grant: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// A grant in the file that cannot be read.
    #[error("'{grant}' is not a grant: {reason}")]
    BadGrant {
        /// What the file says.
        grant: String,
        /// What is wrong with it, and what to write.
        reason: String,
    },
    /// A provider reaches for the network, and the file grants it nothing.
    #[error("the provider {uses} {asks}, and nothing is granted to it")]
    NothingGranted {
        /// The provider.
        uses: String,
        /// What it does: `sends HTTP requests`.
        asks: &'static str,
        /// A grant for that, as an example.
        example: &'static str,
    },
    /// The CA of a provider cannot be used.
    #[error("{reason}")]
    BadCa {
        /// Why, and what to do about it.
        reason: String,
    },
    /// `describe` failed or said nonsense.
    #[error("the plugin {uses} does not describe itself: {reason}")]
    BadDescription {
        /// The plugin.
        uses: String,
        /// What went wrong.
        reason: String,
        /// What is known of the crash, if it crashed; `reason` tells it too.
        crash: Option<Box<Crash>>,
    },
}
