//! Redirects: where they lead, with which method (RFC 9110, 15.4), and what stays behind.

use http::{HeaderMap, Method, StatusCode, header};

use crate::error::{Failure, HttpError, plain};
use crate::request::Checked;
use crate::secrets::Secrets;
use crate::target::Target;

/// Headers that say what is wanted and nothing about who wants it. To another origin no others go: any of them may hold
/// a key.
const HARMLESS: [&str; 11] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "content-language",
    "content-type",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "range",
    "user-agent",
];

/// What says something about a body, and goes with it.
const OF_A_BODY: [&str; 4] = ["content-type", "content-encoding", "content-language", "content-location"];

/// Where an answer sends a request. None where it does not.
pub(crate) fn location(status: StatusCode, headers: &HeaderMap, from: &Target) -> Result<Option<Target>, Failure> {
    let is_redirect = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
    let mut locations = headers.get_all(header::LOCATION).iter();
    let Some(location) = locations.next().filter(|_| is_redirect) else { return Ok(None) };
    if locations.any(|other| other != location) {
        return Err(refused(from, "several places", "it is not clear which one applies", ASK));
    }
    let Ok(location) = std::str::from_utf8(location.as_bytes()) else {
        return Err(refused(from, "a place that is not UTF-8", "it cannot be read", ASK));
    };
    from.join(location).map(Some).map_err(|(to, reason, advice)| refused(from, &to, &reason, advice))
}

const ASK: &str = "ask the administrator of the server";

fn refused(from: &Target, to: &str, reason: &str, advice: &str) -> Failure {
    let (to, advice) = (plain(to), advice.to_owned());
    Failure::Redirect { from: from.shown(), to, reason: reason.to_owned(), advice }
}

/// Refuses a redirect for what is wrong with the request that it makes.
pub(crate) fn because(from: &Target, to: &Target, failure: &Failure) -> HttpError {
    let reason = failure.message();
    refused(from, &to.shown(), &reason, &failure.advice()).sent()
}

/// Refuses one more redirect than may be followed.
pub(crate) fn too_many(from: &Target, to: &Target, most: usize) -> Failure {
    let reason = format!("it exceeds the limit of {most} redirects");
    refused(
        from,
        &to.shown(),
        &reason,
        "request the final URL directly; if there is none, the server redirects in a loop",
    )
}

/// The request that a redirect makes of another one.
pub(crate) fn next(
    request: &Checked,
    status: StatusCode,
    from: &Target,
    to: &Target,
    secrets: &dyn Secrets,
) -> Result<Checked, Failure> {
    if from.is_https() && !to.is_https() {
        let reason = "it leaves TLS, so anyone on the network could read and change the traffic";
        return Err(refused(from, &to.shown(), reason, "ask the administrator of the server; no grant can allow it"));
    }
    let mut next = request.clone();
    let becomes_get = match status.as_u16() {
        303 => request.method != Method::HEAD,
        301 | 302 => request.method == Method::POST,
        _ => false,
    };
    if becomes_get {
        next.method = Method::GET;
    }
    if becomes_get || status == StatusCode::SEE_OTHER {
        next.body.clear();
        next.headers.retain(|(name, _)| !OF_A_BODY.contains(&name.as_str()));
    }
    if !from.is_same_origin(to) {
        next.basic = None;
        next.headers.retain(|(name, value)| HARMLESS.contains(&name.as_str()) && secrets.tokens(value).is_empty());
        if let Some(name) = crate::secrets::named(secrets, &next).into_iter().next() {
            let reason =
                format!("the body contains the secret '{name}', which is never sent to another origin by a redirect");
            return Err(refused(
                from,
                &to.shown(),
                &reason,
                "send the request to the final URL directly, if it is granted",
            ));
        }
    }
    Ok(next)
}
