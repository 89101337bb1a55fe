//! Values of the file: TOML to JSON, references found and placed.
//!
//! In a `with` table a reference may stand for anything. Elsewhere (`[pipeline]`, `[secrets]`, `protect`) it may stand
//! for what is known before any step runs: see [`Scope::setting`].

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::Value;
use toml::de::DeValue;

use super::reader::{Item, Key, Problems, entries, wrong_type};
use super::scalars::scalar;
use super::steps::steps_are;
use super::template::{Field, Node, Part, Piece, Reference, Template, inline, kind};
use crate::diagnostic::did_you_mean;
use crate::secret::Secret;
use crate::unknown;

/// What references in the file can refer to.
pub(super) struct Scope<'a> {
    pub(super) source: &'a str,
    pub(super) steps: &'a [&'a str],
    pub(super) vars: &'a BTreeMap<String, Value>,
    pub(super) secrets: &'a BTreeMap<String, Secret>,
    pub(super) env: &'a dyn Fn(&str) -> Option<String>,
}

/// Which references may stand in a value.
#[derive(Clone, Copy)]
pub(super) enum Reach<'a> {
    /// Every one.
    All,
    /// Variables and the environment: the value is needed before any step runs. What the value is.
    Known(&'a str),
    /// The environment alone: the default of a variable.
    Environment,
}

/// What a reference stands for.
enum Target {
    Known(Value),
    Output(Reference),
}

impl Scope<'_> {
    /// Reads a value of a `with` table.
    pub(super) fn template(&self, item: Item<'_>, problems: &mut Problems) -> Template {
        let span = item.span();
        let node = match item.get_ref() {
            DeValue::String(text) => self.text(text, &span, Reach::All, problems),
            DeValue::Array(items) => Node::List(items.iter().map(|item| self.template(item, problems)).collect()),
            DeValue::Table(table) => {
                let fields = entries(table).into_iter().map(|(key, value)| Field {
                    key: plain_key(&key, "a key", problems),
                    span: key.span,
                    value: self.template(value, problems),
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
        let value = self.known(what, item, problems)?;
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
        let Some(value) = self.known(what, item, problems) else { return false };
        if let Value::Bool(on) = value {
            return on;
        }
        wrong_type(what, "true or false", kind(&value), item.span(), problems);
        false
    }

    /// A whole number from 1 that is needed before any step runs.
    pub(super) fn positive(&self, what: &str, item: Item<'_>, problems: &mut Problems) -> Option<u32> {
        let value = self.known(what, item, problems)?;
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok()).filter(|&number| number > 0);
        if number.is_none() {
            wrong_type(what, "a whole number from 1", kind(&value), item.span(), problems);
        }
        number
    }

    /// A value that is needed before any step runs.
    fn known(&self, what: &str, item: Item<'_>, problems: &mut Problems) -> Option<Value> {
        match item.get_ref() {
            DeValue::String(text) => self.plain(text, &item.span(), Reach::Known(what), problems),
            _ => {
                let before = problems.0.len();
                let value = constant(item, problems);
                (problems.0.len() == before).then_some(value)
            }
        }
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
                    "this reference has no end",
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
                    };
                }
                Some(Target::Known(value)) => match inline(&value) {
                    Some(part) => plain.push_str(&part),
                    // A variable without a value was said.
                    None if value.is_null() => return Node::Plain(Value::Null),
                    None => {
                        let message =
                            format!("{} is a {}, which cannot stand inside a text", &text[found..end], kind(&value));
                        problems.add("reference-in-text", here, message, "not a text, number or boolean");
                    }
                },
                Some(Target::Output(reference)) => {
                    if !plain.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    }
                    pieces.push(Piece::Reference(reference));
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

    fn target(&self, inner: &str, span: Range<usize>, reach: Reach<'_>, problems: &mut Problems) -> Option<Target> {
        let Some((first, rest)) = inner.split_once('.').filter(|(first, rest)| !first.is_empty() && !rest.is_empty())
        else {
            problems.add("bad-reference", span, format!("'${{{inner}}}' is not a reference"), "here");
            problems.help(match reach {
                Reach::All => {
                    "write ${step.output}, ${vars.name}, ${secrets.name} or ${env.NAME}; or $${ for a plain ${"
                }
                Reach::Known(_) => "write ${vars.name} or ${env.NAME}; or $${ for a plain ${",
                Reach::Environment => "write ${env.NAME}; or $${ for a plain ${",
            });
            return None;
        };
        if let Some((message, help)) = self.out_of_reach(first, reach) {
            problems.add("reference-not-here", span, message, "cannot stand here");
            problems.help(help);
            return None;
        }
        match first {
            "vars" => match self.vars.get(rest) {
                Some(value) => Some(Target::Known(value.clone())),
                None => {
                    problems.add("unknown-variable", span, format!("there is no variable '{rest}'"), "not declared");
                    problems.help(match did_you_mean(rest, self.vars.keys().map(String::as_str)) {
                        Some(near) => format!("did you mean '{near}'?"),
                        None if rest.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-')) => {
                            format!("declare it: [vars.{rest}]")
                        }
                        None => "a reference is the name of one variable, ${vars.name}: it computes nothing".to_owned(),
                    });
                    None
                }
            },
            "secrets" => match self.secrets.get(rest) {
                Some(secret) => Some(Target::Known(Value::String(unknown::secret(rest, secret.version)))),
                None => {
                    problems.add("unknown-secret", span, format!("there is no secret '{rest}'"), "not declared");
                    problems.help(match did_you_mean(rest, self.secrets.keys().map(String::as_str)) {
                        Some(near) => format!("did you mean '{near}'?"),
                        None => format!("declare it: [secrets.{rest}]"),
                    });
                    None
                }
            },
            "env" => match (self.env)(rest) {
                Some(value) => Some(Target::Known(Value::String(value))),
                None => {
                    problems.add(
                        "unset-environment",
                        span,
                        format!("the environment variable {rest} is not set"),
                        "not set",
                    );
                    problems.help(format!("set {rest}, or use a variable of the pipeline with a default"));
                    None
                }
            },
            step if self.steps.contains(&step) => {
                let Some((output, path)) = path(rest) else {
                    problems.add("bad-reference", span, format!("'{rest}' is not an output with a path"), "here");
                    problems.help("a path looks like output.key or output[0]");
                    return None;
                };
                let step = step.parse().ok()?;
                Some(Target::Output(Reference { span, step, output, path }))
            }
            step => {
                problems.add("unknown-step", span, format!("there is no step '{step}'"), "not a step of this file");
                let words = ["vars", "env", "secrets"];
                problems.help(match did_you_mean(step, self.steps.iter().copied().chain(words)) {
                    Some(near) => format!("did you mean '{near}'?"),
                    None => steps_are(self.steps),
                });
                None
            }
        }
    }

    /// Why a reference that begins with this word cannot stand where it does, and what can.
    fn out_of_reach(&self, first: &str, reach: Reach<'_>) -> Option<(String, &'static str)> {
        const KNOWN: &str = "use a variable, ${vars.name}, or the environment, ${env.NAME}";
        match (reach, first) {
            (Reach::All, _) | (_, "env") | (Reach::Known(_), "vars") => None,
            (Reach::Known(what), "secrets") => {
                Some((format!("{what} cannot hold a secret: it is shown in plans and kept in the state"), KNOWN))
            }
            (Reach::Known(what), step) if self.steps.contains(&step) => {
                Some((format!("{what} cannot hold an output of a step: it is needed before any step runs"), KNOWN))
            }
            (Reach::Known(_), _) => None,
            (Reach::Environment, _) => Some((
                "the default of a variable can refer to the environment alone".to_owned(),
                "use ${env.NAME}, or leave the default out and give the value with --var",
            )),
        }
    }
}

/// A key as it is written. Keys hold no references; `$${` is a plain `${`.
pub(super) fn plain_key(key: &Key<'_>, what: &str, problems: &mut Problems) -> String {
    let parts: Vec<&str> = key.name.split("$${").collect();
    if parts.iter().any(|part| part.contains("${")) {
        let message = format!("{what} cannot hold a reference: '{}'", key.name);
        problems.add("reference-in-key", key.span.clone(), message, "a reference in a key");
        problems.help("write the key itself, or $${ for a plain ${; references work in values");
    }
    parts.join("${")
}

/// `output.key[0].more` as the output and the path into it.
fn path(text: &str) -> Option<(String, Vec<Part>)> {
    let end = text.find(['.', '[']).unwrap_or(text.len());
    let (output, mut rest) = text.split_at(end);
    let mut parts = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let (index, after) = after.split_once(']')?;
            parts.push(Part::Index(index.parse().ok()?));
            rest = after;
        } else {
            let after = rest.strip_prefix('.')?;
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (key, after) = after.split_at(end);
            if key.is_empty() {
                return None;
            }
            parts.push(Part::Key(key.to_owned()));
            rest = after;
        }
    }
    (!output.is_empty()).then(|| (output.to_owned(), parts))
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
