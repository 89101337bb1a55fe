//! Values of the file with references in them, every part with its place.

use std::ops::Range;

use serde_json::Value;

use super::existing;
use super::reader::Problems;
use crate::diagnostic::Diagnostic;
use crate::names::StepName;
use crate::unknown;

/// Bytes of the file.
pub(super) type Span = Range<usize>;

/// A value that may hold references to outputs of other steps.
#[derive(Debug, Clone)]
pub(super) struct Template {
    pub(super) span: Span,
    pub(super) node: Node,
}

#[derive(Debug, Clone)]
pub(super) enum Node {
    /// Anything without references.
    Plain(Value),
    /// One whole reference: it keeps the type of what it refers to.
    Whole(Reference),
    /// Text with references in it.
    Mixed(Vec<Piece>),
    List(Vec<Template>),
    Table(Vec<Field>),
}

#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) key: String,
    pub(super) span: Span,
    pub(super) value: Template,
}

#[derive(Debug, Clone)]
pub(super) enum Piece {
    Text(String),
    Reference(Reference),
}

/// `${step.output}`, with a path into the output after it: `${step.output.key[0]}`.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    pub(super) span: Span,
    pub(super) step: StepName,
    pub(super) output: String,
    pub(super) path: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part {
    Key(String),
    Index(usize),
}

/// An output of a step.
pub(super) type OutputName = (StepName, String);

/// What stands for a reference within these outputs: nothing where it stays as it is, nothing within after a problem.
pub(super) type Given<'a> = dyn Fn(&Reference, &[OutputName], &mut Problems) -> Option<Option<Template>> + 'a;

impl Template {
    /// A value that stands nowhere in the file.
    pub(super) fn plain(value: Value) -> Self {
        Self { span: 0..0, node: Node::Plain(value) }
    }

    /// Every reference in it, in order.
    pub(super) fn references(&self) -> Vec<&Reference> {
        let mut found = Vec::new();
        self.collect(&mut found);
        found
    }

    fn collect<'a>(&'a self, found: &mut Vec<&'a Reference>) {
        match &self.node {
            Node::Plain(_) => {}
            Node::Whole(reference) => found.push(reference),
            Node::Mixed(pieces) => found.extend(pieces.iter().filter_map(|piece| match piece {
                Piece::Reference(reference) => Some(reference),
                Piece::Text(_) => None,
            })),
            Node::List(items) => items.iter().for_each(|item| item.collect(found)),
            Node::Table(fields) => fields.iter().for_each(|field| field.value.collect(found)),
        }
    }

    /// The value with references replaced.
    pub(super) fn resolve<'a>(
        &self,
        outputs: &impl Fn(&StepName) -> Option<&'a Value>,
        problems: &mut Vec<Diagnostic>,
    ) -> Value {
        match &self.node {
            Node::Plain(value) => value.clone(),
            Node::Whole(reference) => reference.resolve(outputs).unwrap_or_else(|problem| {
                problems.push(problem);
                Value::Null
            }),
            Node::Mixed(pieces) => {
                let mut text = String::new();
                for piece in pieces {
                    match piece {
                        Piece::Text(part) => text.push_str(part),
                        Piece::Reference(reference) => {
                            match reference.resolve(outputs).and_then(|v| reference.inline(&v)) {
                                Ok(part) => text.push_str(&part),
                                Err(problem) => problems.push(problem),
                            }
                        }
                    }
                }
                Value::String(text)
            }
            Node::List(items) => items.iter().map(|item| item.resolve(outputs, problems)).collect(),
            Node::Table(fields) => {
                let resolved = fields.iter().map(|field| (field.key.clone(), field.value.resolve(outputs, problems)));
                Value::Object(resolved.collect())
            }
        }
    }

    /// The part that a path leads to. A part of what another step gives is a reference with the rest of the path.
    pub(super) fn at(&self, path: &[Part]) -> Option<Self> {
        let [part, rest @ ..] = path else { return Some(self.clone()) };
        match (&self.node, part) {
            (Node::List(items), Part::Index(at)) => items.get(*at)?.at(rest),
            (Node::Table(fields), Part::Key(key)) => fields.iter().find(|field| field.key == *key)?.value.at(rest),
            (Node::Plain(value), _) => {
                let value = part.of(value)?.clone();
                Self { span: self.span.clone(), node: Node::Plain(value) }.at(rest)
            }
            (Node::Whole(reference), _) => {
                let mut reference = reference.clone();
                reference.path.extend_from_slice(path);
                Some(Self { span: self.span.clone(), node: Node::Whole(reference) })
            }
            _ => None,
        }
    }

    /// With the outputs of pipelines in place of references to them; `given` says what stands for one. Nothing after a
    /// problem.
    pub(super) fn linked(&self, given: &Given<'_>, within: &[OutputName], problems: &mut Problems) -> Option<Self> {
        let node = match &self.node {
            Node::Plain(_) => return Some(self.clone()),
            Node::Whole(reference) => match given(reference, within, problems) {
                None => return Some(self.clone()),
                Some(found) => found?.node,
            },
            Node::Mixed(pieces) => {
                let mut all = Vec::new();
                for piece in pieces {
                    let Piece::Reference(reference) = piece else {
                        all.push(piece.clone());
                        continue;
                    };
                    match given(reference, within, problems).map(|found| found.map(|found| found.node)) {
                        None => all.push(piece.clone()),
                        Some(None) => return None,
                        Some(Some(Node::Whole(inner))) => all.push(Piece::Reference(inner)),
                        Some(Some(Node::Mixed(inner))) => all.extend(inner),
                        Some(Some(other)) => {
                            let value = Self { span: self.span.clone(), node: other }.outline();
                            match inline(&value) {
                                Some(text) => all.push(Piece::Text(text)),
                                None => {
                                    let said = reference.inline(&value).err();
                                    problems.0.extend(said);
                                    return None;
                                }
                            }
                        }
                    }
                }
                mixed(all)
            }
            Node::List(items) => {
                let items = items.iter().map(|item| item.linked(given, within, problems));
                Node::List(items.collect::<Vec<_>>().into_iter().collect::<Option<_>>()?)
            }
            Node::Table(fields) => {
                let fields = fields.iter().map(|field| {
                    let value = field.value.linked(given, within, problems)?;
                    Some(Field { key: field.key.clone(), span: field.span.clone(), value })
                });
                Node::Table(fields.collect::<Vec<_>>().into_iter().collect::<Option<_>>()?)
            }
        };
        Some(Self { span: self.span.clone(), node })
    }

    /// The value with anything that refers to another step as null, for checks before it is known.
    pub(super) fn outline(&self) -> Value {
        match &self.node {
            Node::Plain(value) => value.clone(),
            Node::Whole(_) | Node::Mixed(_) => Value::Null,
            Node::List(items) => items.iter().map(Self::outline).collect(),
            Node::Table(fields) => {
                Value::Object(fields.iter().map(|field| (field.key.clone(), field.value.outline())).collect())
            }
        }
    }

    /// Whether the value at a JSON path is not known before other steps are.
    pub(super) fn is_open_at(&self, path: &[Part]) -> bool {
        match (&self.node, path) {
            (Node::Whole(_) | Node::Mixed(_), _) => true,
            (Node::List(items), [Part::Index(at), rest @ ..]) => {
                items.get(*at).is_some_and(|item| item.is_open_at(rest))
            }
            (Node::Table(fields), [Part::Key(key), rest @ ..]) => {
                fields.iter().find(|field| field.key == *key).is_some_and(|field| field.value.is_open_at(rest))
            }
            _ => false,
        }
    }

    /// Whether what a JSON path leads to holds a reference anywhere.
    pub(super) fn holds_reference(&self, path: &[Part]) -> bool {
        match (&self.node, path) {
            (Node::List(items), [Part::Index(at), rest @ ..]) => {
                items.get(*at).is_some_and(|item| item.holds_reference(rest))
            }
            (Node::Table(fields), [Part::Key(key), rest @ ..]) => {
                fields.iter().find(|field| field.key == *key).is_some_and(|field| field.value.holds_reference(rest))
            }
            _ => !self.references().is_empty(),
        }
    }

    /// The text that a JSON pointer leads to, where other steps give it. A part of what one reference gives is the
    /// reference's text and the rest of the pointer.
    pub(super) fn written(&self, pointer: &str) -> Option<String> {
        let mut here = self;
        let mut rest = pointer;
        loop {
            match &here.node {
                Node::Whole(reference) => return Some(reference.text() + rest),
                Node::Mixed(pieces) if rest.is_empty() => {
                    return Some(pieces.iter().map(Piece::text).collect());
                }
                _ => {}
            }
            let part = rest.strip_prefix('/')?;
            let part = &part[..part.find('/').unwrap_or(part.len())];
            rest = &rest[1 + part.len()..];
            let key = crate::pointer::unescaped(part);
            here = match &here.node {
                Node::List(items) => items.get(key.parse::<usize>().ok()?)?,
                Node::Table(fields) => &fields.iter().find(|field| field.key == key)?.value,
                _ => return None,
            };
        }
    }

    /// The part of the file that a JSON path leads to, or the nearest one above it.
    pub(super) fn span_at(&self, path: &[Part]) -> Span {
        match (&self.node, path) {
            (Node::List(items), [Part::Index(at), rest @ ..]) => {
                items.get(*at).map_or_else(|| self.span.clone(), |item| item.span_at(rest))
            }
            (Node::Table(fields), [Part::Key(key), rest @ ..]) => {
                let field = fields.iter().find(|field| field.key == *key);
                field.map_or_else(|| self.span.clone(), |field| field.value.span_at(rest))
            }
            _ => self.span.clone(),
        }
    }

    /// Where the key that a JSON path ends with stands.
    pub(super) fn key_span(&self, path: &[Part], key: &str) -> Option<Span> {
        let mut here = self;
        for part in path {
            here = match (&here.node, part) {
                (Node::List(items), Part::Index(at)) => items.get(*at)?,
                (Node::Table(fields), Part::Key(key)) => &fields.iter().find(|field| field.key == *key)?.value,
                _ => return None,
            };
        }
        match &here.node {
            Node::Table(fields) => fields.iter().find(|field| field.key == key).map(|field| field.span.clone()),
            _ => None,
        }
    }
}

/// A text of pieces: a plain one where there is no reference in it.
fn mixed(pieces: Vec<Piece>) -> Node {
    match pieces.iter().all(|piece| matches!(piece, Piece::Text(_))) {
        true => Node::Plain(Value::String(pieces.iter().map(Piece::text).collect())),
        false => Node::Mixed(pieces),
    }
}

impl Piece {
    /// As it stands in the file.
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Reference(reference) => reference.text(),
        }
    }
}

impl Reference {
    /// As it stands in the file.
    pub(super) fn text(&self) -> String {
        let path: String = self.path.iter().map(ToString::to_string).collect();
        let key = self.step.key().map_or_else(String::new, |key| format!("[\"{key}\"]"));
        format!("${{{}{key}.{}{path}}}", self.step.family(), self.output)
    }

    fn resolve<'a>(&self, outputs: &impl Fn(&StepName) -> Option<&'a Value>) -> Result<Value, Diagnostic> {
        let missing = |message: String| self.problem("unknown-output", message, "not there");
        let all = outputs(&self.step).ok_or_else(|| missing(format!("step '{}' has no outputs yet", self.step)))?;
        if let Some(value) = existing::unlooked_attribute(all, &self.output, self.path.first()) {
            return Ok(value);
        }
        let mut value = all
            .get(&self.output)
            .ok_or_else(|| missing(format!("step '{}' returned no output '{}'", self.step, self.output)))?;
        for part in &self.path {
            // What is not known yet has no parts yet; the token stands for whatever part is meant.
            if value.as_str().is_some_and(unknown::is_opaque) {
                break;
            }
            value = part.of(value).ok_or_else(|| {
                let names = value.as_object().into_iter().flat_map(|all| all.keys().map(String::as_str));
                let names: Vec<&str> = names.collect();
                let there = if names.is_empty() { String::new() } else { format!("; there are {}", names.join(", ")) };
                missing(format!("{} does not exist: there is no {part}{there}", self.text()))
            })?;
        }
        Ok(value.clone())
    }

    fn inline(&self, value: &Value) -> Result<String, Diagnostic> {
        inline(value).ok_or_else(|| {
            let message = format!("{} is a {}, which cannot be part of a string", self.text(), kind(value));
            self.problem("reference-in-text", message, "not a string, number or boolean")
        })
    }

    pub(super) fn problem(&self, code: &'static str, message: String, label: &str) -> Diagnostic {
        Diagnostic { code, message, span: Some(self.span.clone()), label: label.to_owned(), help: None }
    }
}

/// A value as part of a text.
pub(super) fn inline(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// What kind of value it is, in a user's words.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "table",
    }
}

impl Part {
    /// The part of a value.
    pub(super) fn of<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        match self {
            Self::Key(key) => value.get(key),
            Self::Index(at) => value.get(at),
        }
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key(key) => write!(f, ".{key}"),
            Self::Index(at) => write!(f, "[{at}]"),
        }
    }
}
