//! Calls of AWS that a provider makes.

use llmhost_engine::kind::{ErrorClass, OpError};
use llmhost_engine::secret::{self, mask};
use serde_json::Value;

use super::Outside;
use crate::limits;
use crate::scoped;
use crate::state::Run;

/// Why a call has no answer.
pub(crate) struct Refused {
    /// As WIT calls it.
    pub(crate) class: &'static str,
    pub(crate) code: Option<String>,
    pub(crate) message: String,
    pub(crate) advice: Option<String>,
}

impl Refused {
    fn denied(message: String, advice: String) -> Self {
        Self { class: "denied", code: None, message, advice: Some(advice) }
    }
}

impl From<OpError> for Refused {
    fn from(error: OpError) -> Self {
        let class = match error.class {
            ErrorClass::NotFound => "not-found",
            ErrorClass::Conflict => "conflict",
            ErrorClass::Denied | ErrorClass::Expired => "denied",
            ErrorClass::Quota | ErrorClass::Capacity => "quota",
            ErrorClass::Throttled => "throttled",
            ErrorClass::Unreachable | ErrorClass::Interrupted => "unreachable",
            ErrorClass::Service => "service",
            _ => "invalid",
        };
        let advice = error.advice().to_owned();
        Self { class, code: error.code, message: mask(&error.message).into_owned(), advice: Some(advice) }
    }
}

/// Makes a call of a guest. `message` is in the form of WIT.
pub(crate) async fn call(run: &Run, message: Value) -> wasmtime::Result<Result<String, Refused>> {
    let service = message["service"].as_str().unwrap_or_default();
    run.called(format_args!("call {}", limits::cut(service, 40)));
    let Some(outside) = &run.outside else {
        let advice = "This is an error in the provider.".to_owned();
        return Ok(Err(Refused::denied("'describe' cannot call the host".to_owned(), advice)));
    };
    outside.count_request()?;
    let answer = {
        let _host = run.meter.in_host();
        outside.call(&message).await
    };
    if let Err(error) = &answer {
        run.failed(&error.message);
    }
    Ok(answer)
}

impl Outside {
    async fn call(&self, message: &Value) -> Result<String, Refused> {
        if let Some(grant) = scoped::refused_call(message, &self.grants.calls) {
            let text = format!("the provider calls {}, which is not granted", grant.trim_start_matches("request:"));
            return Err(Refused::denied(text, format!("Grant it: allow = [\"{grant}\"].")));
        }
        // A handle that this call was not given is no secret of it.
        if let Some(name) = secret::named(message).into_iter().find(|name| !self.handles.given.contains(name)) {
            let text = format!("the provider sends secret '{name}', which this call was not given");
            return Err(Refused::denied(text, "This is an error in the provider.".to_owned()));
        }
        let answer = self.aws.call(message).await?;
        // A service may repeat what it got.
        Ok(mask(&answer).into_owned())
    }
}
