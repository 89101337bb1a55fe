//! The SDK's errors in the engine's words: what was called, what the service said, what to do.

use std::error::Error;

use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ec2::operation::RequestId;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use llmhost_engine::kind::{ErrorClass, OpError};

/// Codes that say "too many calls".
pub(super) const THROTTLING: [&str; 7] = [
    "RequestLimitExceeded",
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "TooManyRequestsException",
    "SlowDown",
    "BandwidthLimitExceeded",
];

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
        SdkError::ResponseError(_) => (ErrorClass::Unreachable, format!("the answer broke off: {}", innermost(error))),
        other => {
            let reason = innermost(other);
            let credentials = causes(other).any(|cause| cause.to_lowercase().contains("credential"));
            (if credentials { ErrorClass::Denied } else { ErrorClass::Unreachable }, reason)
        }
    };
    OpError {
        operation: operation.to_owned(),
        code: error.code().map(str::to_owned),
        message,
        request_id: error.request_id().map(str::to_owned),
        class,
        advice: advice(error.code(), class, matches!(error, SdkError::ServiceError(_))),
    }
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = String> + 'a {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| (*error).source()).map(ToString::to_string)
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error).last().unwrap_or_default()
}

fn by_status(status: Option<u16>) -> ErrorClass {
    match status {
        Some(404) => ErrorClass::NotFound,
        Some(401 | 403) => ErrorClass::Denied,
        Some(409 | 412) => ErrorClass::Conflict,
        Some(429) => ErrorClass::Throttled,
        Some(200..300 | 500..) => ErrorClass::Service,
        _ => ErrorClass::Invalid,
    }
}

/// The class of an answer that no client of the SDK read.
pub(super) fn by_answer(code: Option<&str>, status: u16) -> ErrorClass {
    code.map_or_else(|| by_status(Some(status)), |code| by_code(code, Some(status)))
}

/// What to do about such an answer, where it is clearer than what the class says.
pub(super) fn advice_for(code: Option<&str>, class: ErrorClass) -> Option<String> {
    advice(code, class, true)
}

/// The class of an error code. Codes are the services' own.
fn by_code(code: &str, status: Option<u16>) -> ErrorClass {
    match code {
        code if THROTTLING.contains(&code) => ErrorClass::Throttled,
        "UnauthorizedOperation"
        | "AuthFailure"
        | "AccessDenied"
        | "AccessDeniedException"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "InvalidClientTokenId"
        | "SignatureDoesNotMatch"
        | "InvalidAccessKeyId"
        | "OptInRequired"
        | "UnrecognizedClientException"
        | "Blocked" => ErrorClass::Denied,
        "DependencyViolation"
        | "InvalidSubnet.Conflict"
        | "InvalidGroup.Duplicate"
        | "InvalidPermission.Duplicate"
        | "RouteAlreadyExists"
        | "BucketAlreadyExists"
        | "BucketAlreadyOwnedByYou"
        | "BucketNotEmpty"
        | "OperationAborted"
        | "DeleteConflict"
        | "DeleteConflictException"
        | "EntityAlreadyExists"
        | "EntityAlreadyExistsException"
        | "AlreadyExistsException"
        | "Resource.AlreadyAssociated"
        | "IncorrectState"
        | "InvalidIPAddress.InUse"
        | "NetworkAclLimitExceeded.InUse"
        | "ResourceInUseException" => ErrorClass::Conflict,
        "NoSuchBucket"
        | "NoSuchKey"
        | "NoSuchUpload"
        | "NoSuchEntity"
        | "NoSuchEntityException"
        | "NotFound"
        | "NatGatewayNotFound"
        | "InvalidNatGatewayID.NotFound"
        | "ResourceNotFoundException"
        | "NoSuchTagSet"
        | "NoSuchPublicAccessBlockConfiguration"
        | "NoSuchLifecycleConfiguration"
        | "ServerSideEncryptionConfigurationNotFoundError" => ErrorClass::NotFound,
        "InsufficientFreeAddressesInSubnet" | "LimitExceeded" | "ResourceLimitExceededException" => ErrorClass::Quota,
        "UnsupportedAvailabilityZoneException" => ErrorClass::Capacity,
        "ServerException" | "ServiceUnavailableException" => ErrorClass::Service,
        "InternalError" | "InternalFailure" | "ServiceUnavailable" | "Unavailable" | "ServerInternal" => {
            ErrorClass::Service
        }
        code if code.starts_with("Insufficient") => ErrorClass::Capacity,
        code if code.ends_with("LimitExceeded") || code.ends_with("QuotaExceeded") => ErrorClass::Quota,
        code if code.ends_with("NotFound") || code.ends_with("NotFoundException") => ErrorClass::NotFound,
        code if code.ends_with(".Duplicate") || code.ends_with("AlreadyExists") || code.ends_with(".InUse") => {
            ErrorClass::Conflict
        }
        _ if status.is_some_and(|status| status >= 500) => ErrorClass::Service,
        _ => ErrorClass::Invalid,
    }
}

/// What to do, where it is clearer than what the class says.
fn advice(code: Option<&str>, class: ErrorClass, answered: bool) -> Option<String> {
    let text = match code {
        Some("ExpiredToken" | "ExpiredTokenException" | "RequestExpired") => {
            "Log in again: the credentials have expired. What was done is recorded; run again to go on."
        }
        Some("VpcLimitExceeded") => {
            "Delete a VPC that is no longer used, or raise 'VPCs per Region' in Service Quotas."
        }
        Some("AddressLimitExceeded") => {
            "Release an elastic IP that is no longer used, or raise 'EC2-VPC Elastic IPs' in Service Quotas."
        }
        Some("ResourceLimitExceededException") => {
            "Raise the quota that the message names in Service Quotas (service eks), or delete what is no longer used."
        }
        Some("UnsupportedAvailabilityZoneException") => {
            "EKS has no room in one of the zones; the message names those that will do. Choose subnets there."
        }
        Some("InvalidSubnet.Conflict") => "Another subnet of the VPC has that range; choose another.",
        Some("BucketAlreadyExists") => "Bucket names are unique in all of AWS; choose another.",
        Some("BucketNotEmpty") => {
            "Empty the bucket, or set force_destroy = true, run, and destroy again: that deletes the objects too."
        }
        None if class == ErrorClass::Denied && !answered => {
            "Give credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile by --profile, or 'aws sso \
             login'. To try without any, use --emulate."
        }
        _ => return None,
    };
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_fall_into_the_class_that_says_what_to_do() {
        for (code, status, class) in [
            ("RequestLimitExceeded", Some(503), ErrorClass::Throttled),
            ("UnauthorizedOperation", Some(403), ErrorClass::Denied),
            ("VpcLimitExceeded", Some(400), ErrorClass::Quota),
            ("InsufficientInstanceCapacity", Some(500), ErrorClass::Capacity),
            ("InvalidVpcID.NotFound", Some(400), ErrorClass::NotFound),
            ("DependencyViolation", Some(400), ErrorClass::Conflict),
            ("InvalidParameterValue", Some(400), ErrorClass::Invalid),
            ("SomethingNew", Some(502), ErrorClass::Service),
        ] {
            assert_eq!(by_code(code, status), class, "{code}");
        }
    }

    #[test]
    fn an_answer_without_a_code_is_classed_by_its_status() {
        for (status, class) in [
            (Some(404), ErrorClass::NotFound),
            (Some(503), ErrorClass::Service),
            (Some(429), ErrorClass::Throttled),
            (Some(400), ErrorClass::Invalid),
        ] {
            assert_eq!(by_status(status), class, "{status:?}");
        }
    }
}
