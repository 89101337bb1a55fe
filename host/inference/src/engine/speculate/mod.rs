//! Several tokens of an answer in one run of the graph.
//!
//! Where the end of a text stood in it before, what followed there is a guess at what follows now: in
//! summaries, in edits, in code. The graph runs over the guess as it does over a prompt, and the
//! request's own sampler goes through the rows in their order for as long as it chooses what was
//! guessed. So answers are the same with and without, as far as the graph rounds alike (`exact`); a wrong
//! guess costs time alone.
//!
//! Whether a guess pays is reckoned at each step, from how often such guesses were right and how long
//! such runs took. Guesses that are not tried are watched too, so that no answer has to be slowed down to
//! learn that guessing would not help it.

mod chances;
mod costs;
mod exact;
mod ngrams;

use std::str::FromStr;
use std::time::Duration;

use chances::Chances;
use costs::Costs;
pub(super) use exact::exact;
use ngrams::NGrams;

/// Tokens of a run: the one that was chosen last, and guesses. Few, so that their times are known soon.
pub(super) const WIDTHS: [usize; 4] = [2, 4, 8, 16];
/// Tokens of a run, at most.
pub(super) const WIDEST: usize = WIDTHS[WIDTHS.len() - 1];
/// What has to be gained: less is within what cannot be reckoned.
const GAIN: f64 = 1.05;

/// Whether tokens are guessed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Speculate {
    /// Where it makes answers faster and changes none: not where kernels round several tokens otherwise than one, unless
    /// the request draws its tokens without a seed.
    #[default]
    Auto,
    /// Where it makes answers faster, those without a seed also where kernels round otherwise: a greedy answer may take
    /// another turn where two tokens are nearly as likely.
    Relaxed,
    /// Wherever there is a guess, whatever it costs: for tests and measurements.
    Always,
    /// Never.
    Off,
}

impl FromStr for Speculate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "relaxed" => Ok(Self::Relaxed),
            "always" => Ok(Self::Always),
            "off" => Ok(Self::Off),
            other => Err(format!("'{other}' is not a speculation mode: auto, relaxed, always or off")),
        }
    }
}

/// What the engine knows of guesses.
#[derive(Debug)]
pub(super) struct Speculation {
    mode: Speculate,
    costs: Costs,
    chances: Chances,
}

/// What is known of one answer.
#[derive(Debug, Default)]
pub(super) struct Guesser {
    text: NGrams,
    chances: Chances,
    /// What may follow the text.
    guess: Vec<u32>,
    /// Tokens of the text that agree with those in front of the guess.
    agreeing: usize,
}

/// An answer that wants its next token.
pub(super) struct Answer<'a> {
    pub(super) slot: usize,
    pub(super) guesser: &'a mut Guesser,
    /// Tokens that are in the cache, and the one that was chosen last.
    pub(super) cached: &'a [u32],
    pub(super) next: u32,
    /// Guesses that a run may have: what graph, context and the answer's length allow.
    pub(super) room: usize,
}

/// A guess to try.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Guess {
    pub(super) slot: usize,
    pub(super) tokens: Vec<u32>,
}

/// The best that can be made of an answer's guess.
struct Best {
    width: usize,
    tokens: f64,
    seconds: f64,
}

impl Speculation {
    pub(super) fn new(mode: Speculate, slots: usize) -> Self {
        Self { mode, costs: Costs::new(slots), chances: Chances::default() }
    }

    pub(super) fn off(&self) -> bool {
        self.mode == Speculate::Off
    }

    /// Whether greedy answers may differ by how kernels round.
    pub(super) fn is_relaxed(&self) -> bool {
        self.mode != Speculate::Auto
    }

    /// A step of so many answers took so long.
    pub(super) fn stepped(&mut self, answers: usize, took: Duration) {
        self.costs.stepped(answers, took);
    }

    /// A run over so many tokens of one answer took so long.
    pub(super) fn verified(&mut self, width: usize, took: Duration) {
        self.costs.verified(width, took);
    }

    /// The answers that get a run of their own in this turn, with what is guessed.
    pub(super) fn plan(&mut self, mut answers: Vec<Answer<'_>>) -> Vec<Guess> {
        self.costs.next_turn();
        // Nothing is guessed without room, so nothing needs to be learned either.
        for answer in answers.iter_mut().filter(|answer| answer.room > 0) {
            answer.guesser.follow(answer.cached, answer.next, &mut self.chances);
        }
        let all = answers.len() as f64;
        // Without a figure of late this turn makes one.
        let plain = self.costs.fresh(answers.len()).map(|seconds| all / seconds);
        let rate = match (self.mode, plain) {
            (Speculate::Always, _) => 0.0,
            (Speculate::Auto | Speculate::Relaxed, Some(plain)) => plain * GAIN,
            _ => return Vec::new(),
        };
        let better = |best: &Best| best.tokens / best.seconds > rate;
        let chosen: Vec<(&Answer<'_>, Best)> =
            answers.iter().filter_map(|answer| Some((answer, self.best(answer).filter(better)?))).collect();
        let rest = answers.len() - chosen.len();
        let tokens = chosen.iter().map(|(_, best)| best.tokens).sum::<f64>() + rest as f64;
        let seconds = chosen.iter().map(|(_, best)| best.seconds).sum::<f64>()
            + self.costs.together(rest).unwrap_or(f64::INFINITY);
        // Each alone may gain what the rest loses, which has fewer left to share a step with.
        if self.mode != Speculate::Always && tokens / seconds <= rate {
            return Vec::new();
        }
        let guess = |(answer, best): (&Answer<'_>, Best)| Guess {
            slot: answer.slot,
            tokens: answer.guesser.guess[..best.width - 1].to_vec(),
        };
        chosen.into_iter().map(guess).collect()
    }

    /// The width that promises most tokens a second.
    fn best(&self, answer: &Answer<'_>) -> Option<Best> {
        let guesser = &*answer.guesser;
        let (mut chance, mut tokens, mut best) = (1.0, 1.0, None::<Best>);
        let room = answer.room.min(guesser.guess.len());
        for guessed in 1..=room {
            chance *= guesser.chances.of(guesser.agreeing + guessed - 1, Some(&self.chances));
            tokens += chance;
            let Some(place) = WIDTHS.iter().position(|width| *width == guessed + 1) else { continue };
            let seconds = match self.mode {
                Speculate::Always => 1.0,
                _ => self.costs.wide(place)?,
            };
            if best.as_ref().is_none_or(|best| tokens / seconds > best.tokens / best.seconds) {
                best = Some(Best { width: guessed + 1, tokens, seconds });
            }
        }
        best
    }
}

impl Guesser {
    /// Takes the text's new tokens, sees how the guess fared, and makes the next one.
    fn follow(&mut self, cached: &[u32], next: u32, all: &mut Chances) {
        const OWN: f64 = 0.95;
        const ALL: f64 = 0.995;
        if self.text.len() > cached.len() {
            return;
        }
        let mut guess = self.guess.iter();
        let mut agreeing = self.agreeing;
        for token in cached[self.text.len()..].iter().copied().chain([next]) {
            if let Some(guessed) = guess.next() {
                let right = *guessed == token;
                self.chances.note(agreeing, right, OWN);
                all.note(agreeing, right, ALL);
                agreeing += 1;
                if !right {
                    guess = [].iter();
                }
            }
            self.text.push(token);
        }
        self.guess.clear();
        if let Some(found) = self.text.find() {
            self.agreeing = found.length;
            self.text.following(found, WIDEST - 1, &mut self.guess);
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
