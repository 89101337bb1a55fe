//! One request and one answer on a connection of their own, within limits.
//!
//! A connection serves one request: nothing of one request can be read by another, and each one's address is checked.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;

use crate::client::Limits;
use crate::connect::{Deadline, Stream};
use crate::error::{Failure, Part, Phase, plain};
use crate::target::Target;

/// The head of an answer, whose body may be read.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Incoming,
    /// What moves the bytes. It ends with the answer.
    _connection: JoinSet<()>,
}

/// Less is no room for the parser.
const LEAST_BUFFER: usize = 8 << 10;

/// Sends a request, and reads the head of the answer.
pub(crate) async fn send(
    stream: Box<dyn Stream>,
    method: &Method,
    target: &Target,
    headers: HeaderMap,
    body: Bytes,
    limits: &Limits,
    deadline: Deadline,
) -> Result<Answer, Failure> {
    let request = request(method, target, headers, body)?;
    let handshake = http1::Builder::new()
        .max_headers(limits.headers)
        .max_header_size(limits.header_bytes)
        .max_buf_size(limits.header_bytes.max(LEAST_BUFFER))
        .handshake(TokioIo::new(stream));
    let failed = |error: hyper::Error| broken(target, limits, &error);
    let (mut sender, connection) = handshake.await.map_err(failed)?;
    let mut driver = JoinSet::new();
    driver.spawn(async {
        // Whoever waits for the answer is told why there is none.
        let _ = connection.await;
    });
    let answer = deadline.hold(Phase::Answer, &target.server(), sender.send_request(request)).await?;
    let (head, body) = answer.map(Response::into_parts).map_err(failed)?;
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(protocol(target, "it changes to another protocol, which was not requested"));
    }
    Ok(Answer { status: head.status, headers: head.headers, body, _connection: driver })
}

fn request(
    method: &Method,
    target: &Target,
    headers: HeaderMap,
    body: Bytes,
) -> Result<http::Request<Full<Bytes>>, Failure> {
    let unfit = |problem: String| Failure::Invalid { problem, advice: "write the URL in its simplest form".to_owned() };
    let mut request = http::Request::new(Full::new(body));
    *request.method_mut() = method.clone();
    let uri: http::uri::PathAndQuery =
        target.path_and_query().parse().map_err(|error| unfit(format!("its URL cannot be sent ({error})")))?;
    *request.uri_mut() = uri.into();
    let host = HeaderValue::from_str(target.authority()).map_err(|error| unfit(error.to_string()))?;
    let own = [
        (header::HOST, host),
        (header::CONNECTION, HeaderValue::from_static("close")),
        (header::USER_AGENT, HeaderValue::from_static(concat!("llmhost/", env!("CARGO_PKG_VERSION")))),
        (header::ACCEPT, HeaderValue::from_static("*/*")),
        // Nothing is decompressed here: small bodies that become large ones are the plugin's own affair.
        (header::ACCEPT_ENCODING, HeaderValue::from_static("identity")),
    ];
    for (name, value) in own {
        request.headers_mut().insert(name, value);
    }
    for name in headers.keys() {
        request.headers_mut().remove(name);
    }
    let mut last = None;
    for (name, value) in headers {
        // A header of several values names itself at the first alone.
        last = name.or(last);
        if let Some(name) = &last {
            request.headers_mut().append(name.clone(), value);
        }
    }
    Ok(request)
}

/// Reads the body.
pub(crate) async fn body(
    mut answer: Answer,
    target: &Target,
    limits: &Limits,
    deadline: Deadline,
) -> Result<Bytes, Failure> {
    let most = limits.response_body;
    let too_large = || Failure::TooLarge { url: target.shown(), part: Part::Body, allowed: format!("{most} bytes") };
    // A HEAD has a length, and no body.
    if answer.body.size_hint().lower() > most {
        return Err(too_large());
    }
    let mut read = BytesMut::new();
    while let Some(frame) = deadline.hold(Phase::Body, &target.server(), answer.body.frame()).await? {
        let frame = frame.map_err(|error| broken(target, limits, &error))?;
        // Trailers are dropped.
        let Ok(data) = frame.into_data() else { continue };
        if read.len() as u64 + data.len() as u64 > most {
            return Err(too_large());
        }
        read.extend_from_slice(&data);
    }
    Ok(read.freeze())
}

fn protocol(target: &Target, reason: &str) -> Failure {
    Failure::Protocol { url: target.shown(), reason: reason.to_owned() }
}

/// What HTTP's parser says, in our words.
fn broken(target: &Target, limits: &Limits, error: &hyper::Error) -> Failure {
    // The error has a question for this in servers alone.
    if error.is_parse() && error.to_string().contains("too large") {
        return Failure::TooLarge { url: target.shown(), part: Part::Headers, allowed: limits.of_headers() };
    }
    if error.is_incomplete_message() {
        return protocol(target, "the connection closed before the response was complete");
    }
    let mut reason = error.to_string();
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
        reason = format!("{reason}: {cause}");
    }
    protocol(target, &plain(&reason))
}
