//! The API server's errors in the engine's words.

use kube::Error;
use llmhost_engine::kind::{ErrorClass, OpError};

/// Names the operation of a failed call.
pub(super) trait Described<T> {
    /// `operation` is `kube:` and what was done: `kube:apply`.
    fn described(self, operation: &str) -> Result<T, OpError>;
}

impl<T> Described<T> for Result<T, Error> {
    fn described(self, operation: &str) -> Result<T, OpError> {
        self.map_err(|error| describe(operation, &error))
    }
}

fn describe(operation: &str, error: &Error) -> OpError {
    let answer = |class, message: String, advice: Option<&str>| OpError {
        operation: operation.to_owned(),
        code: None,
        message,
        request_id: None,
        class,
        advice: advice.map(str::to_owned),
    };
    match error {
        Error::Api(status) => {
            let class = class(status.code, &status.message);
            let managers = managers(&status.message);
            let advice = match status.code {
                // A rule chooses its status itself, 401 and 422 among them.
                _ if is_refused_by_admission(&status.message) => Some(
                    "An admission rule of the cluster refuses the object. Change the manifest as the message says, or \
                     ask the administrator of the rule."
                        .to_owned(),
                ),
                401 => Some(
                    "The API server does not accept the token. Give the role or user that runs llmhost an access entry \
                     in the cluster (admins of the eks step), and check that its credentials are for the cluster's \
                     account."
                        .to_owned(),
                ),
                403 if class == ErrorClass::Denied => {
                    Some("Give the role or user that runs llmhost an access policy that allows this.".to_owned())
                }
                403 if class == ErrorClass::Quota => {
                    Some("Raise the namespace's ResourceQuota, or request less, and run again.".to_owned())
                }
                403 if class == ErrorClass::Conflict => {
                    Some("Run again when the namespace is deleted: it is created again if the pipeline declares \
                        it.".to_owned())
                }
                403 if status.message.contains("violates PodSecurity") => {
                    Some("Change the manifest to meet the namespace's pod security level.".to_owned())
                }
                409 if !managers.is_empty() => Some(format!(
                    "{} manages these fields too. Remove them from the manifest, or set force_conflicts to take them \
                     over.",
                    managers.join(" and ")
                )),
                422 if status.message.contains("immutable") => Some(
                    "Kubernetes does not allow changes to this field. Give the object another name, or undo the \
                        change.".to_owned(),
                ),
                429 | 503 | 504 => Some(
                    "The API server is overloaded, starting or being updated. The progress so far is kept; wait a few \
                     minutes, and run again."
                        .to_owned(),
                ),
                _ => None,
            };
            let code = Some(status.reason.clone()).filter(|reason| !reason.is_empty() && reason != UNREADABLE);
            OpError { code, advice, ..answer(class, status.message.clone(), None) }
        }
        // The run was stopped while the call waited.
        Error::Service(inner) if inner.is::<OpError>() => {
            let stopped = inner.downcast_ref::<OpError>().cloned();
            let stopped = stopped.unwrap_or_else(|| OpError::local(operation, "stopped"));
            OpError { operation: operation.to_owned(), ..stopped }
        }
        Error::Discovery(inner) => answer(ErrorClass::NotFound, inner.to_string(), None),
        Error::SerdeError(inner) => answer(ErrorClass::Service, format!("the answer cannot be read: {inner}"), None),
        other => answer(
            ErrorClass::Unreachable,
            format!("the API server cannot be reached: {}", innermost(other)),
            Some(
                "Check that this machine can reach the cluster's endpoint: a public one must allow its \
                 address (public_access_cidrs), a private one answers only inside the VPC.",
            ),
        ),
    }
}

/// The reason that the client makes up where an answer has none.
const UNREADABLE: &str = "Failed to parse error data";

/// The class of an answer. Admission says in words alone what it is about, with whatever status a rule chooses.
fn class(status: u16, message: &str) -> ErrorClass {
    match status {
        _ if is_refused_by_admission(message) => ErrorClass::Invalid,
        403 if message.contains("exceeded quota") => ErrorClass::Quota,
        403 if message.contains(ENDING) => ErrorClass::Conflict,
        403 if message.contains("violates PodSecurity") => ErrorClass::Invalid,
        401 | 403 => ErrorClass::Denied,
        404 => ErrorClass::NotFound,
        409 => ErrorClass::Conflict,
        429 => ErrorClass::Throttled,
        500.. => ErrorClass::Service,
        _ => ErrorClass::Invalid,
    }
}

/// Whether a webhook or a policy refused an object; what it answers with is its own choice.
fn is_refused_by_admission(message: &str) -> bool {
    message.contains("admission webhook") && message.contains("denied the request")
        || message.contains("ValidatingAdmissionPolicy") && message.contains("denied request")
}

/// What the API server says of a namespace that is going away.
const ENDING: &str = "because it is being terminated";

/// Whether an object was refused for the reason that its namespace is going away.
pub(super) fn is_ending(error: &OpError) -> bool {
    error.class == ErrorClass::Conflict && error.message.contains(ENDING)
}

/// Names of the field managers in the message of a conflict.
fn managers(message: &str) -> Vec<String> {
    let mut names = Vec::new();
    for part in message.split("conflict").skip(1) {
        let name = part.split_once("with \"").and_then(|(_, rest)| rest.split_once('"')).map(|(name, _)| name);
        if let Some(name) = name.filter(|name| !names.iter().any(|known| known == name)) {
            names.push(name.to_owned());
        }
    }
    names
}

fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source()).last().map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_admission_refuses_is_told_from_what_is_not_allowed() {
        for (status, message, expected) in [
            (403, "pods \"a\" is forbidden: exceeded quota: q, requested: cpu=2", ErrorClass::Quota),
            (
                403,
                "configmaps \"a\" is forbidden: unable to create new content in namespace x because it is being terminated",
                ErrorClass::Conflict,
            ),
            (
                403,
                "pods \"a\" is forbidden: violates PodSecurity \"restricted:latest\": privileged",
                ErrorClass::Invalid,
            ),
            (403, "admission webhook \"w.example.com\" denied the request: no latest tags", ErrorClass::Invalid),
            (
                403,
                "deployments.apps \"a\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
                ErrorClass::Invalid,
            ),
            (
                422,
                "deployments.apps \"a\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: immutable",
                ErrorClass::Invalid,
            ),
            (401, "admission webhook \"w\" denied the request: who are you", ErrorClass::Invalid),
            (403, "pods is forbidden: User \"u\" cannot create resource \"pods\"", ErrorClass::Denied),
            (401, "Unauthorized", ErrorClass::Denied),
            (404, "not found", ErrorClass::NotFound),
            (409, "conflict", ErrorClass::Conflict),
            (422, "invalid", ErrorClass::Invalid),
            (429, "too many requests", ErrorClass::Throttled),
            (503, "unavailable", ErrorClass::Service),
        ] {
            assert_eq!(class(status, message), expected, "{message}");
        }
    }

    #[test]
    fn a_conflict_names_the_other_managers_once() {
        let one = "Apply failed with 1 conflict: conflict with \"kubectl-edit\" using apps/v1: .spec.replicas";
        assert_eq!(managers(one), ["kubectl-edit"]);
        let more = "Apply failed with 3 conflicts: conflicts with \"a\":\n- .spec.x\n- .spec.y\nconflicts with \"b\" using v1:\n- .z";
        assert_eq!(managers(more), ["a", "b"]);
        assert_eq!(managers("something else"), Vec::<String>::new());
    }
}
