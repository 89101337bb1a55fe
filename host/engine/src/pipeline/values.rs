//! Values of the file: TOML to JSON, references found and placed.
//!
//! In a `with` table a reference may stand for anything. Elsewhere (`[pipeline]`, `[secrets]`, `protect`) it may stand
//! for what is known before any step runs: see [`Scope::setting`].

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::Value;
use toml::de::DeValue;

use super::families::{Each, Families};
use super::reader::{Item, Key, Problems, entries, wrong_type};
use super::scalars::scalar;
use super::targets::Target;
use super::template::{Field, Node, Piece, Template, inline, kind};
use crate::names::{NameError, StepName};
use crate::secret::Secret;

/// What references in the file can refer to.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) source: &'a str,
    /// The entries of `[steps]`, in order.
    pub(super) steps: &'a [&'a str],
    /// What each of them stands for, once that is known.
    pub(super) families: &'a Families,
    /// In a step that is repeated: which one it is.
    pub(super) each: Option<&'a Each>,
    /// In a pipeline that is a step of another: that step.
    pub(super) within: Option<&'a StepName>,
    /// Whether the file is somebody else's, who does not see the environment.
    pub(super) is_published: bool,
    pub(super) vars: &'a BTreeMap<String, Template>,
    pub(super) secrets: &'a BTreeMap<String, Secret>,
    /// What `[existing]` of this file looks up, and whether each may be several.
    pub(super) existing: &'a [(&'a str, bool)],
    /// Other pipelines that can be referred to.
    pub(super) others: &'a [String],
    pub(super) env: &'a dyn Fn(&str) -> Option<String>,
}

/// Which references may stand in a value.
#[derive(Clone, Copy)]
pub(super) enum Reach<'a> {
    /// Every one.
    All,
    /// Variables and the environment: the value is needed before any step runs. What the value is.
    Known(&'a str),
    /// The same and secrets: nothing of it is shown.
    Settled(&'a str),
    /// The environment alone: the default of a variable.
    Environment,
}

impl Scope<'_> {
    /// What a step of this file is called in the pipeline.
    pub(super) fn named(&self, step: StepName) -> Result<StepName, NameError> {
        self.within.map_or_else(|| Ok(step.clone()), |outer| outer.within(&step))
    }

    /// Reads a value of a `with` table.
    pub(super) fn template(&self, item: Item<'_>, problems: &mut Problems) -> Template {
        self.read(item, Reach::All, problems)
    }

    /// Reads a value of a table that is needed before any step runs, and that secrets may stand in. `what` says what it
    /// is: `with of [providers.dns]`.
    pub(super) fn settled(&self, what: &str, item: Item<'_>, problems: &mut Problems) -> Template {
        self.read(item, Reach::Settled(what), problems)
    }

    fn read(&self, item: Item<'_>, reach: Reach<'_>, problems: &mut Problems) -> Template {
        let span = item.span();
        let node = match item.get_ref() {
            DeValue::String(text) => self.text(text, &span, reach, problems),
            DeValue::Array(items) => Node::List(items.iter().map(|item| self.read(item, reach, problems)).collect()),
            DeValue::Table(table) => {
                let fields = entries(table).into_iter().map(|(key, value)| Field {
                    key: plain_key(&key, "a key", problems),
                    span: key.span,
                    value: self.read(value, reach, problems),
                });
                Node::Table(fields.collect())
            }
            other => Node::Plain(scalar(other, &span, problems)),
        };
        Template { span, node }
    }

    /// A text that is needed before any step runs. `what` says what it is: `name of [pipeline]`.
    pub(super) fn setting(
        &self,
        what: &str,
        item: Item<'_>,
        problems: &mut Problems,
    ) -> Option<(String, Range<usize>)> {
        let value = self.value(what, item, problems)?;
        let span = item.span();
        // A number of the file is a slip; that of a variable has one text.
        let text = match (&value, item.get_ref()) {
            (Value::String(text), _) => Some(text.clone()),
            (value, DeValue::String(_)) => inline(value),
            _ => None,
        };
        if text.is_none() {
            wrong_type(what, "a string", kind(&value), span.clone(), problems);
            if matches!(value, Value::Number(_) | Value::Bool(_)) {
                problems.help(format!("write \"{value}\""));
            }
        }
        Some((text?, span))
    }

    /// A truth value that is needed before any step runs.
    pub(super) fn flag(&self, what: &str, item: Item<'_>, problems: &mut Problems) -> bool {
        let Some(value) = self.value(what, item, problems) else { return false };
        if let Value::Bool(on) = value {
            return on;
        }
        wrong_type(what, "true or false", kind(&value), item.span(), problems);
        false
    }

    /// A whole number from 1 that is needed before any step runs.
    pub(super) fn positive(&self, what: &str, item: Item<'_>, problems: &mut Problems) -> Option<u32> {
        let value = self.value(what, item, problems)?;
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok()).filter(|&number| number > 0);
        if number.is_none() {
            wrong_type(what, "a whole number from 1", kind(&value), item.span(), problems);
        }
        number
    }

    /// A value that is needed before any step runs; nothing after a problem.
    pub(super) fn value(&self, what: &str, item: Item<'_>, problems: &mut Problems) -> Option<Value> {
        let before = problems.0.len();
        let value = self.read(item, Reach::Known(what), problems).outline();
        // A variable without a value was said.
        (problems.0.len() == before && !value.is_null()).then_some(value)
    }

    /// A text whose references stand for values that are known now; nothing after a problem.
    pub(super) fn plain(
        &self,
        text: &str,
        span: &Range<usize>,
        reach: Reach<'_>,
        problems: &mut Problems,
    ) -> Option<Value> {
        let before = problems.0.len();
        match self.text(text, span, reach, problems) {
            // A variable without a value was said.
            Node::Plain(value) if problems.0.len() == before && !value.is_null() => Some(value),
            _ => None,
        }
    }

    fn text(&self, text: &str, span: &Range<usize>, reach: Reach<'_>, problems: &mut Problems) -> Node {
        if !text.contains("${") {
            return Node::Plain(Value::String(text.to_owned()));
        }
        let place = Place::new(self.source, span, text);
        let mut pieces: Vec<Piece> = Vec::new();
        let mut plain = String::new();
        let mut at = 0;
        while let Some(found) = text[at..].find("${").map(|found| found + at) {
            if text[..found].ends_with('$') {
                // `$${` is a plain `${`.
                plain.push_str(&text[at..found - 1]);
                plain.push_str("${");
                at = found + 2;
                continue;
            }
            plain.push_str(&text[at..found]);
            let Some(end) = text[found..].find('}').map(|end| end + found + 1) else {
                problems.add(
                    "bad-reference",
                    place.of(found..text.len()),
                    "this reference is not closed",
                    "'}' is missing",
                );
                problems.help("write ${step.output}, or $${ for a plain ${");
                return Node::Plain(Value::Null);
            };
            let here = place.of(found..end);
            match self.target(&text[found + 2..end - 1], here.clone(), reach, problems) {
                // Problems are reported; what stands here no longer matters.
                None => return Node::Plain(Value::Null),
                Some(target) if found == 0 && end == text.len() => {
                    return match target {
                        Target::Known(value) => Node::Plain(value),
                        Target::Output(reference) => Node::Whole(reference),
                        Target::All(references) => {
                            let whole = |it| Template { span: here.clone(), node: Node::Whole(it) };
                            Node::List(references.into_iter().map(whole).collect())
                        }
                        Target::Given(given) => given.node,
                    };
                }
                Some(Target::Known(value)) => match inline(&value) {
                    Some(part) => plain.push_str(&part),
                    // A variable without a value was said.
                    None if value.is_null() => return Node::Plain(Value::Null),
                    None => {
                        let message =
                            format!("{} is a {}, which cannot be part of a string", &text[found..end], kind(&value));
                        problems.add("reference-in-text", here, message, "not a string, number or boolean");
                    }
                },
                Some(target) => {
                    let more = match target {
                        Target::Output(reference) => Some(vec![Piece::Reference(reference)]),
                        Target::Given(Template { node: Node::Whole(reference), .. }) => {
                            Some(vec![Piece::Reference(reference)])
                        }
                        Target::Given(Template { node: Node::Mixed(pieces), .. }) => Some(pieces),
                        _ => None,
                    };
                    if !plain.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    }
                    match more {
                        Some(more) => pieces.extend(more),
                        None => {
                            let message =
                                format!("{} is a list or a table, which cannot be part of a string", &text[found..end]);
                            problems.add("reference-in-text", here, message, "not a string, number or boolean");
                        }
                    }
                }
            }
            at = end;
        }
        plain.push_str(&text[at..]);
        if pieces.is_empty() {
            return Node::Plain(Value::String(plain));
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Node::Mixed(pieces)
    }
}

/// A key as it is written. Keys hold no references; `$${` is a plain `${`.
pub(super) fn plain_key(key: &Key<'_>, what: &str, problems: &mut Problems) -> String {
    let parts: Vec<&str> = key.name.split("$${").collect();
    if parts.iter().any(|part| part.contains("${")) {
        let message = format!("{what} cannot hold a reference: '{}'", key.name);
        problems.add("reference-in-key", key.span.clone(), message, "a reference in a key");
        problems.help("write the key here, or $${ for a plain ${; references work only in values");
    }
    parts.join("${")
}

/// A value without references in it.
pub(super) fn constant(item: Item<'_>, problems: &mut Problems) -> Value {
    match item.get_ref() {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Array(items) => items.iter().map(|item| constant(item, problems)).collect(),
        DeValue::Table(table) => {
            let fields = entries(table).into_iter();
            Value::Object(fields.map(|(key, value)| (key.name.to_owned(), constant(value, problems))).collect())
        }
        other => scalar(other, &item.span(), problems),
    }
}

/// Where the parts of a string stand in the file.
struct Place {
    span: Range<usize>,
    /// Where the text begins, if the file has it letter for letter.
    start: Option<usize>,
}

impl Place {
    fn new(source: &str, span: &Range<usize>, text: &str) -> Self {
        let written = source.get(span.clone()).unwrap_or_default();
        let start = written.find(text).map(|at| span.start + at);
        Self { span: span.clone(), start }
    }

    /// A part of the text; the whole string where escapes make letters and bytes differ.
    fn of(&self, part: Range<usize>) -> Range<usize> {
        self.start.map_or_else(|| self.span.clone(), |start| start + part.start..start + part.end)
    }
}
