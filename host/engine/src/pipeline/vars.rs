//! `[vars]`: what a run can be given.

use std::collections::BTreeMap;

use serde_json::Value;
use toml::de::DeValue;

use super::reader::{Item, Key, Problems, Table, entries, table};
use super::template::kind;
use super::types::{Type, WAYS};
use super::values::{Reach, Scope, constant, plain_key};
use crate::diagnostic::{Diagnostic, did_you_mean};

/// The variables' values: of the command line, or the file's defaults. `scope` is for the environment alone.
pub(super) fn read(
    item: Option<Item<'_>>,
    given: &[(String, String)],
    scope: &Scope<'_>,
    problems: &mut Problems,
) -> BTreeMap<String, Value> {
    let declared = item.and_then(|item| table("vars", item, problems)).map(entries).unwrap_or_default();
    let values: BTreeMap<String, Value> = declared
        .iter()
        .map(|(key, item)| {
            plain_key(key, "the name of a variable", problems);
            let told = given.iter().rev().find(|(name, _)| name == key.name).map(|(_, text)| text.as_str());
            (key.name.to_owned(), variable(key, item, told, scope, problems).unwrap_or_default())
        })
        .collect();
    for (name, _) in given.iter().filter(|(name, _)| !values.contains_key(name)) {
        let near = did_you_mean(name, values.keys().map(String::as_str));
        problems.0.push(Diagnostic {
            code: "unknown-variable",
            message: format!("--var {name}: the file has no variable '{name}'"),
            span: None,
            label: String::new(),
            help: near.map(|near| format!("did you mean '{near}'?")),
        });
    }
    values
}

/// The value of one variable; nothing after a problem.
fn variable(
    key: &Key<'_>,
    item: Item<'_>,
    told: Option<&str>,
    scope: &Scope<'_>,
    problems: &mut Problems,
) -> Option<Value> {
    let what = format!("[vars.{}]", key.name);
    let found = table(&format!("vars.{}", key.name), item, problems)?;
    let found = Table::new(&what, key.span.clone(), found, &["default", "type", "description"], problems);
    found.description(problems);
    let stated = found.literal("type", "write the type itself", problems);
    let stated = stated.map(|(text, span)| {
        text.parse::<Type>().map_err(|()| {
            problems.add("bad-type", span, format!("'{text}' is not a type"), "not a type");
            let near = match text.as_str() {
                // As other tools call them.
                "boolean" => Some("bool"),
                "int" => Some("integer"),
                "float" => Some("number"),
                "text" | "str" => Some("string"),
                "object" | "table" => Some("map"),
                "array" | "tuple" | "set" => Some("list"),
                other => did_you_mean(other, ["string", "number", "integer", "bool", "list", "map", "any"]),
            };
            problems.help(match near {
                Some(near) => format!("did you mean '{near}'? A type is {WAYS}"),
                None => format!("a type is {WAYS}"),
            });
        })
    });
    let Ok(stated) = stated.transpose() else { return None };
    let default = found.get("default").map(|(_, item)| (default(item, told, scope, problems), item.span()));
    if let (Some(of), Some((Some(default), span))) = (&stated, &default)
        && !of.takes(default)
    {
        let message = format!("default of {what} must have the type {of}, and is a {}", kind(default));
        problems.add("wrong-type", span.clone(), message, &format!("this is a {}", kind(default)));
        problems.help(format!("write it like {}, or change the type", of.example()));
        return None;
    }
    let default = default.map(|(value, _)| value);
    let Some(text) = told else {
        if default.is_none() {
            let message = format!("variable '{}' has no value", key.name);
            problems.add("no-value", key.span.clone(), message, "no default");
            problems.help(format!("give it one with --var {}=VALUE, or a default in the file", key.name));
        }
        return default?;
    };
    let by_default = stated.is_none();
    let of = stated.unwrap_or_else(|| default.flatten().as_ref().map_or(Type::String, Type::of));
    of.read(text).map_err(|error| misfit(key, &of, by_default, &error, problems)).ok()
}

/// A default. Where the command line gives the value, the environment need not have what the default refers to.
fn default(item: Item<'_>, told: Option<&str>, scope: &Scope<'_>, problems: &mut Problems) -> Option<Value> {
    let DeValue::String(text) = item.get_ref() else { return Some(constant(item, problems)) };
    let mut own = Problems::default();
    let value = scope.plain(text, &item.span(), Reach::Environment, &mut own);
    let unset = |problem: &Diagnostic| told.is_some() && problem.code == "unset-environment";
    let is_unset = own.0.iter().any(unset);
    problems.0.extend(own.0.into_iter().filter(|problem| !unset(problem)));
    if is_unset { Some(Value::String(String::new())) } else { value }
}

/// A value of the command line that is not of the variable's type.
fn misfit(key: &Key<'_>, of: &Type, by_default: bool, error: &str, problems: &mut Problems) {
    let name = key.name;
    let why = if by_default { ", which its default has" } else { "" };
    let message = format!("--var {name}: {error}, and variable '{name}' has the type {of}{why}");
    problems.add("wrong-type", key.span.clone(), message, &format!("type {of}"));
    let example = of.example();
    let quoted =
        if example.contains(['"', '{', '[']) { format!("'{name}={example}'") } else { format!("{name}={example}") };
    problems.help(format!("write it like --var {quoted}; for another type, write type = \"…\" in [vars.{name}]"));
}
