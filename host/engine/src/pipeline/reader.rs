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

    /// A truth value; false where it is not there.
    pub(super) fn boolean(&self, key: &str, problems: &mut Problems) -> bool {
        let Some((_, value)) = self.get(key) else { return false };
        if let DeValue::Boolean(on) = value.get_ref() {
            return *on;
        }
        wrong_type(&format!("{key} of {}", self.what), "true or false", value.get_ref(), value.span(), problems);
        false
    }

    /// A whole number from 1.
    pub(super) fn positive(&self, key: &str, problems: &mut Problems) -> Option<u32> {
        let (_, value) = self.get(key)?;
        let number = match value.get_ref() {
            DeValue::Integer(number) => u32::from_str_radix(number.as_str(), number.radix()).ok().filter(|&n| n > 0),
            _ => None,
        };
        if number.is_none() {
            let wanted = "a whole number from 1";
            wrong_type(&format!("{key} of {}", self.what), wanted, value.get_ref(), value.span(), problems);
        }
        number
    }

    /// A string.
    pub(super) fn string(&self, key: &str, problems: &mut Problems) -> Option<(String, Range<usize>)> {
        let (_, value) = self.get(key)?;
        string(&format!("{key} of {}", self.what), value, problems)
    }

    /// A list of strings.
    pub(super) fn strings(&self, key: &str, problems: &mut Problems) -> Vec<(String, Range<usize>)> {
        let Some((_, value)) = self.get(key) else { return Vec::new() };
        match value.get_ref() {
            DeValue::Array(items) => {
                let what = format!("every entry of {key}");
                items.iter().filter_map(|item| string(&what, item, problems)).collect()
            }
            other => {
                wrong_type(&format!("{key} of {}", self.what), "a list of strings", other, value.span(), problems);
                Vec::new()
            }
        }
    }
}

/// A string, or a problem.
pub(super) fn string(what: &str, value: Item<'_>, problems: &mut Problems) -> Option<(String, Range<usize>)> {
    match value.get_ref() {
        DeValue::String(text) => Some((text.to_string(), value.span())),
        other => {
            wrong_type(what, "a string", other, value.span(), problems);
            None
        }
    }
}

/// A table, or a problem.
pub(super) fn table<'a>(what: &str, value: Item<'a>, problems: &mut Problems) -> Option<&'a DeTable<'a>> {
    match value.get_ref() {
        DeValue::Table(table) => Some(table),
        other => {
            wrong_type(what, "a table", other, value.span(), problems);
            None
        }
    }
}

fn wrong_type(what: &str, wanted: &str, found: &DeValue<'_>, span: Range<usize>, problems: &mut Problems) {
    let found = match found {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    problems.add("wrong-type", span, format!("{what} must be {wanted}, not {found}"), &format!("this is {found}"));
}
