//! `[env.NAME]`: what is otherwise in one environment of a pipeline.

use std::collections::BTreeMap;

use serde_json::Value;
use toml::de::DeValue;

use super::reader::{Item, Key, Problems, Table, entries, table};
use super::values::{Reach, Scope, constant};
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::names::StepName;

/// An environment, as the file has it.
pub(super) struct Environment<'a> {
    pub(super) name: &'a str,
    pub(super) found: Table<'a>,
    /// Values of variables, over the defaults, each with its place.
    pub(super) vars: Vec<(&'a str, Item<'a>)>,
}

/// Reads the environments of a file; gives the one that was asked for.
pub(super) fn read<'a>(
    item: Option<Item<'a>>,
    asked: Option<&'a str>,
    problems: &mut Problems,
) -> Option<Environment<'a>> {
    let all = item.and_then(|item| table("env", item, problems)).map(entries).unwrap_or_default();
    let mut names = Vec::new();
    let mut chosen = None;
    for (key, item) in all {
        if let Err(error) = StepName::single(key.name) {
            let message = error.to_string().replace("step name", "environment name");
            problems.add("bad-name", key.span.clone(), message, "not an environment's name");
        }
        names.push(key.name);
        let found = one(&key, item, problems);
        if asked == Some(key.name) {
            chosen = found;
        }
    }
    if let Some(asked) = asked.filter(|asked| !names.contains(asked)) {
        problems.0.push(Diagnostic {
            code: "unknown-environment",
            message: format!("--env {asked}: the file has no environment '{asked}'"),
            span: None,
            label: String::new(),
            help: Some(match (did_you_mean(asked, names.iter().copied()), names.is_empty()) {
                (Some(near), _) => format!("did you mean '{near}'?"),
                (None, true) => format!("declare it: [env.{asked}]"),
                (None, false) => format!("its environments are {}", names.join(", ")),
            }),
        });
    }
    chosen
}

fn one<'a>(key: &Key<'a>, item: Item<'a>, problems: &mut Problems) -> Option<Environment<'a>> {
    let found = table(&format!("env.{}", key.name), item, problems)?;
    let what = format!("[env.{}]", key.name);
    let known = ["name", "region", "state", "tags", "vars", "description"];
    let found = Table::new(&what, key.span.clone(), found, &known, problems);
    found.description(problems);
    let vars = found.get("vars").and_then(|(_, item)| table(&found.called("vars"), item, problems)).map(entries);
    let vars = vars.unwrap_or_default().into_iter().map(|(key, item)| (key.name, item)).collect();
    Some(Environment { name: key.name, found, vars })
}

impl Environment<'_> {
    /// The values of its variables.
    pub(super) fn values(&self, scope: &Scope<'_>, problems: &mut Problems) -> BTreeMap<String, Value> {
        let value = |item: Item<'_>, problems: &mut Problems| match item.get_ref() {
            DeValue::String(text) => scope.plain(text, &item.span(), Reach::Environment, problems).unwrap_or_default(),
            _ => constant(item, problems),
        };
        self.vars.iter().map(|(name, item)| ((*name).to_owned(), value(item, problems))).collect()
    }
}
