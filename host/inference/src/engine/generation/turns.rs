//! How much of prompts is read between two steps of the answers, and whose prompt is next.
//!
//! Steps and pieces are measured as they run. Prompts may take so many times what a step takes, and one piece in any
//! case; so an answer's next token waits for the longer of both at most, and prompts that wait have three quarters of the time
//! or more, however many answers run. Prompts are read in the order in which they came. A long one lets the others by
//! after each quantum, and one that comes later does not pass those that wait already.

use std::time::Duration;

/// What prompts may take of the time, in steps of the answers.
const STEPS: f64 = 6.0;
/// Pieces of a prompt before the next one has its turn.
const QUANTUM: usize = 4;
/// Runs whose middle counts: other programs disturb single ones.
const SAMPLES: usize = 5;

/// What runs took of late.
#[derive(Debug, Default)]
pub(super) struct Turns {
    steps: Samples,
    /// Of a token in a piece.
    tokens: Samples,
    /// In this turn of the prompts.
    spent: f64,
}

/// A prompt's place among those that wait.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::engine) struct Rank {
    /// Quanta that it had, and those that others had before it came.
    quanta: u64,
    /// Tokens of the quantum that it is in.
    read: usize,
}

impl Turns {
    /// The answers had a step.
    pub(super) fn stepped(&mut self, took: Duration) {
        self.steps.add(took.as_secs_f64());
    }

    /// Prompts have their turn.
    pub(super) fn begin(&mut self) {
        self.spent = 0.0;
    }

    /// A piece of a prompt was read.
    pub(super) fn read(&mut self, tokens: usize, took: Duration) {
        self.tokens.add(took.as_secs_f64() / tokens.max(1) as f64);
        self.spent += took.as_secs_f64();
    }

    /// Whether nothing was read in this turn.
    pub(super) fn is_fresh(&self) -> bool {
        self.spent == 0.0
    }

    /// Whether a piece of so many tokens may be read in this turn. The first always may.
    pub(super) fn fits(&self, tokens: usize) -> bool {
        let known = self.steps.middle().zip(self.tokens.middle());
        let fits = |(step, token): (f64, f64)| self.spent + token * tokens as f64 <= STEPS * step;
        self.is_fresh() || known.is_some_and(fits)
    }
}

impl Rank {
    /// That of a prompt which comes while others, of these ranks, wait.
    pub(super) fn after(others: impl Iterator<Item = Self>) -> Self {
        Self { quanta: others.map(|other| other.quanta).min().unwrap_or(0), read: 0 }
    }

    /// Which comes first. Those of one quantum go by their age.
    pub(super) fn order(self) -> u64 {
        self.quanta
    }

    /// So many tokens were read, of pieces that have `chunk` at most.
    pub(super) fn read(&mut self, tokens: usize, chunk: usize) {
        self.read += tokens;
        if self.read >= QUANTUM * chunk {
            (self.quanta, self.read) = (self.quanta + 1, 0);
        }
    }
}

#[derive(Debug, Default)]
struct Samples {
    latest: Vec<f64>,
    next: usize,
}

impl Samples {
    fn add(&mut self, sample: f64) {
        match self.latest.len() < SAMPLES {
            true => self.latest.push(sample),
            false => self.latest[self.next % SAMPLES] = sample,
        }
        self.next += 1;
    }

    fn middle(&self) -> Option<f64> {
        let mut sorted = self.latest.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied()
    }
}

#[cfg(test)]
#[path = "turns_tests.rs"]
mod tests;
