//! What went wrong in a call to a service, and what to do about it.

use serde::Serialize;

/// A failed call to a service, in words that a user can act on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[error("{operation}: {}{message}", .code.as_deref().map(|c| format!("{c}: ")).unwrap_or_default())]
pub struct OpError {
    /// Service and call: `ec2:CreateSubnet`.
    pub operation: String,
    /// The service's own error code: `InvalidSubnet.Conflict`.
    pub code: Option<String>,
    /// What it says.
    pub message: String,
    /// The service's request id, for its support.
    pub request_id: Option<String>,
    /// What kind of trouble it is.
    pub class: ErrorClass,
    /// What to do about it, where the host knows better than the class does.
    pub advice: Option<String>,
}

/// Kinds of trouble, by what to do about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ErrorClass {
    /// The spec is wrong in the eyes of the service.
    Invalid,
    /// Not allowed, or no credentials.
    Denied,
    /// The credentials have expired.
    Expired,
    /// A limit of the account.
    Quota,
    /// The service has none left right now.
    Capacity,
    /// Too many calls.
    Throttled,
    /// Something else uses it, or a name is taken.
    Conflict,
    /// It does not exist.
    NotFound,
    /// No answer: refused, reset, timed out.
    Unreachable,
    /// The service failed.
    Service,
    /// It was made, and came up broken: nothing but making it anew helps.
    Broken,
    /// On this side: a file, a folder.
    Local,
    /// The run was stopped while this waited: nothing is in flight, and the next run goes on.
    Interrupted,
}

impl ErrorClass {
    /// What to do about trouble of this kind, in one sentence.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Invalid => "Change the value in the pipeline file and run again.",
            Self::Denied => "Check which credentials are in use, and that their policy allows this action.",
            Self::Expired => {
                "Log in again: the credentials have expired. The progress is saved; run again to continue."
            }
            Self::Quota => "Raise the limit in Service Quotas, or delete what is no longer used, and run again.",
            Self::Capacity => "Try another availability zone or instance type, or run again later.",
            Self::Throttled => "Run again in a minute, or with a lower --parallelism.",
            Self::Conflict => {
                "Another resource has this name or place, or still uses it. Its tags show who owns it. Choose another name, \
                 or import it with 'llmhost import', and run again."
            }
            Self::NotFound => {
                "Check the name, the region and the account. If it existed before, 'llmhost drift' lists what is missing, \
                 and 'llmhost run --refresh' creates it again."
            }
            Self::Unreachable => "Check the network, the region and --endpoint-url, and run again.",
            Self::Service => "The service failed on its side; run again, and give it the request id if it persists.",
            Self::Broken => "Fix the cause and run again: the resource that failed is replaced.",
            Self::Local => "Check the file or folder and run again.",
            Self::Interrupted => "Run again to continue waiting.",
        }
    }
}

impl OpError {
    /// Trouble on this side of the wire.
    pub fn local(operation: &str, message: impl Into<String>) -> Self {
        Self {
            operation: operation.to_owned(),
            code: None,
            message: message.into(),
            request_id: None,
            class: ErrorClass::Local,
            advice: None,
        }
    }

    /// What to do about it.
    pub fn advice(&self) -> &str {
        self.advice.as_deref().unwrap_or_else(|| self.class.advice())
    }
}
