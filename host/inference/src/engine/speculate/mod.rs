//! Several tokens of an answer in one run of the graph.
//!
//! Where the end of a text stood in it before, what followed there is a guess at what follows now: in
//! summaries, in edits, in code. A draft model, where there is one, guesses elsewhere. The graph runs over the guess as it does over a prompt, and the
//! request's own sampler goes through the rows in their order for as long as it chooses what was
//! guessed. So answers are the same with and without, as far as the graph rounds alike (`exact`); a wrong
//! guess costs time alone.
//!
//! Whether a guess pays is reckoned at each step, from how often such guesses were right and how long
//! such runs took. Guesses that are not tried are watched too, so that no answer has to be slowed down to
//! learn that guessing would not help it.

mod chances;
mod costs;
mod drafts;
mod exact;
mod ngrams;

use std::str::FromStr;
use std::time::Duration;

use chances::Chances;
use costs::Costs;
pub(super) use drafts::{Drafting, NEAR};
use drafts::{Drafts, Rate};
pub(super) use exact::exact;
use ngrams::NGrams;

/// Tokens of a run: the one that was chosen last, and guesses. Few, so that their times are known soon.
pub(super) const WIDTHS: [usize; 4] = [2, 4, 8, 16];
/// Tokens of a run, at most.
pub(super) const WIDEST: usize = WIDTHS[WIDTHS.len() - 1];
/// What has to be gained: less is within what cannot be reckoned.
const GAIN: f64 = 1.05;

/// What a guess before the last one counts: of one answer, and of all.
const OWN: f64 = 0.95;
const ALL: f64 = 0.995;
/// What the draft model's guesses count after a turn without one.
const UNTRIED: f64 = 0.995;
const UNTRIED_BY_ALL: f64 = 0.9995;

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
    drafts: Drafts,
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
    drafts: Rate,
    /// Whether the draft model may guess: not any more, once it failed or its memory was needed.
    pub(super) is_without_draft: bool,
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
    /// What the draft model has to do, where it may guess.
    pub(super) draft: Option<Drafting>,
}

/// Where a guess is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The text.
    Text,
    /// The draft model.
    Draft,
}

/// What is to be guessed in a turn.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Guesses that are there.
    pub(super) guesses: Vec<Guess>,
    /// Slots for which the draft model is to guess, in their order, and so many tokens.
    pub(super) to_draft: Vec<(usize, usize)>,
    /// A slot whose text the draft model should read to guess later on.
    pub(super) to_read: Option<usize>,
}

/// A guess to try.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Guess {
    pub(super) slot: usize,
    pub(super) tokens: Vec<u32>,
    pub(super) source: Source,
}

/// The best that can be made of an answer's guess.
struct Best {
    width: usize,
    tokens: f64,
    seconds: f64,
    drafted: bool,
}

impl Best {
    fn rate(&self) -> f64 {
        self.tokens / self.seconds
    }
}

impl Speculation {
    pub(super) fn new(mode: Speculate, slots: usize) -> Self {
        Self { mode, costs: Costs::new(slots), chances: Chances::default(), drafts: Drafts::new(slots) }
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

    /// A step of the draft model over so many texts took so long.
    pub(super) fn draft_stepped(&mut self, texts: usize, took: Duration) {
        self.drafts.stepped(texts, took);
    }

    /// The draft model read so many tokens of one text in this time.
    pub(super) fn draft_read(&mut self, tokens: usize, took: Duration) {
        self.drafts.read(tokens, took);
    }

    /// So many guesses of the draft model were right, and the one behind them was wrong where that is said. An answer
    /// that is over has no guesser.
    pub(super) fn drafted(&mut self, mut guesser: Option<&mut Guesser>, right: usize, then_wrong: bool) {
        for is_right in std::iter::repeat_n(true, right).chain(then_wrong.then_some(false)) {
            self.drafts.all.note(is_right, ALL);
            if let Some(guesser) = &mut guesser {
                guesser.drafts.note(is_right, OWN);
            }
        }
    }

    /// The answers that get a run of their own in this turn, with what is guessed.
    pub(super) fn plan(&mut self, mut answers: Vec<Answer<'_>>) -> Plan {
        self.costs.next_turn();
        self.drafts.next_turn();
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
            _ => return Plan::default(),
        };
        let (mut chosen, to_read) = self.choose(&answers, rate);
        let rest = answers.len() - chosen.len();
        // Each alone may gain what the rest loses, which has fewer left to share a step with.
        if self.mode != Speculate::Always && self.rate(&chosen, rest) <= rate {
            chosen.clear();
        }
        let (drafted, from_text): (Vec<_>, Vec<_>) = chosen.into_iter().partition(|(_, best)| best.drafted);
        let to_draft: Vec<(usize, usize)> =
            drafted.into_iter().map(|(answer, best)| (answers[answer].slot, best.width - 1)).collect();
        let guess = |(answer, best): (usize, Best)| {
            let Answer { slot, guesser, .. } = &answers[answer];
            Guess { slot: *slot, tokens: guesser.guess[..best.width - 1].to_vec(), source: Source::Text }
        };
        let guesses = from_text.into_iter().map(guess).collect();
        if to_draft.is_empty() {
            self.drafts.all.fade(UNTRIED_BY_ALL);
            answers.iter_mut().for_each(|answer| answer.guesser.drafts.fade(UNTRIED));
        }
        Plan { guesses, to_draft, to_read }
    }

    /// The answers whose guesses promise more tokens a second than `rate`, and the slot of one for which the draft model
    /// would be worth its reading.
    fn choose(&self, answers: &[Answer<'_>], rate: f64) -> (Vec<(usize, Best)>, Option<usize>) {
        let is_near = |answer: &Answer<'_>| answer.draft.is_some_and(|draft| draft.behind <= NEAR);
        let texts = answers.iter().filter(|answer| is_near(answer)).count();
        let (mut chosen, mut to_read) = (Vec::new(), None);
        for (place, answer) in answers.iter().enumerate() {
            let drafted = answer.draft.and_then(|drafting| {
                let own = (&answer.guesser.drafts, drafting);
                let texts = texts + usize::from(!is_near(answer));
                self.drafts.best(own, answer.room, texts, self.mode, |place| self.costs.wide(place))
            });
            let mut drafted = drafted.filter(|best| best.rate() > rate);
            if !is_near(answer) && drafted.take().is_some() {
                to_read = to_read.or(Some(answer.slot));
            }
            let from_text = self.best(answer).filter(|best| best.rate() > rate);
            let best = match (from_text, drafted) {
                (Some(text), Some(draft)) if draft.rate() > text.rate() => Some(draft),
                (text, draft) => text.or(draft),
            };
            chosen.extend(best.map(|best| (place, best)));
        }
        (chosen, to_read)
    }

    /// Tokens a second of a turn in which these run alone and the rest together.
    fn rate(&self, chosen: &[(usize, Best)], rest: usize) -> f64 {
        let tokens = chosen.iter().map(|(_, best)| best.tokens).sum::<f64>() + rest as f64;
        let drafted = || chosen.iter().filter(|(_, best)| best.drafted).map(|(_, best)| best.width - 1);
        // Each of them was charged for a part of steps that all of them share.
        let shared = drafted().max().map_or(0.0, |steps| steps as f64 * self.drafts.step(drafted().count()));
        let place = |best: &Best| WIDTHS.iter().position(|width| *width == best.width);
        let run = |best: &Best| match best.drafted {
            true => place(best).and_then(|place| self.costs.wide(place)).unwrap_or(f64::INFINITY),
            false => best.seconds,
        };
        let alone = chosen.iter().map(|(_, best)| run(best)).sum::<f64>();
        tokens / (alone + shared + self.costs.together(rest).unwrap_or(f64::INFINITY))
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
                best = Some(Best { width: guessed + 1, tokens, seconds, drafted: false });
            }
        }
        best
    }
}

impl Guesser {
    /// Takes the text's new tokens, sees how the guess fared, and makes the next one.
    fn follow(&mut self, cached: &[u32], next: u32, all: &mut Chances) {
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
