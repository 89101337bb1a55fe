//! Events as they happen, on standard error: lines for a log, and live spinners on a terminal.

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use llmhost_engine::names::ResourceAddress;
use llmhost_engine::plan::plain;
use llmhost_engine::plugin::LogLevel;
use llmhost_engine::run::{Event, Operation};
use llmhost_engine::secret::mask;

use super::style;

/// Shows events.
pub(crate) struct Terminal {
    /// Absent where standard error is no terminal.
    live: Option<MultiProgress>,
    running: Mutex<HashMap<ResourceAddress, ProgressBar>>,
}

impl Terminal {
    pub(crate) fn new() -> Self {
        let live = std::io::stderr().is_terminal().then(MultiProgress::new);
        Self { live, running: Mutex::default() }
    }

    pub(crate) fn show(&self, event: &Event) {
        match event {
            Event::StepLog { step, level, message } => self.log(step.as_str(), *level, message),
            Event::StepSkipped { step, because } => {
                self.line(&format!("{0}-{0:#} {step} not run: {because} is missing", style::WARN));
            }
            Event::OperationStarted { address, operation } => self.begin(address, doing(*operation)),
            Event::OperationProgress { address, message, done, total } => {
                self.progress(address, message, *done, *total);
            }
            Event::OperationDone { address, operation, id, millis } => {
                self.end(address);
                let (good, faint) = (style::GOOD, style::FAINT);
                let (sign, done) = (sign(*operation), done(*operation));
                let time = seconds(*millis);
                let id = plain(id);
                self.line(&format!("{good}{sign}{good:#} {done} {address} {faint}{id} {time}{faint:#}"));
            }
            Event::OperationFailed { address, operation, error } => {
                self.end(address);
                let bad = style::BAD;
                let what = format!("{} {address} failed: {}", doing(*operation), plain(&error.to_string()));
                self.line(&format!("{bad}x{bad:#} {what}"));
            }
            Event::Byproduct { address, byproduct } => {
                let what = super::destruction::name(byproduct);
                let (good, warn, faint) = (style::GOOD, style::WARN, style::FAINT);
                self.line(&match &byproduct.kept {
                    None => format!("{good}-{good:#} removed {what} {faint}made by {address}{faint:#}"),
                    Some(_) => format!("{warn}!{warn:#} kept {what} {faint}made by {address}{faint:#}"),
                });
            }
            _ => {}
        }
    }

    /// A line above whatever is live.
    pub(crate) fn line(&self, line: &str) {
        let write = || {
            // A closed standard error is nobody's to tell.
            let _ = writeln!(anstream::stderr().lock(), "{}", mask(line));
        };
        match &self.live {
            Some(live) => live.suspend(write),
            None => write(),
        }
    }

    fn log(&self, step: &str, level: LogLevel, message: &str) {
        let style = match level {
            LogLevel::Debug => return,
            LogLevel::Info => style::FAINT,
            LogLevel::Warn => style::WARN,
        };
        for line in message.lines() {
            self.line(&format!("{style}{step}: {}{style:#}", plain(line)));
        }
    }

    fn begin(&self, address: &ResourceAddress, doing: &str) {
        let Some(live) = &self.live else { return };
        let bar = live.add(ProgressBar::new_spinner());
        bar.set_style(ProgressStyle::with_template("{spinner} {msg} {elapsed:.dim}").expect("the template is valid"));
        bar.set_message(format!("{doing} {address}"));
        bar.enable_steady_tick(Duration::from_millis(100));
        self.running.lock().expect("no panic under this lock").insert(address.clone(), bar);
    }

    fn progress(&self, address: &ResourceAddress, message: &str, done: u64, total: u64) {
        if let Some(bar) = self.running.lock().expect("no panic under this lock").get(address) {
            let share = (done * 100).checked_div(total).map(|share| format!(" {share}%")).unwrap_or_default();
            bar.set_message(format!("{address}: {}{share}", plain(&mask(message))));
        }
    }

    fn end(&self, address: &ResourceAddress) {
        if let Some(bar) = self.running.lock().expect("no panic under this lock").remove(address) {
            bar.finish_and_clear();
        }
    }
}

fn sign(operation: Operation) -> char {
    match operation {
        Operation::Create | Operation::Finish | Operation::Adopt => '+',
        Operation::Update | Operation::Detach => '~',
        Operation::Delete => '-',
    }
}

fn doing(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "creating",
        Operation::Finish => "finishing",
        Operation::Adopt => "adopting",
        Operation::Update => "updating",
        Operation::Detach => "detaching",
        Operation::Delete => "deleting",
    }
}

fn done(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "created",
        Operation::Finish => "finished",
        Operation::Adopt => "adopted",
        Operation::Update => "updated",
        Operation::Detach => "detached",
        Operation::Delete => "deleted",
    }
}

fn seconds(millis: u64) -> String {
    format!("{}.{}s", millis / 1000, millis % 1000 / 100)
}
