//! `for_each` and `when`: how many steps an entry of `[steps]` stands for.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::Value;
use toml::de::DeValue;

use super::conditions;
use super::reader::{Item, Key, Problems, Table, wrong_type};
use super::template::{Node, Template, kind};
use super::values::Scope;
use crate::names::StepName;
use crate::secret::shown;

/// One of the steps that an entry is repeated as.
#[derive(Debug, Clone)]
pub(super) struct Each {
    pub(super) key: String,
    /// What `${each.value}` stands for. It may refer to outputs of other steps.
    pub(super) value: Template,
}

/// What an entry of `[steps]` stands for.
#[derive(Debug)]
pub(super) enum Family {
    /// One step.
    One,
    /// None, by its `when`.
    Off,
    /// One for each key, in the order of the file.
    Each {
        on: Vec<Each>,
        /// Keys of those that their `when` leaves out.
        off: Vec<String>,
    },
    /// Nobody knows: a problem was reported.
    Unclear,
}

/// Every entry's.
pub(super) type Families = BTreeMap<String, Family>;

impl Family {
    /// The names of its steps.
    pub(super) fn steps(&self, name: &StepName) -> Vec<StepName> {
        match self {
            Self::One => StepName::single(name.family()).into_iter().collect(),
            Self::Off | Self::Unclear => Vec::new(),
            Self::Each { on, .. } => on.iter().filter_map(|each| name.with_key(&each.key).ok()).collect(),
        }
    }
}

/// Reads `for_each` and `when` of an entry.
pub(super) fn read(key: &Key<'_>, item: Item<'_>, scope: &Scope<'_>, problems: &mut Problems) -> Family {
    // What else is wrong with the entry is said when the whole of it is read.
    let DeValue::Table(found) = item.get_ref() else { return Family::Unclear };
    let (what, mut unsaid) = (format!("[steps.{}]", key.name), Problems::default());
    let found = Table::new(&what, key.span.clone(), found, &[], &mut unsaid);
    let condition = found.get("when").map(|(_, item)| item);
    let is_on = |scope: &Scope<'_>, problems: &mut Problems| match condition {
        Some(item) => conditions::hold(&found.called("when"), item, scope, problems),
        None => Some(true),
    };
    let Some((_, item)) = found.get("for_each") else {
        return match is_on(scope, problems) {
            Some(true) => Family::One,
            Some(false) => Family::Off,
            None => Family::Unclear,
        };
    };
    if matches!(key.name, "fact" | "secret") {
        let message = format!("a step named '{}' cannot have for_each", key.name);
        problems.add("bad-name", key.span.clone(), message, "this name");
        problems.help("use another name");
        return Family::Unclear;
    }
    let Some(all) = entries(&found.called("for_each"), item, scope, problems) else { return Family::Unclear };
    // What is wrong with the name itself is said when the whole entry is read.
    if let Some(name) = StepName::single(key.name).ok().and_then(|name| scope.named(name).ok()) {
        let refused = |each: &Each| name.with_key(&each.key).err();
        if let Some((error, each)) = all.iter().find_map(|each| Some((refused(each)?, each))) {
            let message = match shown(&each.key) == each.key {
                true => error.to_string(),
                false => "a key holds the value of a secret variable".to_owned(),
            };
            problems.add("bad-key", item.span(), message, "not a key");
            problems.help(
                "the key names the step, in the state and in tags; give it a short name in a table: { office = \"10.0.0.0/8\" }",
            );
            return Family::Unclear;
        }
    }
    let (mut on, mut off) = (Vec::new(), Vec::new());
    for each in all {
        match is_on(&Scope { each: Some(&each), ..*scope }, problems) {
            Some(true) => on.push(each),
            Some(false) => off.push(each.key),
            // The same condition stands for the others.
            None => return Family::Unclear,
        }
    }
    Family::Each { on, off }
}

/// The keys and values of `for_each`: of a table, or of a list of texts, each of which is both.
fn entries(what: &str, item: Item<'_>, scope: &Scope<'_>, problems: &mut Problems) -> Option<Vec<Each>> {
    let before = problems.0.len();
    let written = scope.template(item, problems);
    Some(match written.node {
        _ if problems.0.len() > before => return None,
        Node::Whole(_) | Node::Mixed(_) => {
            let message = format!("{what} cannot contain an output of a step: the plan must know the number of steps");
            problems.add("reference-not-here", item.span(), message, "known when the step has run");
            problems.help(
                "list the keys in the file or in a variable; their values may be outputs: { a = \"${step.output}\" }",
            );
            return None;
        }
        Node::Table(fields) => fields.into_iter().map(|field| Each { key: field.key, value: field.value }).collect(),
        Node::List(items) => {
            let plain = |item: Template| match item.node {
                Node::Plain(value) => Ok((value, item.span)),
                _ => Err(item.span),
            };
            let items: Result<Vec<_>, _> = items.into_iter().map(plain).collect();
            match items {
                Ok(items) => keys(what, items, problems)?,
                Err(span) => {
                    problems.add(
                        "reference-not-here",
                        span,
                        format!("{what} is a list of strings, which are keys"),
                        "not a string",
                    );
                    problems.help("write a table for values that are more: { a = { … }, b = { … } }");
                    return None;
                }
            }
        }
        Node::Plain(Value::Object(fields)) => {
            let value = |value| Template { span: written.span.clone(), node: Node::Plain(value) };
            fields.into_iter().map(|(key, field)| Each { key, value: value(field) }).collect()
        }
        Node::Plain(Value::Array(items)) => {
            keys(what, items.into_iter().map(|value| (value, written.span.clone())).collect(), problems)?
        }
        Node::Plain(other) => {
            wrong_type(what, "a list of strings or a table", kind(&other), item.span(), problems);
            return None;
        }
    })
}

fn keys(what: &str, items: Vec<(Value, Range<usize>)>, problems: &mut Problems) -> Option<Vec<Each>> {
    let mut all: Vec<Each> = Vec::new();
    for (value, span) in items {
        let Value::String(key) = &value else {
            let found = kind(&value);
            wrong_type(&format!("every entry of {what}"), "a string", found, span, problems);
            problems.help("write a table for values that are more: { a = { … }, b = { … } }");
            return None;
        };
        if all.iter().any(|each| each.key == *key) {
            problems.add("same-key", span, format!("{what} has the key '{key}' twice"), "again");
            problems.help("each key names one step; take one of them out");
            return None;
        }
        all.push(Each { key: key.clone(), value: Template { span, node: Node::Plain(value) } });
    }
    Some(all)
}

/// Says what is wrong with a reference to a step that is not there under this name.
pub(super) fn misnamed(name: &str, families: &Families) -> Option<(String, String)> {
    match families.get(name)? {
        Family::Off => Some((
            format!("step '{name}' is disabled by its 'when'"),
            format!(
                "give this step the same 'when', or use the list, which has zero or one entries: ${{{name}[*].output}}"
            ),
        )),
        Family::Each { on, .. } => {
            let key = on.first().map_or("key", |each| &each.key);
            Some((
                format!("step '{name}' is repeated, so that a reference needs a key"),
                format!(
                    "write ${{{name}['{key}'].output}}, ${{{name}[each.key].output}}, or ${{{name}[*].output}} for a list of all"
                ),
            ))
        }
        Family::One | Family::Unclear => None,
    }
}
