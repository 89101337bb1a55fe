//! `[steps]`: each step as the file has it.

use std::ops::Range;
use std::time::Duration;

use super::families::{Each, Family};
use super::reader::{Item, Key, Problems, Table, table};
use super::step::Step;
use super::targets::WORDS;
use super::template::{Node, Template};
use super::values::{Scope, plain_key};
use super::{ignored, placements};
use crate::diagnostic::did_you_mean;
use crate::names::StepName;
use crate::plugin::Limits;

/// Reads an entry: the steps that it stands for. A problem that several of them have is said once, with all others.
pub(super) fn read(key: &Key<'_>, item: Item<'_>, scope: &Scope<'_>, problems: &mut Problems) -> Vec<Step> {
    let Some(found) = table(&format!("steps.{}", key.name), item, problems) else { return Vec::new() };
    let what = format!("[steps.{}]", key.name);
    let known = ["uses", "with", "after", "allow", "limits", "protect", "ignore_changes", "for_each", "when"];
    let known = [&known[..], &placements::KEYS].concat();
    let found = Table::new(&what, key.span.clone(), found, &known, problems);
    let Some(name) = name(key, problems) else { return Vec::new() };
    let mut one = |name: &StepName, each: Option<&Each>| {
        let whole = scope.named(name.clone());
        let whole =
            whole.map_err(|error| _ = problems.add("bad-name", key.span.clone(), error.to_string(), "too long"));
        step(key, &found, whole.ok(), &Scope { each, ..*scope }, problems)
    };
    match scope.families.get(key.name) {
        None | Some(Family::One) => one(&name, None).into_iter().collect(),
        // What it refers to may be switched off as well.
        Some(Family::Off | Family::Unclear) => Vec::new(),
        Some(Family::Each { on, .. }) => {
            on.iter().filter_map(|each| one(&name.with_key(&each.key).ok()?, Some(each))).collect()
        }
    }
}

fn step(
    key: &Key<'_>,
    found: &Table<'_>,
    name: Option<StepName>,
    scope: &Scope<'_>,
    problems: &mut Problems,
) -> Option<Step> {
    let uses = found.need("uses", "\"vpc\"", problems);
    let uses =
        uses.and_then(|_| found.literal("uses", "write the plugin here; it cannot come from a variable", problems));
    let with = match found.get("with") {
        Some((_, item)) if table("with", item, problems).is_some() => scope.template(item, problems),
        // A step without options has them all at their defaults.
        _ => Template { span: key.span.clone(), node: Node::Table(Vec::new()) },
    };
    let after = found.literals("after", "write the names of the steps here; they cannot come from variables", problems);
    let after = after.into_iter().flat_map(|(text, span)| {
        let steps = named(&text, &span, scope, problems).into_iter().filter_map(|step| scope.named(step).ok());
        steps.map(move |step| (step.as_str().to_owned(), span.clone()))
    });
    let after = after.collect();
    let why = "write the grants here; they cannot come from variables";
    let (allow, allow_spans) = found.literals("allow", why, problems).into_iter().unzip();
    let limits = found.get("limits").map(|(key, item)| limits(key, item, problems)).unwrap_or_default();
    let protect = found.get("protect");
    let protect = protect.is_some_and(|(_, item)| scope.flag(&found.called("protect"), item, problems));
    let ignored = ignored::read(found, problems);
    let (placement, region_span) = placements::read(found, scope, problems);
    let (uses, uses_span) = uses?;
    if is_pipeline(&uses) {
        for (key, _) in ["allow", "limits"].iter().filter_map(|key| found.get(key)) {
            let message = format!("{} is for plugins, and {uses} is a pipeline", found.called(key.name));
            problems.add("unknown-key", key.span.clone(), message, "not known here");
            problems.help("write it in the steps of that file");
        }
    }
    Some(Step {
        name: name?,
        uses,
        allow,
        limits,
        protect,
        ignored,
        placement,
        region_span,
        after,
        with,
        uses_span,
        allow_spans,
    })
}

/// Whether a step is a pipeline of its own.
pub(super) fn is_pipeline(uses: &str) -> bool {
    !uses.contains("://") && uses.ends_with(".toml")
}

/// The steps that an entry of `after` names: all that an entry of the file stands for, or one of them by its key.
fn named(text: &str, span: &Range<usize>, scope: &Scope<'_>, problems: &mut Problems) -> Vec<StepName> {
    let name = text.parse::<StepName>().ok();
    let family = name.as_ref().filter(|name| scope.steps.contains(&name.family()));
    let Some(name) = family else {
        problems.add("unknown-step", span.clone(), format!("there is no step '{text}'"), "not a step of this file");
        problems.help(match did_you_mean(text, scope.steps.iter().copied()) {
            Some(near) => format!("did you mean '{near}'?"),
            None => steps_are(scope.steps),
        });
        return Vec::new();
    };
    let family = scope.families.get(name.family());
    let steps = family.map_or_else(|| vec![name.clone()], |family| family.steps(name));
    match (name.key(), family) {
        (None, _) => return steps,
        (Some(_), _) if steps.contains(name) => return vec![name.clone()],
        // Nobody waits for what is switched off.
        (Some(key), Some(Family::Each { off, .. })) if off.iter().any(|off| off == key) => {}
        (Some(key), Some(Family::Each { .. } | Family::One)) => {
            let message = format!("step '{}' is not repeated for '{key}'", name.family());
            problems.add("unknown-step", span.clone(), message, "not a step of this file");
        }
        _ => {}
    }
    Vec::new()
}

fn name(key: &Key<'_>, problems: &mut Problems) -> Option<StepName> {
    let before = problems.0.len();
    plain_key(key, "the name of a step", problems);
    if problems.0.len() > before {
        return None;
    }
    let name = match key.name {
        word if WORDS.contains(&word) => {
            Err(format!("a step cannot be called '{word}': ${{{word}.x}} means something else"))
        }
        keyed if keyed.contains([':', '[']) => {
            Err(format!("a step cannot be called '{keyed}': keys come from for_each"))
        }
        name => StepName::single(name).map_err(|error| error.to_string()),
    };
    name.map_err(|error| _ = problems.add("bad-name", key.span.clone(), error, "not a step name")).ok()
}

pub(super) fn limits(key: &Key<'_>, item: Item<'_>, problems: &mut Problems) -> Limits {
    let Some(found) = table("limits", item, problems) else { return Limits::default() };
    let found = Table::new("limits", key.span.clone(), found, &["memory", "time"], problems);
    let mut quantity = |key, parse: fn(&str) -> Option<u64>, example: &str| {
        let (text, span) = found.literal(key, "write the limit here; it cannot come from a variable", problems)?;
        let parsed = parse(&text).filter(|&quantity| quantity > 0);
        if parsed.is_none() {
            problems.add("bad-limit", span, format!("'{text}' is not a {key} limit"), "not understood");
            problems.help(format!("write it like {example}"));
        }
        parsed
    };
    let memory = quantity("memory", bytes, "\"256MiB\" or \"1GiB\"");
    let time = quantity("time", millis, "\"500ms\", \"10s\" or \"2m\"").map(Duration::from_millis);
    Limits { memory, time }
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

/// What may stand where a step is named that there is not.
pub(super) fn steps_are(steps: &[&str]) -> String {
    match steps {
        [] => "the file has no steps".to_owned(),
        all => {
            format!("the steps of this file are {}; where one was renamed, write its new name here too", all.join(", "))
        }
    }
}
