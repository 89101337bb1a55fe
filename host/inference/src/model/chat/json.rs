//! JSON as Python's `json.dumps` writes it.
//!
//! Chat templates put tool descriptions into prompts by `tojson`. Models were trained on Python's spaces after commas and
//! colons, so another writer's output would be another prompt.

use std::fmt::Write;

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

use super::python;

/// The options of `json.dumps` that templates may set.
pub(super) struct Style {
    /// Written before each member, once for each level.
    pub(super) indent: Option<String>,
    pub(super) ensure_ascii: bool,
    /// Between members, and between a key and its value.
    pub(super) separators: (String, String),
    pub(super) sort_keys: bool,
}

impl Style {
    /// Writes a value.
    pub(super) fn dumps(&self, value: &Value) -> Result<String, Error> {
        let mut text = String::new();
        self.write(value, 0, &mut text)?;
        Ok(text)
    }

    fn write(&self, value: &Value, depth: usize, text: &mut String) -> Result<(), Error> {
        python::check_depth(depth)?;
        match value.kind() {
            ValueKind::None => text.push_str("null"),
            ValueKind::Bool => text.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => text.push_str(&number(value)),
            ValueKind::String => self.string(value.as_str().unwrap_or_default(), text),
            ValueKind::Seq | ValueKind::Iterable => {
                let items = value.try_iter()?.checked().collect::<Result<Vec<_>, _>>()?;
                self.members(['[', ']'], items, depth, text, |item, text| self.write(item, depth + 1, text))?;
            }
            ValueKind::Map => {
                let keys = value.try_iter()?.checked().collect::<Result<Vec<_>, _>>()?;
                let spelled = keys.into_iter().map(|key| Ok((spelled(&key)?, key)));
                let mut keys = spelled.collect::<Result<Vec<(String, Value)>, Error>>()?;
                if self.sort_keys {
                    keys.sort_by(|one, other| one.0.cmp(&other.0));
                }
                self.members(['{', '}'], keys, depth, text, |(spelled, key), text| {
                    self.string(spelled, text);
                    text.push_str(&self.separators.1);
                    self.write(&value.get_item(key)?, depth + 1, text)
                })?;
            }
            other => return Err(refused(other)),
        }
        Ok(())
    }

    fn members<T>(
        &self,
        [open, close]: [char; 2],
        items: Vec<T>,
        depth: usize,
        text: &mut String,
        write: impl Fn(&T, &mut String) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let line = |text: &mut String, depth: usize| {
            if let Some(indent) = self.indent.as_ref().filter(|_| !items.is_empty()) {
                text.push('\n');
                text.extend(std::iter::repeat_n(indent.as_str(), depth));
            }
        };
        text.push(open);
        for (place, item) in items.iter().enumerate() {
            text.push_str(if place > 0 { &self.separators.0 } else { "" });
            line(text, depth + 1);
            write(item, text)?;
        }
        line(text, depth);
        text.push(close);
        Ok(())
    }

    fn string(&self, of: &str, text: &mut String) {
        text.push('"');
        for letter in of.chars() {
            match letter {
                '"' => text.push_str("\\\""),
                '\\' => text.push_str("\\\\"),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push_str("\\t"),
                '\u{8}' => text.push_str("\\b"),
                '\u{c}' => text.push_str("\\f"),
                letter if letter < ' ' || (self.ensure_ascii && letter > '~') => {
                    for unit in letter.encode_utf16(&mut [0; 2]) {
                        // A string takes all that is written.
                        let _ = write!(text, "\\u{unit:04x}");
                    }
                }
                letter => text.push(letter),
            }
        }
        text.push('"');
    }
}

fn number(value: &Value) -> String {
    match python::number(value).as_str() {
        "nan" => "NaN".to_owned(),
        "inf" => "Infinity".to_owned(),
        "-inf" => "-Infinity".to_owned(),
        text => text.to_owned(),
    }
}

/// A key of an object is a string, whatever it was.
fn spelled(key: &Value) -> Result<String, Error> {
    match key.kind() {
        ValueKind::String => Ok(key.as_str().unwrap_or_default().to_owned()),
        ValueKind::None => Ok("null".to_owned()),
        ValueKind::Bool => Ok(if key.is_true() { "true" } else { "false" }.to_owned()),
        ValueKind::Number => Ok(number(key)),
        other => Err(refused(other)),
    }
}

fn refused(kind: ValueKind) -> Error {
    Error::new(ErrorKind::BadSerialization, format!("a value of type {kind} is not JSON"))
}
