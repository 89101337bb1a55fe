//! Errors of a provider.

use super::bindings::llmhost::provider::aws;
use super::{Error, ErrorClass};

impl Error {
    /// An error of a class; the message is one sentence.
    pub fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        Self { class, code: None, message: message.into(), advice: None }
    }

    /// The spec is wrong in the eyes of the service.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Invalid, message)
    }

    /// It does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorClass::NotFound, message)
    }

    /// With the service's own code.
    #[must_use]
    pub fn with_code(self, code: impl Into<String>) -> Self {
        Self { code: Some(code.into()), ..self }
    }

    /// With what to do about it, where that is more than the class tells.
    #[must_use]
    pub fn with_advice(self, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..self }
    }
}

impl From<aws::Error> for Error {
    fn from(error: aws::Error) -> Self {
        let class = match error.class {
            aws::ErrorClass::NotFound => ErrorClass::NotFound,
            aws::ErrorClass::Conflict => ErrorClass::Conflict,
            aws::ErrorClass::Denied => ErrorClass::Denied,
            aws::ErrorClass::Quota => ErrorClass::Quota,
            aws::ErrorClass::Throttled => ErrorClass::Throttled,
            aws::ErrorClass::Invalid => ErrorClass::Invalid,
            aws::ErrorClass::Service => ErrorClass::Service,
            aws::ErrorClass::Unreachable => ErrorClass::Unreachable,
        };
        Self { class, code: error.code, message: error.message, advice: error.advice }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_aws_says_the_same_as_one_of_a_provider() {
        let code = Some("ParameterNotFound".to_owned());
        let of = aws::Error { class: aws::ErrorClass::NotFound, code: code.clone(), message: "m".into(), advice: None };
        let error = Error::from(of).with_advice("a");
        assert_eq!((error.class, error.code, error.message.as_str()), (ErrorClass::NotFound, code, "m"));
        assert_eq!(error.advice.as_deref(), Some("a"));
    }
}
