//! The file as a whole: `[pipeline]`, `[vars]`, `[secrets]`, `[steps]`, `[trust]`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use toml::de::DeTable;

use super::families::{self, Families};
use super::given::{Given, Sources};
use super::head::{self, Head};
use super::moved::{self, Moved};
use super::reader::{Item, Key, Problems, Table, entries, table};
use super::trust::{self, Trust};
use super::values::Scope;
use super::vars::{self, Vars};
use super::{Pipeline, Step, check, secrets, steps};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::secret::Secret;

/// A pipeline file is written by hand; anything larger is a mistake.
pub(super) const MOST_BYTES: u64 = 16 << 20;

pub(super) fn load(path: &Path, given: &Given, env: &dyn Fn(&str) -> Option<String>) -> Result<Pipeline, Diagnostics> {
    let source = read(path)?;
    let mut problems = Problems::default();
    let (root, errors) = DeTable::parse_recoverable(&source);
    if !errors.is_empty() {
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            problems.add("syntax", span, error.message(), "here");
        }
        if let Some(other) = other_format(&source) {
            // What TOML's parser says of it helps nobody.
            problems.0.truncate(1);
            problems.help(format!(
                "this reads like {other}, and a pipeline file is TOML: [pipeline], then name = \"…\" and region = \
                 \"us-east-1\" on lines of their own"
            ));
        }
        // What else would be said of a half-read file is mostly noise.
        return Err(diagnostics(path, source.clone(), problems.0));
    }
    let base = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let base = std::path::absolute(base).unwrap_or_else(|_| base.to_owned());
    let sources = match Sources::read(given, env) {
        Ok(sources) => sources,
        // Without its values, every other problem may be none.
        Err(problem) => return Err(diagnostics(path, source.clone(), vec![problem])),
    };
    let read = Input { source: &source, base: &base, env, sources: &sources }.read(root.get_ref(), &mut problems);
    let graph = check::graph(&read.steps);
    match graph {
        Ok(graph) if problems.0.is_empty() => {
            let Read {
                head: Head { name, is_name_given, region: (region, region_span), tags, state },
                given,
                given_secrets,
                secrets,
                steps,
                trust,
                moved,
            } = read;
            drop(root);
            let path = path.to_owned();
            Ok(Pipeline {
                path,
                base,
                source,
                name,
                is_name_given,
                region,
                region_span,
                tags,
                state,
                given,
                given_secrets,
                secrets,
                steps,
                trust,
                moved,
                graph,
            })
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
    let problems = once(problems);
    Diagnostics { path: path.to_owned(), source, problems }
}

/// Each problem once: the steps of an entry that is repeated have the same one in the same place.
fn once(problems: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut found: Vec<(Diagnostic, String, usize)> = Vec::new();
    for problem in problems {
        let message = without_keys(&problem.message);
        let is_same = |(first, words, _): &&mut (Diagnostic, String, usize)| {
            (first.code, &first.span) == (problem.code, &problem.span) && *words == message
        };
        // They stand beside each other, but for others of the same place.
        match found.iter_mut().rev().take_while(|(first, ..)| first.span == problem.span).find(is_same) {
            Some((first, _, more)) => *more += usize::from(first.message != problem.message),
            None => found.push((problem, message, 0)),
        }
    }
    let told = |(mut problem, _, more): (Diagnostic, String, usize)| {
        if more > 0 {
            let steps = if more == 1 { "step" } else { "steps" };
            problem.message += &format!(" (the same in {more} more {steps})");
        }
        problem
    };
    found.into_iter().map(told).collect()
}

/// A message with `team` for every `team:a`.
fn without_keys(message: &str) -> String {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let mut parts = message.split(':');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let key = part.find(|c: char| !is_name(c)).unwrap_or(part.len());
        if key == 0 || !text.ends_with(is_name) {
            text.push(':');
            text.push_str(part);
        } else {
            text.push_str(&part[key..]);
        }
    }
    text
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

/// What the file is read with.
struct Input<'a> {
    source: &'a str,
    base: &'a Path,
    env: &'a dyn Fn(&str) -> Option<String>,
    sources: &'a Sources<'a>,
}

/// What the file says.
struct Read {
    head: Head,
    given: BTreeMap<String, Value>,
    given_secrets: BTreeSet<String>,
    secrets: BTreeMap<String, Secret>,
    steps: Vec<Step>,
    trust: Trust,
    moved: Vec<Moved>,
}

impl Input<'_> {
    /// Variables first: what they are stands in everything else.
    fn read(&self, root: &DeTable<'_>, problems: &mut Problems) -> Read {
        let known = ["pipeline", "vars", "secrets", "steps", "trust", "moved"];
        let top = Table::new("the file", 0..0, root, &known, problems);
        let steps = top.get("steps").and_then(|(_, item)| table("steps", item, problems)).map(entries);
        let steps = steps.unwrap_or_default();
        let names: Vec<&str> = steps.iter().map(|(key, _)| key.name).collect();
        let (no_families, no_vars, no_secrets) = (Families::new(), BTreeMap::new(), BTreeMap::new());
        let scope = Scope {
            source: self.source,
            steps: &names,
            families: &no_families,
            each: None,
            vars: &no_vars,
            secrets: &no_secrets,
            env: self.env,
        };
        let Vars { values, given, given_secrets } =
            vars::read(top.get("vars").map(|(_, item)| item), self.sources, &scope, problems);
        let scope = Scope { vars: &values, ..scope };
        let head = head::read(&top, &scope, problems);
        let secrets = secrets::read(top.get("secrets").map(|(_, item)| item), self.base, &scope, problems);
        let scope = Scope { secrets: &secrets, ..scope };
        let families = |scope: &Scope<'_>, problems: &mut Problems| -> Families {
            let read =
                |(key, item): &(Key<'_>, Item<'_>)| (key.name.to_owned(), families::read(key, item, scope, problems));
            steps.iter().map(read).collect()
        };
        // The values of one may refer to steps of another: first the keys alone.
        let keys = families(&scope, &mut Problems::default());
        let families = families(&Scope { families: &keys, ..scope }, problems);
        let scope = Scope { families: &families, ..scope };
        let steps: Vec<Step> = steps.iter().flat_map(|(key, item)| steps::read(key, item, &scope, problems)).collect();
        let moved = moved::read(top.get("moved").map(|(_, item)| item), problems);
        moved::check(&moved, &steps, problems);
        let trust = trust::read(top.get("trust").map(|(_, item)| item), problems);
        Read { head, given, given_secrets, secrets, steps, trust, moved }
    }
}

/// The format that a file seems to have that is no TOML.
fn other_format(source: &str) -> Option<&'static str> {
    let mut lines = source.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let first = lines.next()?;
    let is_key = |key: &str| !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    match first.split_once(':') {
        _ if first.starts_with('{') => Some("JSON"),
        _ if first == "---" => Some("YAML"),
        Some((key, _)) if is_key(key) => Some("YAML"),
        _ => None,
    }
}
