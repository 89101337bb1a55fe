//! Events as they happen, on standard error: lines for a log, and on a terminal what is running at the moment below them.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use llmhost_engine::names::{ResourceAddress, StepName};
use llmhost_engine::plan::plain;
use llmhost_engine::plugin::LogLevel;
use llmhost_engine::run::Event;
use llmhost_engine::trace::Phase;
use llmhost_engine::wait::Retry;

use super::activity::Activity;
use super::amounts::time;
use super::screen::{Screen, screen};
use super::style;
use super::words::{doing, done, one_line, sign};

/// How long nothing more is said of the retries of one operation: a service that throttles fails dozens of
/// calls in a minute.
const BETWEEN_RETRIES: Duration = Duration::from_secs(10);
/// How often the live rows are drawn anew.
const BETWEEN_ROWS: Duration = Duration::from_millis(100);

/// Messages of planning that are remembered.
const PLANNED: usize = 10_000;

/// Whether debug messages are shown (`--verbose`).
static EVERYTHING: AtomicBool = AtomicBool::new(false);
/// Whether only errors, questions and results are shown (`--quiet`).
static QUIET: AtomicBool = AtomicBool::new(false);

/// Shows debug messages too, or only what nobody can do without.
pub(crate) fn show(everything: bool, quiet: bool) {
    EVERYTHING.store(everything, Relaxed);
    QUIET.store(quiet, Relaxed);
}

/// Whether only errors, questions and results are shown.
pub(crate) fn is_quiet() -> bool {
    QUIET.load(Relaxed)
}

/// Whether everything is shown.
pub(crate) fn shows_everything() -> bool {
    EVERYTHING.load(Relaxed)
}

/// Shows events.
pub(crate) struct Terminal {
    activity: Arc<Mutex<Activity>>,
    /// Whether rows are drawn, and not only lines written.
    is_live: bool,
    /// What plugins said while they planned.
    planned: Mutex<HashSet<(StepName, String)>>,
    /// When a retry was said last, of an operation and of what belongs to none.
    retried: Mutex<HashMap<Option<ResourceAddress>, Instant>>,
}

/// Something that is running, until it is dropped.
pub(crate) struct Task {
    terminal: Arc<Terminal>,
    number: u64,
}

impl Terminal {
    pub(crate) fn new() -> Self {
        let activity: Arc<Mutex<Activity>> = Arc::default();
        let is_live = screen().is_live() && !is_quiet();
        if is_live {
            let weak = Arc::downgrade(&activity);
            // A thread of its own: what blocks the others is what is shown.
            std::thread::spawn(move || {
                while let Some(activity) = weak.upgrade() {
                    draw(&lock(&activity));
                    drop(activity);
                    std::thread::sleep(BETWEEN_ROWS);
                }
            });
        }
        Self { activity, is_live, planned: Mutex::default(), retried: Mutex::default() }
    }

    pub(crate) fn show(&self, event: &Event) {
        let now = Instant::now();
        let running = match event {
            // Its line is of what it is before it ends.
            Event::OperationWaiting { address, .. } => lock(&self.activity).operation(address, now),
            _ => None,
        };
        lock(&self.activity).hear(event, now);
        if matches!(
            event,
            Event::OperationDone { .. }
                | Event::OperationFailed { .. }
                | Event::OperationInterrupted { .. }
                | Event::Finished { .. }
        ) {
            self.redraw();
        }
        match event {
            Event::StepLog { step, phase, level, message } => self.log(step, *phase, *level, message),
            Event::StepSkipped { step, because } => {
                self.line(&format!("{0}-{0:#} {step} skipped: {because} is missing", style::WARN));
            }
            Event::OperationNote { address, message } => {
                let (faint, message) = (style::FAINT, one_line(message));
                self.line(&format!("{faint}{address}:{faint:#} {message}"));
            }
            Event::Retrying { address, retry } => self.retrying(address.as_ref(), retry),
            Event::OperationWaiting { .. } if !self.is_live => running.iter().for_each(|text| self.still(text)),
            Event::OperationInterrupted { address, operation, waiting } => {
                let (warn, doing, waiting) = (style::WARN, doing(*operation), one_line(waiting));
                self.line(&format!("{warn}!{warn:#} stopped waiting: {doing} {address}: {waiting}"));
            }
            Event::OperationDone { address, operation, id, millis } => {
                let (good, faint) = (style::GOOD, style::FAINT);
                let (sign, done) = (sign(*operation), done(*operation));
                let time = seconds(*millis);
                let id = plain(id);
                self.line(&format!("{good}{sign}{good:#} {done} {address} {faint}{id} {time}{faint:#}"));
            }
            Event::OperationFailed { address, operation, error } => {
                // The report at the end says why, once.
                let (bad, doing) = (style::BAD, doing(*operation));
                let code = error.code.as_deref().map(|code| format!(": {}", plain(code))).unwrap_or_default();
                self.line(&format!("{bad}x{bad:#} {doing} {address} failed{code}"));
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

    /// A line above whatever is live. Quiet, it is left out.
    pub(crate) fn line(&self, line: &str) {
        if !is_quiet() {
            screen().line(line);
        }
    }

    /// What Ctrl-C does from now on.
    pub(crate) fn footer(&self, footer: &'static str) {
        lock(&self.activity).footer = Some(footer);
        self.redraw();
    }

    /// Something begins that is no operation of a run.
    pub(crate) fn begin(self: &Arc<Self>, what: &str) -> Task {
        let number = lock(&self.activity).begin(what, Instant::now());
        Task { terminal: Arc::clone(self), number }
    }

    /// What was done in each step: created, updated, deleted.
    pub(crate) fn done(&self) -> Vec<(StepName, [usize; 3])> {
        lock(&self.activity).done.iter().map(|(step, counts)| (step.clone(), *counts)).collect()
    }

    /// That something is still running, where rows do not show it.
    fn still(&self, text: &str) {
        let faint = style::FAINT;
        self.line(&format!("{faint}…{faint:#} {text}"));
    }

    fn redraw(&self) {
        if self.is_live {
            draw(&lock(&self.activity));
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

    /// Says a retry: in the operation's row, or on a line of its own.
    fn retrying(&self, address: Option<&ResourceAddress>, retry: &Retry) {
        if self.is_live && address.is_some() {
            return;
        }
        let mut retried = self.retried.lock().expect("no panic under this lock");
        let said = retried.get(&address.cloned()).is_some_and(|said| said.elapsed() < BETWEEN_RETRIES);
        if said {
            return;
        }
        retried.insert(address.cloned(), Instant::now());
        drop(retried);
        let of = address.map(|address| format!("{address}: ")).unwrap_or_default();
        self.still(&format!("{of}{}", one_line(&retry.to_string())));
    }
}

impl Task {
    /// Bytes received so far, and the total.
    pub(crate) fn transferred(&self, done: u64, total: u64) {
        lock(&self.terminal.activity).transferred(self.number, (done, total), Instant::now());
    }

    /// Says that it is still running, where rows do not show it.
    pub(crate) fn still(&self) {
        if !self.terminal.is_live {
            let text = lock(&self.terminal.activity).task(self.number, Instant::now());
            text.iter().for_each(|text| self.terminal.still(text));
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        lock(&self.terminal.activity).end(self.number);
        // At once: a question may follow.
        self.terminal.redraw();
    }
}

/// Draws the rows of what is running now.
fn draw(activity: &Activity) {
    let (width, height) = Screen::size();
    // The last column and the last line stay free: nothing wraps, and nothing moves up that is drawn again.
    let rows = activity.rows(Instant::now(), height.saturating_sub(1));
    let colour = Screen::has_colour();
    screen().draw(rows.iter().map(|row| row.cut(width.saturating_sub(1), colour)).collect());
}

fn lock(activity: &Mutex<Activity>) -> MutexGuard<'_, Activity> {
    activity.lock().expect("no panic under this lock")
}

/// Tenths matter where nobody waits.
fn seconds(millis: u64) -> String {
    match millis {
        0..60_000 => format!("{}.{}s", millis / 1000, millis % 1000 / 100),
        _ => time(Duration::from_millis(millis)),
    }
}
