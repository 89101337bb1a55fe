//! What exists of a pipeline and is not in its state, in words.

use std::fmt::Write;

use indexmap::IndexMap;
use llmhost_engine::names::{ResourceAddress, StepName};
use llmhost_engine::plan::{FieldChange, TextStyle, plain};
use llmhost_engine::run::{FoundResource, How, Missing, Survey, Why};
use llmhost_engine::unknown;

use super::{coloured, style};

/// Everything that was found, and what was not.
pub(crate) fn survey(survey: &Survey, pipeline: &str, text: TextStyle) -> String {
    let mut out = String::new();
    found(survey, &mut out);
    let (absent, left): (Vec<_>, Vec<_>) = survey.missing.iter().partition(|missing| missing.why.is_absent());
    list(&mut out, "Declared, and not found:", &absent);
    list(&mut out, "Declared, and not imported:", &left);
    strays(survey, pipeline, &mut out);
    sum_up(survey, &mut out);
    coloured(out, text)
}

fn found(survey: &Survey, out: &mut String) {
    let mut steps: IndexMap<&StepName, Vec<&FoundResource>> = IndexMap::new();
    for one in &survey.found {
        steps.entry(one.address.step()).or_default().push(one);
    }
    for (step, resources) in steps {
        let _ = writeln!(out, "{0}{step}{0:#}", style::NAME);
        for one in resources {
            let (good, faint) = (style::GOOD, style::FAINT);
            let (what, id) = (short(&one.address), plain(&one.id));
            let _ = writeln!(out, "  {good}+ {what}{good:#} {id} {faint}{}{faint:#}", how(&one.how));
            one.differs.iter().for_each(|field| differs(field, out));
            if one.would_be_replaced() {
                let warn = style::WARN;
                let _ = writeln!(out, "      {warn}The next run would replace it.{warn:#}");
            }
        }
        out.push('\n');
    }
}

fn short(address: &ResourceAddress) -> String {
    format!("{}/{}", address.kind(), address.name())
}

fn how(how: &How) -> String {
    match how {
        How::Tags => "found by its tags".to_owned(),
        How::Name => "found by its name".to_owned(),
        How::Content { was: Some(was) } => format!("found by its content; its tags name {}", plain(was)),
        How::Content { was: None } => "found by its content; its tags name no address".to_owned(),
    }
}

fn differs(field: &FieldChange, out: &mut String) {
    let word = |value: &Option<serde_json::Value>| match value {
        None => "nothing".to_owned(),
        Some(value) if unknown::any_unknown(value) => "what is known after apply".to_owned(),
        Some(value) => value.to_string(),
    };
    let (path, old, new) = (plain(&field.path), word(&field.old), word(&field.new));
    let _ = writeln!(out, "      ~ {path}: {} exists, {} is declared", plain(&old), plain(&new));
}

fn list(out: &mut String, title: &str, all: &[&Missing]) {
    if all.is_empty() {
        return;
    }
    let _ = writeln!(out, "{title}");
    for missing in all {
        let _ = writeln!(out, "  - {} {}", missing.address, why(&missing.address, &missing.why));
    }
    out.push('\n');
}

fn why(address: &ResourceAddress, why: &Why) -> String {
    let import = |id: &str| format!("llmhost import FILE {address} {}", plain(id));
    match why {
        Why::NotThere => "does not exist. The next run creates it.".to_owned(),
        Why::NotLookedFor => {
            "cannot be found: it has neither tags nor a name. The next run creates it; import it by its id if it exists."
                .to_owned()
        }
        Why::Waits { on } => {
            let on: Vec<String> = on.iter().map(ToString::to_string).collect();
            format!("depends on a resource that was not found: {}", on.join(", "))
        }
        Why::Ambiguous { ids } => {
            let ids: Vec<String> = ids.iter().map(|id| plain(id).into_owned()).collect();
            format!("could be any of {}. Import the right one: {}", ids.join(", "), import("ID"))
        }
        Why::Known { holder, id } => format!(
            "is {}, which the state has as {holder}. If that was renamed: llmhost state mv FILE {holder} {address}",
            plain(id)
        ),
        Why::Claimed { id, pipeline } => {
            format!("is {}, which carries the tags of the pipeline '{}'.", plain(id), plain(pipeline))
        }
        Why::Unmarked { id } => {
            format!("exists as {}, without the tags of this pipeline. If it is this one: {}", plain(id), import(id))
        }
        Why::Otherwise { id } => {
            let id = plain(id);
            format!("exists as {id}, and the file declares other values for fields that cannot be changed: the \
                pipeline would replace it. Declare its real values")
        }
        Why::Unread { error } => format!("could not be read: {}. {}", plain(&error.to_string()), plain(error.advice())),
        _ => String::new(),
    }
}

fn strays(survey: &Survey, pipeline: &str, out: &mut String) {
    if survey.strays.is_empty() {
        return;
    }
    let _ = writeln!(out, "With the tags of '{pipeline}', but neither declared nor in the state:");
    for stray in &survey.strays {
        let at = stray.address.as_ref().map(|at| format!(", made as {}", plain(at))).unwrap_or_default();
        let _ = writeln!(out, "  ? {} {}{at}", stray.kind, plain(&stray.id));
    }
    out.push_str("They are not imported, and llmhost does not delete them. Declare them, or delete them yourself.\n\n");
}

fn sum_up(survey: &Survey, out: &mut String) {
    let (bold, then) = (style::NAME, &survey.then);
    let _ = write!(out, "{bold}Import:{bold:#} {} to import", survey.found.len());
    if survey.known > 0 {
        let _ = write!(out, ", {} in the state already", survey.known);
    }
    match (survey.missing.len(), survey.strays.len()) {
        (0, 0) => {}
        (missing, 0) => _ = write!(out, ", {missing} declared and not found or not imported"),
        (0, strays) => _ = write!(out, ", {strays} not declared"),
        (missing, strays) => {
            _ = write!(out, ", {missing} declared and not found or not imported, {strays} not declared");
        }
    }
    let _ = match (then.changes(), then.moved) {
        (0, 0) => writeln!(out, ". The next run would then change nothing."),
        (0, moved) => writeln!(
            out,
            ". The next run would then change nothing but the tags of {moved} resources, which name another address."
        ),
        _ => writeln!(
            out,
            ". The next run would then create {}, update {}, replace {} and delete {}.",
            then.create, then.update, then.replace, then.delete
        ),
    };
}
