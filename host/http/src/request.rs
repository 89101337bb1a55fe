//! Requests and answers, and what no request may hold.

use bytes::Bytes;
use http::{HeaderName, header};

use crate::client::Limits;
use crate::error::{Failure, Part, plain};
use crate::grant::NEVER_SENT;
use crate::secrets::{Secrets, header_value, named_in};

/// A request as a plugin wants it.
#[derive(Debug, Clone)]
pub struct Request {
    /// In capital letters.
    pub method: String,
    /// A whole URL. A fragment is not sent.
    pub url: String,
    /// Names and values. A value may hold tokens of secrets.
    pub headers: Vec<(String, String)>,
    /// User and password of a basic authentication, which the host encodes: base64 of a token would be no token.
    pub basic: Option<(String, String)>,
    /// It may hold tokens of secrets: in strings where it is JSON, in fields where it is a form, anywhere else otherwise.
    pub body: Bytes,
    /// Whether redirects are followed. Where they are not, the redirect is the answer.
    pub follow: bool,
}

impl Request {
    /// A request with nothing but a method and a URL, which follows redirects.
    pub fn new(method: &str, url: &str) -> Self {
        let (method, url) = (method.to_owned(), url.to_owned());
        Self { method, url, headers: Vec::new(), basic: None, body: Bytes::new(), follow: true }
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With this body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }
}

/// An answer. Whoever gives it to a plugin masks the values of secrets in it, for a server may repeat what it got.
#[derive(Debug, Clone)]
pub struct Response {
    /// Any status that is final: errors of servers are answers.
    pub status: u16,
    /// Names in small letters, and values. What is not UTF-8 in a value is replaced.
    pub headers: Vec<(String, String)>,
    /// As it was sent: nothing is decompressed.
    pub body: Bytes,
    /// Where it came from, after redirects.
    pub url: String,
}

/// What a body is, as far as tokens in it go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Form,
    Other,
}

/// A request whose method and headers may be sent. Tokens still stand in it.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    pub(crate) method: http::Method,
    pub(crate) headers: Vec<(HeaderName, String)>,
    pub(crate) basic: Option<(String, String)>,
    pub(crate) body: Bytes,
}

/// What the connection needs, and what would make two readers see two requests: the host writes them.
const OF_THE_HOST: [&str; 10] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "upgrade",
    "http2-settings",
    "te",
    "trailer",
    "expect",
];

/// What some servers take for another method or another path than the one that was granted.
const OVERRIDES: [&str; 7] = [
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
    "x-original-uri",
    "x-forwarded-prefix",
];

impl Checked {
    pub(crate) fn new(request: &Request, limits: &Limits, secrets: &dyn Secrets) -> Result<Self, Failure> {
        let no_place = |name: String, place: &str| Failure::Secret {
            name,
            problem: format!("it is in {place}, where it could be read"),
            advice: "send it as a header's value, as basic authentication, or in the body".to_owned(),
        };
        if let Some(name) = named_in(secrets, &request.url) {
            return Err(no_place(name, "the URL"));
        }
        if let Some(name) = named_in(secrets, &request.method) {
            return Err(no_place(name, "the method"));
        }
        if let Some(name) = request.headers.iter().find_map(|(header, _)| named_in(secrets, header)) {
            return Err(no_place(name, "a header's name"));
        }
        let method = method(&request.method)?;
        let mut headers = Vec::with_capacity(request.headers.len());
        for (name, value) in &request.headers {
            headers.push((checked_name(name)?, checked_value(name, value)?));
        }
        if request.basic.is_some() && headers.iter().any(|(name, _)| *name == header::AUTHORIZATION) {
            return Err(invalid("it has both basic authentication and a header 'authorization'", "send one of them"));
        }
        let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        let url = || plain(request.url.split('?').next().unwrap_or_default());
        if headers.len() > limits.headers || size > limits.header_bytes {
            return Err(Failure::TooLarge { url: url(), part: Part::RequestHeaders, allowed: limits.of_headers() });
        }
        if request.body.len() as u64 > limits.request_body {
            let allowed = format!("{} bytes", limits.request_body);
            return Err(Failure::TooLarge { url: url(), part: Part::RequestBody, allowed });
        }
        Ok(Self { method, headers, basic: request.basic.clone(), body: request.body.clone() })
    }

    /// What tokens may stand in, besides the body.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        let basic = self.basic.iter().flat_map(|(user, password)| [user.as_str(), password.as_str()]);
        self.headers.iter().map(|(_, value)| value.as_str()).chain(basic)
    }

    pub(crate) fn format(&self) -> Format {
        let content_type = self.headers.iter().find(|(name, _)| *name == header::CONTENT_TYPE);
        let media = content_type.and_then(|(_, value)| value.split(';').next()).unwrap_or_default();
        match media.trim().to_ascii_lowercase().as_str() {
            "application/x-www-form-urlencoded" => Format::Form,
            media if media.ends_with("/json") || media.ends_with("+json") => Format::Json,
            _ => Format::Other,
        }
    }
}

fn invalid(problem: impl Into<String>, advice: impl Into<String>) -> Failure {
    Failure::Invalid { problem: problem.into(), advice: advice.into() }
}

fn method(text: &str) -> Result<http::Method, Failure> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-') {
        let problem = format!("'{}' is not a method", plain(text));
        return Err(invalid(problem, "write the method in capital letters, like GET"));
    }
    if NEVER_SENT.contains(&text) {
        return Err(invalid(format!("{text} is never sent"), "use another method"));
    }
    http::Method::from_bytes(text.as_bytes()).map_err(|error| invalid(error.to_string(), "use another method"))
}

fn checked_name(name: &str) -> Result<HeaderName, Failure> {
    let shown = plain(name);
    if name.contains(['\r', '\n', '\0']) {
        let problem = format!("the name of its header '{shown}' contains a line break or a NUL");
        return Err(invalid(problem, "send it as a header of its own"));
    }
    let Ok(header) = HeaderName::from_bytes(name.as_bytes()) else {
        return Err(invalid(format!("'{shown}' is not the name of a header"), "use letters, digits and hyphens"));
    };
    // Some servers take an underscore for a hyphen.
    let alike = header.as_str().replace('_', "-");
    if OF_THE_HOST.contains(&alike.as_str()) || alike.starts_with("proxy-") {
        let problem = format!("it sets the header '{shown}', which the host writes or which is never sent");
        return Err(invalid(problem, format!("remove '{shown}'")));
    }
    if OVERRIDES.contains(&alike.as_str()) {
        let problem = format!("its header '{shown}' would replace the granted method or path");
        return Err(invalid(problem, "send the real method and path"));
    }
    Ok(header)
}

fn checked_value(name: &str, value: &str) -> Result<String, Failure> {
    match header_value(value) {
        Some(_) => Ok(value.to_owned()),
        None => Err(invalid(
            format!(
                "the value of its header '{}' contains a line break, a NUL or another control character",
                plain(name)
            ),
            "encode the value, or send several headers",
        )),
    }
}
