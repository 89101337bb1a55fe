//! Nothing is lost, made twice or left over, whenever the process is killed and whatever its calls
//! meet. A sample of all cases each time; with `LLMHOST_TORTURE=long` (`cargo xtask torture`) all.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr)]

mod support;

use std::collections::BTreeMap;
use std::time::Instant;

use support::torture::courses::{BASE_CHANGES, Course, STACK_CHANGES};
use support::torture::history::History;
use support::torture::pipelines::{BASE, SHARED, STACK, Subject};
use support::torture::{Chamber, Disturbance, Doing, End};

/// How many cases are tried.
struct Extent {
    base: Cases,
    /// With the state in a bucket: each of its writes is a call.
    shared: Cases,
    /// A whole stack, each life of which is many times as long.
    stack: Cases,
    /// Changes of what is there.
    changes: u64,
    stack_changes: u64,
    /// Worlds in which failing calls are tried at the same time: those lives are mostly waiting.
    lanes: u64,
}

/// How many cases of each sort.
struct Cases {
    /// Each call and each line of the journal, or one of so many.
    every: usize,
    instants: u64,
    mixes: u64,
}

/// After so many lives in one world a new one is begun: an emulator keeps something of all that was
/// ever deleted, and gets slow.
const LIVES_OF_A_WORLD: usize = 25;

fn extent() -> Extent {
    let cases = |every, instants, mixes| Cases { every, instants, mixes };
    match std::env::var("LLMHOST_TORTURE").as_deref() {
        Ok("long") => Extent {
            base: cases(1, 1_000, 1_000),
            shared: cases(1, 200, 200),
            stack: cases(1, 250, 200),
            changes: 800,
            stack_changes: 200,
            lanes: 6,
        },
        _ => Extent {
            base: cases(16, 6, 6),
            shared: cases(40, 4, 4),
            stack: cases(50, 4, 4),
            changes: 6,
            stack_changes: 4,
            lanes: 1,
        },
    }
}

fn seed() -> u64 {
    std::env::var("LLMHOST_TORTURE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

/// What happened, for the figures at the end.
struct Record {
    what: &'static str,
    began: Instant,
    ends: BTreeMap<&'static str, usize>,
    wrong: Vec<String>,
}

impl Record {
    fn of(what: &'static str) -> Self {
        Self { what, began: Instant::now(), ends: BTreeMap::new(), wrong: Vec::new() }
    }

    async fn live(&mut self, chamber: &mut Chamber, doing: Doing, disturbance: Disturbance, case: &str) {
        // A crash may have been in the middle of a line: every other time.
        let torn = self.ends.values().sum::<usize>() % 2 == 1;
        let end = chamber.live(doing, disturbance, torn).await;
        if !self.count(end.map_err(|reason| format!("{doing:?}, {case}: {reason}"))) {
            chamber.renew().await;
        }
        let lives: usize = self.ends.values().sum();
        if lives.is_multiple_of(LIVES_OF_A_WORLD) {
            chamber.renew().await;
        }
    }

    /// Counts how a life ended; gives whether it was right.
    fn count(&mut self, end: Result<End, String>) -> bool {
        let is_right = end.is_ok();
        let end = match end {
            Ok(End::Whole) => "ended as if nothing had happened",
            Ok(End::Stopped) => "stopped with a reason",
            Ok(End::Killed) => "killed",
            Err(reason) => {
                eprintln!("WRONG: {}: {reason}", self.what);
                self.wrong.push(reason);
                "wrong"
            }
        };
        *self.ends.entry(end).or_default() += 1;
        let lives: usize = self.ends.values().sum();
        if lives.is_multiple_of(50) {
            eprintln!("{}: {lives} lives, {:?}", self.what, self.ends);
        }
        is_right
    }

    /// With what happened elsewhere.
    fn and(mut self, other: Self) -> Self {
        for (end, count) in other.ends {
            *self.ends.entry(end).or_default() += count;
        }
        self.wrong.extend(other.wrong);
        self
    }

    fn end(self) {
        let (lives, seconds) = (self.ends.values().sum::<usize>(), self.began.elapsed().as_secs());
        eprintln!(
            "{}: {lives} lives in {seconds} s: {:?}; 0 duplicates, orphans and losses in all but {}",
            self.what,
            self.ends,
            self.wrong.len()
        );
        assert!(self.wrong.is_empty(), "{} of {lives} went wrong:\n{}", self.wrong.len(), self.wrong.join("\n"));
        assert!(lives > 3, "nothing was tried");
    }
}

async fn killed_at_calls(what: &'static str, subject: Subject, every: usize) {
    let mut chamber = Chamber::open(subject).await;
    let mut record = Record::of(what);
    let first = seed() as usize % every;
    for (at, doing) in [Doing::Run, Doing::Destroy].into_iter().enumerate() {
        for call in (first..chamber.calls[at]).step_by(every) {
            for after in [false, true] {
                let case = format!("call {call} of {}, {}", chamber.calls[at], if after { "after" } else { "before" });
                record.live(&mut chamber, doing, Disturbance::KillAt { call, after }, &case).await;
            }
        }
    }
    record.end();
}

async fn killed_at_lines(what: &'static str, subject: Subject, every: usize) {
    let mut chamber = Chamber::open(subject).await;
    let mut record = Record::of(what);
    let first = 1 + seed() as usize % every;
    for (at, doing) in [Doing::Run, Doing::Destroy].into_iter().enumerate() {
        for line in (first..=chamber.lines[at]).step_by(every) {
            let case = format!("line {line} of {}", chamber.lines[at]);
            record.live(&mut chamber, doing, Disturbance::KillAtLine(line), &case).await;
        }
    }
    record.end();
}

async fn killed_at_instants(what: &'static str, subject: Subject, instants: u64) {
    let mut chamber = Chamber::open(subject).await;
    let mut record = Record::of(what);
    for number in 0..instants {
        let doing = if number % 2 == 0 { Doing::Run } else { Doing::Destroy };
        let whole = chamber.times[usize::from(doing == Doing::Destroy)];
        // Spread over the whole time, in no order.
        let part =
            (number.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(seed()) >> 11) as f64 / (1_u64 << 53) as f64;
        let time = whole.mul_f64(part);
        record.live(&mut chamber, doing, Disturbance::KillIn(time), &format!("after {time:?} of {whole:?}")).await;
    }
    record.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_at_any_call_is_made_up_for_by_the_next() {
    killed_at_calls("killed at a call", BASE, extent().base.every).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_at_any_line_of_its_journal_is_made_up_for_by_the_next() {
    killed_at_lines("killed at a line", BASE, extent().base.every).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_at_any_call_with_its_state_in_a_bucket_is_made_up_for_by_the_next() {
    killed_at_calls("state in a bucket, killed at a call", SHARED, extent().shared.every).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_stack_killed_at_any_line_of_its_journal_is_made_up_for_by_the_next() {
    killed_at_lines("a stack, killed at a line", STACK, extent().stack.every).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_at_any_instant_is_made_up_for_by_the_next() {
    killed_at_instants("killed at an instant", BASE, extent().base.instants).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_stack_killed_at_any_call_is_made_up_for_by_the_next() {
    killed_at_calls("a stack, killed at a call", STACK, extent().stack.every).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_at_any_instant_with_its_state_in_a_bucket_is_made_up_for_by_the_next() {
    killed_at_instants("state in a bucket, killed at an instant", SHARED, extent().shared.instants).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_stack_killed_at_any_instant_is_made_up_for_by_the_next() {
    killed_at_instants("a stack, killed at an instant", STACK, extent().stack.instants).await;
}

async fn failing_calls(what: &'static str, subject: Subject, mixes: u64) {
    let lanes = extent().lanes;
    let lane = async |lane: u64| {
        let mut chamber = Chamber::open(subject).await;
        let mut record = Record::of(what);
        for number in (lane..mixes).step_by(usize::try_from(lanes).unwrap()) {
            // Each lane has runs and destroys.
            let doing = if (number / lanes).is_multiple_of(2) { Doing::Run } else { Doing::Destroy };
            let seed = seed().wrapping_mul(1_000_003).wrapping_add(number);
            record.live(&mut chamber, doing, Disturbance::Faults(seed), &format!("seed {seed}")).await;
        }
        record
    };
    let all = futures::future::join_all((0..lanes).map(lane)).await;
    all.into_iter().reduce(Record::and).unwrap().end();
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_fail_in_every_way_leave_nothing_behind() {
    failing_calls("failing calls", BASE, extent().base.mixes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_fail_with_the_state_in_a_bucket_leave_nothing_behind() {
    failing_calls("state in a bucket, failing calls", SHARED, extent().shared.mixes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_a_whole_stack_that_fail_leave_nothing_behind() {
    failing_calls("a stack, failing calls", STACK, extent().stack.mixes).await;
}

async fn changes(what: &'static str, course: Course, changes: u64) {
    let lanes = extent().lanes.min(2);
    let lane = async |lane: u64| {
        let mut history = History::begin(course, seed().wrapping_mul(1_000_003).wrapping_add(lane)).await;
        let mut record = Record::of(what);
        let mut number = lane;
        // The last history ends, too.
        while number < changes || !history.is_over() {
            // A world that something went wrong in is left.
            if !record.count(history.go_on().await) || history.is_worn() {
                history.renew().await;
            }
            number += lanes;
        }
        (record, history.met)
    };
    let all = futures::future::join_all((0..lanes).map(lane)).await;
    let (records, mets): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    let mut met = BTreeMap::new();
    for (fault, count) in mets.into_iter().flatten() {
        *met.entry(fault).or_insert(0) += count;
    }
    for (fault, count) in &met {
        eprintln!("{what}: met {count:>6} times: {fault}");
    }
    assert!(!met.is_empty(), "nothing was met");
    records.into_iter().reduce(Record::and).unwrap().end();
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_end_as_planned_whatever_happens() {
    changes("changes", BASE_CHANGES, extent().changes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_a_whole_stack_end_as_planned_whatever_happens() {
    changes("changes of a stack", STACK_CHANGES, extent().stack_changes).await;
}
