//! The file as a whole: `[pipeline]`, `[vars]`, `[steps]`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use toml::de::{DeTable, DeValue};

use super::moved::{self, Moved};
use super::reader::{Item, Key, Problems, Table, entries, string, table};
use super::template::{Node, Template, kind};
use super::values::{Scope, constant};
use super::{Pipeline, Step, check};
use crate::diagnostic::{Diagnostic, Diagnostics, did_you_mean};
use crate::names::StepName;
use crate::plugin::Limits;
use crate::secret::{Secret, SecretSource};

/// A pipeline file is written by hand; anything larger is a mistake.
const MOST_BYTES: u64 = 16 << 20;

pub(super) fn load(
    path: &Path,
    vars: &[(String, String)],
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Pipeline, Diagnostics> {
    let source = read(path)?;
    let mut problems = Problems::default();
    let (root, errors) = DeTable::parse_recoverable(&source);
    if !errors.is_empty() {
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            problems.add("syntax", span, error.message(), "here");
        }
        // What else would be said of a half-read file is mostly noise.
        return Err(diagnostics(path, source.clone(), problems.0));
    }
    let base = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let base = std::path::absolute(base).unwrap_or_else(|_| base.to_owned());
    let read = Reading { source: &source, base: &base, env, problems: &mut problems }.file(root.get_ref(), vars);
    let graph = check::graph(&read.steps);
    match graph {
        Ok(graph) if problems.0.is_empty() => {
            let Read { head: Head { name, region: (region, region_span), tags, state }, secrets, steps, moved } = read;
            drop(root);
            let path = path.to_owned();
            Ok(Pipeline { path, base, source, name, region, region_span, tags, state, secrets, steps, moved, graph })
        }
        graph => {
            problems.0.extend(graph.err().into_iter().flatten());
            Err(diagnostics(path, source.clone(), problems.0))
        }
    }
}

/// Problems in the order of their places.
pub(super) fn diagnostics(path: &Path, source: String, mut problems: Vec<Diagnostic>) -> Diagnostics {
    problems.sort_by_key(|problem| problem.span.as_ref().map_or(0, |span| span.start));
    Diagnostics { path: path.to_owned(), source, problems }
}

fn read(path: &Path) -> Result<String, Diagnostics> {
    let fail = |code, message: String, help: &str| {
        let help = Some(help.to_owned());
        diagnostics(path, String::new(), vec![Diagnostic { code, message, span: None, label: String::new(), help }])
    };
    let shown = path.display();
    let unreadable = |error: std::io::Error| {
        fail(
            "unreadable",
            format!("cannot read {shown}: {error}"),
            "give the path of a pipeline file, such as pipeline.toml",
        )
    };
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(fail("unreadable", format!("{shown} is a folder"), "give the path of a pipeline file in it"));
    }
    if metadata.len() > MOST_BYTES {
        let message = format!("{shown} has {} bytes; at most {MOST_BYTES} are read", metadata.len());
        return Err(fail("too-large", message, "is this the right file?"));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at].iter().filter(|&&byte| byte == b'\n').count() + 1;
        let message = format!("{shown} is not UTF-8: byte {at}, in line {line}, is no character");
        fail("not-utf8", message, "save it as UTF-8 text")
    })
}

/// What the file says.
struct Read {
    head: Head,
    secrets: BTreeMap<String, Secret>,
    steps: Vec<Step>,
    moved: Vec<Moved>,
}

/// What `[pipeline]` says.
#[derive(Default)]
struct Head {
    name: String,
    region: (String, Range<usize>),
    tags: BTreeMap<String, String>,
    state: Option<(String, Range<usize>)>,
}

struct Reading<'a> {
    source: &'a str,
    base: &'a Path,
    env: &'a dyn Fn(&str) -> Option<String>,
    problems: &'a mut Problems,
}

impl Reading<'_> {
    fn file(&mut self, root: &DeTable<'_>, vars: &[(String, String)]) -> Read {
        let top = Table::new("the file", 0..0, root, &["pipeline", "vars", "secrets", "steps", "moved"], self.problems);
        let head = match self.head(&top) {
            Some((key, item)) => self.pipeline(key, item),
            None => Head::default(),
        };
        let vars = self.vars(top.get("vars").map(|(_, item)| item), vars);
        let secrets = self.secrets(top.get("secrets").map(|(_, item)| item));
        let steps = top.get("steps").and_then(|(_, item)| table("steps", item, self.problems)).map(entries);
        let steps = steps.unwrap_or_default();
        let names: Vec<&str> = steps.iter().map(|(key, _)| key.name).collect();
        let scope = Scope { source: self.source, steps: &names, vars: &vars, secrets: &secrets, env: self.env };
        let steps: Vec<Step> = steps.iter().filter_map(|(key, item)| self.step(key, item, &scope)).collect();
        let moved = moved::read(top.get("moved").map(|(_, item)| item), self.problems);
        moved::check(&moved, &steps, self.problems);
        Read { head, secrets, steps, moved }
    }

    fn head<'t, 'f>(&mut self, top: &'t Table<'f>) -> Option<(&'t Key<'f>, Item<'f>)> {
        let found = top.get("pipeline");
        if found.is_none() {
            self.problems.add("missing-key", 0..0, "the file has no [pipeline] table", "begin with it");
            self.problems.help("begin the file with [pipeline], name = \"…\" and region = \"us-east-1\"");
        }
        found
    }

    fn pipeline(&mut self, key: &Key<'_>, item: Item<'_>) -> Head {
        let Some(found) = table("pipeline", item, self.problems) else { return Head::default() };
        let known = ["name", "region", "tags", "state"];
        let found = Table::new("[pipeline]", key.span.clone(), found, &known, self.problems);
        let mut text = |key, example| {
            found.need(key, example, self.problems).is_some().then(|| found.string(key, self.problems)).flatten()
        };
        let (name, region) = (text("name", "\"llm\""), text("region", "\"us-east-1\""));
        if let Some((name, span)) = &name
            && let Err(error) = name.parse::<StepName>()
        {
            let message = error.to_string().replace("step name", "pipeline name");
            self.problems.add("bad-name", span.clone(), message, "not a name");
        }
        if let Some((region, span)) = &region
            && !is_region(region)
        {
            self.problems.add("bad-region", span.clone(), format!("'{region}' is not a region"), "not a region");
            self.problems.help("a region looks like us-east-1 or eu-central-1");
        }
        let tags = found.get("tags").map(|(_, item)| self.tags(item)).unwrap_or_default();
        let state = found.string("state", self.problems);
        Head { name: name.unwrap_or_default().0, region: region.unwrap_or_default(), tags, state }
    }

    fn tags(&mut self, item: Item<'_>) -> BTreeMap<String, String> {
        let Some(found) = table("tags", item, self.problems) else { return BTreeMap::new() };
        let mut tags = BTreeMap::new();
        for (key, value) in entries(found) {
            let Some((text, span)) = string("a tag's value", value, self.problems) else { continue };
            let reserved = ["aws:", "llmhost:"].into_iter().find(|prefix| key.name.to_lowercase().starts_with(prefix));
            if let Some(prefix) = reserved {
                let message = format!("the tag '{}' starts with {prefix}, which is reserved", key.name);
                self.problems.add("bad-tag", key.span, message, "reserved");
            } else if key.name.is_empty() || key.name.chars().count() > 128 {
                self.problems.add("bad-tag", key.span, "a tag's key has 1 to 128 characters", "too long or empty");
            } else if text.chars().count() > 256 {
                self.problems.add("bad-tag", span, "a tag's value has at most 256 characters", "too long");
            } else {
                tags.insert(key.name.to_owned(), text);
            }
        }
        tags
    }

    /// The variables' values: of the command line, or the file's defaults.
    fn vars(&mut self, item: Option<Item<'_>>, given: &[(String, String)]) -> BTreeMap<String, Value> {
        let mut values = BTreeMap::new();
        let declared = item.and_then(|item| table("vars", item, self.problems)).map(entries).unwrap_or_default();
        for (key, item) in &declared {
            let Some(found) = table(&format!("vars.{}", key.name), item, self.problems) else { continue };
            let what = format!("[vars.{}]", key.name);
            let found = Table::new(&what, key.span.clone(), found, &["default", "description"], self.problems);
            found.string("description", self.problems);
            let default = found.get("default").map(|(_, item)| constant(item, self.problems));
            let told = given.iter().rev().find(|(name, _)| name == key.name);
            let value = match (told, default) {
                (Some((_, text)), default) => Some(told_value(text, default.as_ref())),
                (None, default) => default,
            };
            if value.is_none() {
                self.problems.add(
                    "no-value",
                    key.span.clone(),
                    format!("variable '{}' has no value", key.name),
                    "no default",
                );
                self.problems.help(format!("give it one with --var {}=VALUE, or a default in the file", key.name));
            }
            values.insert(key.name.to_owned(), value.unwrap_or_default());
        }
        for (name, _) in given.iter().filter(|(name, _)| !values.contains_key(name)) {
            let near = did_you_mean(name, values.keys().map(String::as_str));
            self.problems.0.push(Diagnostic {
                code: "unknown-variable",
                message: format!("--var {name}: the file has no variable '{name}'"),
                span: None,
                label: String::new(),
                help: near.map(|near| format!("did you mean '{near}'?")),
            });
        }
        values
    }

    /// Where each secret is. None of them is read here.
    fn secrets(&mut self, item: Option<Item<'_>>) -> BTreeMap<String, Secret> {
        let declared = item.and_then(|item| table("secrets", item, self.problems)).map(entries).unwrap_or_default();
        let declared = declared.iter().map(|(key, item)| {
            // What is wrong with one was said; whoever refers to it is right.
            let none = Secret { source: SecretSource::Env(String::new()), version: 1 };
            (key.name.to_owned(), self.secret(key, item).unwrap_or(none))
        });
        declared.collect()
    }

    fn secret(&mut self, key: &Key<'_>, item: Item<'_>) -> Option<Secret> {
        const PLACES: [&str; 4] = ["env", "file", "parameter", "secrets-manager"];
        if let DeValue::String(_) = item.get_ref() {
            // Without the line: it would be in the logs then, too.
            let message = format!("secrets.{} is the value itself, for everybody to read who reads the file", key.name);
            self.problems.add_unseen("open-secret", message);
            self.problems
                .help("say where it is instead, in a table: { env = \"NAME\" }, or file, parameter, secrets-manager");
            return None;
        }
        let found = table(&format!("secrets.{}", key.name), item, self.problems)?;
        let what = format!("[secrets.{}]", key.name);
        let known = [&PLACES[..], &["version", "description"]].concat();
        let found = Table::new(&what, key.span.clone(), found, &known, self.problems);
        found.string("description", self.problems);
        if !key.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) {
            let message = format!("'{}' is not the name of a secret", key.name);
            self.problems.add("bad-name", key.span.clone(), message, "letters, digits, _ and - alone");
        }
        let version = found.positive("version", self.problems).unwrap_or(1);
        let places: Vec<&str> = PLACES.into_iter().filter(|place| found.get(place).is_some()).collect();
        let [place] = places[..] else {
            let message = format!("secret '{}' has {} places, and needs one", key.name, places.len());
            self.problems.add("no-place", key.span.clone(), message, "where is it?");
            self.problems.help(format!("say one of env = \"NAME\", {} = \"…\"", PLACES[1..].join(" = \"…\", ")));
            return None;
        };
        let (text, span) = found.string(place, self.problems)?;
        if text.is_empty() {
            self.problems.add("no-place", span, format!("{place} of {what} is empty"), "nothing is said here");
            return None;
        }
        let source = match place {
            "env" => SecretSource::Env(text),
            "file" => SecretSource::File(self.base.join(text)),
            "parameter" => SecretSource::Parameter(text),
            _ => SecretSource::SecretsManager(text),
        };
        Some(Secret { source, version })
    }

    fn step(&mut self, key: &Key<'_>, item: Item<'_>, scope: &Scope<'_>) -> Option<Step> {
        let found = table(&format!("steps.{}", key.name), item, self.problems)?;
        let what = format!("[steps.{}]", key.name);
        let known = ["uses", "with", "after", "allow", "limits", "protect"];
        let found = Table::new(&what, key.span.clone(), found, &known, self.problems);
        let name = key.name.parse::<StepName>().map_err(|error| error.to_string());
        let name = match key.name {
            "vars" | "env" | "secrets" => {
                Err(format!("a step cannot be called '{}': ${{{}.x}} means something else", key.name, key.name))
            }
            _ => name,
        };
        if let Err(error) = &name {
            self.problems.add("bad-name", key.span.clone(), error, "not a step name");
        }
        let uses = found.need("uses", "\"vpc\"", self.problems).and_then(|_| found.string("uses", self.problems));
        let with = match found.get("with") {
            Some((_, item)) if table("with", item, self.problems).is_some() => scope.template(item, self.problems),
            // A step without options has them all at their defaults.
            _ => Template { span: key.span.clone(), node: Node::Table(Vec::new()) },
        };
        let after = found.strings("after", self.problems);
        for (name, span) in after.iter().filter(|(name, _)| !scope.steps.contains(&name.as_str())) {
            self.problems.add(
                "unknown-step",
                span.clone(),
                format!("there is no step '{name}'"),
                "not a step of this file",
            );
            if let Some(near) = did_you_mean(name, scope.steps.iter().copied()) {
                self.problems.help(format!("did you mean '{near}'?"));
            }
        }
        let (allow, allow_spans) = found.strings("allow", self.problems).into_iter().unzip();
        let limits = found.get("limits").map(|(key, item)| self.limits(key, item)).unwrap_or_default();
        let protect = found.boolean("protect", self.problems);
        let (uses, uses_span) = uses?;
        let name = name.ok()?;
        Some(Step { name, uses, allow, limits, protect, after, with, uses_span, allow_spans })
    }

    fn limits(&mut self, key: &Key<'_>, item: Item<'_>) -> Limits {
        let Some(found) = table("limits", item, self.problems) else { return Limits::default() };
        let found = Table::new("limits", key.span.clone(), found, &["memory", "time"], self.problems);
        let mut quantity = |key, parse: fn(&str) -> Option<u64>, example: &str| {
            let (text, span) = found.string(key, self.problems)?;
            let parsed = parse(&text).filter(|&quantity| quantity > 0);
            if parsed.is_none() {
                self.problems.add("bad-limit", span, format!("'{text}' is no {key} limit"), "not understood");
                self.problems.help(format!("write it like {example}"));
            }
            parsed
        };
        let memory = quantity("memory", bytes, "\"256MiB\" or \"1GiB\"");
        let time = quantity("time", millis, "\"500ms\", \"10s\" or \"2m\"").map(Duration::from_millis);
        Limits { memory, time }
    }
}

/// A value from the command line: TOML where it is, unless the default is a string; else a string.
fn told_value(text: &str, default: Option<&Value>) -> Value {
    let as_string = || Value::String(text.to_owned());
    if default.is_some_and(|default| kind(default) == "string") {
        return as_string();
    }
    let line = format!("value = {text}");
    let mut problems = Problems::default();
    let parsed = DeTable::parse(&line).ok().and_then(|root| {
        let (_, item) = root.get_ref().iter().next()?;
        Some(constant(item, &mut problems))
    });
    parsed.filter(|_| problems.0.is_empty()).unwrap_or_else(as_string)
}

/// `us-east-1`, `us-gov-west-1`: parts of lower-case letters, then a number.
fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let Some((number, words)) = parts.split_last() else { return false };
    let is_word = |word: &&str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase());
    words.len() >= 2 && words.iter().all(is_word) && !number.is_empty() && number.chars().all(|c| c.is_ascii_digit())
}

fn bytes(text: &str) -> Option<u64> {
    scaled(text, &[("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)])
}

fn millis(text: &str) -> Option<u64> {
    scaled(text, &[("ms", 1), ("s", 1000), ("m", 60_000)])
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, scale) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*scale)
}
