//! Keeps the SDK from making something twice.

use aws_sdk_ec2::config::interceptors::InterceptorContext;
use aws_sdk_ec2::config::retry::{ClassifyRetry, RetryAction};
use aws_smithy_runtime_api::client::retries::classifiers::RetryClassifierPriority;

use super::codes::THROTTLING;

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
