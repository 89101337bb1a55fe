//! Reads TOML into the pipeline's own types, and collects every problem on the way.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostic::{Diagnostic, did_you_mean};

/// A key of the file.
pub(super) struct Key<'a> {
    pub(super) name: &'a str,
    pub(super) span: Range<usize>,
}

/// A value of the file.
pub(super) type Item<'a> = &'a Spanned<DeValue<'a>>;

/// Problems so far.
#[derive(Default)]
pub(super) struct Problems(pub(super) Vec<Diagnostic>);

impl Problems {
    pub(super) fn add(
        &mut self,
        code: &'static str,
        span: Range<usize>,
        message: impl Into<String>,
        label: &str,
    ) -> &mut Self {
        let (span, label) = (Some(span), label.to_owned());
        self.0.push(Diagnostic { code, message: message.into(), span, label, help: None });
        self
    }

    /// Adds a problem whose place in the file is not to be shown.
    pub(super) fn add_unseen(&mut self, code: &'static str, message: String) {
        self.0.push(Diagnostic { code, message, span: None, label: String::new(), help: None });
    }

    /// Adds what to do about the last problem.
    pub(super) fn help(&mut self, help: impl Into<String>) {
        if let Some(last) = self.0.last_mut() {
            last.help = Some(help.into());
        }
    }
}

/// A table's entries in the order of the file.
pub(super) fn entries<'a>(table: &'a DeTable<'a>) -> Vec<(Key<'a>, Item<'a>)> {
    let entries = table.iter().map(|(key, value)| (Key { name: key.get_ref(), span: key.span() }, value));
    let mut entries: Vec<_> = entries.collect();
    entries.sort_by_key(|(key, _)| key.span.start);
    entries
}

/// A table with a fixed set of keys.
pub(super) struct Table<'a> {
    what: String,
    span: Range<usize>,
    entries: Vec<(Key<'a>, Item<'a>)>,
}

impl<'a> Table<'a> {
    /// Takes a table; any key but the `known` ones is a problem.
    pub(super) fn new(
        what: &str,
        span: Range<usize>,
        table: &'a DeTable<'a>,
        known: &[&str],
        problems: &mut Problems,
    ) -> Self {
        let entries = entries(table);
        for (key, _) in entries.iter().filter(|(key, _)| !known.contains(&key.name)) {
            problems.add(
                "unknown-key",
                key.span.clone(),
                format!("unknown key '{}' in {what}", key.name),
                "not known here",
            );
            problems.help(match did_you_mean(key.name, known.iter().copied()) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("{what} takes {}", known.join(", ")),
            });
        }
        Self { what: what.to_owned(), span, entries }
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<(&Key<'a>, Item<'a>)> {
        self.entries.iter().find(|(found, _)| found.name == key).map(|(key, value)| (key, *value))
    }

    /// The value of a key that must be there.
    pub(super) fn need(&self, key: &str, example: &str, problems: &mut Problems) -> Option<(&Key<'a>, Item<'a>)> {
        let found = self.get(key);
        if found.is_none() {
            problems.add("missing-key", self.span.clone(), format!("{} has no '{key}'", self.what), "here");
            problems.help(format!("add {key} = {example}"));
        }
        found
    }

    /// What a key of this table is called in a message: `name of [pipeline]`.
    pub(super) fn called(&self, key: &str) -> String {
        format!("{key} of {}", self.what)
    }

    /// A text for people, who may write in it what they like.
    pub(super) fn description(&self, problems: &mut Problems) {
        self.words("description", problems);
    }

    /// Such a text under another key.
    pub(super) fn words(&self, key: &str, problems: &mut Problems) -> Option<String> {
        let (_, value) = self.get(key)?;
        string(&self.called(key), value, problems).map(|(text, _)| text)
    }

    /// A truth value that stands in the file as it is.
    pub(super) fn switch(&self, key: &str, problems: &mut Problems) -> Option<(bool, Range<usize>)> {
        let (_, value) = self.get(key)?;
        if let DeValue::Boolean(on) = value.get_ref() {
            return Some((*on, value.span()));
        }
        wrong_type(&self.called(key), "true or false", shape(value.get_ref()), value.span(), problems);
        problems.help(format!("write {key} = true or {key} = false"));
        None
    }

    /// A string that stands in the file as it is. `why` says why a reference is refused.
    pub(super) fn literal(&self, key: &str, why: &str, problems: &mut Problems) -> Option<(String, Range<usize>)> {
        let (_, value) = self.get(key)?;
        literal(&self.called(key), why, value, problems)
    }

    /// A list of such strings.
    pub(super) fn literals(&self, key: &str, why: &str, problems: &mut Problems) -> Vec<(String, Range<usize>)> {
        let Some((_, value)) = self.get(key) else { return Vec::new() };
        match value.get_ref() {
            DeValue::Array(items) => {
                let what = format!("every entry of {}", self.called(key));
                items.iter().filter_map(|item| literal(&what, why, item, problems)).collect()
            }
            other => {
                wrong_type(&self.called(key), "a list of strings", shape(other), value.span(), problems);
                if let DeValue::String(text) = other {
                    problems.help(if text.contains("${") { why.to_owned() } else { format!("write [{text:?}]") });
                }
                Vec::new()
            }
        }
    }
}

/// A string without references, or a problem.
fn literal(what: &str, why: &str, value: Item<'_>, problems: &mut Problems) -> Option<(String, Range<usize>)> {
    let (text, span) = string(what, value, problems)?;
    if text.contains("${") {
        problems.add("reference-not-here", span, format!("{what} cannot hold a reference"), "not allowed here");
        problems.help(why);
        return None;
    }
    Some((text, span))
}

/// A string, or a problem.
fn string(what: &str, value: Item<'_>, problems: &mut Problems) -> Option<(String, Range<usize>)> {
    match value.get_ref() {
        DeValue::String(text) => Some((text.to_string(), value.span())),
        other => {
            wrong_type(what, "a string", shape(other), value.span(), problems);
            let written = match other {
                DeValue::Integer(number) => Some(number.as_str().to_owned()),
                DeValue::Float(number) => Some(number.as_str().to_owned()),
                DeValue::Boolean(flag) => Some(flag.to_string()),
                _ => None,
            };
            if let Some(written) = written {
                problems.help(format!("write \"{written}\""));
            }
            None
        }
    }
}

/// A table, or a problem.
pub(super) fn table<'a>(what: &str, value: Item<'a>, problems: &mut Problems) -> Option<&'a DeTable<'a>> {
    match value.get_ref() {
        DeValue::Table(table) => Some(table),
        other => {
            wrong_type(what, "a table", shape(other), value.span(), problems);
            None
        }
    }
}

/// Adds that a value is of another type than it must be. `found` is a word: `string`, `number`.
pub(super) fn wrong_type(what: &str, wanted: &str, found: &str, span: Range<usize>, problems: &mut Problems) {
    problems.add("wrong-type", span, format!("{what} must be {wanted}, not a {found}"), &format!("this is a {found}"));
}

/// What a value of the file is, in a user's words.
fn shape(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "string",
        DeValue::Integer(_) | DeValue::Float(_) => "number",
        DeValue::Boolean(_) => "boolean",
        DeValue::Datetime(_) => "date",
        DeValue::Array(_) => "list",
        DeValue::Table(_) => "table",
    }
}
