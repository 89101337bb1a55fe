//! The services' own error codes: which class each falls into, and what to do where that is clearer
//! than what the class says.

use llmhost_engine::kind::ErrorClass;

/// Codes that say "too many calls".
pub(super) const THROTTLING: [&str; 15] = [
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "TooManyRequestsException",
    "TooManyRequests",
    "PriorRequestNotComplete",
    "EC2ThrottledException",
    "ProvisionedThroughputExceededException",
    "TransactionInProgressException",
    "SlowDown",
    "BandwidthLimitExceeded",
    "ConcurrentModificationException",
];

const EXPIRED: [&str; 4] = ["ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"];

const DENIED: [&str; 25] = [
    "UnauthorizedOperation",
    "Client.UnauthorizedOperation",
    "UnauthorizedException",
    "NotAuthorized",
    "AuthorizationError",
    "AuthFailure",
    "AccessDenied",
    "AccessDeniedException",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "IncompleteSignature",
    "InvalidSignatureException",
    "InvalidAccessKeyId",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "OptInRequired",
    "UnrecognizedClientException",
    "Blocked",
    "RequestTimeTooSkewed",
    "InvalidToken",
    "AllAccessDisabled",
    "AccountProblem",
    "NotSignedUp",
    "PendingVerification",
    "RegionDisabledException",
];

/// Two calls that changed the same thing met. The one with this answer did nothing, and is made
/// again.
pub(super) const MET: [&str; 2] = ["ConcurrentModification", "EntityTemporarilyUnmodifiable"];

/// Something that is going away may still use it: worth another try, up to a limit.
const IN_USE: [&str; 19] = [
    "DependencyViolation",
    "DeleteConflict",
    "DeleteConflictException",
    "ResourceInUse",
    "ResourceInUseException",
    "ResourceInUseFault",
    "InvalidCidrBlock.InUse",
    "InvalidGroup.InUse",
    "InvalidPlacementGroup.InUse",
    "InvalidIPAddress.InUse",
    "InvalidNetworkInterface.InUse",
    "InvalidParameterValue.InUse",
    "NetworkAclLimitExceeded.InUse",
    "VolumeInUse",
    "IncorrectState",
    "OperationAborted",
    "ConflictException",
    "ResourceConflictException",
    "ConcurrentOperationException",
];

const TAKEN: [&str; 14] = [
    "InvalidSubnet.Conflict",
    "InvalidGroup.Duplicate",
    "InvalidPermission.Duplicate",
    "RouteAlreadyExists",
    "BucketAlreadyExists",
    "BucketAlreadyOwnedByYou",
    "BucketNotEmpty",
    "EntityAlreadyExists",
    "EntityAlreadyExistsException",
    "AlreadyExistsException",
    "InvalidVpcState",
    "IdempotentParameterMismatch",
    "OperationNotPermitted",
    "Resource.AlreadyAssociated",
];

const GONE: [&str; 16] = [
    "NoSuchBucket",
    "NoSuchKey",
    "NoSuchUpload",
    "NoSuchVersion",
    "NoSuchEntity",
    "NoSuchEntityException",
    "NotFound",
    "NatGatewayNotFound",
    "InvalidPlacementGroup.Unknown",
    "InvalidNatGatewayID.NotFound",
    "LoadBalancerNotFound",
    "NoSuchTagSet",
    "NoSuchPublicAccessBlockConfiguration",
    "NoSuchLifecycleConfiguration",
    "ServerSideEncryptionConfigurationNotFoundError",
    "QueueDoesNotExist",
];

/// What sounds like something that is gone, and is something that was never there.
const WRONG: [&str; 1] = ["TypeNotFoundException"];

const QUOTA: [&str; 10] = [
    "InsufficientFreeAddressesInSubnet",
    "LimitExceeded",
    "LimitExceededException",
    "ResourceLimitExceeded",
    "ResourceLimitExceededException",
    "ServiceQuotaExceededException",
    "TooManyBuckets",
    "TooManyLoadBalancers",
    "TooManySecurityGroups",
    "MaxSpotInstanceCountExceeded",
];

const CAPACITY: [&str; 8] = [
    "UnsupportedAvailabilityZoneException",
    "InsufficientInstanceCapacity",
    "InsufficientHostCapacity",
    "InsufficientReservedInstanceCapacity",
    "InsufficientCapacityOnHost",
    "InsufficientCapacity",
    "SpotMaxPriceTooLow",
    "UnfulfillableCapacity",
];

const FAILED: [&str; 13] = [
    "ServerException",
    "ServiceException",
    "ServiceUnavailableException",
    "InternalError",
    "InternalFailure",
    "InternalServerError",
    "ServiceUnavailable",
    "Unavailable",
    "ServerInternal",
    "RequestTimeout",
    "IDPCommunicationError",
    "GeneralServiceException",
    "NotStabilizedException",
];

/// Whether something that is going away may still use what was to be deleted.
pub(super) fn is_in_use(code: Option<&str>) -> bool {
    code.is_some_and(|code| IN_USE.contains(&code) || MET.contains(&code))
}

/// The class of an error code.
pub(super) fn by_code(code: &str, status: Option<u16>) -> ErrorClass {
    let listed: [(&[&str], ErrorClass); 11] = [
        (&THROTTLING, ErrorClass::Throttled),
        (&EXPIRED, ErrorClass::Expired),
        (&DENIED, ErrorClass::Denied),
        (&MET, ErrorClass::Conflict),
        (&IN_USE, ErrorClass::Conflict),
        (&TAKEN, ErrorClass::Conflict),
        (&GONE, ErrorClass::NotFound),
        (&QUOTA, ErrorClass::Quota),
        (&CAPACITY, ErrorClass::Capacity),
        (&FAILED, ErrorClass::Service),
        (&WRONG, ErrorClass::Invalid),
    ];
    if let Some((_, class)) = listed.iter().find(|(codes, _)| codes.contains(&code)) {
        return *class;
    }
    // New codes of old families.
    let ends = |ends: &[&str]| ends.iter().any(|end| code.ends_with(end));
    match code {
        _ if code.starts_with("Insufficient") => ErrorClass::Capacity,
        _ if ends(&["LimitExceeded", "QuotaExceeded", "LimitExceededException", "QuotaExceededException"]) => {
            ErrorClass::Quota
        }
        _ if ends(&["NotFound", "NotFoundException", ".NotFound"]) => ErrorClass::NotFound,
        _ if ends(&[".Duplicate", "AlreadyExists", ".InUse", "InUseException"]) => ErrorClass::Conflict,
        _ if status == Some(429) => ErrorClass::Throttled,
        _ if status.is_some_and(|status| status >= 500) => ErrorClass::Service,
        _ => ErrorClass::Invalid,
    }
}

/// The class of an answer without a code.
pub(super) fn by_status(status: Option<u16>) -> ErrorClass {
    match status {
        Some(404) => ErrorClass::NotFound,
        Some(401 | 403) => ErrorClass::Denied,
        Some(409 | 412) => ErrorClass::Conflict,
        Some(429) => ErrorClass::Throttled,
        Some(200..300 | 500..) => ErrorClass::Service,
        _ => ErrorClass::Invalid,
    }
}

/// What to do, where it is clearer than what the class says.
pub(super) fn advice(code: Option<&str>, class: ErrorClass, operation: &str, message: &str) -> Option<String> {
    if let Some(text) = code.and_then(by_name) {
        return Some(text.to_owned());
    }
    match (class, code) {
        (ErrorClass::Denied, Some("InvalidClientTokenId" | "InvalidAccessKeyId" | "UnrecognizedClientException")) => {
            Some(
                "AWS does not know this access key: check which credentials are in use (aws sts get-caller-identity)."
                    .to_owned(),
            )
        }
        (ErrorClass::Denied, Some("SignatureDoesNotMatch" | "IncompleteSignature" | "InvalidSignatureException")) => {
            Some("The secret key does not match the access key, or the clock of this machine is wrong.".to_owned())
        }
        (ErrorClass::Denied, Some(_)) => Some(permission(operation, message)),
        _ => None,
    }
}

/// Which action is missing, for whom, and on what, as the message has it.
fn permission(operation: &str, message: &str) -> String {
    let word_after = |lead: &str| {
        let rest = &message[message.find(lead)? + lead.len()..];
        let end = rest.find(|c: char| c.is_whitespace() || c == ',').unwrap_or(rest.len());
        Some(rest[..end].trim_end_matches(['.', ')'])).filter(|word| !word.is_empty())
    };
    let action = word_after("not authorized to perform: ").unwrap_or(operation);
    let on = word_after("on resource: ").map(|arn| format!(" on {arn}")).unwrap_or_default();
    let who = word_after("User: ").map(|arn| format!(" to {arn}")).unwrap_or_default();
    let denied_by = ["service control policy", "resource control policy", "permissions boundary", "session policy"];
    let by = denied_by.into_iter().find(|by| message.contains(by));
    match by {
        Some(by) => format!(
            "A {by} does not allow {action}{on}. Its administrator must allow it; more permissions for the user do \
                not help."
        ),
        None if message.contains("explicit deny") => {
            format!("A policy denies {action}{on} explicitly. Remove that statement, or use other credentials.")
        }
        None => {
            format!(
                "Allow {action}{on}{who}. 'llmhost policy' prints a policy with everything that the pipeline needs."
            )
        }
    }
}

fn by_name(code: &str) -> Option<&'static str> {
    Some(match code {
        "VpcLimitExceeded" => "Delete a VPC that is no longer used, or raise 'VPCs per Region' in Service Quotas.",
        "AddressLimitExceeded" => {
            "Release an elastic IP that is no longer used, or raise 'EC2-VPC Elastic IPs' in Service Quotas."
        }
        "NatGatewayLimitExceeded" => {
            "Delete a NAT gateway that is no longer used, or raise 'NAT gateways per Availability Zone' in Service Quotas."
        }
        "InternetGatewayLimitExceeded" => {
            "Delete an internet gateway that is no longer used, or raise 'Internet gateways per Region' in Service Quotas."
        }
        "SecurityGroupLimitExceeded" | "RulesPerSecurityGroupLimitExceeded" => {
            "Delete resources that are no longer used, or raise the limit in Service Quotas (service vpc)."
        }
        "VcpuLimitExceeded" => {
            "Raise the vCPU limit of this family of instances in Service Quotas (service ec2), or choose a smaller type."
        }
        "ResourceLimitExceededException" => {
            "Raise the quota that the message names in Service Quotas (service eks), or delete what is no longer used."
        }
        "InsufficientFreeAddressesInSubnet" => {
            "The subnet has no free address: choose a larger one, or delete resources in it that are no longer used."
        }
        "UnsupportedAvailabilityZoneException" => {
            "EKS has no capacity in one of the zones; the message names zones that have. Choose subnets there."
        }
        "InvalidSubnet.Conflict" => "Another subnet of the VPC has that range; choose another.",
        "BucketAlreadyExists" => "Bucket names are unique in all of AWS; choose another.",
        "BucketNotEmpty" => {
            "Empty the bucket, or set force_destroy = true, run, and destroy again: that deletes the objects too."
        }
        "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" => {
            "The bucket is in another region: choose another name, or set the pipeline's region to the bucket's."
        }
        "RequestTimeTooSkewed" => "This machine's clock is wrong; set it.",
        "InvalidToken" => "AWS does not accept the session token: log in again, or check which credentials are in use.",
        "AllAccessDisabled" | "AccountProblem" | "NotSignedUp" | "PendingVerification" => {
            "AWS does not allow this for the account, regardless of its policies; see the account's console, or ask \
                AWS Support."
        }
        "RegionDisabledException" => "Enable the region in the account's console, and run again.",
        "OptInRequired" => "Enable the region, or subscribe to the service, in the account's console, and run again.",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_fall_into_the_class_that_says_what_to_do() {
        use ErrorClass::{Capacity, Conflict, Denied, Expired, Invalid, NotFound, Quota, Service, Throttled};
        for (code, status, class) in [
            ("RequestLimitExceeded", 503, Throttled),
            ("ThrottlingException", 400, Throttled),
            ("SlowDown", 503, Throttled),
            ("SomethingOdd", 429, Throttled),
            ("ExpiredToken", 403, Expired),
            ("ExpiredTokenException", 403, Expired),
            ("RequestExpired", 400, Expired),
            ("UnauthorizedOperation", 403, Denied),
            ("AccessDenied", 403, Denied),
            ("AccessDeniedException", 400, Denied),
            ("InvalidClientTokenId", 403, Denied),
            ("SignatureDoesNotMatch", 403, Denied),
            ("VpcLimitExceeded", 400, Quota),
            ("VcpuLimitExceeded", 400, Quota),
            ("LimitExceededException", 409, Quota),
            ("ServiceQuotaExceededException", 402, Quota),
            ("NewThingLimitExceeded", 400, Quota),
            ("InsufficientFreeAddressesInSubnet", 400, Quota),
            ("InsufficientInstanceCapacity", 500, Capacity),
            ("InsufficientNewThing", 500, Capacity),
            ("UnsupportedAvailabilityZoneException", 400, Capacity),
            ("InvalidVpcID.NotFound", 400, NotFound),
            ("NoSuchEntity", 404, NotFound),
            ("LoadBalancerNotFound", 400, NotFound),
            ("DependencyViolation", 400, Conflict),
            ("DeleteConflict", 409, Conflict),
            ("ResourceInUse", 400, Conflict),
            ("BucketNotEmpty", 409, Conflict),
            ("EntityAlreadyExists", 409, Conflict),
            ("InvalidParameterValue", 400, Invalid),
            ("ValidationError", 400, Invalid),
            ("MalformedPolicyDocument", 400, Invalid),
            ("InternalError", 500, Service),
            ("SomethingNew", 502, Service),
            ("ConcurrentModification", 409, Conflict),
            ("EntityTemporarilyUnmodifiable", 409, Conflict),
            ("ResourceConflictException", 409, Conflict),
            ("ConcurrentOperationException", 409, Conflict),
            ("RequestTimeTooSkewed", 403, Denied),
            ("InvalidToken", 400, Denied),
            ("AllAccessDisabled", 403, Denied),
            ("AccountProblem", 403, Denied),
            ("NotSignedUp", 403, Denied),
            ("PendingVerification", 400, Denied),
            ("RegionDisabledException", 403, Denied),
            ("RequestTimeout", 400, Service),
            ("IDPCommunicationError", 400, Service),
            ("GeneralServiceException", 400, Service),
            ("NotStabilizedException", 400, Service),
            ("TypeNotFoundException", 404, Invalid),
            ("PermanentRedirect", 301, Invalid),
        ] {
            assert_eq!(by_code(code, Some(status)), class, "{code}");
        }
    }

    #[test]
    fn an_answer_without_a_code_is_classed_by_its_status() {
        for (status, class) in [
            (Some(404), ErrorClass::NotFound),
            (Some(403), ErrorClass::Denied),
            (Some(409), ErrorClass::Conflict),
            (Some(503), ErrorClass::Service),
            (Some(429), ErrorClass::Throttled),
            (Some(400), ErrorClass::Invalid),
            (None, ErrorClass::Invalid),
        ] {
            assert_eq!(by_status(status), class, "{status:?}");
        }
    }

    #[test]
    fn no_code_stands_in_two_lists() {
        let all =
            [&THROTTLING[..], &EXPIRED, &DENIED, &MET, &IN_USE, &TAKEN, &GONE, &QUOTA, &CAPACITY, &FAILED, &WRONG]
                .concat();
        let once: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(once.len(), all.len());
    }

    #[test]
    fn only_what_may_go_away_by_itself_is_tried_again() {
        for (code, again) in [
            ("DependencyViolation", true),
            ("DeleteConflict", true),
            ("ResourceInUseException", true),
            ("EntityTemporarilyUnmodifiable", true),
            ("ConcurrentOperationException", true),
            ("BucketNotEmpty", false),
            ("EntityAlreadyExists", false),
            ("AccessDenied", false),
        ] {
            assert_eq!(is_in_use(Some(code)), again, "{code}");
        }
        assert!(!is_in_use(None));
    }

    #[test]
    fn a_denial_names_the_action_that_is_missing_for_whom_and_on_what() {
        let ec2 = "You are not authorized to perform this operation. User: arn:aws:iam::1:user/ci is not authorized to \
                   perform: ec2:CreateVpc on resource: arn:aws:ec2:us-east-1:1:vpc/* because no identity-based policy \
                   allows the ec2:CreateVpc action. Encoded authorization failure message: abc";
        let scp = "User: arn:aws:iam::1:user/ci is not authorized to perform: eks:CreateCluster on resource: \
                   arn:aws:eks:us-east-1:1:cluster/x with an explicit deny in a service control policy";
        let deny = "User: u is not authorized to perform: s3:DeleteBucket on resource: arn:aws:s3:::b with an explicit deny \
                    in a resource-based policy";
        for (operation, message, parts) in [
            (
                "ec2:CreateVpc",
                ec2,
                ["Allow ec2:CreateVpc on arn:aws:ec2:us-east-1:1:vpc/*", "to arn:aws:iam::1:user/ci"],
            ),
            ("eks:CreateCluster", scp, ["A service control policy does not allow eks:CreateCluster", "cluster/x"]),
            ("s3:DeleteBucket", deny, ["denies s3:DeleteBucket on arn:aws:s3:::b explicitly", "other credentials"]),
            ("s3:PutBucketTagging", "Access Denied", ["Allow s3:PutBucketTagging.", "llmhost policy"]),
        ] {
            let text = advice(Some("AccessDenied"), ErrorClass::Denied, operation, message).expect("an advice");
            assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        }
    }

    #[test]
    fn quotas_name_what_to_raise_and_keys_that_are_unknown_are_no_missing_permission() {
        let say = |code: &str| {
            advice(Some(code), by_code(code, Some(400)), "ec2:X", "").unwrap_or_else(|| panic!("an advice for {code}"))
        };
        for (code, part) in [
            ("VpcLimitExceeded", "'VPCs per Region'"),
            ("AddressLimitExceeded", "Elastic IPs"),
            ("NatGatewayLimitExceeded", "NAT gateways"),
            ("VcpuLimitExceeded", "vCPU"),
            ("InvalidClientTokenId", "does not know this access key"),
            ("SignatureDoesNotMatch", "clock"),
            ("RequestTimeTooSkewed", "clock"),
            ("InvalidToken", "session token"),
            ("NotSignedUp", "AWS Support"),
            ("PermanentRedirect", "another region"),
            ("AuthorizationHeaderMalformed", "another region"),
        ] {
            assert!(say(code).contains(part), "{code}: {}", say(code));
        }
    }
}
