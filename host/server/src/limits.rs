//! What every request passes: its id, its size, its key, and the count of it.

use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use crate::error::ApiError;
use crate::oip;
use crate::serve::Shared;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request: the client's own where it is a sane one.
#[derive(Clone)]
pub(crate) struct RequestId(pub(crate) HeaderValue);

impl RequestId {
    fn of(request: &Request) -> Self {
        let sane = |value: &&HeaderValue| {
            let good = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
            (1..=128).contains(&value.len()) && value.as_bytes().iter().all(good)
        };
        let own = || HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()).expect("a UUID is plain ASCII");
        Self(request.headers().get(REQUEST_ID).filter(sane).cloned().unwrap_or_else(own))
    }
}

/// Gives a request its id, and counts it.
pub(crate) async fn observe(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    let id = RequestId::of(&request);
    request.extensions_mut().insert(id.clone());
    let (path, began) = (shared.models.metrics.path(request.uri().path()), Instant::now());
    let mut response = next.run(request).await;
    if shared.is_leaving() {
        // The client's next request is to go to another server.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    shared.models.metrics.answered(path, response.status().as_u16(), began.elapsed());
    response.headers_mut().insert(REQUEST_ID, id.0);
    response
}

/// Whether the body is said to be JSON. Web pages can send other types to any server without asking first.
fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn has_key(headers: &HeaderMap, key: &str) -> bool {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    // As long for a key that is nearly right as for one that is not.
    given.as_bytes().ct_eq(key.as_bytes()).into()
}

/// Lets in who has the administrators' key.
pub(crate) async fn admit_admin(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    match &shared.settings.admin_key {
        Some(key) if has_key(request.headers(), key) => next.run(request).await,
        _ => ApiError::unauthorized().into_response(),
    }
}

/// Lets in who has the key, while the server takes requests, with a body of a sane size.
pub(crate) async fn admit(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    if let Some(key) = &shared.settings.api_key
        && !has_key(request.headers(), key)
    {
        return ApiError::unauthorized().into_response();
    }
    if shared.is_draining() {
        return ApiError::from(crate::Failure::Draining).into_response();
    }
    let is_known = is_json(request.headers()) || oip::is_binary(request.uri().path(), request.headers());
    if request.method() == Method::POST && !is_known {
        return ApiError::not_json(request.headers().get(header::CONTENT_TYPE)).into_response();
    }
    let most = shared.settings.max_body_bytes;
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: usize| length > most) {
        return ApiError::too_large(most).into_response();
    }
    let (parts, body) = request.into_parts();
    let read = tokio::time::timeout(shared.settings.body_timeout, to_bytes(body, most)).await;
    let bytes = match read {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => return ApiError::too_large(most).into_response(),
        Err(_) => return ApiError::stalled(shared.settings.body_timeout).into_response(),
    };
    next.run(Request::from_parts(parts, Body::from(bytes))).await
}
