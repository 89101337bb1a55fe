//! The SDK's errors in the engine's words: what was called, what the service said, what to do.

use std::error::Error;

use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ec2::operation::RequestId;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use llmhost_engine::kind::{ErrorClass, OpError};

use super::codes::{advice, by_code, by_status};

const NO_CREDENTIALS: &str = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, use --profile, or run 'aws sso login'. To \
                              try llmhost without credentials, use --emulate.";

/// Names the operation of a failed call.
pub(super) trait Operation<T> {
    /// `operation` is service and call: `ec2:CreateSubnet`.
    fn operation(self, operation: &str) -> Result<T, OpError>;
}

impl<T, E> Operation<T> for Result<T, SdkError<E, HttpResponse>>
where
    E: ProvideErrorMetadata + Error + 'static,
{
    fn operation(self, operation: &str) -> Result<T, OpError> {
        self.map_err(|error| describe(operation, &error))
    }
}

/// Nothing instead of an error where the thing is not there.
pub(super) fn gone_is_none<T>(result: Result<T, OpError>) -> Result<Option<T>, OpError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.class == ErrorClass::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn describe<E>(operation: &str, error: &SdkError<E, HttpResponse>) -> OpError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    let (class, message) = match error {
        SdkError::ServiceError(_) => {
            let class = error.code().map_or_else(|| by_status(status), |code| by_code(code, status));
            let message = match (error.message(), status) {
                (Some(message), _) => message.to_owned(),
                (None, Some(200..300)) => format!("the answer cannot be read: {}", innermost(error)),
                (None, status) => format!("the service answered with HTTP status {}", status.unwrap_or_default()),
            };
            (class, message)
        }
        SdkError::TimeoutError(_) => (ErrorClass::Unreachable, "no answer in time".to_owned()),
        SdkError::ResponseError(_) => {
            (ErrorClass::Unreachable, format!("the response ended early: {}", innermost(error)))
        }
        other => {
            let reason = no_credentials(other).unwrap_or_else(|| innermost(other));
            let credentials = causes(other).any(|cause| cause.to_lowercase().contains("credential"));
            let expired = credentials && causes(other).any(|cause| cause.to_lowercase().contains("expired"));
            let class = match (credentials, expired) {
                (_, true) => ErrorClass::Expired,
                (true, false) => ErrorClass::Denied,
                (false, false) => ErrorClass::Unreachable,
            };
            (class, reason)
        }
    };
    let advice = match error {
        SdkError::ServiceError(_) => advice(error.code(), class, operation, &message),
        _ if class == ErrorClass::Denied => Some(NO_CREDENTIALS.to_owned()),
        _ => None,
    };
    OpError {
        operation: operation.to_owned(),
        code: error.code().map(str::to_owned),
        message,
        request_id: error.request_id().map(str::to_owned),
        class,
        advice,
    }
}

/// Says that there are no credentials, where that is why: each place that was tried says something else, and the last one is
/// about the metadata of EC2 wherever this is no EC2 instance.
pub(super) fn no_credentials(error: &(dyn Error + 'static)) -> Option<String> {
    let about = |text: &str| {
        let text = text.to_lowercase();
        text.contains("imds") || text.contains("provider was not enabled") || text.contains("no providers in chain")
    };
    causes(error).any(|cause| about(&cause)).then(|| {
        "no AWS credentials were found: not in the environment, not in the AWS configuration, and no role of this machine"
            .to_owned()
    })
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = String> + 'a {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| (*error).source()).map(ToString::to_string)
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error).last().unwrap_or_default()
}

/// The class of an answer that no client of the SDK read.
pub(super) fn by_answer(code: Option<&str>, status: u16) -> ErrorClass {
    code.map_or_else(|| by_status(Some(status)), |code| by_code(code, Some(status)))
}
