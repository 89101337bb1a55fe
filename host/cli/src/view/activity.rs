//! What is running at the moment, as the lines that show it.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use llmhost_engine::names::{ResourceAddress, StepName};
use llmhost_engine::run::{Event, Operation, Unit};

use super::amounts::{share, time};
use super::row::Row;
use super::style;
use super::words::{doing, one_line};

/// Over how long the rate of a transfer is measured.
const RATE: Duration = Duration::from_secs(10);
/// How long something runs before it is said how long it usually takes.
const SOON: Duration = Duration::from_secs(5);

/// Everything that runs.
#[derive(Default)]
pub(super) struct Activity {
    run: Option<Run>,
    steps: IndexMap<StepName, Instant>,
    operations: IndexMap<ResourceAddress, Work>,
    tasks: IndexMap<u64, Work>,
    next_task: u64,
    /// What is said of Ctrl-C.
    pub(super) footer: Option<&'static str>,
    /// What was done in each step: created, updated, deleted.
    pub(super) done: BTreeMap<StepName, [usize; 3]>,
}

/// An apply or a destroy.
struct Run {
    began: Instant,
    operations: usize,
    /// Addresses, and whether they were deleted: a replacement counts twice.
    done: HashSet<(ResourceAddress, bool)>,
    failed: usize,
}

/// Something that takes its time.
struct Work {
    /// `creating eks.cluster/main`
    what: String,
    began: Instant,
    /// How long it usually takes.
    usual: Option<&'static str>,
    /// What it said last.
    latest: String,
    transfer: Option<Transfer>,
}

/// Bytes on their way.
struct Transfer {
    done: u64,
    total: u64,
    /// When so many had been sent, over the last seconds.
    samples: VecDeque<(Instant, u64)>,
}

impl Activity {
    /// Takes note of what happened.
    pub(super) fn hear(&mut self, event: &Event, now: Instant) {
        match event {
            Event::RunStarted { operations } => {
                self.run = Some(Run { began: now, operations: *operations, done: HashSet::new(), failed: 0 });
            }
            Event::StepStarted { step } => _ = self.steps.insert(step.clone(), now),
            Event::StepDone { step, .. } | Event::StepFailed { step } => _ = self.steps.shift_remove(step),
            Event::OperationStarted { address, operation } => {
                let what = format!("{} {}/{}", doing(*operation), address.kind(), address.name());
                let usual = llmhost_resources::usually(address.kind(), *operation);
                self.operations.insert(address.clone(), Work { usual, ..Work::new(what, now) });
            }
            Event::OperationProgress { address, message, done, total, unit } => {
                if let Some(work) = self.operations.get_mut(address) {
                    work.progress(message, (*done, *total), *unit, now);
                }
            }
            Event::Retrying { address: Some(address), retry } => {
                if let Some(work) = self.operations.get_mut(address) {
                    work.progress(&retry.to_string(), (0, 0), None, now);
                }
            }
            Event::OperationDone { address, operation, .. } => {
                self.operations.shift_remove(address);
                self.count(address, *operation);
            }
            Event::OperationFailed { address, .. } => {
                self.operations.shift_remove(address);
                self.run.iter_mut().for_each(|run| run.failed += 1);
            }
            Event::OperationInterrupted { address, .. } => _ = self.operations.shift_remove(address),
            Event::Finished { .. } => {
                self.run = None;
                self.steps.clear();
                self.operations.clear();
                self.footer = None;
            }
            _ => {}
        }
    }

    fn count(&mut self, address: &ResourceAddress, operation: Operation) {
        let counted = match operation {
            // What was found again is finished next, and a resource that lets go of another is updated later.
            Operation::Adopt | Operation::Detach => return,
            Operation::Create | Operation::Finish => 0,
            Operation::Update => 1,
            Operation::Delete => 2,
        };
        self.done.entry(address.step().clone()).or_default()[counted] += 1;
        if let Some(run) = &mut self.run {
            run.done.insert((address.clone(), operation == Operation::Delete));
        }
    }

    /// Something begins that is no operation: planning, a download.
    pub(super) fn begin(&mut self, what: &str, now: Instant) -> u64 {
        self.next_task += 1;
        self.tasks.insert(self.next_task, Work::new(what.to_owned(), now));
        self.next_task
    }

    /// So many bytes of so many have come.
    pub(super) fn transferred(&mut self, task: u64, (done, total): (u64, u64), now: Instant) {
        if let Some(work) = self.tasks.get_mut(&task) {
            work.progress("", (done, total), Some(Unit::Bytes), now);
        }
    }

    pub(super) fn end(&mut self, task: u64) {
        self.tasks.shift_remove(&task);
    }

    /// A task in one line.
    pub(super) fn task(&self, task: u64, now: Instant) -> Option<String> {
        self.tasks.get(&task).map(|work| work.text(now))
    }

    /// An operation in one line, its step before it.
    pub(super) fn operation(&self, address: &ResourceAddress, now: Instant) -> Option<String> {
        self.operations.get(address).map(|work| format!("{}: {}", address.step(), work.text(now)))
    }

    /// The lines that show it, on a terminal with so many lines for them.
    pub(super) fn rows(&self, now: Instant, height: usize) -> Vec<Row> {
        let mut rows: Vec<Row> = self.run.iter().map(|run| self.header(run, now)).collect();
        let mut body: Vec<Row> = self.tasks.values().map(|work| work.row("", now)).collect();
        let mut steps: Vec<&StepName> = self.steps.keys().collect();
        for address in self.operations.keys() {
            if !steps.contains(&address.step()) {
                steps.push(address.step());
            }
        }
        for step in steps {
            let began = self.steps.get(step).map(|began| format!(" {}", time(now.duration_since(*began))));
            let row = Row::default().with(style::NAME, step.as_str());
            body.push(row.with(style::FAINT, began.unwrap_or_default()));
            let of_step = self.operations.iter().filter(|(address, _)| address.step() == step);
            body.extend(of_step.map(|(_, work)| work.row("  ", now)));
        }
        let footer = self.footer.filter(|_| !body.is_empty() && height > 4);
        let room = height.saturating_sub(rows.len() + usize::from(footer.is_some()));
        if body.len() > room {
            let hidden = body.len() - room.saturating_sub(1);
            body.truncate(room.saturating_sub(1));
            body.push(Row::default().with(style::FAINT, format!("… and {hidden} more")));
        }
        rows.append(&mut body);
        rows.extend(footer.map(|footer| Row::default().with(style::FAINT, footer)));
        rows.truncate(height);
        rows
    }

    /// `12 of 46, 3m20s, 1 failed`
    fn header(&self, run: &Run, now: Instant) -> Row {
        let done = run.done.len();
        let all = run.operations.max(done + self.operations.len());
        let row = Row::default().with(style::NAME, format!("{done} of {all}"));
        let row = row.with(style::FAINT, format!(", {}", time(now.duration_since(run.began))));
        match run.failed {
            0 => row,
            failed => row.with(style::BAD, format!(", {failed} failed")),
        }
    }
}

impl Work {
    fn new(what: String, began: Instant) -> Self {
        Self { what, began, usual: None, latest: String::new(), transfer: None }
    }

    fn progress(&mut self, message: &str, (done, total): (u64, u64), unit: Option<Unit>, now: Instant) {
        self.latest = match (unit, total) {
            (None, 1..) => format!("{}, {} %", one_line(message), done.min(total) * 100 / total),
            _ => one_line(message),
        };
        if unit != Some(Unit::Bytes) {
            self.transfer = None;
            return;
        }
        let transfer =
            self.transfer.get_or_insert_with(|| Transfer { done: 0, total: 0, samples: VecDeque::from([(now, done)]) });
        (transfer.done, transfer.total) = (done, total);
        transfer.samples.push_back((now, done));
        while transfer.samples.len() > 2 && now.duration_since(transfer.samples[1].0) > RATE {
            transfer.samples.pop_front();
        }
    }

    /// ` 4m10s, usually 8 to 12 min: waiting for the cluster (creating)`
    fn detail(&self, now: Instant) -> String {
        let elapsed = now.duration_since(self.began);
        let mut text = format!(" {}", time(elapsed));
        if let Some(usual) = self.usual.filter(|_| elapsed >= SOON) {
            text += &format!(", usually {usual}");
        }
        let parts = [self.latest.clone(), self.transfer.as_ref().map(|it| it.text(now)).unwrap_or_default()];
        let said: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        if said.is_empty() { text } else { format!("{text}: {}", said.join(", ")) }
    }

    fn text(&self, now: Instant) -> String {
        self.what.clone() + &self.detail(now)
    }

    fn row(&self, indent: &str, now: Instant) -> Row {
        Row::plain(format!("{indent}{}", self.what)).with(style::FAINT, self.detail(now))
    }
}

impl Transfer {
    /// `1.2 of 20 GiB, 85 MiB/s`
    fn text(&self, now: Instant) -> String {
        let share = share(self.done, self.total);
        let Some((since, before)) = self.samples.front() else { return share };
        let seconds = now.duration_since(*since).as_secs_f64();
        let rate = self.done.saturating_sub(*before) as f64 / seconds;
        if seconds >= 1.0 && rate >= 1.0 { format!("{share}, {}/s", super::amounts::bytes(rate as u64)) } else { share }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything as it was shown so many seconds after the beginning.
    struct Shown {
        activity: Activity,
        began: Instant,
    }

    impl Shown {
        fn new() -> Self {
            Self { activity: Activity::default(), began: Instant::now() }
        }

        fn hear(&mut self, seconds: u64, event: &Event) {
            self.activity.hear(event, self.began + Duration::from_secs(seconds));
        }

        fn starts(&mut self, seconds: u64, address: &str, operation: Operation) {
            let address: ResourceAddress = address.parse().unwrap();
            self.hear(seconds, &Event::OperationStarted { address, operation });
        }

        fn rows(&self, seconds: u64, (width, height): (usize, usize)) -> Vec<String> {
            let rows = self.activity.rows(self.began + Duration::from_secs(seconds), height);
            rows.iter().map(|row| row.cut(width, false)).collect()
        }
    }

    fn progress(address: &str, message: &str, done: u64, total: u64, unit: Option<Unit>) -> Event {
        Event::OperationProgress { address: address.parse().unwrap(), message: message.to_owned(), done, total, unit }
    }

    #[test]
    fn steps_are_shown_with_what_runs_in_them_for_how_long_and_what_it_waits_for() {
        let mut shown = Shown::new();
        shown.activity.footer = Some("Ctrl-C: stop");
        shown.hear(0, &Event::RunStarted { operations: 46 });
        shown.hear(1, &Event::StepStarted { step: "cluster".parse().unwrap() });
        shown.hear(2, &Event::StepStarted { step: "models".parse().unwrap() });
        shown.starts(10, "cluster/eks.cluster/main", Operation::Create);
        shown.hear(20, &progress("cluster/eks.cluster/main", "waiting for the cluster\n(creating)", 0, 0, None));
        shown.starts(12, "models/s3.bucket/models", Operation::Create);
        let id = "b".to_owned();
        let address: ResourceAddress = "models/s3.bucket/models".parse().unwrap();
        shown.hear(13, &Event::OperationDone { address, operation: Operation::Create, id, millis: 1000 });
        shown.starts(14, "models/s3.folder/model", Operation::Create);
        for seconds in 0..=10 {
            let event =
                progress("models/s3.folder/model", "sending model.onnx", seconds << 27, 2 << 30, Some(Unit::Bytes));
            shown.hear(15 + seconds, &event);
        }
        assert_eq!(
            shown.rows(200, (80, 24)),
            [
                "1 of 46, 3m20s",
                "cluster 3m19s",
                "  creating eks.cluster/main 3m10s, usually 8 to 12 min: waiting for the cluster…",
                "models 3m18s",
                "  creating s3.folder/model 3m06s: sending model.onnx, 1.2 of 2 GiB, 6.9 MiB/s",
                "Ctrl-C: stop",
            ]
        );
        assert_eq!(
            shown.rows(25, (160, 24))[4],
            "  creating s3.folder/model 11s: sending model.onnx, 1.2 of 2 GiB, 128 MiB/s"
        );
        for width in [40, 80, 160] {
            let rows = shown.rows(200, (width, 24));
            assert!(rows.iter().all(|row| super::super::row::columns(row) <= width), "{rows:?}");
        }
        shown.hear(201, &Event::Finished { ok: true, done: llmhost_engine::plan::Summary::default(), failures: 0 });
        assert!(shown.rows(201, (80, 24)).is_empty());
        assert_eq!(shown.activity.done[&"models".parse::<StepName>().unwrap()], [1, 0, 0]);
    }

    #[test]
    fn what_does_not_fit_on_the_terminal_is_counted() {
        let mut shown = Shown::new();
        shown.activity.footer = Some("Ctrl-C: stop");
        shown.hear(0, &Event::RunStarted { operations: 30 });
        for at in 0..20 {
            shown.starts(1, &format!("net/ec2.subnet/s{at:02}"), Operation::Delete);
        }
        let rows = shown.rows(2, (80, 9));
        assert_eq!((rows.len(), rows[0].as_str(), rows[1].as_str()), (9, "0 of 30, 2s", "net"));
        assert_eq!(rows[2], "  deleting ec2.subnet/s00 1s");
        assert_eq!(rows[6..], ["  deleting ec2.subnet/s04 1s", "… and 15 more", "Ctrl-C: stop"]);
        for height in 0..9 {
            assert!(shown.rows(2, (80, height)).len() <= height, "{height}");
        }
    }

    #[test]
    fn a_download_outside_of_any_run_shows_its_bytes_and_goes_when_it_ends() {
        let mut shown = Shown::new();
        let task = shown.activity.begin("fetching s3://b/m", shown.began);
        shown.activity.transferred(task, (0, 10 << 20), shown.began);
        shown.activity.transferred(task, (5 << 20, 10 << 20), shown.began + Duration::from_secs(5));
        assert_eq!(shown.rows(5, (80, 24)), ["fetching s3://b/m 5s: 5 of 10 MiB, 1 MiB/s"]);
        shown.activity.end(task);
        assert!(shown.rows(6, (80, 24)).is_empty());
    }
}
