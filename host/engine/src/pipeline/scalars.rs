//! Numbers and truth values of the file as plugins get them.

use std::ops::Range;

use serde_json::Value;
use toml::de::DeValue;

use super::reader::Problems;

/// A scalar as JSON. TOML's dates, infinities and not-a-number have no JSON form, nor have numbers beyond 64 bits.
pub(super) fn scalar(value: &DeValue<'_>, span: &Range<usize>, problems: &mut Problems) -> Value {
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
            let (message, label, help) = match value {
                DeValue::Integer(number) => (
                    format!("the number {} is too large", number.as_str()),
                    "over 64 bits",
                    format!("write a number from {} to {}", i64::MIN, i64::MAX),
                ),
                DeValue::Datetime(date) => (
                    "a date cannot be passed to a plugin".to_owned(),
                    "a date",
                    format!("write it as a string: \"{date}\""),
                ),
                _ => (
                    "infinity and not-a-number cannot be passed to a plugin".to_owned(),
                    "no number",
                    "write a number".to_owned(),
                ),
            };
            problems.add("no-json", span.clone(), message, label);
            problems.help(help);
            Value::Null
        }
    }
}
