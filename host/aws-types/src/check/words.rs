//! How values and rules are named in messages.

use serde_json::Value;

use crate::model::{JsonRule, Property, Shape, Type};

/// More names than these are not listed.
pub(super) const MANY: usize = 12;

/// `/Code/ZipFile` as `Code.ZipFile`, `/Tags/0/Key` as `Tags[0].Key`; nothing for the top.
pub(super) fn place(pointer: &str) -> Option<String> {
    let mut place = String::new();
    for part in pointer.split('/').skip(1) {
        if part.bytes().all(|byte| byte.is_ascii_digit()) && !place.is_empty() {
            place.push_str(&format!("[{part}]"));
            continue;
        }
        if !place.is_empty() {
            place.push('.');
        }
        place.push_str(&crate::pointer::unescaped(part));
    }
    (!place.is_empty()).then_some(place)
}

/// What a shape takes, with its article.
pub(crate) fn wanted(of: &Type, shape: &Shape) -> String {
    match shape {
        Shape::Text(_) => "a string".to_owned(),
        Shape::Integer(_) => "a whole number".to_owned(),
        Shape::Number(_) => "a number".to_owned(),
        Shape::Boolean => "true or false".to_owned(),
        Shape::Json(JsonRule::Any) => "JSON".to_owned(),
        Shape::Json(JsonRule::Object) => "a JSON object".to_owned(),
        Shape::Json(JsonRule::ObjectOrText) => "a JSON object, or a string that holds one".to_owned(),
        Shape::List(list) => format!("a list of {}", several(of, &list.element)),
        Shape::Map(element) => format!("a map of {}", several(of, element)),
        Shape::Object(index) => match of.definition(*index) {
            Some(definition) if !definition.is_open() => format!("an object of type {}", definition.name),
            _ => "an object".to_owned(),
        },
        Shape::OneOf(shapes) => {
            let mut all: Vec<String> = shapes.iter().map(|shape| wanted(of, shape)).collect();
            all.dedup();
            either(&all)
        }
    }
}

/// The same for more than one.
pub(crate) fn several(of: &Type, shape: &Shape) -> String {
    match shape {
        Shape::Text(_) => "strings".to_owned(),
        Shape::Integer(_) => "whole numbers".to_owned(),
        Shape::Number(_) => "numbers".to_owned(),
        Shape::Boolean => "true or false".to_owned(),
        Shape::Json(JsonRule::Any) => "JSON".to_owned(),
        Shape::Json(_) => "JSON objects".to_owned(),
        Shape::List(list) => format!("lists of {}", several(of, &list.element)),
        Shape::Map(element) => format!("maps of {}", several(of, element)),
        Shape::Object(index) => match of.definition(*index) {
            Some(definition) if !definition.is_open() => definition.name.to_owned(),
            _ => "objects".to_owned(),
        },
        Shape::OneOf(shapes) => {
            let mut all: Vec<String> = shapes.iter().map(|shape| several(of, shape)).collect();
            all.dedup();
            either(&all)
        }
    }
}

/// What a value is. A long text is not repeated, and no text is cut: part of a secret could not be hidden.
pub(super) fn found(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) if text.is_empty() => "an empty string".to_owned(),
        Value::String(text) if text.len() <= 80 => format!("the string '{text}'"),
        Value::String(_) => "a longer string".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// What to write instead.
pub(super) fn instead(of: &Type, shape: &Shape, value: &Value) -> String {
    match (shape, value) {
        (_, Value::Null) => "Remove it, or give it a value.".to_owned(),
        (Shape::Text(_), Value::Number(_) | Value::Bool(_)) => format!("Write it in quotation marks: \"{value}\"."),
        (Shape::Integer(_), Value::String(text)) if text.parse::<i64>().is_ok() => unquoted(text),
        (Shape::Number(_), Value::String(text)) if text.parse::<f64>().is_ok() => unquoted(text),
        (Shape::Boolean, Value::String(text)) if matches!(text.as_str(), "true" | "false") => unquoted(text),
        (Shape::List(list), Value::Object(_)) if is_tag(of, &list.element) => {
            "Write a list of objects that have 'Key' and 'Value'.".to_owned()
        }
        (Shape::List(list), value) if is_of(&list.element, value) => "Put it in a list, in square brackets.".to_owned(),
        (Shape::Json(JsonRule::Object), Value::String(_)) => {
            "Write the object itself, not a string that holds it.".to_owned()
        }
        (_, Value::Array(all)) if all.len() == 1 => "Remove the square brackets around it.".to_owned(),
        _ => format!("Write {}.", wanted(of, shape)),
    }
}

fn is_tag(of: &Type, shape: &Shape) -> bool {
    let Shape::Object(index) = shape else { return false };
    of.definition(*index).is_some_and(|definition| {
        ["Key", "Value"].into_iter().all(|name| crate::model::find(&definition.properties, name).is_some())
    })
}

fn unquoted(text: &str) -> String {
    format!("Write {text} without quotation marks.")
}

/// Whether the value has the JSON type that a shape takes.
pub(super) fn is_of(shape: &Shape, value: &Value) -> bool {
    match (shape, value) {
        (Shape::Text(_), Value::String(_))
        | (Shape::Number(_), Value::Number(_))
        | (Shape::Boolean, Value::Bool(_))
        | (Shape::List(_), Value::Array(_))
        | (Shape::Map(_) | Shape::Object(_), Value::Object(_)) => true,
        (Shape::Integer(_), Value::Number(number)) => super::is_whole(number),
        (Shape::Json(rule), value) => is_json(*rule, value),
        (Shape::OneOf(shapes), value) => shapes.iter().any(|shape| is_of(shape, value)),
        _ => false,
    }
}

pub(super) fn is_json(rule: JsonRule, value: &Value) -> bool {
    match rule {
        JsonRule::Any => !value.is_null(),
        JsonRule::Object => value.is_object(),
        JsonRule::ObjectOrText => value.is_object() || value.is_string(),
    }
}

/// `between 1 and 5 elements`, `at least 1 element`.
pub(crate) fn limits(least: Option<u32>, most: Option<u32>, what: &str) -> String {
    let (words, last) = match (least, most) {
        (Some(least), Some(most)) if least == most => (format!("exactly {least}"), least),
        (Some(least), Some(most)) => (format!("between {least} and {most}"), most),
        (Some(least), None) => (format!("at least {least}"), least),
        (None, most) => (format!("at most {}", most.unwrap_or(u32::MAX)), most.unwrap_or(u32::MAX)),
    };
    format!("{words} {what}{}", if last == 1 { "" } else { "s" })
}

/// `a`, `a or b`, `a, b or c`.
pub(crate) fn either(all: &[String]) -> String {
    joined(all, "or")
}

/// `'a'`, `'a' and 'b'`.
pub(super) fn all_of(names: &[&str]) -> String {
    joined(&quoted(names), "and")
}

fn joined(all: &[String], word: &str) -> String {
    match all {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} {word} {last}", first.join(", ")),
    }
}

pub(super) fn quoted(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("'{name}'")).collect()
}

/// The first of many, and how many there are.
pub(super) fn some_of(names: &[&str]) -> String {
    let first: Vec<String> = quoted(names).into_iter().take(MANY - 1).collect();
    format!("{}, or one of {} more", first.join(", "), names.len() - first.len())
}

/// Which properties there are, in a sentence.
pub(super) fn names(properties: &[Property]) -> String {
    let names: Vec<&str> = properties.iter().map(|property| property.name).collect();
    match names.as_slice() {
        [one] => format!("The only property is '{one}'."),
        names if names.len() <= MANY => format!("The properties are {}.", all_of(names)),
        names => {
            format!("There are {} properties, such as {}.", names.len(), all_of(names.get(..3).unwrap_or_default()))
        }
    }
}
