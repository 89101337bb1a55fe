//! Secrets: values that pass through a pipeline without anybody seeing them.
//!
//! What a plugin gets, and what plans, states and graphs hold, is a handle: a token of
//! [`unknown`] that names the secret. Its value is read by a kind, in the call that needs
//! it, and goes nowhere else. A value that was read is kept out of everything that is said from then on.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::kind::{OpError, Outputs};
use crate::unknown::{self, Source};

/// A secret as the file declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// Where its value is.
    pub source: SecretSource,
    /// Raised by the user where a value that has changed is to be sent again.
    pub version: u32,
}

/// Where a secret's value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file; a line's end at its end is not part of it.
    File(PathBuf),
    /// A parameter of Systems Manager, by its name.
    Parameter(String),
    /// A secret of Secrets Manager, by its name or ARN.
    SecretsManager(String),
}

/// Why a secret may not stand somewhere.
#[derive(Debug, thiserror::Error)]
pub enum Misplaced {
    /// The plugin made the handle up.
    #[error("it holds the secret '{0}', which its step was not given")]
    NotGiven(String),
    /// There it could be read.
    #[error("the secret '{name}' may not stand in {place}: it could be read there; {allowed}")]
    Readable {
        /// The secret.
        name: String,
        /// A JSON pointer.
        place: String,
        /// Where it may stand.
        allowed: String,
    },
}

/// Refuses handles in `value` that do not stand in `config`, the `with` table of the step.
pub(crate) fn check_given(value: &Value, config: &Value) -> Result<(), Misplaced> {
    let named = places(value);
    // The options of a step with many resources are not searched for each of them.
    if named.is_empty() {
        return Ok(());
    }
    let given: BTreeSet<String> = places(config).into_iter().map(|(_, name)| name).collect();
    match named.into_iter().find(|(_, name)| !given.contains(name)) {
        Some((_, name)) => Err(Misplaced::NotGiven(name)),
        None => Ok(()),
    }
}

/// Refuses handles in a spec that do not stand in, or below, the places (JSON pointers) whose values nobody reads back.
pub(crate) fn check_place(spec: &Value, places: &[&str]) -> Result<(), Misplaced> {
    let fits = |rest: &str| rest.is_empty() || rest.starts_with('/');
    let inside = |at: &str| places.iter().any(|place| at.strip_prefix(place).is_some_and(fits));
    match self::places(spec).into_iter().find(|(at, _)| !inside(at)) {
        Some((place, name)) => {
            let allowed = match places {
                [] => "this kind of resource takes none".to_owned(),
                places => format!("in {} it may", places.join(", ")),
            };
            Err(Misplaced::Readable { name, place, allowed })
        }
        None => Ok(()),
    }
}

/// The secrets that a value names.
pub fn named(value: &Value) -> BTreeSet<String> {
    places(value).into_iter().map(|(_, name)| name).collect()
}

/// Every place in a value where the handle of a secret stands (a JSON pointer), with the secret's name.
pub fn places(value: &Value) -> Vec<(String, String)> {
    fn note(text: &str, at: &str, found: &mut Vec<(String, String)>) {
        for token in unknown::tokens(text) {
            if let Source::Secret { name, .. } = token {
                found.push((at.to_owned(), name.to_owned()));
            }
        }
    }
    fn walk(value: &Value, at: &str, found: &mut Vec<(String, String)>) {
        match value {
            Value::String(text) => note(text, at, found),
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(index, item)| walk(item, &format!("{at}/{index}"), found));
            }
            Value::Object(fields) => {
                for (key, field) in fields {
                    // A key is shown wherever its value is.
                    note(key, &format!("{at} (a key)"), found);
                    walk(field, &format!("{at}/{}", crate::pointer::escaped(key)), found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(value, "", &mut found);
    found
}

/// What must not be said: values that were read, in each form that they could appear in. Of the whole
/// process, because whatever says something belongs to it.
static REVEALED: Forms = Forms(RwLock::new(BTreeSet::new()));

/// Outputs that plugins marked as sensitive. They are plain values to plans, states and services, where a mask
/// would be another value: only what is shown goes without them.
static SENSITIVE: Forms = Forms(RwLock::new(BTreeSet::new()));

/// Values of variables that the pipeline file calls secret: plain values to plans, states and services, too.
static VARIABLES: Forms = Forms(RwLock::new(BTreeSet::new()));

/// Shorter values would be found everywhere.
pub const SHORTEST: usize = 6;

/// Shorter lines of a value that has several would be found in texts that say nothing of it.
const LINE: usize = 12;

const MASK: &str = "(secret)";

/// What is shown in place of an output that is sensitive.
pub const SENSITIVE_MASK: &str = "(sensitive)";

/// Keeps a value out of everything that is said from now on.
pub fn hide(value: &str) {
    REVEALED.add(value);
}

/// Keeps the texts of a sensitive output out of everything that is shown from now on. Texts shorter than
/// [`SHORTEST`] would be found everywhere, and stay; so do tokens, which say nothing.
pub fn hide_output(value: &Value) {
    SENSITIVE.add_texts(value);
}

/// Keeps the texts of a secret variable out of everything that is shown, logged and traced from now on. As with
/// outputs, texts shorter than [`SHORTEST`] stay.
pub fn hide_variable(value: &Value) {
    VARIABLES.add_texts(value);
}

/// Of two values that differ, hides one where the other holds a secret variable: it is what the variable was before, or
/// what somebody put in its place.
pub(crate) fn hide_counterpart(one: Option<&Value>, other: Option<&Value>) {
    if VARIABLES.known().is_empty() {
        return;
    }
    let holds = |value: &Value| {
        let text = value.to_string();
        VARIABLES.known().iter().any(|form| text.contains(form.as_str()))
    };
    match (one, other) {
        (Some(one), Some(other)) if holds(one) => hide_variable(other),
        (Some(one), Some(other)) if holds(other) => hide_variable(one),
        _ => {}
    }
}

/// Outputs with a mask for those of the names in `sensitive`.
pub(crate) fn without_sensitive(outputs: &Value, sensitive: &BTreeSet<String>) -> Value {
    let mut outputs = outputs.clone();
    for name in sensitive {
        if let Some(value) = outputs.get_mut(name) {
            *value = SENSITIVE_MASK.into();
        }
    }
    outputs
}

/// A text without the values of secrets.
pub fn mask(text: &str) -> Cow<'_, str> {
    replaced(text, &[(&REVEALED, MASK)])
}

/// A text as it may stand in a trace: without the values of secrets and of secret variables.
pub(crate) fn recorded(text: &str) -> Cow<'_, str> {
    replaced(text, &[(&REVEALED, MASK), (&VARIABLES, MASK)])
}

/// A text as it may be shown: without the values of secrets, of secret variables and of sensitive outputs.
pub fn shown(text: &str) -> Cow<'_, str> {
    replaced(text, &[(&REVEALED, MASK), (&VARIABLES, MASK), (&SENSITIVE, SENSITIVE_MASK)])
}

/// A text with masks in place of these values.
fn replaced<'a>(text: &'a str, hidden: &[(&Forms, &str)]) -> Cow<'a, str> {
    let known: Vec<_> = hidden.iter().map(|(forms, mask)| (forms.known(), *mask)).collect();
    let mut forms: Vec<_> =
        known.iter().flat_map(|(forms, mask)| forms.iter().map(move |form| (form, *mask))).collect();
    // Longer ones first: one may be part of another.
    forms.sort_by_key(|(form, _)| std::cmp::Reverse(form.len()));
    let mut masked = Cow::Borrowed(text);
    for (form, mask) in forms {
        if masked.contains(form.as_str()) {
            masked = Cow::Owned(masked.replace(form.as_str(), mask));
        }
    }
    masked
}

/// Values in each form that they could appear in.
struct Forms(RwLock<BTreeSet<String>>);

impl Forms {
    fn add(&self, value: &str) {
        let forms = forms(value);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.extend(forms.into_iter().filter(|form| form.len() >= SHORTEST));
    }

    /// Every text of a value. Tokens say nothing, and stay.
    fn add_texts(&self, value: &Value) {
        match value {
            Value::String(text) if !unknown::is_opaque(text) => self.add(text),
            Value::Array(items) => items.iter().for_each(|item| self.add_texts(item)),
            Value::Object(fields) => fields.values().for_each(|field| self.add_texts(field)),
            _ => {}
        }
    }

    fn known(&self) -> RwLockReadGuard<'_, BTreeSet<String>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn forms(value: &str) -> Vec<String> {
    let mut forms = vec![value.to_owned(), BASE64_STANDARD.encode(value), BASE64_STANDARD.encode(format!("{value}\n"))];
    let quoted = serde_json::to_string(value).unwrap_or_default();
    forms.push(quoted.trim_matches('"').to_owned());
    forms.push(value.escape_debug().to_string());
    forms.push(value.lines().next().unwrap_or_default().to_owned());
    // What is said line by line has only one of its lines at a time.
    forms.extend(value.lines().map(|line| line.trim().to_owned()).filter(|line| line.len() >= LINE));
    forms
}

/// An error in which a service may have repeated what it was sent.
pub fn masked_error(mut error: OpError) -> OpError {
    for text in [Some(&mut error.message), error.advice.as_mut()].into_iter().flatten() {
        if let Cow::Owned(masked) = mask(text) {
            *text = masked;
        }
    }
    error
}

/// Outputs in which a service may have repeated what it was sent.
pub fn masked_outputs(outputs: Outputs) -> Outputs {
    outputs.into_iter().map(|(name, value)| (name, masked_value(value))).collect()
}

/// A value in which a service may have repeated what it was sent.
pub fn masked_value(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(mask(&text).into_owned()),
        Value::Array(items) => items.into_iter().map(masked_value).collect(),
        Value::Object(fields) => Value::Object(
            fields.into_iter().map(|(key, field)| (mask(&key).into_owned(), masked_value(field))).collect(),
        ),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_handle_has_to_be_given_and_to_stand_where_nobody_reads_it() {
        let key = unknown::secret("key", 1);
        let spec = json!({ "manifest": { "stringData": { "a": format!("x {key}") } } });
        let config = json!({ "api_key": key });
        check_given(&spec, &config).expect("given");
        let error = check_given(&spec, &json!({ "api_key": unknown::secret("other", 1) })).expect_err("made up");
        assert_eq!(error.to_string(), "it holds the secret 'key', which its step was not given");
        check_place(&spec, &["/manifest/stringData"]).expect("a good place");
        for bad in [json!({ "tags": { "a": key } }), json!({ key.clone(): 1 }), json!([key]), json!(key)] {
            let error = check_place(&bad, &["/manifest/stringData"]).expect_err("a bad place");
            assert!(error.to_string().contains("the secret 'key' may not stand in"), "{error}");
        }
        let near = json!({ "manifest": { "stringDataX": { "a": key } } });
        check_place(&near, &["/manifest/stringData"]).expect_err("only looks like it");
    }

    #[test]
    fn a_value_that_was_read_is_not_said_in_any_form() {
        let value = "tops3cret \"line\"\nsecond";
        hide(value);
        for text in [
            format!("bad value {value}!"),
            json!({ "value": value }).to_string(),
            format!("data: {}", BASE64_STANDARD.encode(value)),
            format!("{value:?}"),
            "tops3cret \"line\"".to_owned(),
        ] {
            assert!(!mask(&text).contains("tops3cret") && mask(&text).contains(MASK), "{}", mask(&text));
        }
        assert_eq!(mask("nothing of it"), "nothing of it");
    }

    #[test]
    fn a_sensitive_output_is_not_shown_and_stays_what_it_is() {
        let token = unknown::secret("other", 1);
        hide_output(
            &json!({ "url": "https://bucket/?signature=c0ffee", "parts": ["pa rt\"one"], "id": token, "n": 7 }),
        );
        let text = json!(["https://bucket/?signature=c0ffee", "pa rt\"one", token, 7]).to_string();
        let told = shown(&text);
        assert_eq!(told, json!([SENSITIVE_MASK, SENSITIVE_MASK, token, 7]).to_string());
        assert_eq!(mask(&text), text);
        assert_eq!(masked_value(json!("https://bucket/?signature=c0ffee")), json!("https://bucket/?signature=c0ffee"));
    }

    #[test]
    fn a_secret_variable_is_not_shown_and_stays_what_it_is() {
        hide_variable(&json!({ "password": "hunter2-variable", "short": "abc", "port": 5432 }));
        hide_output(&json!("postgres://admin:hunter2-variable@host/db"));
        let text = "abc 5432 hunter2-variable postgres://admin:hunter2-variable@host/db";
        assert_eq!(shown(text), format!("abc 5432 {MASK} {SENSITIVE_MASK}"), "the longer one first");
        assert_eq!(recorded(text), format!("abc 5432 {MASK} postgres://admin:{MASK}@host/db"));
        assert_eq!(mask(text), text);
        assert_eq!(masked_value(json!(text)), json!(text));
        hide_counterpart(Some(&json!("before-it-changed")), Some(&json!("x hunter2-variable")));
        hide_counterpart(Some(&json!("nobody's business")), Some(&json!("plain")));
        assert_eq!(shown("before-it-changed, nobody's business"), format!("{MASK}, nobody's business"));
    }
}
