//! What a plugin did, held against what a case expects.

use std::fmt;

use llmhost_engine::unknown;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::case::{Expect, ExpectedFailure};
use crate::pretend::Provider;
use crate::report::{Seen, SeenFailure};

/// Something that is otherwise than a case expects it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Where: `declarations."s3.bucket/logs".tags.team`.
    pub path: String,
    /// What the case expects; nothing, where it expects that there is nothing.
    pub expected: Option<String>,
    /// What the plugin did.
    pub seen: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nothing = "nothing";
        let (expected, seen) = (self.expected.as_deref().unwrap_or(nothing), self.seen.as_deref().unwrap_or(nothing));
        write!(f, "{}: expected {expected}, seen {seen}", self.path)
    }
}

impl Difference {
    fn new(path: &Path<'_>, expected: Option<String>, seen: Option<String>) -> Self {
        Self { path: path.to_string(), expected, seen }
    }
}

/// A place in what a plugin did.
enum Path<'a> {
    Root(&'a str),
    Field(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(name) => f.write_str(name),
            Self::Field(of, name) => {
                let is_bare = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
                if is_bare && !name.is_empty() { write!(f, "{of}.{name}") } else { write!(f, "{of}.{name:?}") }
            }
            Self::Item(of, index) => write!(f, "{of}[{index}]"),
        }
    }
}

/// Everything that differs.
pub(crate) fn differences(expect: Option<&Expect>, seen: &Seen, provider: Provider) -> Vec<Difference> {
    let Some(expect) = expect.filter(|expect| !expect.is_empty()) else {
        return vec![Difference {
            path: "expect".to_owned(),
            expected: Some("what the plugin must do; --update writes what it does now".to_owned()),
            seen: None,
        }];
    };
    let mut found = failure(expect.failure.as_ref(), seen.failure.as_ref());
    // What is missing because of a failure that nobody expects is not said as well.
    if !found.is_empty() {
        return found;
    }
    // A real provider chooses ids and ARNs itself.
    let is_open = |planned: Option<&Value>| provider == Provider::Real && planned.is_some_and(unknown::any_unknown);
    if let Some(expected) = &expect.declarations {
        let root = Path::Root("declarations");
        for (name, spec) in expected {
            let place = Path::Field(&root, name);
            match seen.declared.get(name) {
                None => found.push(Difference::new(&place, Some("a declaration".to_owned()), None)),
                Some(declared) => {
                    let planned = seen.planned.get(name);
                    let is_open = |field: &str| is_open(planned.and_then(|planned| planned.get(field)));
                    fields(&place, spec, declared.as_object(), &is_open, &mut found);
                }
            }
        }
        let extra = seen.declared.iter().filter(|(name, _)| !expected.contains_key(*name));
        found.extend(extra.map(|(name, spec)| Difference::new(&Path::Field(&root, name), None, Some(text(spec)))));
    }
    if let Some(expected) = &expect.outputs {
        let is_open = |output: &str| is_open(seen.planned_outputs.as_ref().and_then(|planned| planned.get(output)));
        fields(&Path::Root("outputs"), expected, seen.outputs.as_ref(), &is_open, &mut found);
    }
    found
}

impl Expect {
    fn is_empty(&self) -> bool {
        self.declarations.is_none() && self.outputs.is_none() && self.failure.is_none()
    }
}

fn failure(expected: Option<&ExpectedFailure>, seen: Option<&SeenFailure>) -> Vec<Difference> {
    let root = Path::Root("failure");
    let whole = |seen: &SeenFailure| format!("{} ({}, during {})", seen.message, seen.code, seen.during.name());
    let (expected, seen) = match (expected, seen) {
        (None, None) => return Vec::new(),
        (None, Some(seen)) => return vec![Difference::new(&root, None, Some(whole(seen)))],
        (Some(_), None) => return vec![Difference::new(&root, Some("a failure".to_owned()), None)],
        (Some(expected), Some(seen)) => (expected, seen),
    };
    let mut found = Vec::new();
    let mut differ = |field, expected: String, seen: String| {
        found.push(Difference::new(&Path::Field(&root, field), Some(expected), Some(seen)));
    };
    if let Some(code) = expected.code.as_ref().filter(|code| **code != seen.code) {
        differ("code", code.clone(), format!("{}: {}", seen.code, seen.message));
    }
    if let Some(part) = expected.message.as_ref().filter(|part| !seen.message.contains(part.as_str())) {
        differ("message", format!("…{part}…"), seen.message.clone());
    }
    if let Some(during) = expected.during.filter(|during| *during != seen.during) {
        differ("during", during.name().to_owned(), seen.during.name().to_owned());
    }
    found
}

/// The fields that are expected, each as expected; there may be others.
fn fields(
    at: &Path<'_>,
    expected: &Map<String, Value>,
    seen: Option<&Map<String, Value>>,
    is_open: &dyn Fn(&str) -> bool,
    found: &mut Vec<Difference>,
) {
    for (name, value) in expected.iter().filter(|(name, _)| !is_open(name)) {
        let seen = seen.and_then(|seen| seen.get(name)).filter(|seen| !seen.is_null());
        match seen {
            None => found.push(Difference::new(&Path::Field(at, name), Some(text(value)), None)),
            Some(seen) => compare(&Path::Field(at, name), value, seen, found),
        }
    }
}

fn compare(at: &Path<'_>, expected: &Value, seen: &Value, found: &mut Vec<Difference>) {
    match (expected, seen) {
        (Value::Object(expected), Value::Object(seen)) => fields(at, expected, Some(seen), &|_| false, found),
        (Value::Array(expected), Value::Array(seen)) if expected.len() == seen.len() => {
            for (index, (expected, seen)) in expected.iter().zip(seen).enumerate() {
                compare(&Path::Item(at, index), expected, seen, found);
            }
        }
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => {}
        _ if expected == seen => {}
        // Policies, manifests and properties are texts that hold JSON: a table says what is in them.
        (Value::Object(_) | Value::Array(_), Value::String(json)) if let Some(seen) = structure(json) => {
            compare(at, expected, &seen, found);
        }
        _ => found.push(Difference::new(at, Some(text(expected)), Some(text(seen)))),
    }
}

/// What a text holds that is a JSON object or list.
fn structure(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok().filter(|value: &Value| value.is_object() || value.is_array())
}

fn text(value: &Value) -> String {
    value.to_string()
}
