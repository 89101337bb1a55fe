//! Nothing is lost, made twice or left over, whenever the process is killed and whatever its calls
//! meet. A sample of all cases each time; with `LLMHOST_TORTURE=long` (`cargo xtask torture`) all.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr)]

mod support;

use std::collections::BTreeMap;
use std::time::Instant;

use support::torture::{BASE, Chamber, Disturbance, Doing, End, STACK};

/// How many cases of one sort are tried.
struct Extent {
    instants: u64,
    mixes: u64,
    /// Each call, or one of so many.
    every: usize,
    /// Instants, calls and mixes for a whole stack, each life of which is many times as long.
    of_stack: (u64, usize, u64),
    /// Worlds in which failing calls are tried at the same time: those lives are mostly waiting.
    lanes: u64,
}

/// After so many lives in one world a new one is begun: an emulator keeps something of all that was
/// ever deleted, and gets slow.
const LIVES_OF_A_WORLD: usize = 25;

fn extent() -> Extent {
    match std::env::var("LLMHOST_TORTURE").as_deref() {
        Ok("long") => Extent { instants: 500, mixes: 1_000, every: 1, of_stack: (250, 1, 200), lanes: 4 },
        _ => Extent { instants: 6, mixes: 6, every: 16, of_stack: (4, 50, 4), lanes: 1 },
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
        let end = match chamber.live(doing, disturbance, torn).await {
            Ok(End::Whole) => "ended as if nothing had happened",
            Ok(End::Stopped) => "stopped with a reason",
            Ok(End::Killed) => "killed",
            Err(reason) => {
                eprintln!("WRONG: {doing:?}, {case}: {reason}");
                self.wrong.push(format!("{doing:?}, {case}: {reason}"));
                chamber.renew().await;
                "wrong"
            }
        };
        *self.ends.entry(end).or_default() += 1;
        let lives: usize = self.ends.values().sum();
        if lives.is_multiple_of(50) {
            eprintln!("{}: {lives} lives, {:?}", self.what, self.ends);
        }
        if lives.is_multiple_of(LIVES_OF_A_WORLD) {
            chamber.renew().await;
        }
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

async fn killed_at_calls(what: &'static str, steps: &'static str, every: usize) {
    let mut chamber = Chamber::open(steps).await;
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

async fn killed_at_instants(what: &'static str, steps: &'static str, instants: u64) {
    let mut chamber = Chamber::open(steps).await;
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
    killed_at_calls("killed at a call", BASE, extent().every).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_at_any_instant_is_made_up_for_by_the_next() {
    killed_at_instants("killed at an instant", BASE, extent().instants).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_stack_killed_at_any_call_is_made_up_for_by_the_next() {
    killed_at_calls("a stack, killed at a call", STACK, extent().of_stack.1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_stack_killed_at_any_instant_is_made_up_for_by_the_next() {
    killed_at_instants("a stack, killed at an instant", STACK, extent().of_stack.0).await;
}

async fn failing_calls(what: &'static str, steps: &'static str, mixes: u64) {
    let lanes = extent().lanes;
    let lane = async |lane: u64| {
        let mut chamber = Chamber::open(steps).await;
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
    failing_calls("failing calls", BASE, extent().mixes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_a_whole_stack_that_fail_leave_nothing_behind() {
    failing_calls("a stack, failing calls", STACK, extent().of_stack.2).await;
}
