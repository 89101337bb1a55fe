//! Options of plugins and providers.

use std::fmt::Write;

use serde_json::Value;

use super::super::schema;
use super::text::{cell, code, paragraphs, table};
use crate::view::capitalized;

/// How deep the parts of an option are listed.
const DEEPEST: usize = 4;

/// A section for each option of a schema.
pub(super) fn sections(whole: &Value) -> String {
    let mut text = String::new();
    for (key, option) in whole["properties"].as_object().into_iter().flatten() {
        let _ = writeln!(text, "### {}\n", code(key));
        let _ = writeln!(text, "{}. {}{}\n", of(option, whole), default(whole, key, option), limits(option, whole));
        text += &paragraphs(schema::words(option, whole));
        let _ = writeln!(text, "```toml\n{key} = {}\n```\n", schema::example(option, whole, 0));
        let mut rows = Vec::new();
        parts(whole, option, key, 0, &mut rows);
        text += &table(&["Part", "Type", "Default", "Description"], rows);
    }
    text
}

/// A table of options.
pub(super) fn rows(whole: &Value) -> Vec<(&str, Vec<String>)> {
    let all = whole["properties"].as_object().into_iter().flatten();
    all.map(|(key, option)| (key.as_str(), row(whole, key, key, option, whole))).collect()
}

fn row(object: &Value, path: &str, key: &str, option: &Value, whole: &Value) -> Vec<String> {
    let default = default(object, key, option);
    vec![code(path), of(option, whole), default.trim_end_matches('.').to_owned(), cell(schema::words(option, whole))]
}

/// The parts of an option, named as `llmhost explain` takes them.
fn parts(whole: &Value, option: &Value, path: &str, deep: usize, rows: &mut Vec<Vec<String>>) {
    if deep == DEEPEST {
        return;
    }
    for object in schema::inner(whole, option) {
        for (key, part) in object["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{key}");
            rows.push(row(object, &path, key, part, whole));
            parts(whole, part, &path, deep + 1, rows);
        }
        if object["additionalProperties"].is_object() {
            parts(whole, &object["additionalProperties"], &format!("{path}.NAME"), deep + 1, rows);
        }
    }
}

fn of(option: &Value, whole: &Value) -> String {
    capitalized(&cell(&schema::type_of(option, whole)))
}

/// Whether an option has to be there, and what it is where it is not.
fn default(object: &Value, key: &str, option: &Value) -> String {
    match &option["default"] {
        _ if schema::is_required(object, key) => "Required.".to_owned(),
        Value::Null => "Optional.".to_owned(),
        default => format!("Default: {}.", code(&schema::toml_of(default))),
    }
}

fn limits(option: &Value, whole: &Value) -> String {
    let resolved = schema::resolve(option, whole);
    let limits = schema::LIMITS.iter().filter_map(|(key, words)| Some(format!(" {words}: {}.", resolved.get(*key)?)));
    limits.collect()
}
