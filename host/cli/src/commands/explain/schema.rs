//! Options out of a JSON Schema: types, defaults, what they are for, and an example of each.

use std::fmt::Write;

use serde_json::Value;
use toml_edit::Key;

use super::nearest;
use crate::failure::Failure;
use crate::view::style;

/// How deep an example goes into an option.
const DEEPEST: usize = 3;

/// Limits of a value, in words.
pub(super) const LIMITS: [(&str, &str); 3] =
    [("minimum", "At least"), ("maximum", "At most"), ("minItems", "Entries, at least")];

/// One option: a path of names into the schema.
pub(super) fn describe(of: &str, whole: &Value, path: &[&str]) -> Result<String, Failure> {
    let mut at = whole;
    let mut required = false;
    let mut name = of.to_owned();
    for part in path {
        let inside = inner(whole, at);
        let Some((object, next)) = inside.iter().find_map(|object| Some((*object, object["properties"].get(*part)?)))
        else {
            // A map: its keys are the user's.
            if let Some(values) = inside.iter().map(|object| &object["additionalProperties"]).find(|it| it.is_object())
            {
                (at, required) = (values, false);
                let _ = write!(name, ".{part}");
                continue;
            }
            return Err(no_such(&name, part, &inside));
        };
        required = is_required(object, part);
        at = next;
        let _ = write!(name, ".{part}");
    }
    let bold = style::NAME;
    let mut text = format!("{bold}{name}{bold:#} ({})\n", type_of(at, whole));
    let resolved = resolve(at, whole);
    let words = words(at, whole);
    if !words.is_empty() {
        for line in textwrap::wrap(&words.replace('\n', " "), 96) {
            let _ = writeln!(text, "  {line}");
        }
    }
    text.push('\n');
    match &at["default"] {
        _ if required => text += "Required.\n",
        Value::Null => text += "Optional.\n",
        default => _ = writeln!(text, "Default: {}", toml_of(default)),
    }
    for (key, words) in LIMITS {
        if let Some(limit) = resolved.get(key) {
            let _ = writeln!(text, "{words}: {limit}");
        }
    }
    if let Some(last) = path.last() {
        let _ = writeln!(text, "Example: {last} = {}", example(at, whole, 0));
    }
    let inside: Vec<&Value> = inner(whole, at).into_iter().filter(|object| object["properties"].is_object()).collect();
    for object in inside {
        let _ = write!(text, "\n{bold}Inside{bold:#}\n{}", list(object, whole));
    }
    Ok(text)
}

pub(super) fn no_such(name: &str, part: &str, inside: &[&Value]) -> Failure {
    let names: Vec<&str> = inside
        .iter()
        .filter_map(|object| object["properties"].as_object())
        .flat_map(|properties| properties.keys().map(String::as_str))
        .collect();
    let help = match (nearest(part, names.iter().copied()), names.is_empty()) {
        (Some(near), _) => format!("Did you mean {name}.{near}?"),
        (None, true) => format!("{name} has no parts."),
        (None, false) => format!("It has {}.", names.join(", ")),
    };
    Failure::usage(format!("{name} has no '{part}'"), help)
}

/// Whether an object must have this key.
pub(super) fn is_required(object: &Value, key: &str) -> bool {
    object["required"].as_array().is_some_and(|all| all.iter().any(|one| one == key))
}

/// What an option is for: its own words, or those of the type that it refers to.
pub(super) fn words<'a>(option: &'a Value, whole: &'a Value) -> &'a str {
    let own = option["description"].as_str();
    own.or_else(|| resolve(option, whole)["description"].as_str()).unwrap_or_default()
}

/// The options of an object, a line each.
pub(super) fn list(object: &Value, whole: &Value) -> String {
    let (bold, faint, mut text) = (style::NAME, style::FAINT, String::new());
    let required: Vec<&str> = object["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (key, schema) in object["properties"].as_object().into_iter().flatten() {
        let note = match &schema["default"] {
            _ if required.contains(&key.as_str()) => "required".to_owned(),
            Value::Null => String::new(),
            default => format!("default: {}", toml_of(default)),
        };
        let words = schema["description"].as_str().unwrap_or_default();
        let first = words.split_inclusive(". ").next().unwrap_or_default().trim().trim_end_matches('.');
        let of = type_of(schema, whole);
        let comma = if note.is_empty() { "" } else { ", " };
        let _ = writeln!(
            text,
            "  {bold}{key}{bold:#} {faint}({of}{comma}{note}){faint:#}\n      {}",
            first.replace('\n', " ")
        );
    }
    text
}

/// A step with what the plugin needs.
pub(super) fn step(plugin: &str, whole: &Value) -> String {
    format!("[steps.my-{plugin}]\nuses = \"{plugin}\"\n{}", with(&format!("steps.my-{plugin}"), whole))
}

/// The `with` table of a step or provider: what has to be there.
pub(super) fn with(of: &str, whole: &Value) -> String {
    let required: Vec<&str> = whole["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let lines = required.iter().map(|key| format!("{key} = {}\n", example(&whole["properties"][*key], whole, 0)));
    let lines: String = lines.collect();
    if lines.is_empty() { lines } else { format!("\n[{of}.with]\n{lines}") }
}

/// What a reference stands for.
pub(super) fn resolve<'a>(schema: &'a Value, whole: &'a Value) -> &'a Value {
    match schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
        Some(pointer) => whole.pointer(pointer).unwrap_or(schema),
        None => schema,
    }
}

/// The objects that a value can be, or consist of.
pub(super) fn inner<'a>(whole: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    let mut found = Vec::new();
    collect(whole, schema, &mut found, 0);
    found
}

fn collect<'a>(whole: &'a Value, schema: &'a Value, found: &mut Vec<&'a Value>, deep: usize) {
    let schema = resolve(schema, whole);
    if deep > 8 {
        return;
    }
    if schema["properties"].is_object() || schema["additionalProperties"].is_object() {
        found.push(schema);
    }
    for any in ["anyOf", "oneOf"] {
        for one in schema[any].as_array().into_iter().flatten() {
            collect(whole, one, found, deep + 1);
        }
    }
    if schema["items"].is_object() {
        collect(whole, &schema["items"], found, deep + 1);
    }
}

/// A type in a word or two.
pub(super) fn type_of(schema: &Value, whole: &Value) -> String {
    let schema = resolve(schema, whole);
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<_> = values.iter().take(12).map(Value::to_string).collect();
        return format!("one of {}", values.join(", "));
    }
    for any in ["anyOf", "oneOf"] {
        if let Some(schemas) = schema[any].as_array() {
            let mut types: Vec<_> = schemas.iter().map(|schema| type_of(schema, whole)).collect();
            types.retain(|of| of != "null");
            types.dedup();
            return types.join(" or ");
        }
    }
    let word = match &schema["type"] {
        Value::String(of) => of.clone(),
        Value::Array(types) => {
            let types = types.iter().filter_map(Value::as_str).filter(|of| *of != "null");
            types.collect::<Vec<_>>().join(" or ")
        }
        _ => return "any value".to_owned(),
    };
    match word.as_str() {
        "array" if schema["items"].is_object() => format!("list of {}", type_of(&schema["items"], whole)),
        "array" => "list".to_owned(),
        "object" if schema["additionalProperties"].is_object() => {
            format!("map of {}", type_of(&schema["additionalProperties"], whole))
        }
        "object" => "table".to_owned(),
        _ => word,
    }
}

/// A value that the option takes, as TOML.
pub(super) fn example(schema: &Value, whole: &Value, deep: usize) -> String {
    let resolved = resolve(schema, whole);
    if let Some(named) = named(schema["description"].as_str().unwrap_or_default()) {
        match type_of(schema, whole).as_str() {
            "string" => return toml_of(&Value::from(named)),
            "list of string" => return format!("[{}]", toml_of(&Value::from(named))),
            _ => {}
        }
    }
    if let Some(values) = resolved["enum"].as_array() {
        return toml_of(values.iter().find(|value| **value != schema["default"]).unwrap_or(&values[0]));
    }
    for any in ["anyOf", "oneOf"] {
        if let Some(first) = resolved[any].as_array().and_then(|all| all.first()) {
            return example(first, whole, deep);
        }
    }
    let word = type_of(schema, whole);
    let word = word.split(' ').next().unwrap_or_default();
    match word {
        "boolean" => (!schema["default"].as_bool().unwrap_or(false)).to_string(),
        "integer" | "number" => {
            let least = resolved["minimum"].as_i64().unwrap_or(1).max(1);
            schema["default"].as_i64().unwrap_or(least).max(least).to_string()
        }
        "list" if deep < DEEPEST => format!("[{}]", example(&resolved["items"], whole, deep + 1)),
        "map" if deep < DEEPEST => {
            format!("{{ key = {} }}", example(&resolved["additionalProperties"], whole, deep + 1))
        }
        "table" if deep < DEEPEST => {
            let required = resolved["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let entry = |key: &str| format!("{key} = {}", example(&resolved["properties"][key], whole, deep + 1));
            let entries: Vec<String> = required.map(entry).collect();
            if entries.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", entries.join(", ")) }
        }
        "list" => "[]".to_owned(),
        "map" | "table" => "{}".to_owned(),
        _ => "\"…\"".to_owned(),
    }
}

/// The value that a description names: such as "1.34".
fn named(description: &str) -> Option<String> {
    let (_, rest) = description.split_once("such as ")?;
    let word = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => rest.split([' ', ',', ';', ')']).next()?.trim_end_matches(['.', ':']),
    };
    (!word.is_empty() && !word.starts_with(['[', '{', '('])).then(|| word.to_owned())
}

/// A value of JSON as TOML.
pub(super) fn toml_of(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Array(all) => format!("[{}]", all.iter().map(toml_of).collect::<Vec<_>>().join(", ")),
        Value::Object(all) if all.is_empty() => "{}".to_owned(),
        Value::Object(all) => {
            let entry = |(key, value): (&String, &Value)| format!("{} = {}", Key::new(key.as_str()), toml_of(value));
            let entries: Vec<String> = all.iter().map(entry).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        Value::String(text) => toml::Value::from(text.as_str()).to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_written_as_toml_reads_them() {
        let text = toml_of(&json!({ "b": 1, "kubernetes.io/x": "y", "a": [true, {}] }));
        assert_eq!(text, r#"{ b = 1, "kubernetes.io/x" = "y", a = [true, {}] }"#);
        let read: toml::Table = format!("value = {text}").parse().expect("it is TOML");
        assert_eq!(read["value"]["kubernetes.io/x"].as_str(), Some("y"));
    }

    #[test]
    fn a_type_is_named_once() {
        let schema = json!({ "anyOf": [{ "type": "string" }, { "type": "null" }, { "type": "string" }] });
        assert_eq!(type_of(&schema, &schema), "string");
    }
}
