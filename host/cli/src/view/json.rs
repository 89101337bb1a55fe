//! One JSON event a line on standard output.

use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use llmhost_engine::crash::Crash;
use llmhost_engine::diagnostic::Files;
use llmhost_engine::lock::PluginChange;
use llmhost_engine::names::{ResourceAddress, StepName};
use llmhost_engine::plan::Plan;
use llmhost_engine::run::{Destruction, Drift, Event, Foresight, Reason, StepFailure, Survey};
use llmhost_engine::secret::shown;
use llmhost_prices::Bill;
use llmhost_resources::Finding;
use serde::Serialize;
use serde_json::Value;

use super::report::help;
use crate::failure::Failure;

/// What the binary adds to the engine's events.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum JsonLine<'a> {
    /// The plan as it is shown.
    Plan {
        #[serde(flatten)]
        plan: &'a Plan,
    },
    /// What is billed when the plan is applied, or what a destroy stops.
    Cost {
        #[serde(flatten)]
        bill: &'a Bill,
        /// What is billed for an hour now.
        #[serde(skip_serializing_if = "Option::is_none")]
        before: Option<llmhost_prices::Range>,
        stops: bool,
    },
    /// What a destroy would do.
    Destruction {
        #[serde(flatten)]
        destruction: &'a Destruction,
    },
    /// What the deletions of a plan would meet.
    Foresight {
        #[serde(flatten)]
        foresight: &'a Foresight,
    },
    /// A failure, with what to do.
    Failure {
        step: &'a StepName,
        resource: Option<&'a ResourceAddress>,
        message: String,
        code: Option<&'a str>,
        request_id: Option<&'a str>,
        help: Option<&'a str>,
        /// How a plugin crashed, in parts; `message` tells it as text.
        #[serde(skip_serializing_if = "Option::is_none")]
        crash: Option<&'a Crash>,
    },
    /// A step that did not run, because one that it needs is missing.
    Skipped { step: &'a StepName, because: &'a StepName },
    /// What ends the program before there is a report.
    Error {
        /// Of a problem of a pipeline file; `llmhost explain` tells more about it.
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<&'static str>,
        message: String,
        help: Option<String>,
        /// Where it is in a pipeline file.
        #[serde(flatten)]
        place: Option<Place>,
        #[serde(skip_serializing_if = "Option::is_none")]
        crash: Option<&'a Crash>,
    },
    /// The outputs of a step that is done.
    Outputs { step: &'a StepName, outputs: &'a Value },
    /// The outputs of the file itself.
    FileOutputs { outputs: &'a Value },
    /// Something that would go wrong, or that a careful reader would ask about.
    Finding {
        #[serde(flatten)]
        finding: &'a Finding,
    },
    /// What is not as the state has it.
    Drift { resources: usize, drift: &'a [Drift] },
    /// What exists and is not in the state.
    Survey {
        #[serde(flatten)]
        survey: &'a Survey,
    },
    /// Something that is no operation of a run takes long, and is still running.
    StillRunning { what: &'a str, millis: u64 },
    /// A part of a rehearsal is done.
    Stage { stage: &'a str, result: &'a str, millis: u64 },
    /// A rehearsal is done.
    Rehearsed { millis: u64 },
    /// A pipeline was checked.
    Validated { steps: usize, resources: usize, findings: usize },
    /// In what plugins differ from the lock file.
    Lock { accepted: bool, changes: &'a [PluginChange] },
    /// A plugin was published.
    Pushed { uses: &'a str, digest: &'a str, sha256: &'a str, signed_by: Option<&'a str> },
    /// A pipeline was published.
    PushedPipeline { uses: &'a str, digest: &'a str, sha256: &'a str, signed_by: Option<&'a str>, files: &'a [String] },
    /// A plugin was fetched.
    Pulled { uses: &'a str, digest: &'a str, sha256: &'a str, signed_by: Option<&'a str>, path: &'a Path },
    /// The page of the run is served.
    Watch { url: &'a str },
    /// The emulator is there.
    Emulator { url: &'a str, kept: bool },
}

/// A place in a pipeline file. Lines and columns count from 1, columns in characters.
#[derive(Debug, Serialize)]
pub(crate) struct Place {
    file: PathBuf,
    line: usize,
    column: usize,
}

impl Place {
    fn of(files: &Files, span: &Range<usize>) -> Self {
        let (file, span) = files.locate(span);
        let before = file.text.get(..span.start).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        let (line, column) = (before.matches('\n').count() + 1, before[start..].chars().count() + 1);
        Self { file: file.path.clone(), line, column }
    }
}

impl<'a> JsonLine<'a> {
    /// A failure of a run.
    pub(crate) fn failure(failure: &'a StepFailure) -> Self {
        let error = match &failure.reason {
            Reason::Operation(error) => Some(error),
            _ => None,
        };
        Self::Failure {
            step: &failure.step,
            resource: failure.address.as_ref(),
            message: failure.reason.to_string(),
            code: error.and_then(|error| error.code.as_deref()),
            request_id: error.and_then(|error| error.request_id.as_deref()),
            help: help(&failure.reason),
            crash: match &failure.reason {
                Reason::Plugin(error) => error.crash(),
                Reason::DecidesByUnknown(found) => found.crash(),
                _ => None,
            },
        }
    }
}

/// Says why the program ends, where no report has said so.
pub(crate) fn failure_lines(failure: &Failure) {
    let json = Json::default();
    match failure {
        Failure::Reported | Failure::Interrupted | Failure::Changes => {}
        Failure::Plan(error) => {
            error.failures.iter().for_each(|failure| json.line(&JsonLine::failure(failure)));
            error.skipped.iter().for_each(|(step, because)| json.line(&JsonLine::Skipped { step, because }));
        }
        Failure::File(found) => found.problems.iter().for_each(|problem| {
            let (message, help) = (problem.message.clone(), problem.help.clone());
            let place = problem.span.as_ref().map(|span| Place::of(&found.files, span));
            json.line(&JsonLine::Error { code: Some(problem.code), message, help, place, crash: None });
        }),
        other => {
            let (message, help, crash) = (other.to_string(), other.help(), other.crash());
            json.line(&JsonLine::Error { code: None, message, help, place: None, crash });
        }
    }
}

/// Writes events as JSON lines.
#[derive(Default)]
pub(crate) struct Json(Mutex<()>);

impl Json {
    pub(crate) fn show(&self, event: &Event) {
        self.write(event);
    }

    pub(crate) fn line(&self, line: &JsonLine<'_>) {
        self.write(line);
    }

    fn write(&self, value: &impl Serialize) {
        let _turn = self.0.lock().expect("no panic under this lock");
        let line = serde_json::to_string(value).expect("events are plain data");
        // Who closes the pipe does not want more.
        let _ = writeln!(std::io::stdout().lock(), "{}", shown(&line));
    }
}
