//! Which web pages may ask.
//!
//! A browser sends what any page tells it to, also to this machine. A server that listens at a
//! loopback address therefore takes only requests whose `Host` is this machine (a name that an
//! attacker points at 127.0.0.1 is not) and whose `Origin`, where there is one, is the server's own
//! or allowed.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::error::ApiError;
use crate::serve::Shared;

/// How long a browser may remember what was allowed, in seconds.
const REMEMBERED: HeaderValue = HeaderValue::from_static("600");

/// Refuses foreign pages where only this machine is served, and tells browsers which pages are allowed.
pub(crate) async fn check(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let allowed = &shared.settings.allowed_origins;
    let headers = request.headers();
    let origin = headers.get(header::ORIGIN).cloned();
    let is_allowed = origin.as_ref().is_some_and(|origin| is_listed(allowed, origin));
    if shared.is_local
        && !is_allowed
        && let Err(refused) = local(headers, allowed)
    {
        return refused.into_response();
    }
    let Some(origin) = origin.filter(|_| is_allowed) else { return next.run(request).await };
    let asks_first = request.method() == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match asks_first {
        true => preflight(headers),
        false => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("x-request-id, retry-after"));
    headers.append(header::VARY, HeaderValue::from_name(header::ORIGIN));
    response
}

/// What a browser asks before it sends JSON or a key from another origin.
fn preflight(asked: &HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, DELETE"));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, REMEMBERED);
    if let Some(names) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    response
}

fn is_listed(allowed: &[String], origin: &HeaderValue) -> bool {
    let is_it = |allowed: &String| allowed == "*" || allowed.trim_end_matches('/').as_bytes() == origin.as_bytes();
    allowed.iter().any(is_it)
}

/// Whether a request to a loopback address comes from this machine's own programs and pages.
fn local(headers: &HeaderMap, allowed: &[String]) -> Result<(), ApiError> {
    let text = |name: HeaderName| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let host = text(header::HOST);
    if let Some(host) = host.as_deref().filter(|host| !is_this_machine(host) && !is_host_of(allowed, host)) {
        let message = format!(
            "the server accepts requests only from this machine, and '{host}' is another host; start it with \
             --allow-origin http://{host} to allow it"
        );
        return Err(ApiError::forbidden(message, "host_not_allowed"));
    }
    let own = |origin: &str| {
        let host = host.as_deref().unwrap_or_default();
        ["http://", "https://"].into_iter().any(|scheme| origin.strip_prefix(scheme) == Some(host))
    };
    match text(header::ORIGIN).filter(|origin| !own(origin)) {
        None => Ok(()),
        Some(origin) => {
            let message = format!(
                "pages of '{origin}' cannot use this server; start it with --allow-origin {origin} to allow them"
            );
            Err(ApiError::forbidden(message, "origin_not_allowed"))
        }
    }
}

/// Whether a `Host` names this machine itself.
fn is_this_machine(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

/// Whether a `Host` is that of an allowed origin.
fn is_host_of(allowed: &[String], host: &str) -> bool {
    let is_it = |origin: &String| {
        let rest = origin.split_once("://").map(|(_, rest)| rest.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.eq_ignore_ascii_case(host))
    };
    allowed.iter().any(is_it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_several_names_and_no_others() {
        for host in ["localhost", "LocalHost:8000", "127.0.0.1:8000", "127.8.9.1", "[::1]:8000", "a.localhost"] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8000", "10.0.0.1", "[::2]"] {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}
