//! `[vars]`: what a run can be given.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use toml::de::DeValue;

use super::given::{Origin, Said, Sources, Told};
use super::modules;
use super::reader::{Item, Key, Problems, Table, entries, table};
use super::rules::Rules;
use super::step::Step;
use super::template::{Template, kind};
use super::types::{Type, WAYS};
use super::values::{Reach, Scope, constant, plain_key};
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::secret::{SHORTEST, hide_variable, shown};
use crate::unknown;

/// The variables of a file in this run.
#[derive(Default)]
pub(super) struct Vars {
    pub(super) values: BTreeMap<String, Value>,
    /// What was given beside the file, secret ones left out.
    pub(super) given: BTreeMap<String, Value>,
    /// Secret ones that were given a value.
    pub(super) given_secrets: BTreeSet<String>,
}

/// What a value of the wrong kind is shown as at most.
const MOST_SHOWN: usize = 60;

/// The variables' values: of the sources, or the file's defaults. `scope` is for the environment alone.
pub(super) fn read(item: Option<Item<'_>>, sources: &Sources<'_>, scope: &Scope<'_>, problems: &mut Problems) -> Vars {
    let declared = item.and_then(|item| table("vars", item, problems)).map(entries).unwrap_or_default();
    let mut vars = Vars::default();
    for (key, item) in &declared {
        plain_key(key, "the name of a variable", problems);
        let name = key.name.to_owned();
        let told = sources.of(key.name);
        let may_be_secret = match item.get_ref() {
            DeValue::Table(found) => is_marked(&Table::new("", key.span.clone(), found, &[], &mut Problems::default())),
            _ => false,
        };
        if may_be_secret {
            told.iter().for_each(hide);
        }
        let Some(variable) = Variable::read(key, item, !told.is_empty(), scope, problems) else {
            vars.values.insert(name, Value::Null);
            continue;
        };
        let value = variable.value(told.first(), sources, problems).unwrap_or_default();
        match (told.is_empty(), variable.is_secret) {
            (true, _) => {}
            (false, true) => _ = vars.given_secrets.insert(name.clone()),
            (false, false) => _ = vars.given.insert(name.clone(), value.clone()),
        }
        vars.values.insert(name, value);
    }
    for (name, from) in sources.names().into_iter().filter(|(name, _)| !vars.values.contains_key(*name)) {
        let near = did_you_mean(name, vars.values.keys().map(String::as_str));
        problems.0.push(Diagnostic {
            code: "unknown-variable",
            message: match from {
                Origin::Flag(_) => format!("{from}: the file has no variable '{name}'"),
                _ => format!("{from}: the pipeline file has no variable '{name}'"),
            },
            span: None,
            label: String::new(),
            help: match near {
                Some(near) => Some(format!("did you mean '{near}'?")),
                None => Some(format!("declare it in the pipeline file, [vars.{name}], or remove it")),
            },
        });
    }
    vars
}

/// The variables of a pipeline that is a step: what the step gives, or the file's defaults.
pub(super) fn inputs(
    item: Option<Item<'_>>,
    step: &Step,
    scope: &Scope<'_>,
    problems: &mut Problems,
) -> BTreeMap<String, Template> {
    let declared = item.and_then(|item| table("vars", item, problems)).map(entries).unwrap_or_default();
    let given = modules::inputs(step);
    for (name, span, _) in &given {
        if !declared.iter().any(|(key, _)| key.name == *name) {
            let message = format!("{} has no variable '{name}'", step.uses);
            problems.add("unknown-variable", (*span).clone(), message, "not known there");
            let names = declared.iter().map(|(key, _)| key.name);
            problems.help(match did_you_mean(name, names.clone()) {
                Some(near) => format!("did you mean '{near}'?"),
                None if declared.is_empty() => "it has no [vars]".to_owned(),
                None => format!("its variables are {}", names.collect::<Vec<_>>().join(", ")),
            });
        }
    }
    let mut values = BTreeMap::new();
    for (key, item) in &declared {
        plain_key(key, "the name of a variable", problems);
        let given = given.iter().find(|(name, ..)| *name == key.name).map(|(.., value)| *value);
        let value = match (Variable::read(key, item, given.is_some(), scope, problems), given) {
            (Some(variable), Some(value)) => {
                variable.input(value, step, problems);
                value.clone()
            }
            (Some(variable), None) => {
                if variable.default.is_none() {
                    let (name, uses) = (key.name, &step.uses);
                    let message =
                        format!("{uses} needs its variable '{name}', and step '{}' does not give it", step.name);
                    problems.add("no-value", step.uses_span.clone(), message, "this pipeline");
                    problems.help(format!("write {name} = … in the step's with"));
                }
                Template::plain(variable.default.flatten().unwrap_or_default())
            }
            (None, _) => Template::plain(Value::Null),
        };
        values.insert(key.name.to_owned(), value);
    }
    values
}

/// Whether a variable says that it is secret, be it wrongly.
fn is_marked(found: &Table<'_>) -> bool {
    found.get("secret").is_some_and(|(_, item)| !matches!(item.get_ref(), DeValue::Boolean(false)))
}

/// Keeps a value out of everything that is shown, as it was given and as it will be read.
fn hide(told: &Told<'_>) {
    match &told.said {
        Said::Text(text) => hide_variable(&Value::String(text.clone())),
        Said::Value(value) => hide_variable(value),
    }
}

/// A variable as the file declares it.
struct Variable<'a> {
    key: &'a Key<'a>,
    of: Type,
    /// Whether the type is that of the default.
    is_by_default: bool,
    is_secret: bool,
    rules: Rules,
    /// `None` within where it was wrong.
    default: Option<Option<Value>>,
}

impl<'a> Variable<'a> {
    /// Reads a table of `[vars]`; nothing after a problem that leaves no type.
    fn read(
        key: &'a Key<'a>,
        item: Item<'_>,
        is_told: bool,
        scope: &Scope<'_>,
        problems: &mut Problems,
    ) -> Option<Self> {
        let name = key.name;
        let what = format!("[vars.{name}]");
        let found = table(&format!("vars.{name}"), item, problems)?;
        let known = ["default", "type", "description", "secret", "validation"];
        let found = Table::new(&what, key.span.clone(), found, &known, problems);
        found.description(problems);
        // Before anything is said of the lines around it.
        if let Some((_, item)) = found.get("default").filter(|_| is_marked(&found)) {
            hide_default(item, default(item, is_told, scope, &mut Problems::default()).as_ref(), scope);
        }
        let secret = found.switch("secret", problems);
        let is_secret = secret.as_ref().is_some_and(|(on, _)| *on);
        let stated = stated(&found, problems)?;
        let default = found.get("default").map(|(_, item)| {
            let value = default(item, is_told, scope, problems);
            if is_secret {
                hide_default(item, value.as_ref(), scope);
            }
            (value, item)
        });
        if let (Some(of), Some((Some(value), item))) = (&stated, &default)
            && !of.takes(value)
        {
            let message = format!("default of {what} must have the type {of}, and is a {}", kind(value));
            // The line of a short value would show it.
            match is_secret && item.span().len() < SHORTEST {
                true => problems.add_unseen("wrong-type", message),
                false => _ = problems.add("wrong-type", item.span(), message, &format!("this is a {}", kind(value))),
            }
            problems.help(format!("write it like {}, or change the type", of.example()));
            return None;
        }
        let is_by_default = stated.is_none();
        let default = default.map(|(value, _)| value);
        let of = stated.unwrap_or_else(|| default.iter().flatten().next().map_or(Type::String, Type::of));
        if let Some((true, span)) = secret
            && !matches!(of.innermost(), Type::String | Type::Any)
        {
            let message = format!("secret of {what} is for strings, and the variable has the type {of}");
            problems.add("wrong-type", span, message, "cannot be masked in the output");
            problems.help("a number or a boolean is too common to mask; write type = \"string\", or remove secret");
        }
        let rules = found.get("validation").map(|(_, item)| Rules::read(name, item, &of, problems));
        let variable = Self { key, of, is_by_default, is_secret, rules: rules.unwrap_or_default(), default };
        // One that refers to what is not set stands for nothing.
        if let Some(Some(value)) = &variable.default
            && !(is_told && value.as_str() == Some(""))
        {
            variable.check(Origin::Default(name), value, problems);
        }
        Some(variable)
    }

    /// Its value in this run; nothing after a problem.
    fn value(&self, told: Option<&Told<'_>>, sources: &Sources<'_>, problems: &mut Problems) -> Option<Value> {
        let name = self.key.name;
        let Some(told) = told else {
            let ways = format!("--var {name}=VALUE, with a --var-file, or with LLMHOST_VAR_{name}");
            if sources.is_to_be_given_again(name) {
                let message = format!("the saved plan does not hold the value of the secret variable '{name}'");
                problems.add("no-value", self.key.span.clone(), message, "secret");
                problems.help(format!("give it again, as you did for the plan: {ways}"));
                return None;
            }
            if self.default.is_none() {
                let message = format!("variable '{name}' has no value");
                problems.add("no-value", self.key.span.clone(), message, "no default");
                problems.help(format!("give it one with {ways}, or a default in the file"));
            }
            return self.default.clone()?;
        };
        let value = match &told.said {
            Said::Text(text) => self.of.read(text).map_err(|error| (format!("'{}'", brief(text)), error)),
            Said::Value(value) if self.of.takes(value) => Ok((*value).clone()),
            Said::Value(value) => Err((format!("'{name}'"), format!("is a {}", kind(value)))),
        };
        match value {
            Ok(value) => {
                if self.is_secret {
                    hide_variable(&value);
                }
                self.check(told.from, &value, problems).then_some(value)
            }
            Err((text, error)) => {
                let text = if self.is_secret { "the value".to_owned() } else { text };
                self.misfit(told.from, &format!("{text} {error}"), problems);
                None
            }
        }
    }

    /// Checks what a step gives to it, as far as that is known.
    fn input(&self, value: &Template, step: &Step, problems: &mut Problems) {
        let (name, of, known) = (self.key.name, &self.of, value.outline());
        if self.is_secret && !known.as_str().is_some_and(unknown::is_opaque) {
            hide_variable(&known);
        }
        if !value.references().is_empty() {
            return;
        }
        if !of.takes(&known) {
            let found = kind(&known);
            let message = format!("variable '{name}' has the type {of}, and is given a {found}");
            problems.add("wrong-type", value.span.clone(), message, &format!("this is a {found}"));
            problems.help(format!("write it like {}", of.example()));
        } else if !known.as_str().is_some_and(unknown::is_opaque) {
            self.check(Origin::Place(&format!("step '{}'", step.name)), &known, problems);
        }
    }

    /// Whether a value keeps the rules of the file, and can be hidden where it has to be.
    fn check(&self, from: Origin<'_>, value: &Value, problems: &mut Problems) -> bool {
        let name = self.key.name;
        if self.is_secret && !can_be_hidden(value) {
            let message = format!(
                "{from}: the secret variable '{name}' holds a string shorter than {SHORTEST} characters, a number or a \
                 boolean, which is too common to mask"
            );
            problems.add("short-secret", self.key.span.clone(), message, "secret");
            problems.help(format!("give it only strings of at least {SHORTEST} characters, or remove secret"));
            return false;
        }
        let Some(broken) = self.rules.broken(value) else { return true };
        let (rule, at) = (&broken.rule, &broken.at);
        let text = if self.is_secret { "the value".to_owned() } else { brief(&broken.value.to_string()) };
        let entry = if at.is_empty() { String::new() } else { format!(" (entry {at})") };
        let message = format!("{from}: {text}{entry} breaks the rule {rule} of variable '{name}'");
        problems.add("validation", self.key.span.clone(), message, "has this rule");
        let near = broken.value.as_str().filter(|_| !self.is_secret);
        let near = near.and_then(|text| did_you_mean(text, broken.allowed.iter().copied()));
        let near = near.map(|near| format!("did you mean '{near}'?"));
        let help = [self.rules.message.clone(), near].into_iter().flatten().collect::<Vec<_>>().join("; ");
        problems.help(if help.is_empty() { "give it another value, or change the rule".to_owned() } else { help });
        false
    }

    /// A value that is not of the variable's type.
    fn misfit(&self, from: Origin<'_>, error: &str, problems: &mut Problems) {
        let (name, of) = (self.key.name, &self.of);
        let why = if self.is_by_default { ", which its default has" } else { "" };
        let message = format!("{from}: {error}, and variable '{name}' has the type {of}{why}");
        problems.add("wrong-type", self.key.span.clone(), message, &format!("type {of}"));
        let example = of.example();
        let needs_quotes = example.contains(['"', '{', '[']);
        let written = match from {
            Origin::Flag(_) if needs_quotes => format!("--var '{name}={example}'"),
            Origin::Flag(_) => format!("--var {name}={example}"),
            Origin::Environment(_) if needs_quotes => format!("LLMHOST_VAR_{name}='{example}'"),
            Origin::Environment(_) => format!("LLMHOST_VAR_{name}={example}"),
            Origin::Place(_) | Origin::Plan | Origin::Default(_) => format!("{name} = {example}"),
        };
        problems.help(format!("write it like {written}; for another type, write type = \"…\" in [vars.{name}]"));
    }
}

/// The type that a variable states; nothing within where it states none, nothing at all after a problem.
fn stated(found: &Table<'_>, problems: &mut Problems) -> Option<Option<Type>> {
    let Some((text, span)) = found.literal("type", "write the type here; it cannot come from a variable", problems)
    else {
        return Some(None);
    };
    if let Ok(of) = text.parse::<Type>() {
        return Some(Some(of));
    }
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
    None
}

/// A default. Where the value is given, the environment need not have what the default refers to.
fn default(item: Item<'_>, is_told: bool, scope: &Scope<'_>, problems: &mut Problems) -> Option<Value> {
    let DeValue::String(text) = item.get_ref() else { return Some(constant(item, problems)) };
    let mut own = Problems::default();
    let value = scope.plain(text, &item.span(), Reach::Environment, &mut own);
    let unset = |problem: &Diagnostic| is_told && problem.code == "unset-environment";
    let is_unset = own.0.iter().any(unset);
    problems.0.extend(own.0.into_iter().filter(|problem| !unset(problem)));
    if is_unset { Some(Value::String(String::new())) } else { value }
}

/// Hides the default of a secret variable, also as it stands in the file, whose lines problems show.
fn hide_default(item: Item<'_>, value: Option<&Value>, scope: &Scope<'_>) {
    value.into_iter().for_each(hide_variable);
    let written = scope.source.get(item.span()).unwrap_or_default();
    if !written.contains("${") {
        hide_variable(&Value::String(written.trim_matches(['"', '\'']).to_owned()));
    }
}

/// Whether a secret value consists of texts that are found where they are, and nowhere else.
fn can_be_hidden(value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty() || text.len() >= SHORTEST,
        Value::Array(items) => items.iter().all(can_be_hidden),
        Value::Object(fields) => fields.values().all(can_be_hidden),
        _ => false,
    }
}

/// A value for a message. What is hidden is so before it is cut.
fn brief(text: &str) -> String {
    let text = shown(text);
    match text.chars().count() > MOST_SHOWN {
        true => text.chars().take(MOST_SHOWN - 1).chain(['…']).collect(),
        false => text.into_owned(),
    }
}
