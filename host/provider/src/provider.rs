//! What is asked of a provider, and of those who load one.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use llmhost_engine::kind::{ErrorClass, OpError};
use llmhost_engine::names::StepName;
use llmhost_engine::plugin::{Limits, LoadError, LogLevel, PluginError};
use serde_json::Value;

/// What a provider says of itself, not looked at yet ([`crate::check`]).
#[derive(Debug, Clone, Default)]
pub struct Described {
    /// One sentence.
    pub summary: String,
    /// JSON Schema of its `with` table, as text.
    pub config_schema: String,
    /// Its kinds.
    pub kinds: Vec<KindDoc>,
}

/// What a provider says of one of its kinds.
#[derive(Debug, Clone, Default)]
pub struct KindDoc {
    /// `record` of `dns.record`.
    pub name: String,
    /// One sentence.
    pub summary: String,
    /// JSON Schema of its specs, as text.
    pub spec_schema: String,
    /// Fields that cannot be changed in place.
    pub immutable: Vec<String>,
    /// Fields that together name the resource.
    pub unique: Vec<String>,
    /// Its outputs, without `id`.
    pub outputs: Vec<OutputDoc>,
}

/// What a provider says of an output of one of its kinds.
#[derive(Debug, Clone, Default)]
pub struct OutputDoc {
    /// Its name.
    pub name: String,
    /// One sentence.
    pub description: String,
    /// Whether it tells the resource from all others.
    pub identity: bool,
    /// Whether the value is kept out of everything that is shown.
    pub sensitive: bool,
}

/// Hears what a provider writes during a call.
pub type Log = Arc<dyn Fn(LogLevel, &str) + Send + Sync>;

/// What every call has.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// The provider's `with` table.
    pub config: &'a Value,
    /// The kind, without the provider's name.
    pub kind: &'a str,
    /// Hears what it writes.
    pub log: &'a Log,
}

/// What a create gave, not looked at yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The id.
    pub id: String,
    /// A JSON object, as text.
    pub outputs: String,
}

/// What a read gave, not looked at yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The id.
    pub id: String,
    /// A JSON object, as text.
    pub spec: String,
    /// A JSON object, as text.
    pub outputs: String,
}

/// A loaded provider. Each call stands alone.
#[async_trait]
pub trait Provider: Send + Sync {
    /// What it says of itself.
    fn description(&self) -> &Described;
    /// Makes a resource.
    async fn create(&self, call: Call<'_>, spec: &Value, token: &str) -> Result<Made, CallError>;
    /// Looks for what a create made whose result was lost.
    async fn find(&self, call: Call<'_>, spec: &Value, token: &str) -> Result<Option<Made>, CallError>;
    /// What the service says now.
    async fn read(&self, call: Call<'_>, id: &str, spec: &Value) -> Result<Option<Seen>, CallError>;
    /// Changes a resource in place, and gives its outputs.
    async fn update(&self, call: Call<'_>, id: &str, old: &Value, new: &Value) -> Result<String, CallError>;
    /// Deletes a resource.
    async fn delete(&self, call: Call<'_>, id: &str, spec: &Value) -> Result<(), CallError>;
}

/// Why a call of a provider gave nothing.
#[derive(Debug, Clone)]
pub enum CallError {
    /// The provider says so.
    Returned(ProviderError),
    /// It crashed, or went over a limit. What it was asked for may be done.
    Ended(PluginError),
    /// The run was stopped while it waited.
    Stopped(OpError),
}

/// An error that a provider gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderError {
    /// What kind of trouble it is.
    pub class: CallErrorClass,
    /// The service's own code.
    pub code: Option<String>,
    /// One sentence.
    pub message: String,
    /// What to do about it.
    pub advice: Option<String>,
}

/// Kinds of trouble that a provider can tell. Mirrors `error-class` in WIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each says what it is")]
pub enum CallErrorClass {
    NotFound,
    Conflict,
    Denied,
    Quota,
    Throttled,
    Invalid,
    Service,
    Unreachable,
}

impl From<CallErrorClass> for ErrorClass {
    fn from(class: CallErrorClass) -> Self {
        match class {
            CallErrorClass::NotFound => Self::NotFound,
            CallErrorClass::Conflict => Self::Conflict,
            CallErrorClass::Denied => Self::Denied,
            CallErrorClass::Quota => Self::Quota,
            CallErrorClass::Throttled => Self::Throttled,
            CallErrorClass::Invalid => Self::Invalid,
            CallErrorClass::Service => Self::Service,
            CallErrorClass::Unreachable => Self::Unreachable,
        }
    }
}

/// Reads the values of secrets, for the requests that a provider sends.
#[async_trait]
pub trait SecretValues: Send + Sync {
    /// The value of a secret of the file. An error says why it cannot be read, without the value. What is read is kept out
    /// of everything that is said from then on.
    async fn value(&self, name: &str) -> Result<String, String>;
}

/// Makes calls of AWS services that a provider was granted.
#[async_trait]
pub trait AwsCalls: Send + Sync {
    /// Makes a call with the credentials of the run, and gives the answer's text. `message` is the `message` of WIT's interface
    /// `aws` as JSON. Handles of secrets in its parameters give way to their values; the answer has none of them.
    async fn call(&self, message: &Value) -> Result<String, OpError>;
}

/// Finds and compiles providers.
#[async_trait]
pub trait ProviderLoader: Send + Sync {
    /// Loads a provider of the file.
    async fn load_provider(&self, request: &ProviderRequest<'_>) -> Result<Arc<dyn Provider>, LoadError>;
}

/// Which provider is wanted, and under which terms.
#[derive(Clone, Copy)]
pub struct ProviderRequest<'a> {
    /// Its name in the file.
    pub name: &'a StepName,
    /// `./dns.wasm`, `oci://ghcr.io/acme/dns:1.0`.
    pub uses: &'a str,
    /// The folder of the pipeline file.
    pub base: &'a Path,
    /// Grants from the file.
    pub allow: &'a [String],
    /// Limits from the file.
    pub limits: &'a Limits,
    /// The CAs whose servers it speaks to (PEM), in place of the system's.
    pub ca: Option<&'a str>,
    /// Reads the secrets that it sends.
    pub secrets: &'a Arc<dyn SecretValues>,
    /// Makes its calls of AWS.
    pub aws: &'a Arc<dyn AwsCalls>,
    /// How long one of its requests may take.
    pub timeout: Duration,
}
