//! Providers: components that bring kinds of resources.
//!
//! Each call has an instance of its own, and a client of its own that is held to the provider's grants and to the secrets
//! that this call was given.

mod aws;
mod connections;
mod grants;
mod outside;
mod proofs;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use llmhost_engine::names::ResourceAddress;
use llmhost_engine::plugin::{Capabilities, Failure, Limits, LogLevel, PluginError};
use llmhost_engine::secret;
use llmhost_provider::{
    AwsCalls, Call, CallError, CallErrorClass, Described, KindDoc, Log, Made, OutputDoc, Provider, ProviderError,
    SecretValues, Seen,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

pub(crate) use aws::{Refused, call};
pub(crate) use connections::{Connection, connect, read, start_tls, write};
pub(crate) use grants::{Grants, HTTP_EXAMPLE, TCP_EXAMPLE};
pub(crate) use outside::{Answer, Outside, Request, Unanswered, Unusable, pause, send};
pub(crate) use proofs::{Proof, begin, client_final, client_first, verifier, verify};

use crate::plugin::{Loaded, Terms};
use crate::wit::kinds::{self, Kinds};

/// A provider as the file uses it: with its name, grants and limits.
pub(crate) struct Granted {
    pub(crate) loaded: Arc<Loaded>,
    pub(crate) described: Described,
    pub(crate) terms: Own,
}

/// What a file says of a provider.
pub(crate) struct Own {
    /// `providers.dns`
    pub(crate) table: Arc<str>,
    pub(crate) limits: Limits,
    pub(crate) grants: Arc<Grants>,
    pub(crate) secrets: Arc<dyn SecretValues>,
    pub(crate) aws: Arc<dyn AwsCalls>,
    /// Of one request.
    pub(crate) timeout: Duration,
}

/// Asks a provider what it is.
pub(crate) async fn describe(loaded: &Loaded, table: &Arc<str>, limits: &Limits) -> Result<Described, PluginError> {
    let terms = Terms { table: Arc::clone(table), limits, host: Arc::new(Deaf(None)), outside: None };
    let provider = loaded.provider();
    let described: kinds::Description =
        loaded.enter(terms, async |store| provider.call(store, "describe", &Vec::new()).await).await?;
    let output = |output: kinds::Output| {
        let kinds::Output { name, description, identity, sensitive } = output;
        OutputDoc { name, description, identity, sensitive }
    };
    let kind = |kind: kinds::Kind| {
        let kinds::Kind { name, summary, spec_schema, immutable, unique, outputs } = kind;
        KindDoc { name, summary, spec_schema, immutable, unique, outputs: outputs.into_iter().map(output).collect() }
    };
    let kinds::Description { summary, config_schema, kinds } = described;
    Ok(Described { summary, config_schema, kinds: kinds.into_iter().map(kind).collect() })
}

impl Granted {
    /// Calls a function of the provider. `specs` are what it is given: their secrets may be sent.
    async fn call<T: DeserializeOwned + Send>(
        &self,
        call: Call<'_>,
        function: &str,
        specs: &[&Value],
        arguments: &[&str],
    ) -> Result<T, CallError> {
        let Own { table, limits, .. } = &self.terms;
        let given: BTreeSet<String> = specs.iter().copied().chain([call.config]).flat_map(secret::named).collect();
        let outside = Arc::new(Outside::new(&self.terms, given));
        let host = Arc::new(Deaf(Some(Arc::clone(call.log))));
        let terms = Terms { table: Arc::clone(table), limits, host, outside: Some(Arc::clone(&outside)) };
        let config = call.config.to_string();
        let arguments: Vec<String> =
            [config.as_str(), call.kind].into_iter().chain(arguments.iter().copied()).map(str::to_owned).collect();
        let provider: &Kinds = self.loaded.provider();
        let called = self.loaded.enter(terms, async |store| provider.call(store, function, &arguments).await).await;
        let returned: Result<T, kinds::Error> = called.map_err(|ended| match outside.stopped() {
            Some(stopped) => CallError::Stopped(stopped),
            None => CallError::Ended(ended),
        })?;
        returned.map_err(|kinds::Error { class, code, message, advice }| {
            CallError::Returned(ProviderError { class: class_of(&class), code, message, advice })
        })
    }
}

fn class_of(class: &kinds::Class) -> CallErrorClass {
    match class {
        kinds::Class::NotFound => CallErrorClass::NotFound,
        kinds::Class::Conflict => CallErrorClass::Conflict,
        kinds::Class::Denied => CallErrorClass::Denied,
        kinds::Class::Quota => CallErrorClass::Quota,
        kinds::Class::Throttled => CallErrorClass::Throttled,
        kinds::Class::Invalid => CallErrorClass::Invalid,
        kinds::Class::Service => CallErrorClass::Service,
        kinds::Class::Unreachable => CallErrorClass::Unreachable,
    }
}

fn made(created: kinds::Created) -> Made {
    let kinds::Created { id, outputs } = created;
    Made { id, outputs }
}

#[async_trait]
impl Provider for Granted {
    fn description(&self) -> &Described {
        &self.described
    }

    async fn create(&self, call: Call<'_>, spec: &Value, token: &str) -> Result<Made, CallError> {
        self.call(call, "create", &[spec], &[&spec.to_string(), token]).await.map(made)
    }

    async fn find(&self, call: Call<'_>, spec: &Value, token: &str) -> Result<Option<Made>, CallError> {
        let found: Option<kinds::Created> = self.call(call, "find", &[spec], &[&spec.to_string(), token]).await?;
        Ok(found.map(made))
    }

    async fn read(&self, call: Call<'_>, id: &str, spec: &Value) -> Result<Option<Seen>, CallError> {
        let seen: Option<kinds::Observed> = self.call(call, "read", &[spec], &[id, &spec.to_string()]).await?;
        Ok(seen.map(|kinds::Observed { id, spec, outputs }| Seen { id, spec, outputs }))
    }

    async fn update(&self, call: Call<'_>, id: &str, old: &Value, new: &Value) -> Result<String, CallError> {
        self.call(call, "update", &[old, new], &[id, &old.to_string(), &new.to_string()]).await
    }

    async fn delete(&self, call: Call<'_>, id: &str, spec: &Value) -> Result<(), CallError> {
        self.call(call, "delete", &[spec], &[id, &spec.to_string()]).await
    }
}

/// What a provider gets of the engine: somebody who hears what it writes.
struct Deaf(Option<Log>);

const NOT_HERE: &str = "a provider declares nothing";

#[async_trait]
impl Capabilities for Deaf {
    fn declare(&self, _: &str, _: &str, _: Value, _: &[String]) -> Result<ResourceAddress, Failure> {
        Err(Failure::refused(NOT_HERE))
    }

    async fn output(&self, _: &ResourceAddress, _: &str) -> Result<Value, Failure> {
        Err(Failure::refused(NOT_HERE))
    }

    async fn fact(&self, _: &str) -> Result<String, Failure> {
        Err(Failure::refused(NOT_HERE))
    }

    fn region(&self) -> &str {
        ""
    }

    fn log(&self, level: LogLevel, message: &str) {
        match &self.0 {
            Some(log) => log(level, message),
            None => tracing::debug!("while describing itself: {message}"),
        }
    }
}
