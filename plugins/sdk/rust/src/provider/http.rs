//! Requests with JSON, sent by the host.
//!
//! ```no_run
//! use llmhost_plugin::provider::{Error, http};
//!
//! # fn example(url: &str, key: Option<&str>, new: &serde_json::Value) -> Result<(), Error> {
//! let note: serde_json::Value = http::Request::post(format!("{url}/notes")).bearer(key).json(new).send()?;
//! # Ok(()) }
//! ```

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::bindings::llmhost::http::http as wit;
use super::{Error, ErrorClass};

pub use wit::Response;

/// How much of what a service says stands in a message, in characters.
const LONGEST_MESSAGE: usize = 300;

/// A request.
///
/// The host sends what the pipeline file grants to the provider (`allow = ["http:POST https://api.example.com/*"]`). The
/// handle of a secret may stand in the value of a header, in [`Request::basic`] and in the body, and nowhere else.
#[derive(Debug, Clone)]
#[must_use = "a request is sent by send, send_optional, done, success or response"]
pub struct Request {
    request: wit::Request,
    /// What could not be written as JSON.
    problem: Option<String>,
}

impl Request {
    /// A request of any method, in capital letters. [`encoded`] makes any text a part of an address.
    pub fn new(method: &str, url: impl Into<String>) -> Self {
        let (method, url) = (method.to_owned(), url.into());
        let headers = vec![("accept".to_owned(), "application/json".to_owned())];
        Self { request: wit::Request { method, url, headers, basic: None, body: None, follow: false }, problem: None }
    }

    /// A `GET`.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// A `POST`.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// A `PUT`.
    pub fn put(url: impl Into<String>) -> Self {
        Self::new("PUT", url)
    }

    /// A `PATCH`.
    pub fn patch(url: impl Into<String>) -> Self {
        Self::new("PATCH", url)
    }

    /// A `DELETE`.
    pub fn delete(url: impl Into<String>) -> Self {
        Self::new("DELETE", url)
    }

    /// With a parameter in the query.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        let mark = if self.request.url.contains('?') { '&' } else { '?' };
        self.request.url += &format!("{mark}{}={}", encoded(name), encoded(value));
        self
    }

    /// With a header. One that is there already is replaced.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.request.headers.retain(|(there, _)| !there.eq_ignore_ascii_case(name));
        self.request.headers.push((name.to_owned(), value.into()));
        self
    }

    /// With `Authorization: Bearer …`; without the header where there is no key.
    pub fn bearer<'a>(self, key: impl Into<Option<&'a str>>) -> Self {
        match key.into() {
            Some(key) => self.header("authorization", format!("Bearer {key}")),
            None => self,
        }
    }

    /// With a basic authentication. The host encodes it, so that the password may be the handle of a secret.
    pub fn basic(mut self, user: &str, password: &str) -> Self {
        self.request.basic = Some((user.to_owned(), password.to_owned()));
        self
    }

    /// With a body in JSON.
    pub fn json(self, body: &(impl Serialize + ?Sized)) -> Self {
        match serde_json::to_string(body) {
            Ok(text) => self.body("application/json", text),
            Err(error) => Self { problem: Some(error.to_string()), ..self },
        }
    }

    /// With a body of another type.
    pub fn body(mut self, content_type: &str, text: impl Into<String>) -> Self {
        self.request.body = Some(text.into());
        self.header("content-type", content_type)
    }

    /// Follows redirects, as far as they are granted. Without this a redirect is the answer, and an error to [`Self::send`].
    pub fn follow(mut self) -> Self {
        self.request.follow = true;
        self
    }

    /// Sends it and reads the JSON of the answer. A status that is no success is an error; 404 is
    /// [`ErrorClass::NotFound`].
    pub fn send<T: DeserializeOwned>(&self) -> Result<T, Error> {
        self.decode(&self.success()?)
    }

    /// As [`Self::send`]; nothing where the answer is 404.
    pub fn send_optional<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
        match self.success() {
            Ok(response) => self.decode(&response).map(Some),
            Err(error) if error.class == ErrorClass::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// As [`Self::send`], where nothing of the answer matters but that it is a success.
    pub fn done(&self) -> Result<(), Error> {
        self.success().map(|_| ())
    }

    /// Sends it and gives the answer, whatever its status is.
    pub fn response(&self) -> Result<Response, Error> {
        if let Some(problem) = &self.problem {
            return Err(Error::invalid(format!("the body of {} cannot be written as JSON: {problem}", self.named())));
        }
        wit::send(&self.request).map_err(|error| self.not_answered(error))
    }

    /// As [`Self::response`], but a status that is no success is an error.
    pub fn success(&self) -> Result<Response, Error> {
        let response = self.response()?;
        match self.failure(&response) {
            None => Ok(response),
            Some(error) => Err(error),
        }
    }

    /// The JSON of an answer.
    pub fn decode<T: DeserializeOwned>(&self, response: &Response) -> Result<T, Error> {
        let body = if response.body.trim().is_empty() { "null" } else { &response.body };
        serde_json::from_str(body).map_err(|error| {
            let message = format!("the answer to {} is not what the provider expects: {error}", self.named());
            Error::new(ErrorClass::Service, message).with_advice("Check that the address is that of the service's API.")
        })
    }

    /// Method and address, without the query.
    fn named(&self) -> String {
        let url = self.request.url.split(['?', '#']).next().unwrap_or_default();
        format!("{} {url}", self.request.method)
    }

    fn not_answered(&self, error: wit::Error) -> Error {
        let class = match error.class {
            wit::ErrorClass::NotGranted | wit::ErrorClass::Secret => ErrorClass::Denied,
            wit::ErrorClass::Unreachable | wit::ErrorClass::Timeout | wit::ErrorClass::Protocol => {
                ErrorClass::Unreachable
            }
            // The service did what it was asked for, perhaps; only its answer is of no use.
            wit::ErrorClass::TooLarge | wit::ErrorClass::Redirect if error.may_have_reached && self.changes() => {
                ErrorClass::Service
            }
            wit::ErrorClass::Invalid | wit::ErrorClass::TooLarge | wit::ErrorClass::Redirect => ErrorClass::Invalid,
        };
        Error::new(class, error.message).with_advice(error.advice)
    }

    /// Whether it is of a method that changes something.
    fn changes(&self) -> bool {
        !matches!(self.request.method.as_str(), "GET" | "HEAD")
    }

    /// The error that an answer is.
    fn failure(&self, response: &Response) -> Option<Error> {
        let class = match response.status {
            200..=299 => return None,
            401 | 403 => ErrorClass::Denied,
            404 => ErrorClass::NotFound,
            409 => ErrorClass::Conflict,
            429 => ErrorClass::Throttled,
            300..=499 => ErrorClass::Invalid,
            _ => ErrorClass::Service,
        };
        let told = told(&response.body).unwrap_or_else(|| "the service does not say why".to_owned());
        Some(Error::new(class, format!("{told} ({})", self.named())).with_code(format!("HTTP {}", response.status)))
    }
}

/// What a service says of an error: the text that services put into their JSON, or the whole body.
fn told(body: &str) -> Option<String> {
    let text = match serde_json::from_str(body) {
        Ok(Value::String(text)) => text,
        Ok(value) => message_in(&value).unwrap_or_else(|| body.to_owned()),
        Err(_) => body.to_owned(),
    };
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(LONGEST_MESSAGE) {
        _ if text.is_empty() => None,
        Some((end, _)) => Some(format!("{}…", &text[..end])),
        None => Some(text),
    }
}

fn message_in(value: &Value) -> Option<String> {
    let inner = |key: &str| match value.get(key)? {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Array(items) => {
            items.first().and_then(|item| item.as_str().map(str::to_owned).or_else(|| message_in(item)))
        }
        object @ Value::Object(_) => message_in(object),
        _ => None,
    };
    ["message", "error_description", "detail", "error", "errors", "title", "reason"].into_iter().find_map(inner)
}

/// A text as a part of an address: everything but letters, digits and `-._~` is encoded with `%`.
pub fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Response {
        Response { status, headers: vec![], body: body.to_owned(), url: String::new() }
    }

    #[test]
    fn a_request_has_what_it_was_given() {
        let request = Request::post("https://a.example/x?y=1")
            .query("token", "a b&c/é")
            .bearer(Some("<<secret:key>>"))
            .header("Accept", "text/plain")
            .json(&["a"]);
        let wit::Request { method, url, headers, body, follow, .. } = request.request;
        assert_eq!((method.as_str(), url.as_str()), ("POST", "https://a.example/x?y=1&token=a%20b%26c%2F%C3%A9"));
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let all = [
            ("authorization", "Bearer <<secret:key>>"),
            ("Accept", "text/plain"),
            ("content-type", "application/json"),
        ];
        assert_eq!((headers, body.as_deref(), follow), (all.to_vec(), Some(r#"["a"]"#), false));
        assert!(
            Request::get("https://a.example").bearer(None).request.headers.iter().all(|(name, _)| name == "accept")
        );
        assert_eq!(Request::get("u").query("a", "b").request.url, "u?a=b");
    }

    #[test]
    fn statuses_are_classes_of_errors() {
        let request = Request::put("https://a.example/x?key=1");
        for (status, class) in [
            (302, ErrorClass::Invalid),
            (400, ErrorClass::Invalid),
            (401, ErrorClass::Denied),
            (403, ErrorClass::Denied),
            (404, ErrorClass::NotFound),
            (409, ErrorClass::Conflict),
            (422, ErrorClass::Invalid),
            (429, ErrorClass::Throttled),
            (500, ErrorClass::Service),
            (503, ErrorClass::Service),
        ] {
            let error = request.failure(&answer(status, "")).expect("no success");
            assert_eq!((error.class, error.code), (class, Some(format!("HTTP {status}"))));
            assert_eq!(error.message, "the service does not say why (PUT https://a.example/x)");
        }
        assert!(request.failure(&answer(204, "")).is_none());
    }

    #[test]
    fn what_the_service_says_is_in_the_message() {
        for (body, text) in [
            (r#"{ "message": "no such zone" }"#, "no such zone"),
            (r#"{ "error": { "code": 7, "message": "too long" } }"#, "too long"),
            (r#"{ "errors": [{ "detail": "bad" }, {}] }"#, "bad"),
            (r#"{ "errors": ["bad"] }"#, "bad"),
            (r#""bad\nmatcher""#, "bad matcher"),
            (r#"{ "x": 1 }"#, r#"{ "x": 1 }"#),
            ("<h1>\n  Bad Gateway</h1>", "<h1> Bad Gateway</h1>"),
        ] {
            assert_eq!(told(body).as_deref(), Some(text));
        }
        assert_eq!(told(" \n"), None);
        let long = told(&"é".repeat(500)).expect("a text");
        assert_eq!((long.chars().count(), long.ends_with('…')), (301, true));
    }

    #[test]
    fn a_request_without_an_answer_says_why() {
        let request = Request::get("https://a.example");
        for (class, maps_to) in [
            (wit::ErrorClass::Invalid, ErrorClass::Invalid),
            (wit::ErrorClass::NotGranted, ErrorClass::Denied),
            (wit::ErrorClass::Secret, ErrorClass::Denied),
            (wit::ErrorClass::Unreachable, ErrorClass::Unreachable),
            (wit::ErrorClass::Timeout, ErrorClass::Unreachable),
            (wit::ErrorClass::TooLarge, ErrorClass::Service),
            (wit::ErrorClass::Redirect, ErrorClass::Service),
            (wit::ErrorClass::Protocol, ErrorClass::Unreachable),
        ] {
            let of = wit::Error { class, message: "m".into(), advice: "a".into(), may_have_reached: true };
            let error = request.not_answered(of);
            assert_eq!((error.class, error.message.as_str(), error.advice.as_deref()), (maps_to, "m", Some("a")));
        }
    }

    #[test]
    fn an_answer_that_is_not_what_was_expected_leaves_open_what_happened() {
        let request = Request::post("https://a.example/x");
        assert_eq!(request.decode::<Vec<u8>>(&answer(200, "[1]")).expect("a list"), [1]);
        request.decode::<()>(&answer(204, "")).expect("an empty answer is nothing");
        let error = request.decode::<Vec<u8>>(&answer(200, "<html>")).expect_err("no list");
        assert_eq!(error.class, ErrorClass::Service);
        assert!(error.message.starts_with("the answer to POST https://a.example/x is not"), "{}", error.message);
        let broken = std::collections::BTreeMap::from([((1, 2), 3)]);
        let error = Request::post("https://a.example/x").json(&broken).done().expect_err("keys are texts");
        assert!(error.message.contains("cannot be written as JSON"), "{}", error.message);
    }
}
