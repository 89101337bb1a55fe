//! Where the end of a text stood in it before.
//!
//! Each place knows the last place before it that ends with the same two tokens. The search follows
//! these from the end of the text and keeps the place where most tokens agree, the latest of equals.
//! So a token costs one entry in a table, however long the text is.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Tokens that have to agree.
const SHORTEST: usize = 2;
/// More tokens that agree say nothing new.
const LONGEST: usize = 32;
/// Places that are compared, at most: some pairs of tokens are everywhere.
const PLACES: usize = 128;
/// No place.
const NONE: u32 = u32::MAX;

/// A text, and where it repeats itself.
#[derive(Debug, Default)]
pub(super) struct NGrams {
    tokens: Vec<u32>,
    /// The last place of each pair of tokens, by the place of its second one.
    latest: HashMap<u64, u32, BuildHasherDefault<Mix>>,
    /// For each place the one before it with the same pair.
    before: Vec<u32>,
}

/// An earlier place that ends as the text does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Match {
    /// Where the text goes on there.
    pub(super) next: usize,
    /// Tokens that agree.
    pub(super) length: usize,
}

impl NGrams {
    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    pub(super) fn push(&mut self, token: u32) {
        let before = match (self.tokens.last(), u32::try_from(self.tokens.len())) {
            (Some(last), Ok(place)) => {
                let pair = u64::from(*last) << 32 | u64::from(token);
                self.latest.insert(pair, place).unwrap_or(NONE)
            }
            _ => NONE,
        };
        self.before.push(before);
        self.tokens.push(token);
    }

    /// The earlier place where most tokens in front agree with the end of the text.
    pub(super) fn find(&self) -> Option<Match> {
        let mut best: Option<Match> = None;
        let mut place = self.before.last().copied().unwrap_or(NONE);
        for _ in 0..PLACES {
            if place == NONE {
                break;
            }
            let next = place as usize + 1;
            let length = self.agreeing(next);
            if best.is_none_or(|best| length > best.length) {
                best = Some(Match { next, length });
            }
            if length == LONGEST {
                break;
            }
            place = self.before[place as usize];
        }
        best
    }

    /// What followed there, `count` tokens. Where it reaches the end of the text, it repeats itself.
    pub(super) fn following(&self, found: Match, count: usize, into: &mut Vec<u32>) {
        into.clear();
        for place in found.next..found.next + count {
            let token = match self.tokens.get(place) {
                Some(token) => *token,
                None => into[place - self.tokens.len()],
            };
            into.push(token);
        }
    }

    fn agreeing(&self, next: usize) -> usize {
        let (there, here) = (self.tokens[..next].iter().rev(), self.tokens.iter().rev());
        let more = there.zip(here).skip(SHORTEST).take(LONGEST - SHORTEST);
        SHORTEST + more.take_while(|(one, other)| one == other).count()
    }
}

/// Tokens are numbers of the model's own, and whoever chooses them slows down only the own request.
#[derive(Debug, Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // Fibonacci hashing; the table takes the high bits as well as the low ones.
        let mixed = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ mixed >> 32;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares every earlier place.
    fn naive(tokens: &[u32]) -> Option<Match> {
        let agreeing = |next: usize| {
            let pairs = tokens[..next].iter().rev().zip(tokens.iter().rev());
            pairs.take_while(|(one, other)| one == other).count().min(LONGEST)
        };
        let places = (1..tokens.len()).map(|next| Match { next, length: agreeing(next) });
        places.filter(|place| place.length >= SHORTEST).max_by_key(|place| (place.length, place.next))
    }

    #[test]
    fn the_longest_and_latest_match_is_found_in_texts_of_any_kind() {
        let mut state = 1_u64;
        let mut draw = |most: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % most
        };
        for round in 0..60 {
            let kinds = 2 + round % 20;
            let (mut index, mut text) = (NGrams::default(), Vec::new());
            while text.len() < 120 {
                // New tokens, and now and then a piece of what was there.
                let piece: Vec<u32> = match draw(4) {
                    0 if text.len() > 10 => {
                        let start = draw(text.len() as u64 - 5) as usize;
                        text[start..(start + 3 + draw(40) as usize).min(text.len())].to_vec()
                    }
                    _ => vec![draw(kinds) as u32],
                };
                for token in piece {
                    text.push(token);
                    index.push(token);
                    assert_eq!(index.find(), naive(&text), "{text:?}");
                }
            }
        }
    }

    #[test]
    fn a_guess_goes_on_as_the_text_did_and_repeats_what_repeats() {
        let mut index = NGrams::default();
        [7, 1, 2, 3, 4, 1, 2].into_iter().for_each(|token| index.push(token));
        let found = index.find().expect("1, 2 was there");
        assert_eq!(found, Match { next: 3, length: 2 });
        let mut guess = Vec::new();
        index.following(found, 9, &mut guess);
        assert_eq!(guess, [3, 4, 1, 2, 3, 4, 1, 2, 3]);
    }

    #[test]
    fn a_long_text_of_one_token_is_no_trap() {
        let begun = std::time::Instant::now();
        let mut index = NGrams::default();
        for token in 0..100_000_u32 {
            index.push(token / 99_000);
            assert_eq!(index.find().is_some(), token > 1 && token != 99_000 && token != 99_001, "{token}");
        }
        // Quadratic work would take minutes.
        assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    }
}
