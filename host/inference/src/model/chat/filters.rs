//! Filters and tests that differ from minijinja's own.

use minijinja::formatting::{FormatStyle, format};
use minijinja::value::{Kwargs, Rest, ValueKind, ValueOrKwargs, from_args};
use minijinja::{Error, ErrorKind, State, Value};

use super::json::Style;
use super::python;

/// In their order.
const JSON_OPTIONS: [&str; 4] = ["ensure_ascii", "indent", "separators", "sort_keys"];

/// Hugging Face's own `tojson`: nothing is escaped for HTML.
pub(super) fn tojson(value: &Value, options: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let options = options.into_values();
    let (placed, options): (&[Value], Kwargs) = from_args(&options)?;
    if placed.len() > JSON_OPTIONS.len() {
        return Err(Error::from(ErrorKind::TooManyArguments));
    }
    let option = |name: &str| match JSON_OPTIONS.iter().position(|option| *option == name).and_then(|at| placed.get(at))
    {
        Some(value) => Ok(Some(value.clone())),
        None => options.get::<Option<Value>>(name),
    };
    let is_set = |value: Option<Value>| value.is_some_and(|value| value.is_true());
    let wrong = |what: &str| Error::new(ErrorKind::InvalidOperation, format!("tojson: {what}"));
    let indent = option("indent")?.filter(|value| !value.is_none()).map(|value| indentation(&value)).transpose()?;
    let between = if indent.is_some() { "," } else { ", " };
    let separators = match option("separators")?.filter(|value| !value.is_none()) {
        None => (between.to_owned(), ": ".to_owned()),
        Some(pair) => {
            let pair = pair.try_iter()?.checked().collect::<Result<Vec<_>, _>>()?;
            match pair.iter().map(Value::as_str).collect::<Vec<_>>()[..] {
                [Some(one), Some(other)] => (one.to_owned(), other.to_owned()),
                _ => return Err(wrong("separators must be two strings")),
            }
        }
    };
    let ensure_ascii = is_set(option("ensure_ascii")?);
    let sort_keys = is_set(option("sort_keys")?);
    options.assert_all_used()?;
    Style { indent, ensure_ascii, separators, sort_keys }.dumps(value).map(Value::from)
}

/// `string`: what Python's `str` gives.
pub(super) fn string(value: &Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::String => Ok(value.clone()),
        _ => Ok(Value::from(python::str(value)?.into_owned())),
    }
}

/// `join`, of items or of an attribute of each.
pub(super) fn join(
    value: &Value,
    between: Option<Value>,
    attribute: Option<Value>,
    more: Kwargs,
) -> Result<Value, Error> {
    let between = match between {
        Some(text) => Some(text),
        None => more.get("d")?,
    };
    let attribute = match attribute {
        Some(name) => Some(name),
        None => more.get::<Option<Value>>("attribute")?,
    };
    more.assert_all_used()?;
    let between = between.as_ref().map(python::str).transpose()?.unwrap_or_default();
    let mut text = String::new();
    for (place, item) in items(value)?.checked().enumerate() {
        text.push_str(if place > 0 { &between } else { "" });
        let mut item = item?;
        if let Some(path) = &attribute {
            for name in path.to_string().split('.') {
                let key = name.parse::<i64>().map_or_else(|_| Value::from(name), Value::from);
                item = item.get_item(&key)?;
            }
        }
        text.push_str(&python::str(&item)?);
    }
    Ok(Value::from(text))
}

/// `list`.
pub(super) fn list(value: &Value) -> Result<Value, Error> {
    items(value)?.checked().collect::<Result<Vec<_>, _>>().map(Value::from)
}

/// `sort`.
pub(super) fn sort(state: &State<'_, '_>, value: Value, options: Kwargs) -> Result<Value, Error> {
    minijinja::filters::sort(state, iterable(value)?, options)
}

fn items(value: &Value) -> Result<minijinja::value::ValueIter, Error> {
    match value.kind() {
        ValueKind::None => Err(Error::new(ErrorKind::InvalidOperation, "none is not iterable")),
        _ => value.try_iter(),
    }
}

/// `length`; nothing has no length.
pub(super) fn length(value: &Value) -> Result<usize, Error> {
    match value.kind() {
        ValueKind::Undefined => Ok(0),
        ValueKind::Iterable => Ok(value.try_iter()?.count()),
        kind => value.len().ok_or_else(|| Error::new(ErrorKind::InvalidOperation, format!("{kind} has no length"))),
    }
}

/// `escape`, spelled as Python's markupsafe spells it.
pub(super) fn escape(value: &Value) -> Result<Value, Error> {
    if value.is_safe() {
        return Ok(value.clone());
    }
    let text = python::str(value)?.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    Ok(Value::from_safe_string(text.replace('\'', "&#39;").replace('"', "&#34;")))
}

/// What a `for` goes over.
pub(super) fn iterable(value: Value) -> Result<Value, Error> {
    items(&value).map(|_| value)
}

/// `indent`: every line but the first, and but empty ones, unless the options say otherwise.
pub(super) fn indent(
    value: &Value,
    width: Option<Value>,
    first: Option<bool>,
    blank: Option<bool>,
    more: Kwargs,
) -> Result<String, Error> {
    let width = width.map_or_else(|| more.get::<Option<Value>>("width"), |value| Ok(Some(value)))?;
    let first = first.map_or_else(|| more.get::<Option<bool>>("first"), |value| Ok(Some(value)))?.unwrap_or(false);
    let blank = blank.map_or_else(|| more.get::<Option<bool>>("blank"), |value| Ok(Some(value)))?.unwrap_or(false);
    more.assert_all_used()?;
    let indent = indentation(&width.unwrap_or_else(|| Value::from(4)))?;
    let mut text = String::new();
    for (place, line) in python::str(value)?.split('\n').enumerate() {
        text.push_str(if place > 0 { "\n" } else { "" });
        let is_indented = if place == 0 { first } else { blank || !line.is_empty() };
        text.push_str(if is_indented { &indent } else { "" });
        text.push_str(line);
    }
    Ok(text)
}

/// A text, or so many spaces.
fn indentation(width: &Value) -> Result<String, Error> {
    match (width.as_str(), i64::try_from(width.clone())) {
        (Some(text), _) => Ok(text.to_owned()),
        // More is no layout, but a way to fill the memory.
        (None, Ok(width)) => Ok(" ".repeat(width.clamp(0, 64) as usize)),
        _ => Err(Error::new(ErrorKind::InvalidOperation, "an indent must be a number or a string")),
    }
}

/// A text on the left of `%`; `source` writes the operator as this filter.
pub(super) fn percent(text: &str, values: &Value) -> Result<String, Error> {
    let values = match values.is_tuple() {
        true => values.try_iter()?.checked().collect::<Result<Vec<_>, _>>()?,
        false => vec![values.clone()],
    };
    let written = |value: Value| match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => python::str(&value).map(Value::from),
        _ => Ok(value),
    };
    format(FormatStyle::Printf, text, &values.into_iter().map(written).collect::<Result<Vec<_>, Error>>()?)
}

pub(super) fn is_iterable(value: &Value) -> bool {
    !value.is_none() && value.try_iter().is_ok()
}

pub(super) fn is_sequence(value: &Value) -> bool {
    // A part of a list is an iterable here, and a list in Python.
    !value.is_none() && value.try_iter().is_ok()
}

pub(super) fn is_number(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Number | ValueKind::Bool)
}

pub(super) fn is_callable(value: &Value) -> bool {
    value.kind() == ValueKind::Plain
}
