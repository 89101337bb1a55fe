//! Events as they happen, on standard error: lines for a log, and live spinners on a terminal.

use std::collections::{HashMap, HashSet};
use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use llmhost_engine::names::{ResourceAddress, StepName};
use llmhost_engine::plan::plain;
use llmhost_engine::plugin::LogLevel;
use llmhost_engine::run::{Event, Operation};
use llmhost_engine::secret::shown;
use llmhost_engine::trace::Phase;
use llmhost_engine::wait::Retry;

use super::style;

/// How long nothing more is said of the retries of one operation: a service that throttles fails dozens of
/// calls in a minute.
const BETWEEN_RETRIES: Duration = Duration::from_secs(10);

/// Messages of planning that are remembered.
const PLANNED: usize = 10_000;

/// Whether debug messages are shown (`--verbose`).
static EVERYTHING: AtomicBool = AtomicBool::new(false);

/// Shows debug messages too, or not.
pub(crate) fn show_everything(yes: bool) {
    EVERYTHING.store(yes, Relaxed);
}

/// Shows events.
pub(crate) struct Terminal {
    /// Absent where standard error is no terminal.
    live: Option<MultiProgress>,
    running: Mutex<HashMap<ResourceAddress, ProgressBar>>,
    /// What plugins said while they planned.
    planned: Mutex<HashSet<(StepName, String)>>,
    /// When a retry was said last, of an operation and of what belongs to none.
    retried: Mutex<HashMap<Option<ResourceAddress>, Instant>>,
}

impl Terminal {
    pub(crate) fn new() -> Self {
        let live = std::io::stderr().is_terminal().then(MultiProgress::new);
        Self { live, running: Mutex::default(), planned: Mutex::default(), retried: Mutex::default() }
    }

    pub(crate) fn show(&self, event: &Event) {
        match event {
            Event::StepLog { step, phase, level, message } => self.log(step, *phase, *level, message),
            Event::StepSkipped { step, because } => {
                self.line(&format!("{0}-{0:#} {step} skipped: {because} is missing", style::WARN));
            }
            Event::OperationStarted { address, operation } => self.begin(address, doing(*operation)),
            Event::OperationProgress { address, message, done, total } => {
                self.progress(address, message, *done, *total);
            }
            Event::OperationNote { address, message } => {
                let (faint, message) = (style::FAINT, one_line(message));
                self.line(&format!("{faint}{address}:{faint:#} {message}"));
            }
            Event::Retrying { address, retry } => self.retrying(address.as_ref(), retry),
            Event::OperationWaiting { address, operation, millis, latest } if self.live.is_none() => {
                self.line(&still_at_work(address, *operation, *millis, latest.as_deref()));
            }
            Event::OperationInterrupted { address, operation, waiting } => {
                self.end(address);
                let (warn, doing, waiting) = (style::WARN, doing(*operation), one_line(waiting));
                self.line(&format!("{warn}!{warn:#} stopped waiting: {doing} {address}: {waiting}"));
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
            let _ = writeln!(anstream::stderr().lock(), "{}", shown(line));
        };
        match &self.live {
            Some(live) => live.suspend(write),
            None => write(),
        }
    }

    /// A message of a plugin. It says the same to plan and to apply; once is enough.
    fn log(&self, step: &StepName, phase: Phase, level: LogLevel, message: &str) {
        let style = match level {
            LogLevel::Debug if !EVERYTHING.load(Relaxed) => return,
            LogLevel::Debug | LogLevel::Info => style::FAINT,
            LogLevel::Warn => style::WARN,
        };
        let key = (step.clone(), message.to_owned());
        let mut planned = self.planned.lock().expect("no panic under this lock");
        let said = match phase {
            Phase::Plan => planned.len() < PLANNED && !planned.insert(key),
            Phase::Apply => planned.contains(&key),
        };
        drop(planned);
        if said {
            return;
        }
        for line in message.lines() {
            self.line(&format!("{style}{step}: {}{style:#}", plain(line)));
        }
    }

    fn begin(&self, address: &ResourceAddress, doing: &str) {
        let Some(live) = &self.live else { return };
        let bar = live.add(ProgressBar::new_spinner());
        // A line that wraps is not taken back whole: the message gets the columns that are left, and no more.
        let template = "{spinner} {wide_msg} {elapsed:.dim}";
        bar.set_style(ProgressStyle::with_template(template).expect("the template is valid"));
        bar.set_message(format!("{doing} {address}"));
        bar.enable_steady_tick(Duration::from_millis(100));
        self.running.lock().expect("no panic under this lock").insert(address.clone(), bar);
    }

    fn progress(&self, address: &ResourceAddress, message: &str, done: u64, total: u64) {
        if let Some(bar) = self.running.lock().expect("no panic under this lock").get(address) {
            let share = (done * 100).checked_div(total).map(|share| format!(" {share}%")).unwrap_or_default();
            bar.set_message(format!("{address}: {}{share}", one_line(message)));
        }
    }

    /// Says a retry: beside the operation's spinner, or on a line of its own.
    fn retrying(&self, address: Option<&ResourceAddress>, retry: &Retry) {
        let retry = one_line(&retry.to_string());
        if let (Some(_), Some(address)) = (&self.live, address) {
            return self.progress(address, &retry, 0, 0);
        }
        let mut retried = self.retried.lock().expect("no panic under this lock");
        let said = retried.get(&address.cloned()).is_some_and(|said| said.elapsed() < BETWEEN_RETRIES);
        if said {
            return;
        }
        retried.insert(address.cloned(), Instant::now());
        drop(retried);
        let (faint, of) = (style::FAINT, address.map(|address| format!("{address}: ")).unwrap_or_default());
        self.line(&format!("{faint}…{faint:#} {of}{retry}"));
    }

    fn end(&self, address: &ResourceAddress) {
        if let Some(bar) = self.running.lock().expect("no panic under this lock").remove(address) {
            bar.finish_and_clear();
        }
    }
}

/// `… creating cluster/eks.cluster/main for 1 min 20 s: waiting for the cluster (creating)`
fn still_at_work(address: &ResourceAddress, operation: Operation, millis: u64, latest: Option<&str>) -> String {
    let (faint, doing, seconds) = (style::FAINT, doing(operation), millis / 1000);
    let time = match seconds / 60 {
        0 => format!("{seconds} s"),
        minutes => format!("{minutes} min {} s", seconds % 60),
    };
    let latest = latest.map(|latest| format!(": {}", one_line(latest))).unwrap_or_default();
    format!("{faint}…{faint:#} {doing} {address} for {time}{latest}")
}

/// A message as one line that cannot act on the terminal.
fn one_line(message: &str) -> String {
    let words: Vec<&str> = message.split_whitespace().collect();
    plain(&shown(&words.join(" "))).into_owned()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_that_takes_long_is_said_with_its_time_and_what_it_waits_for() {
        let address: ResourceAddress = "cluster/eks.cluster/main".parse().unwrap();
        let said = |millis, latest| {
            anstream::adapter::strip_str(&still_at_work(&address, Operation::Create, millis, latest)).to_string()
        };
        let latest = "waiting for the cluster\n(creating)";
        let expected = "… creating cluster/eks.cluster/main for 1 min 20 s: waiting for the cluster (creating)";
        assert_eq!(said(80_400, Some(latest)), expected);
        assert_eq!(said(20_000, None), "… creating cluster/eks.cluster/main for 20 s");
    }
}
