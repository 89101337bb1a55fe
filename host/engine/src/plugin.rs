//! What the engine asks of a plugin, and what a plugin may ask of the engine.
//!
//! The engine knows no WebAssembly: whoever loads components implements [`PluginLoader`] and
//! [`Plugin`], and calls [`Capabilities`] for what the guest does.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use crate::crash::Crash;
use crate::names::{ResourceAddress, StepName};

/// What a plugin says of itself.
#[derive(Debug, Clone)]
pub struct Description {
    /// One sentence.
    pub summary: String,
    /// JSON Schema of the step's `with` table.
    pub config_schema: Value,
    /// Names and descriptions of its outputs.
    pub outputs: Vec<(String, String)>,
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

    /// The pipeline's region.
    fn region(&self) -> &str;

    /// The text of a value of the step's `with` table that other steps give, as it stands in the file. Nothing
    /// where the file alone tells the value. `pointer` is a JSON pointer.
    fn written(&self, _pointer: &str) -> Option<String> {
        None
    }

    /// A message of the plugin for the user.
    fn log(&self, level: LogLevel, message: &str);
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
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The declaration is wrong.
    #[error("{0}")]
    Invalid(String),
    /// Not granted, or not in the plan.
    #[error("{0}")]
    Refused(String),
    /// The operation failed; the engine has reported it already.
    #[error("{0}")]
    Failed(String),
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
    #[error("the plugin {uses} imports what step '{step}' does not grant: {}", .missing.join(", "))]
    NotGranted {
        /// The step.
        step: StepName,
        /// The plugin.
        uses: String,
        /// Grants to add to `allow`, if the user agrees.
        missing: Vec<String>,
    },
    /// A grant in the file that names nothing.
    #[error("'{grant}' is not a grant")]
    UnknownGrant {
        /// What the file says.
        grant: String,
        /// Those there are.
        known: Vec<String>,
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
