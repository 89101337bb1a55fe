//! How long steps take: those of several answers together, and those of several tokens of one answer.

use std::time::Duration;

/// Samples whose middle counts: other programs disturb single ones.
const SAMPLES: usize = 5;
/// After so many turns a figure is doubted.
const STALE: u64 = 256;
/// What a doubted figure may have become, for the better: then it is measured again if that would pay.
const BETTER: f64 = 0.75;
/// What a token more costs until it is measured, in steps of one token. Little, so that it is measured.
const FIRST_GUESS: f64 = 0.1;

/// Times of the latest steps, in seconds.
#[derive(Debug)]
pub(super) struct Costs {
    /// By the number of answers, from one.
    together: Vec<Samples>,
    /// By the place of the width in [`super::WIDTHS`].
    wide: [Samples; super::WIDTHS.len()],
    turn: u64,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Samples {
    latest: Vec<f64>,
    next: usize,
    turn: u64,
}

impl Costs {
    pub(super) fn new(slots: usize) -> Self {
        Self { together: vec![Samples::default(); slots], wide: Default::default(), turn: 0 }
    }

    pub(super) fn next_turn(&mut self) {
        self.turn += 1;
    }

    pub(super) fn stepped(&mut self, answers: usize, took: Duration) {
        if let Some(samples) = answers.checked_sub(1).and_then(|place| self.together.get_mut(place)) {
            samples.add(took, self.turn);
        }
    }

    pub(super) fn verified(&mut self, width: usize, took: Duration) {
        if let Some(place) = super::WIDTHS.iter().position(|known| *known == width) {
            self.wide[place].add(took, self.turn);
        }
    }

    /// A step of so many answers, as it was measured lately.
    pub(super) fn fresh(&self, answers: usize) -> Option<f64> {
        let samples = self.together.get(answers.checked_sub(1)?)?;
        if self.turn - samples.turn > STALE { None } else { samples.middle() }
    }

    /// A step of so many answers; no less than what it is where it was not measured.
    pub(super) fn together(&self, answers: usize) -> Option<f64> {
        let Some(place) = answers.checked_sub(1) else { return Some(0.0) };
        let known = self.together.get(place..)?.iter().find_map(Samples::middle);
        known.or_else(|| Some(self.together.first()?.middle()? * answers as f64))
    }

    /// A step of just so many answers, whenever it was measured.
    pub(super) fn measured(&self, answers: usize) -> Option<f64> {
        let samples = self.together.get(answers.checked_sub(1)?)?;
        let middle = samples.middle()?;
        Some(if self.turn - samples.turn > STALE { middle * BETTER } else { middle })
    }

    /// A step of so many tokens of one answer.
    pub(super) fn wide(&self, place: usize) -> Option<f64> {
        let samples = &self.wide[place];
        // The first run of a width allocates, so one sample says little.
        let Some(middle) = samples.middle().filter(|_| samples.latest.len() > 1) else {
            let more = super::WIDTHS[place] - 1;
            return Some(self.together(1)? * (1.0 + FIRST_GUESS * more as f64));
        };
        Some(if self.turn - samples.turn > STALE { middle * BETTER } else { middle })
    }
}

impl Samples {
    pub(super) fn add(&mut self, took: Duration, turn: u64) {
        let took = took.as_secs_f64();
        if turn - self.turn > STALE {
            self.latest.clear();
        }
        match self.latest.len() < SAMPLES {
            true => self.latest.push(took),
            false => self.latest[self.next % SAMPLES] = took,
        }
        self.next += 1;
        self.turn = turn;
    }

    pub(super) fn middle(&self) -> Option<f64> {
        let mut sorted = self.latest.clone();
        sorted.sort_by(f64::total_cmp);
        // The lower one of two.
        sorted.get(sorted.len().saturating_sub(1) / 2).copied()
    }
}
