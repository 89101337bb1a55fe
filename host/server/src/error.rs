//! Errors as OpenAI's clients read them.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::Failure;

/// An error, on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) body: Body,
    /// Seconds until another try is worth it, where one is at all.
    retry_after: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Body {
    message: String,
    #[serde(rename = "type")]
    kind: &'static str,
    param: Option<String>,
    code: Option<&'static str>,
}

impl ApiError {
    fn new(status: StatusCode, kind: &'static str, code: Option<&'static str>, message: String) -> Self {
        Self { status, body: Body { message, kind, param: None, code }, retry_after: 1 }
    }

    pub(crate) fn invalid(message: impl Into<String>, param: Option<&str>) -> Self {
        let error = Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", None, message.into());
        Self { body: Body { param: param.map(str::to_owned), ..error.body }, ..error }
    }

    pub(crate) fn too_large(most: usize) -> Self {
        let message = format!("the request has more than {most} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request_error", Some("request_too_large"), message)
    }

    pub(crate) fn not_found(message: String, code: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", Some(code), message)
    }

    pub(crate) fn no_previous_response(id: &str) -> Self {
        let message = format!(
            "there is no response '{id}' to continue: it was not stored, was deleted, or was removed to make room for \
             newer ones; send its items as input"
        );
        let mut error = Self::invalid(message, Some("previous_response_id"));
        error.body.code = Some("previous_response_not_found");
        error
    }

    /// What is wrong, in words.
    pub(crate) fn message(&self) -> &str {
        &self.body.message
    }

    pub(crate) fn not_loaded(name: &str, why: &str, retry: Duration) -> Self {
        let message = format!("the model '{name}' is not loaded: {why}");
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let retry_after = retry.as_secs_f64().ceil().max(1.0) as u64;
        Self { retry_after, ..Self::new(status, "server_error", Some("model_not_loaded"), message) }
    }

    pub(crate) fn conflict(message: String, code: &'static str) -> Self {
        Self::new(StatusCode::CONFLICT, "invalid_request_error", Some(code), message)
    }

    pub(crate) fn unauthorized() -> Self {
        let message = "the API key is missing or wrong; send it as 'Authorization: Bearer KEY'".to_owned();
        Self::new(StatusCode::UNAUTHORIZED, "invalid_request_error", Some("invalid_api_key"), message)
    }

    pub(crate) fn method(used: &Method) -> Self {
        let message = format!("this path does not support {used}");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "invalid_request_error", None, message)
    }

    pub(crate) fn forbidden(message: String, code: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "invalid_request_error", Some(code), message)
    }

    pub(crate) fn not_json(given: Option<&HeaderValue>) -> Self {
        let given = match given {
            Some(kind) => format!("is '{}'", String::from_utf8_lossy(kind.as_bytes())),
            None => "is missing".to_owned(),
        };
        let message = format!("the Content-Type {given}; requests are JSON: send 'Content-Type: application/json'");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid_request_error", Some("unsupported_media_type"), message)
    }

    pub(crate) fn stalled(limit: Duration) -> Self {
        let message = format!("the request's body did not arrive within {limit:?}");
        Self::new(StatusCode::REQUEST_TIMEOUT, "invalid_request_error", Some("request_timeout"), message)
    }

    pub(crate) fn timeout() -> Self {
        let message = "the request took too long".to_owned();
        Self::new(StatusCode::GATEWAY_TIMEOUT, "server_error", Some("timeout"), message)
    }
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        let message = failure.to_string();
        match failure {
            Failure::Invalid { param, .. } => {
                let code = message.contains("the context").then_some("context_length_exceeded");
                let mut error = Self::invalid(message, param);
                error.body.code = code;
                error
            }
            Failure::Busy => Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", Some("queue_full"), message),
            Failure::Draining => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "server_error", Some("shutting_down"), message)
            }
            Failure::Internal(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", None, message),
        }
    }
}

#[derive(Serialize)]
pub(crate) struct Envelope<'a> {
    pub(crate) error: &'a Body,
}

/// What an error response says, for paths whose errors look otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message(pub(crate) String);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(Envelope { error: &self.body })).into_response();
        response.extensions_mut().insert(Message(self.body.message.clone()));
        let retry = matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        if retry {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(self.retry_after));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
