//! One call of a provider: what may pass is tried again, and what it gives is held against what it described.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::BoxFuture;
use llmhost_engine::kind::{ErrorClass, OpError, Outputs};
use llmhost_engine::secret::{hide_output, masked_error, masked_outputs};
use llmhost_engine::wait::{Retry, pause, retrying};
use serde_json::{Map, Value};

use crate::describe::{ID, shown};
use crate::provider::{CallError, ProviderError};

/// Ids are kept in states, and shown.
const LONGEST_ID: usize = 1024;

/// How often a call is tried, and how long it waits before it is tried again.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Attempts, all together.
    pub attempts: u32,
    /// Before the second one; twice as long before each further one.
    pub first: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { attempts: 5, first: Duration::from_secs(1) }
    }
}

/// A call that failed.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) error: OpError,
    /// Whether trying again may help.
    pub(crate) passes: bool,
}

impl Fault {
    /// What was asked for may be done, and nobody knows.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.error.class, ErrorClass::Service | ErrorClass::Unreachable)
    }
}

/// Whose call it is, for messages: `dns.record:create`.
#[derive(Clone, Copy)]
pub(crate) struct Operation<'a> {
    pub(crate) provider: &'a str,
    pub(crate) name: &'a str,
}

impl Operation<'_> {
    pub(crate) fn fault(&self, error: CallError) -> Fault {
        let local = |message: String| OpError::local(self.name, message);
        match error {
            CallError::Returned(ProviderError { class, code, message, advice }) => {
                let class = ErrorClass::from(class);
                let passes = matches!(class, ErrorClass::Throttled | ErrorClass::Service | ErrorClass::Unreachable);
                let message =
                    if message.trim().is_empty() { "the provider gives no reason".to_owned() } else { message };
                let advice = advice.or_else(|| Some(advice_for(class)?.to_owned()));
                Fault { error: masked_error(OpError { class, code, advice, ..local(message) }), passes }
            }
            // It may have done what it was asked for: as an answer that was lost.
            CallError::Ended(ended) => {
                let advice = match ended.crash() {
                    Some(crash) if !crash.advice.is_empty() => crash.advice.clone(),
                    _ => "This is an error in the provider.".to_owned(),
                };
                let message = format!("provider {}: {ended}", self.provider);
                let error = OpError { class: ErrorClass::Service, advice: Some(kept(&advice)), ..local(message) };
                Fault { error: masked_error(error), passes: false }
            }
            CallError::Stopped(error) => Fault { error, passes: false },
        }
    }

    /// The provider gave what cannot be used.
    pub(crate) fn nonsense(&self, what: &str) -> Fault {
        let message = format!("provider {} gave {what}", self.provider);
        let advice = kept("This is an error in the provider: report it to its author, or use another version of it.");
        let error = OpError { class: ErrorClass::Service, advice: Some(advice), ..OpError::local(self.name, message) };
        Fault { error: masked_error(error), passes: false }
    }

    /// Waits before another attempt.
    pub(crate) async fn wait(&self, fault: &Fault, attempt: u32, pace: Pace) -> Result<(), OpError> {
        let reason = match &fault.error.code {
            Some(code) => format!("{code}: {}", fault.error.message),
            None => fault.error.message.clone(),
        };
        retrying(Retry { call: self.name.to_owned(), attempt: Some(attempt), reason });
        pause(self.name, pace.first * 2_u32.saturating_pow(attempt - 1)).await
    }

    /// Makes a call that can be made again.
    pub(crate) async fn repeat<'a, T>(
        self,
        pace: Pace,
        call: impl Fn() -> BoxFuture<'a, Result<T, Fault>>,
    ) -> Result<T, OpError> {
        let mut attempt = 1;
        loop {
            match call().await {
                Ok(value) => return Ok(value),
                Err(fault) if fault.passes && attempt < pace.attempts => self.wait(&fault, attempt, pace).await?,
                Err(fault) => return Err(fault.error),
            }
            attempt += 1;
        }
    }

    /// An id that can be kept.
    pub(crate) fn id(&self, id: String) -> Result<String, Fault> {
        match id.as_str() {
            "" => Err(self.nonsense("an empty id")),
            long if long.len() > LONGEST_ID => {
                Err(self.nonsense(&format!("an id with {} bytes; at most {LONGEST_ID} are allowed", long.len())))
            }
            bad if bad.contains(char::is_control) || llmhost_engine::unknown::is_opaque(bad) => {
                Err(self.nonsense(&format!("the id '{}', which contains a control character or a token", shown(bad))))
            }
            _ => Ok(id),
        }
    }

    /// An object in JSON.
    pub(crate) fn object(&self, what: &str, text: &str) -> Result<Map<String, Value>, Fault> {
        match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => Ok(fields),
            Ok(other) => {
                Err(self.nonsense(&format!("{what} that are not a JSON object: {}", shown(&other.to_string()))))
            }
            Err(error) => Err(self.nonsense(&format!("{what} that are not JSON ({error}): {}", shown(text)))),
        }
    }

    /// Outputs as they were described, with the id among them.
    pub(crate) fn outputs(
        &self,
        id: &str,
        text: &str,
        described: &BTreeSet<String>,
        sensitive: &[&str],
    ) -> Result<Outputs, Fault> {
        let mut outputs = self.object("outputs", text)?;
        for name in sensitive {
            outputs.get(*name).into_iter().for_each(hide_output);
        }
        if let Some(extra) = outputs.keys().find(|name| !described.contains(*name)) {
            return Err(self.nonsense(&format!("an output '{}' that it does not describe", shown(extra))));
        }
        if let Some(missing) = described.iter().find(|name| !outputs.contains_key(*name)) {
            return Err(
                self.nonsense(&format!("no output '{}', which it describes (null if there is none)", shown(missing)))
            );
        }
        outputs.insert(ID.to_owned(), Value::from(id));
        Ok(masked_outputs(outputs))
    }
}

/// What is true of every call that ended badly here.
fn kept(advice: &str) -> String {
    format!("{advice} No created resource is lost: the state has it, or the next run looks for it.")
}

/// What to do about trouble of a class whose own advice speaks of AWS.
fn advice_for(class: ErrorClass) -> Option<&'static str> {
    Some(match class {
        ErrorClass::Denied => "Check the credentials of the provider in the pipeline file.",
        ErrorClass::Quota => {
            "Raise the limit at the service, or delete resources that are no longer used, and run again."
        }
        ErrorClass::Conflict => {
            "Another resource has this name or still uses it. Choose another name, or import it with 'llmhost import', and \
             run again."
        }
        ErrorClass::Unreachable => "Check the network and the provider's address of the service, and run again.",
        ErrorClass::Service => "The service failed on its side; run again.",
        _ => return None,
    })
}
