//! Values as Python's `str` and `repr` write them.

use std::borrow::Cow;
use std::fmt::Write;

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

/// `str(value)`; nothing for an undefined one.
pub(super) fn str(value: &Value) -> Result<Cow<'_, str>, Error> {
    match value.as_str() {
        Some(text) => Ok(Cow::Borrowed(text)),
        None if value.is_undefined() => Ok(Cow::Borrowed("")),
        None => repr(value).map(Cow::Owned),
    }
}

/// Deeper than any request: lists and dictionaries in each other. A template can nest without end.
const DEEPEST: usize = 256;

/// Fails where a value lies too deep to be written.
pub(super) fn check_depth(depth: usize) -> Result<(), Error> {
    match depth < DEEPEST {
        true => Ok(()),
        false => {
            Err(Error::new(ErrorKind::InvalidOperation, format!("a value is nested deeper than {DEEPEST} levels")))
        }
    }
}

/// `repr(value)`.
fn repr(value: &Value) -> Result<String, Error> {
    let mut text = String::new();
    write(value, 0, &mut text)?;
    Ok(text)
}

fn write(value: &Value, depth: usize, text: &mut String) -> Result<(), Error> {
    check_depth(depth)?;
    match value.kind() {
        ValueKind::Undefined => text.push_str("Undefined"),
        ValueKind::None => text.push_str("None"),
        ValueKind::Bool => text.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Number => text.push_str(&number(value)),
        ValueKind::String => quoted(value.as_str().unwrap_or_default(), text),
        ValueKind::Seq | ValueKind::Iterable => {
            let (open, close) = if value.is_tuple() { ('(', ')') } else { ('[', ']') };
            text.push(open);
            let mut count = 0;
            for item in value.try_iter()?.checked() {
                text.push_str(if count > 0 { ", " } else { "" });
                write(&item?, depth + 1, text)?;
                count += 1;
            }
            text.push_str(if value.is_tuple() && count == 1 { "," } else { "" });
            text.push(close);
        }
        ValueKind::Map => {
            text.push('{');
            for (place, key) in value.try_iter()?.checked().enumerate() {
                let key = key?;
                text.push_str(if place > 0 { ", " } else { "" });
                write(&key, depth + 1, text)?;
                text.push_str(": ");
                write(&value.get_item(&key)?, depth + 1, text)?;
            }
            text.push('}');
        }
        _ => text.push_str(&value.to_string()),
    }
    Ok(())
}

/// A number as Python writes it.
pub(super) fn number(value: &Value) -> String {
    match f64::try_from(value.clone()) {
        Ok(number) if !value.is_integer() => float(number),
        _ => value.to_string(),
    }
}

/// The shortest digits that give the number again, as Python's `repr` writes them: `1.0`, `1e-07`, `1e+16`.
pub(super) fn float(number: f64) -> String {
    if !number.is_finite() {
        return if number.is_nan() {
            "nan"
        } else if number > 0.0 {
            "inf"
        } else {
            "-inf"
        }
        .to_owned();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..16).contains(&exponent) {
        let plain = number.to_string();
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// In single quotes, unless that needs more escapes.
fn quoted(of: &str, text: &mut String) {
    let quote = if of.contains('\'') && !of.contains('"') { '"' } else { '\'' };
    text.push(quote);
    for letter in of.chars() {
        match letter {
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\\' => text.push_str("\\\\"),
            letter if letter == quote => text.extend(['\\', letter]),
            letter if letter.is_control() => {
                // A string takes all that is written.
                let _ = write!(text, "\\x{:02x}", u32::from(letter));
            }
            letter => text.push(letter),
        }
    }
    text.push(quote);
}
