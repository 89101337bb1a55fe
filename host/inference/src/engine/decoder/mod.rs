//! One step of a graph over rows of a key/value cache.
//!
//! Two layouts, one face: [`SharedDecoder`] for graphs that read and write the cache in place, and
//! [`PlainDecoder`] for those that hand a new cache out each time.

mod cache;
mod group;
mod logits;
mod plain;
mod shared;
mod steps;
mod tiers;
mod view;

use ort::session::Session;

pub(super) use cache::places;
pub(super) use plain::PlainDecoder;
pub(super) use shared::{CacheSize, SharedDecoder};
pub(super) use tiers::Tiers;

use super::error::RequestError;

/// One row of a decode step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) slot: usize,
    /// Tokens of the slot that are in the cache; the new token's place.
    pub(super) cached: usize,
    pub(super) token: u32,
}

/// A graph with a cache of several slots.
pub(super) trait Decoder: Send {
    /// Reads tokens into a slot, whose first `start` tokens are in the cache. Where `last` is set,
    /// the logits of the last token become row 0.
    fn prefill(&mut self, slot: usize, start: usize, tokens: &[u32], last: bool) -> Result<(), RequestError>;

    /// As above, and `each` gets the place among the tokens and the logits of every one, in order. Runs as many
    /// tokens at a time as [`verify`](Self::verify) takes.
    fn prefill_each(
        &mut self,
        slot: usize,
        start: usize,
        tokens: &[u32],
        each: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<(), RequestError> {
        let width = self.widest();
        for (piece, tokens) in tokens.chunks(width).enumerate() {
            self.verify(slot, start + piece * width, tokens)?;
            for row in 0..tokens.len() {
                each(piece * width + row, self.logits(row));
            }
        }
        Ok(())
    }

    /// Whether [`Self::prefill_each`] takes one run.
    fn gives_each(&self) -> bool {
        false
    }

    /// Adds a token to each of several slots, given in order; row `i` of the logits is theirs.
    /// `lengths` are the cached tokens of every slot: a graph may have to step over slots between.
    fn decode(&mut self, rows: &[Row], lengths: &[usize]) -> Result<(), RequestError>;

    /// Tokens that [`verify`](Self::verify) takes, at most; 1 where it cannot.
    fn widest(&self) -> usize;

    /// Adds tokens to a slot whose first `start` tokens are in the cache; row `i` of the logits is
    /// what follows token `i`. Those that turn out wrong are taken back by [`share`](Self::share).
    fn verify(&mut self, slot: usize, start: usize, tokens: &[u32]) -> Result<(), RequestError>;

    /// The logits of a row of the last step, to be changed at will.
    fn logits(&mut self, row: usize) -> &mut [f32];

    /// The likeliest tokens of that row with their logits, where the graph finds them: in any order, and every other
    /// token is at most as likely as the least of them.
    fn likeliest(&mut self, _row: usize) -> Option<Vec<(f32, u32)>> {
        None
    }

    /// Makes slot `to` begin with the first tokens of slot `from`, which may be the same. False
    /// where this layout or device cannot.
    fn share(&mut self, from: usize, to: usize, tokens: usize) -> Result<bool, RequestError>;

    /// Gives the memory of a slot's tokens back, but for the first `keep`.
    fn release(&mut self, slot: usize, keep: usize) -> Result<(), RequestError>;

    /// Whether rows between others cost a step time, so that moving a row pays.
    fn wants_dense_rows(&self) -> bool;

    /// The session, for jobs that are no steps.
    fn session(&mut self) -> &mut Session;
}

/// Tokens as the graphs want them.
fn wide(tokens: impl IntoIterator<Item = u32>) -> Vec<i64> {
    tokens.into_iter().map(i64::from).collect()
}

/// Positions as the graphs want them.
fn positions(start: usize, count: usize) -> impl Iterator<Item = i64> {
    (start..start + count).map(|place| i64::try_from(place).expect("positions are small"))
}
