//! Which failed calls the SDK makes again, where it does not know: what may have made something is
//! not, and what met another call is.

use aws_sdk_ec2::config::interceptors::InterceptorContext;
use aws_sdk_ec2::config::retry::{ClassifyRetry, RetryAction};
use aws_smithy_runtime_api::client::retries::classifiers::RetryClassifierPriority;

use super::codes::{MET, THROTTLING};

/// Forbids another attempt where the last one may have worked: no answer, or a server's failure.
/// Throttled calls did nothing and are made again.
#[derive(Debug)]
pub(super) struct NotTwice;

impl ClassifyRetry for NotTwice {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let Some(Err(error)) = context.output_or_error() else { return RetryAction::NoActionIndicated };
        let may_have_worked = match error.as_connector_error() {
            Some(connector) => !was_refused(connector),
            None => error.is_timeout_error() || error.is_response_error() || server_failed(context),
        };
        if may_have_worked { RetryAction::RetryForbidden } else { RetryAction::NoActionIndicated }
    }

    fn name(&self) -> &'static str {
        "not twice"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }
}

/// Has a call made again that met another one: it did nothing.
#[derive(Debug)]
pub(super) struct AfterOthers;

impl ClassifyRetry for AfterOthers {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let response = context.response().filter(|response| response.status().as_u16() == 409);
        let body = response.and_then(|response| response.body().bytes()).map(String::from_utf8_lossy);
        let met = body.is_some_and(|body| MET.iter().any(|code| body.contains(&format!("<Code>{code}</Code>"))));
        if met { RetryAction::transient_error() } else { RetryAction::NoActionIndicated }
    }

    fn name(&self) -> &'static str {
        "after others"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }
}

fn server_failed(context: &InterceptorContext) -> bool {
    let Some(response) = context.response().filter(|response| response.status().is_server_error()) else {
        return false;
    };
    let body = String::from_utf8_lossy(response.body().bytes().unwrap_or_default());
    !THROTTLING.iter().any(|code| body.contains(code))
}

/// A connection that was refused carried nothing.
fn was_refused(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return io.kind() == std::io::ErrorKind::ConnectionRefused;
        }
        cause = error.source();
    }
    false
}
