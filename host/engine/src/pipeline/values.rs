//! Values of the `with` tables: TOML to JSON, references found and placed.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::Value;
use toml::de::DeValue;

use super::reader::{Item, Problems, entries};
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

/// What a reference stands for.
enum Target {
    Known(Value),
    Output(Reference),
}

impl Scope<'_> {
    /// Reads a value.
    pub(super) fn template(&self, item: Item<'_>, problems: &mut Problems) -> Template {
        let span = item.span();
        let node = match item.get_ref() {
            DeValue::String(text) => self.text(text, &span, problems),
            DeValue::Array(items) => Node::List(items.iter().map(|item| self.template(item, problems)).collect()),
            DeValue::Table(table) => {
                let fields = entries(table).into_iter().map(|(key, value)| Field {
                    key: key.name.to_owned(),
                    span: key.span,
                    value: self.template(value, problems),
                });
                Node::Table(fields.collect())
            }
            other => Node::Plain(scalar(other, &span, problems)),
        };
        Template { span, node }
    }

    fn text(&self, text: &str, span: &Range<usize>, problems: &mut Problems) -> Node {
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
            match self.target(&text[found + 2..end - 1], here.clone(), problems) {
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

    fn target(&self, inner: &str, span: Range<usize>, problems: &mut Problems) -> Option<Target> {
        let Some((first, rest)) = inner.split_once('.').filter(|(first, rest)| !first.is_empty() && !rest.is_empty())
        else {
            problems.add("bad-reference", span, format!("'${{{inner}}}' is not a reference"), "here");
            problems.help("write ${step.output}, ${vars.name}, ${secrets.name} or ${env.NAME}");
            return None;
        };
        match first {
            "vars" => match self.vars.get(rest) {
                Some(value) => Some(Target::Known(value.clone())),
                None => {
                    problems.add("unknown-variable", span, format!("there is no variable '{rest}'"), "not declared");
                    problems.help(match did_you_mean(rest, self.vars.keys().map(String::as_str)) {
                        Some(near) => format!("did you mean '{near}'?"),
                        None => format!("declare it: [vars.{rest}]"),
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
                if let Some(near) = did_you_mean(step, self.steps.iter().copied()) {
                    problems.help(format!("did you mean '{near}'?"));
                }
                None
            }
        }
    }
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

/// A scalar as JSON. TOML's dates, infinities and not-a-number have no JSON form.
fn scalar(value: &DeValue<'_>, span: &Range<usize>, problems: &mut Problems) -> Value {
    let number = match value {
        DeValue::Boolean(flag) => return Value::Bool(*flag),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().map(serde_json::Number::from)
        }
        DeValue::Float(number) => number.as_str().parse().ok().and_then(serde_json::Number::from_f64),
        _ => None,
    };
    match number {
        Some(number) => Value::Number(number),
        None => {
            let text = "a date, infinity, not-a-number or a number beyond 64 bits cannot be handed to a plugin";
            problems.add("no-json", span.clone(), text, "no JSON form");
            problems.help("write it as a string");
            Value::Null
        }
    }
}

/// The value of a variable: `default` of the file, or what the command line says.
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
