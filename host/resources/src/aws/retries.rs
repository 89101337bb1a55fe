//! Retries of the SDK, said as they happen: a call that is throttled or finds no connection is tried again
//! for minutes, and whoever waits for it should know why.

use aws_config::retry::RetryConfig;
use aws_sdk_ec2::config::interceptors::FinalizerInterceptorContextRef;
use aws_sdk_ec2::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::retries::RequestAttempts;
use llmhost_engine::wait::{Retry, retrying};

use super::codes::THROTTLING;
use super::signed::error_in;

/// Says each failed attempt after which there is another one.
#[derive(Debug)]
pub(super) struct SayRetries;

impl Intercept for SayRetries {
    fn name(&self) -> &'static str {
        "say retries"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let attempt = bag.load::<RequestAttempts>().map_or(1, RequestAttempts::attempts);
        let most = bag.load::<RetryConfig>().map_or(1, RetryConfig::max_attempts);
        // The last failure is the call's own, and is reported as such.
        if let Some(reason) = passing(context).filter(|_| attempt < most) {
            retrying(Retry { call: call(bag), attempt: Some(attempt), reason });
        }
        Ok(())
    }
}

/// `ec2:CreateVpc`
fn call(bag: &ConfigBag) -> String {
    bag.load::<Metadata>().map_or_else(
        || "a call".to_owned(),
        |call| {
            let service: String = call.service().chars().filter(|c| !c.is_whitespace()).collect();
            format!("{}:{}", service.to_lowercase(), call.name())
        },
    )
}

/// Why an attempt failed, where another one may succeed: no connection, no answer, a server's failure, throttling.
fn passing(context: &FinalizerInterceptorContextRef<'_>) -> Option<String> {
    let Some(Err(error)) = context.output_or_error() else { return None };
    if let Some(connector) = error.as_connector_error() {
        return Some(if connector.is_timeout() { "no answer in time".to_owned() } else { innermost(connector) });
    }
    if error.is_timeout_error() {
        return Some("no answer in time".to_owned());
    }
    let response = context.response()?;
    let status = response.status().as_u16();
    let body = String::from_utf8_lossy(response.body().bytes().unwrap_or_default());
    let (code, message) = error_in(&body);
    let code = code.or_else(|| {
        let kind = response.headers().get("x-amzn-errortype")?;
        Some(kind.split([':', '#']).next().unwrap_or_default().to_owned())
    });
    let throttled = code.as_deref().is_some_and(|code| THROTTLING.contains(&code));
    if !throttled && status != 429 && status < 500 {
        return None;
    }
    let words = [code, message].into_iter().flatten().collect::<Vec<_>>();
    Some(if words.is_empty() { format!("HTTP status {status}") } else { words.join(": ") })
}

fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source()).last().map(ToString::to_string).unwrap_or_default()
}
