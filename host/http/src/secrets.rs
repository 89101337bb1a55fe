//! Secrets in requests: tokens until the moment of sending.
//!
//! A plugin writes the token of a secret where its value has to be: in a header's value, in a basic authentication, or
//! in the body. What is a string of JSON or a field of a form there is decoded before tokens are looked for, and
//! encoded again with the value in it, so that no value can change what stands around it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};

use crate::Grant;
use crate::error::Failure;
use crate::request::{Checked, Format};
use crate::target::Target;

/// Who knows the secrets that a plugin was given.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// The tokens of secrets in a text, in order.
    fn tokens(&self, text: &str) -> Vec<Token>;

    /// The requests that a secret may be part of; none where the plugin was not given it. It narrows the client's
    /// grant, and never widens it.
    fn audience(&self, name: &str) -> Option<&Grant>;

    /// Its value. An error says why it cannot be read, without the value.
    async fn value(&self, name: &str) -> Result<String, String>;

    /// Hears of each form in which a value leaves besides the value itself (base64 of user and password, escaped in
    /// JSON), so that it can be masked in what comes back.
    fn hide(&self, form: &str) {
        let _ = form;
    }
}

/// A token of a secret in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its place, in bytes.
    pub at: Range<usize>,
    /// The secret.
    pub name: String,
}

/// No secrets: nothing is a token.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSecrets;

#[async_trait]
impl Secrets for NoSecrets {
    fn tokens(&self, _: &str) -> Vec<Token> {
        Vec::new()
    }

    fn audience(&self, _: &str) -> Option<&Grant> {
        None
    }

    async fn value(&self, name: &str) -> Result<String, String> {
        Err(format!("there is no secret '{name}'"))
    }
}

/// Values that were read for a request, in every form that they left in. No error holds one.
#[derive(Default)]
pub(crate) struct Revealed {
    values: BTreeMap<String, String>,
    forms: BTreeSet<String>,
}

const MASK: &str = "(secret)";

/// Shorter values would be found in URLs that say nothing of them.
const SHORTEST: usize = 6;

impl Revealed {
    pub(crate) fn mask(&self, text: &str) -> String {
        let mut forms: Vec<&String> = self.forms.iter().collect();
        // Longer ones first: one may be part of another.
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        forms.iter().fold(text.to_owned(), |text, form| text.replace(form.as_str(), MASK))
    }

    /// The secret whose value stands in a text, encoded or not.
    pub(crate) fn found_in(&self, text: &str) -> Option<&str> {
        let decoded = percent_decoded(text);
        let holds = |value: &str| value.len() >= SHORTEST && (text.contains(value) || decoded.contains(value));
        self.values.iter().find(|(_, value)| holds(value)).map(|(name, _)| name.as_str())
    }

    fn add(&mut self, name: &str, value: String) {
        self.note(&value);
        self.note(&BASE64_STANDARD.encode(&value));
        self.note(&form_encoded(&value));
        self.note(&form_encoded(&value).replace('+', "%20"));
        self.note(&json_string(&value));
        self.values.insert(name.to_owned(), value);
    }

    fn note(&mut self, form: &str) {
        if !form.is_empty() {
            self.forms.insert(form.to_owned());
        }
    }
}

/// The secret whose token stands in a text, encoded or not.
pub(crate) fn named_in(secrets: &dyn Secrets, text: &str) -> Option<String> {
    let first = |text: &str| secrets.tokens(text).into_iter().next().map(|token| token.name);
    first(text).or_else(|| first(&percent_decoded(text)))
}

/// The secrets of a request. Each has to be given for it.
pub(crate) fn named(secrets: &dyn Secrets, request: &Checked) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut note = |name: &str| {
        names.insert(name.to_owned());
        String::new()
    };
    for text in request.texts() {
        replace(secrets, text, &mut note);
    }
    rewrite(secrets, request.format(), &request.body, &mut note);
    names
}

/// Refuses secrets that were not given for this request.
pub(crate) fn check(secrets: &dyn Secrets, names: &BTreeSet<String>, method: &str, to: &Target) -> Result<(), Failure> {
    for name in names {
        let Some(audience) = secrets.audience(name) else {
            return Err(Failure::Secret {
                name: name.clone(),
                problem: "the plugin did not get it for HTTP requests".to_owned(),
                advice: "pass it to the step, for the URL that needs it".to_owned(),
            });
        };
        if let Err(problem) = audience.covering(method, to.url()) {
            let advice = match crate::grant::Entry::exactly(method, to.url()) {
                Some(entry) => format!("to allow it, pass it for \"{entry}\""),
                None => "no grant can allow it".to_owned(),
            };
            let problem = format!("it was not given for {method} {}: {problem}", to.shown());
            return Err(Failure::Secret { name: name.clone(), problem, advice });
        }
    }
    Ok(())
}

/// Headers and body with values in the places of tokens.
pub(crate) async fn fill(
    secrets: &dyn Secrets,
    names: &BTreeSet<String>,
    request: &Checked,
    revealed: &mut Revealed,
) -> Result<(HeaderMap, Bytes), Failure> {
    for name in names {
        if !revealed.values.contains_key(name) {
            let unread = |reason| Failure::Secret {
                name: name.clone(),
                problem: format!("its value cannot be read: {reason}"),
                advice: "check the place of its value in the pipeline file".to_owned(),
            };
            let value = secrets.value(name).await.map_err(unread)?;
            revealed.add(name, value);
        }
    }
    let values = revealed.values.clone();
    let mut value = |name: &str| values.get(name).cloned().unwrap_or_default();
    let mut headers = HeaderMap::new();
    for (name, text) in &request.headers {
        let filled = replace(secrets, text, &mut value);
        let is_secret = filled.is_some();
        let mut header =
            header_value(filled.as_deref().unwrap_or(text)).ok_or_else(|| unfit(secrets, text, name.as_str()))?;
        header.set_sensitive(is_secret);
        headers.append(name, header);
    }
    if let Some((user, password)) = &request.basic {
        let mut filled = |text: &str| replace(secrets, text, &mut value).unwrap_or_else(|| text.to_owned());
        let (user, password) = (filled(user), filled(password));
        if user.contains(':') {
            return Err(Failure::Invalid {
                problem: "the user of its basic authentication contains a colon".to_owned(),
                advice: "a server cannot separate such a user from the password; use another user".to_owned(),
            });
        }
        let encoded = BASE64_STANDARD.encode(format!("{user}:{password}"));
        let mut header = header_value(&format!("Basic {encoded}")).expect("base64 is ASCII");
        header.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, header);
        if !names.is_empty() {
            secrets.hide(&encoded);
            revealed.note(&encoded);
        }
    }
    let body = match rewrite(secrets, request.format(), &request.body, &mut value) {
        None => request.body.clone(),
        Some(body) => {
            for value in values.values() {
                [json_string(value), form_encoded(value)].iter().filter(|form| *form != value).for_each(|form| {
                    secrets.hide(form);
                });
            }
            Bytes::from(body)
        }
    };
    Ok((headers, body))
}

/// A value that is none of a header. What it is, the message does not say.
fn unfit(secrets: &dyn Secrets, text: &str, header: &str) -> Failure {
    let name = secrets.tokens(text).into_iter().next().map(|token| token.name).unwrap_or_default();
    let problem =
        format!("its value contains a line break or a control character, which a header ('{header}') cannot contain");
    Failure::Secret { name, problem, advice: "store the secret without it".to_owned() }
}

/// A header's value as it is sent: without control characters.
pub(crate) fn header_value(text: &str) -> Option<HeaderValue> {
    if text.chars().any(|c| c.is_control() && c != '\t') {
        return None;
    }
    HeaderValue::from_bytes(text.as_bytes()).ok()
}

/// A text with other texts in the places of its tokens. None where it has none.
fn replace(secrets: &dyn Secrets, text: &str, value: &mut dyn FnMut(&str) -> String) -> Option<String> {
    let (mut replaced, mut end) = (String::new(), 0);
    for token in secrets.tokens(text) {
        // A place that is none is no token.
        let (Some(before), Some(_)) = (text.get(end..token.at.start), text.get(token.at.clone())) else { continue };
        replaced.push_str(before);
        replaced.push_str(&value(&token.name));
        end = token.at.end;
    }
    (end != 0).then(|| replaced + &text[end..])
}

/// A body with other texts in the places of its tokens. None where it has none.
fn rewrite(
    secrets: &dyn Secrets,
    format: Format,
    body: &[u8],
    value: &mut dyn FnMut(&str) -> String,
) -> Option<Vec<u8>> {
    match (format, std::str::from_utf8(body)) {
        (Format::Json, Ok(text)) => in_json(secrets, text, value).map(String::into_bytes),
        (Format::Form, Ok(_)) => in_form(secrets, body, value).map(String::into_bytes),
        _ => {
            // Tokens are ASCII: each stands within a piece that is text.
            let (mut rewritten, mut found) = (Vec::with_capacity(body.len()), false);
            for chunk in body.utf8_chunks() {
                match replace(secrets, chunk.valid(), value) {
                    Some(text) => {
                        found = true;
                        rewritten.extend_from_slice(text.as_bytes());
                    }
                    None => rewritten.extend_from_slice(chunk.valid().as_bytes()),
                }
                rewritten.extend_from_slice(chunk.invalid());
            }
            found.then_some(rewritten)
        }
    }
}

/// Within the strings of a JSON text; everything else stays as it is, numbers above all.
fn in_json(secrets: &dyn Secrets, text: &str, value: &mut dyn FnMut(&str) -> String) -> Option<String> {
    let (mut rewritten, mut end, mut at) = (String::new(), 0, 0);
    while let Some(start) = text[at..].find('"').map(|found| at + found) {
        let bytes = &text.as_bytes()[start + 1..];
        let mut length = 0;
        while bytes.get(length).is_some_and(|byte| *byte != b'"') {
            length += if bytes[length] == b'\\' { 2 } else { 1 };
        }
        let close = start + 1 + length;
        if close >= text.len() {
            break;
        }
        at = close + 1;
        let literal = &text[start..at];
        // Some writers escape the characters of a token.
        let Ok(string) = serde_json::from_str::<String>(literal) else { continue };
        if let Some(filled) = replace(secrets, &string, value) {
            rewritten.push_str(&text[end..start]);
            rewritten.push_str(&format!("\"{}\"", json_string(&filled)));
            end = at;
        }
    }
    (end != 0).then(|| rewritten + &text[end..])
}

fn in_form(secrets: &dyn Secrets, body: &[u8], value: &mut dyn FnMut(&str) -> String) -> Option<String> {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    let mut found = false;
    for (key, field) in url::form_urlencoded::parse(body) {
        let mut filled = |text: &str| replace(secrets, text, value).inspect(|_| found = true);
        let (new_key, new_field) = (filled(&key), filled(&field));
        form.append_pair(new_key.as_deref().unwrap_or(&key), new_field.as_deref().unwrap_or(&field));
    }
    found.then(|| form.finish())
}

/// A text as it stands in a string of JSON, without the quotes.
fn json_string(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn form_encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn percent_decoded(text: &str) -> String {
    // A form's rules, but for the plus, which stays.
    let field = text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    url::form_urlencoded::parse(field.as_bytes()).map(|(key, _)| key.into_owned()).collect()
}
