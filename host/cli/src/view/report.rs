//! How a run ended, in words.

use std::fmt::Write;
use std::time::Duration;

use llmhost_engine::kind::OpError;
use llmhost_engine::names::StepName;
use llmhost_engine::plan::{Summary, plain};
use llmhost_engine::run::{Departure, Operation, Reason, Report, StepFailure, Waiting};
use serde_json::Value;

use super::amounts::time;
use super::style;

/// Each failure once, those for the same reason together: step, resource, what the service said, and what to do.
pub(crate) fn failures(failures: &[StepFailure], skipped: &[(StepName, StepName)]) -> String {
    let (bad, name, faint) = (style::BAD, style::NAME, style::FAINT);
    let mut text = String::new();
    for alike in alike(failures) {
        let first = alike[0];
        for (at, failure) in alike.iter().enumerate() {
            let head = if at == 0 { format!("{bad}error{bad:#}:") } else { "      ".to_owned() };
            let address = failure.address.as_ref().map(|address| format!(", {address}")).unwrap_or_default();
            let _ = writeln!(text, "{head} step {name}{}{name:#}{address}", failure.step);
        }
        for line in first.reason.to_string().lines() {
            let _ = writeln!(text, "  {}", plain(line));
        }
        if let Reason::Operation(OpError { request_id: Some(id), .. }) = &first.reason {
            let _ = writeln!(text, "  {faint}request id {}{faint:#}", plain(id));
        }
        if let Some(help) = help(&first.reason) {
            let _ = writeln!(text, "  {name}help{name:#}: {help}");
        }
    }
    for (step, because) in skipped {
        let _ = writeln!(text, "step {name}{step}{name:#} skipped: it depends on {because}");
    }
    text
}

/// Failures, those that say the same together.
fn alike(failures: &[StepFailure]) -> Vec<Vec<&StepFailure>> {
    let mut all: Vec<(String, Vec<&StepFailure>)> = Vec::new();
    for failure in failures {
        let said = failure.reason.to_string();
        match all.iter_mut().find(|(known, _)| *known == said) {
            Some((_, alike)) => alike.push(failure),
            None => all.push((said, vec![failure])),
        }
    }
    all.into_iter().map(|(_, alike)| alike).collect()
}

/// What to do about a failure.
pub(crate) fn help(reason: &Reason) -> Option<&str> {
    Some(match reason {
        Reason::Operation(error) => error.advice(),
        Reason::NotAsPlanned(Departure::Differs { .. } | Departure::Unforeseen { .. }) => {
            "This was not applied. Run again: the new plan shows the difference first."
        }
        Reason::NotAsPlanned(Departure::Outputs(_)) => {
            "The step's resources were created. A plugin must return the same outputs in plan and apply; this one does not. \
             Report it to its author."
        }
        Reason::NotAsPlanned(Departure::File { .. }) => {
            "It was not used. Run again: the new plan uses the current files."
        }
        Reason::NotAsPlanned(_) => {
            "A plugin must declare the same in plan and apply; this one does not. Report it to its author."
        }
        Reason::Protected { .. } => {
            "Nothing was changed. To remove the protection, delete 'protect = true' from the step in the file, and run again; \
             if the step is no longer in the file, add it again first."
        }
        Reason::DecidesByUnknown(_) => {
            "Nothing was changed. For the plugin's author: do not compare, cut or count such a value. Call 'is-known' first, \
             or decide by the step's options."
        }
        Reason::StillUsed(_) => "Fix that error, and run the same command again.",
        Reason::State(error) => return error.advice(),
        Reason::Plugin(error) => {
            return error.crash().map(|crash| crash.advice.as_str()).filter(|text| !text.is_empty());
        }
        _ => return None,
    })
}

/// The outputs of every step, `step.name = value`.
pub(crate) fn outputs(outputs: &[(StepName, Value)]) -> String {
    let name = style::NAME;
    let mut text = String::new();
    for (step, value) in outputs {
        for (key, value) in value.as_object().into_iter().flatten() {
            let value = plain(&value.to_string()).into_owned();
            let _ = writeln!(text, "{name}{step}.{}{name:#} = {value}", plain(key));
        }
    }
    text
}

/// The outputs of the file itself.
pub(crate) fn own_outputs(outputs: &serde_json::Map<String, Value>) -> String {
    let name = style::NAME;
    let line =
        |(key, value): (&String, &Value)| format!("{name}{}{name:#} = {}\n", plain(key), plain(&value.to_string()));
    outputs.iter().map(line).collect()
}

/// One line that says what was done, and how long it took.
pub(crate) fn summary(report: &Report, took: Option<Duration>) -> String {
    let (good, bad) = (style::GOOD, style::BAD);
    let Summary { create, update, replace, delete, moved, .. } = report.done;
    let moved = if moved > 0 { format!(", {moved} moved") } else { String::new() };
    let done = format!("{create} created, {update} updated, {replace} replaced, {delete} deleted{moved}");
    let took = took.map(|took| format!(" in {}", time(took))).unwrap_or_default();
    if report.is_ok() {
        return match report.done.changes() {
            0 => format!("{good}Done{good:#}: 0 changes{moved}."),
            _ => format!("{good}Done{good:#}: {done}{took}."),
        };
    }
    let mut text = match report.interrupted {
        true => format!("{bad}Interrupted{bad:#}: {done}{took}; the state is saved. Run again to continue."),
        false => format!("{bad}Failed{bad:#}: {done}, {} failed{took}.", report.failures.len()),
    };
    for Waiting { address, operation, waiting } in &report.waiting {
        let what = match operation {
            Operation::Delete => "still being deleted",
            _ => "not finished",
        };
        let _ = write!(text, "\n  {address}: {what} ({})", plain(waiting));
    }
    if !report.postponed.is_empty() {
        let count = report.postponed.len();
        let _ = write!(text, " {count} deletion{} wait until every step succeeds.", if count == 1 { "" } else { "s" });
    }
    text
}
