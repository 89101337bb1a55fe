//! What a draft model's guesses cost, and how often they are right.

use std::time::Duration;

use super::costs::{Costs, Samples};
use super::{Best, Speculate, WIDTHS};

/// Tokens of a text that are read for a guess like steps; of more, the draft model reads a prompt first.
pub(in crate::engine) const NEAR: usize = 4;
/// What holds of guesses before any was seen. Much, so that they are tried.
const FIRST: f64 = 0.8;
/// A step of several texts beside one of one, for each more, until it is measured.
const FIRST_GUESS: f64 = 0.25;
/// A token that is read among others beside a step, until it is measured.
const FIRST_READ: f64 = 0.1;
/// Pieces that say what a token of them costs.
const PIECE: usize = 16;
/// Tokens over which the reading of a text has to pay.
const AHEAD: usize = 256;

/// How the draft model does, for all requests.
#[derive(Debug)]
pub(super) struct Drafts {
    steps: Costs,
    /// Seconds a token.
    reads: Samples,
    pub(super) all: Rate,
}

/// What a draft model has to do for an answer.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct Drafting {
    /// Tokens that it has to read before its first guess.
    pub(in crate::engine) behind: usize,
    /// Guesses that its context has room for.
    pub(in crate::engine) room: usize,
    /// Tokens that the answer may still have.
    pub(in crate::engine) remaining: usize,
}

/// Guesses that were right, and all of them, the latest counting most.
#[derive(Debug, Default)]
pub(super) struct Rate {
    right: f64,
    all: f64,
}

impl Rate {
    pub(super) fn note(&mut self, right: bool, fading: f64) {
        self.fade(fading);
        self.right += f64::from(u8::from(right));
        self.all += 1.0;
    }

    /// What is long ago counts less, so that it is tried again some time.
    pub(super) fn fade(&mut self, by: f64) {
        self.right *= by;
        self.all *= by;
    }

    fn of(&self, before: f64) -> f64 {
        const WEIGHT: f64 = 4.0;
        (self.right + WEIGHT * before) / (self.all + WEIGHT)
    }
}

impl Drafts {
    pub(super) fn new(slots: usize) -> Self {
        Self { steps: Costs::new(slots), reads: Samples::default(), all: Rate::default() }
    }

    pub(super) fn next_turn(&mut self) {
        self.steps.next_turn();
    }

    pub(super) fn stepped(&mut self, texts: usize, took: Duration) {
        self.steps.stepped(texts, took);
    }

    pub(super) fn read(&mut self, tokens: usize, took: Duration) {
        if tokens >= PIECE {
            self.reads.add(took / u32::try_from(tokens).unwrap_or(u32::MAX), 0);
        }
    }

    /// Seconds of a step of so many texts.
    pub(super) fn step(&self, texts: usize) -> f64 {
        let guess = || Some(self.steps.measured(1)? * (1.0 + FIRST_GUESS * (texts - 1) as f64));
        self.steps.measured(texts).or_else(guess).unwrap_or(0.0)
    }

    /// The width that promises most tokens a second, where so many texts are guessed for together.
    pub(super) fn best(
        &self,
        (own, drafting): (&Rate, Drafting),
        room: usize,
        texts: usize,
        mode: Speculate,
        seconds: impl Fn(usize) -> Option<f64>,
    ) -> Option<Best> {
        let chance = own.of(self.all.of(FIRST));
        let step = self.step(texts) / texts as f64;
        let (mut right, mut tokens, mut best) = (1.0, 1.0, None::<Best>);
        for guessed in 1..=room.min(drafting.room) {
            right *= chance;
            tokens += right;
            let Some(place) = WIDTHS.iter().position(|width| *width == guessed + 1) else { continue };
            let seconds = match mode {
                Speculate::Always => 1.0,
                _ => seconds(place)? + guessed as f64 * step + self.reading(drafting, tokens),
            };
            if best.as_ref().is_none_or(|best| tokens / seconds > best.tokens / best.seconds) {
                best = Some(Best { width: guessed + 1, tokens, seconds, drafted: true });
            }
        }
        best
    }

    /// The part of the text's reading that such a step has to pay for.
    fn reading(&self, drafting: Drafting, tokens: f64) -> f64 {
        if drafting.behind <= NEAR {
            return 0.0;
        }
        let token = self.reads.middle().unwrap_or(FIRST_READ * self.step(1));
        let ahead = drafting.remaining.clamp(1, AHEAD);
        drafting.behind as f64 * token * (tokens / ahead as f64).min(1.0)
    }
}
