//! Running a plugin against a trace instead of a host.

use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Asked, Ended, RecordedRun};
use crate::look_up::Query;
use crate::names::ResourceAddress;
use crate::plan::{FieldChange, compare};
use crate::plugin::{Capabilities, Failure, FileEntry, LogLevel, Plugin};

/// How a replay ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The same calls, and the same end.
    Same,
    /// The same calls up to where the trace ends, which is before the plugin's end.
    Cut,
    /// It did something else.
    Departed(Departure),
}

/// Where a plugin left its trace.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Departure {
    /// The call, from 1; the end comes after the last.
    pub call: usize,
    /// What stands in the trace.
    pub recorded: String,
    /// What the plugin did.
    pub now: String,
    /// Field by field, where both declared or returned the same thing with other values.
    pub changes: Vec<FieldChange>,
}

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, recorded, now, .. } = self;
        match recorded == now {
            true => write!(f, "at call {call}, {now} with other values than in the trace"),
            false => write!(f, "at call {call}, the trace says: {recorded}; now {now}"),
        }
    }
}

/// Runs a plugin with what is recorded as its host, and compares.
pub async fn replay(run: &RecordedRun, plugin: &dyn Plugin) -> Outcome {
    let host = Arc::new(Replayer { run: run.clone(), progress: Mutex::default() });
    let result = plugin.run(&run.begun.config, Arc::clone(&host) as _).await;
    let progress = std::mem::take(&mut *host.progress.lock().expect("no panic under this lock"));
    if let Some(stopped) = progress.stopped {
        return stopped;
    }
    let now = Ended::of(&result);
    let depart = |recorded: String, changes| {
        Outcome::Departed(Departure { call: progress.made + 1, recorded, now: shown(&now), changes })
    };
    match (run.calls.get(progress.made), &run.ended) {
        (Some((missing, _)), _) => depart(missing.to_string(), Vec::new()),
        (None, None) => Outcome::Cut,
        (None, Some(recorded)) if recorded.is_like(&now) => Outcome::Same,
        (None, Some(recorded)) => {
            let changes = match (recorded, &now) {
                (Ended::Outputs(old), Ended::Outputs(new)) => compare(old, new, &[]).fields,
                _ => Vec::new(),
            };
            depart(shown(recorded), changes)
        }
    }
}

fn shown(ended: &Ended) -> String {
    match ended {
        Ended::Outputs(_) => "it returns its outputs".to_owned(),
        Ended::Error(error) => format!("it ends with an error: {error}"),
        Ended::Crashed(crash) => format!("it crashes: {}", crash.headline()),
    }
}

/// The host of a replay: answers what it did, as long as it is asked the same.
struct Replayer {
    run: RecordedRun,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    made: usize,
    /// Nothing is answered after this.
    stopped: Option<Outcome>,
}

impl Replayer {
    /// The answer of the next recorded call, if it is this one.
    fn ask(&self, now: Asked) -> Result<Value, Failure> {
        let mut progress = self.progress.lock().expect("no panic under this lock");
        let recorded = self.run.calls.get(progress.made);
        if progress.stopped.is_none() {
            progress.stopped = match (recorded, &self.run.ended) {
                (Some((asked, answer)), _) if *asked == now => {
                    progress.made += 1;
                    return answer.clone().into();
                }
                (Some((asked, _)), _) => Some(departed(progress.made, asked.to_string(), &now, changes(asked, &now))),
                (None, Some(ended)) => Some(departed(progress.made, shown(ended), &now, Vec::new())),
                (None, None) => Some(Outcome::Cut),
            };
        }
        Err(Failure::refused("the trace has no answer to this"))
    }
}

fn departed(made: usize, recorded: String, now: &Asked, changes: Vec<FieldChange>) -> Outcome {
    Outcome::Departed(Departure { call: made + 1, recorded, now: now.to_string(), changes })
}

/// In what two declarations of one resource differ.
fn changes(recorded: &Asked, now: &Asked) -> Vec<FieldChange> {
    let declared = |asked: &Asked| match asked {
        Asked::Declare { kind, name, spec, after } => {
            Some(((kind.clone(), name.clone()), json!({ "spec": spec, "after": after })))
        }
        _ => None,
    };
    match (declared(recorded), declared(now)) {
        (Some((recorded, old)), Some((now, new))) if recorded == now => compare(&old, &new, &[]).fields,
        _ => Vec::new(),
    }
}

#[async_trait]
impl Capabilities for Replayer {
    fn declare(&self, kind: &str, name: &str, spec: Value, after: &[String]) -> Result<ResourceAddress, Failure> {
        let asked = Asked::Declare { kind: kind.to_owned(), name: name.to_owned(), spec, after: after.to_vec() };
        text(self.ask(asked)?)?.parse().map_err(|error: crate::names::NameError| Failure::refused(error.to_string()))
    }

    async fn output(&self, address: &ResourceAddress, output: &str) -> Result<Value, Failure> {
        self.ask(Asked::Output { address: address.clone(), name: output.to_owned() })
    }

    async fn existing(&self, query: &Query, attribute: &str) -> Result<Vec<Value>, Failure> {
        match self.ask(Asked::Existing { query: Box::new(query.clone()), attribute: attribute.to_owned() })? {
            Value::Array(values) => Ok(values),
            other => Err(Failure::refused(format!("the trace has {other} here, which is not a list"))),
        }
    }

    async fn fact(&self, key: &str) -> Result<String, Failure> {
        text(self.ask(Asked::Fact(key.to_owned()))?)
    }

    async fn list_files(&self, folder: &str) -> Result<Vec<FileEntry>, Failure> {
        let entries = self.ask(Asked::List(folder.to_owned()))?;
        serde_json::from_value(entries)
            .map_err(|error| Failure::refused(format!("the trace's answer is not a list of files: {error}")))
    }

    async fn read_file(&self, file: &str, start: u64, most: u32) -> Result<Vec<u8>, Failure> {
        let answer = text(self.ask(Asked::Read { file: file.to_owned(), start, most })?)?;
        BASE64_STANDARD
            .decode(answer)
            .map_err(|error| Failure::refused(format!("the trace's answer is not in base64: {error}")))
    }

    fn region(&self) -> &str {
        &self.run.begun.region
    }

    fn written(&self, pointer: &str) -> Option<String> {
        self.ask(Asked::Written(pointer.to_owned())).ok()?.as_str().map(str::to_owned)
    }

    fn log(&self, _: LogLevel, _: &str) {}
}

/// Somebody may have edited the trace.
fn text(value: Value) -> Result<String, Failure> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(Failure::refused(format!("the trace has {other} here, which is not a string"))),
    }
}
