//! A second, smaller model that guesses what the first one says next.
//!
//! It has a cache of its own with a row for each slot. A row keeps the tokens that it read, and before
//! each use it is compared with the slot's text: what differs is cut off, and what is missing is read. So
//! wrong guesses, requests that come and go, and texts that are read again need no word to it. It guesses
//! the token that it holds for the likeliest, whatever the request samples with: the request's own sampler
//! decides what is taken.
//!
//! What it does is of no consequence for answers. Where it fails or there is no memory for it, requests
//! go on without it.

mod load;

use std::collections::VecDeque;
use std::time::Instant;

pub(super) use load::{Opened, check, open};

use super::budget::Budget;
use super::decoder::{Decoder, Row};
use super::error::RequestError;
use super::speculate::{Guess, NEAR, Source, Speculation};

/// The model and what it has read.
pub(super) struct Draft {
    decoder: Box<dyn Decoder>,
    rows: Vec<Held>,
    /// Tokens that both models know.
    vocabulary: usize,
    context: usize,
    /// Tokens that it reads at a time.
    chunk: usize,
    /// What its keys and values take of the memory for requests; `None` where they were taken at once.
    budget: Option<Budget>,
}

/// One row of its cache.
#[derive(Debug, Default)]
struct Held {
    tokens: Vec<u32>,
    /// Tokens whose places were written since the row's memory was given back.
    extent: usize,
}

/// A text to be continued, and by how many tokens.
pub(super) struct Asked<'a> {
    pub(super) slot: usize,
    /// The text but for its last token.
    pub(super) cached: &'a [u32],
    pub(super) next: u32,
    pub(super) count: usize,
}

/// A text on its way.
struct Job {
    slot: usize,
    unread: VecDeque<u32>,
    count: usize,
    guesses: Vec<u32>,
}

impl Draft {
    /// Tokens of a slot's text that it has to read for a guess, the last one at least; `None` where there is one that it
    /// does not know.
    pub(super) fn behind(&self, slot: usize, cached: &[u32], next: u32) -> Option<usize> {
        let unread = &cached[common(&self.rows[slot].tokens, cached)..];
        let knows = |token: &u32| (*token as usize) < self.vocabulary;
        (unread.iter().all(knows) && knows(&next)).then_some(unread.len() + 1)
    }

    /// Guesses that there is room for behind a text of so many tokens.
    pub(super) fn room(&self, tokens: usize) -> usize {
        // The last place is left for rows that take part in a step without a token.
        self.context.saturating_sub(tokens + 1)
    }

    /// The likeliest next tokens of several texts, in the order of their slots. What it costs is noted.
    pub(super) fn guess(&mut self, asked: &[Asked<'_>], costs: &mut Speculation) -> Result<Vec<Guess>, RequestError> {
        let alone = asked.len() == 1;
        let mut jobs = Vec::with_capacity(asked.len());
        for text in asked {
            let mut unread = self.cut(text)?;
            let mut guesses = Vec::with_capacity(text.count);
            // One run for several tokens, where it keeps no others waiting or a step for each would be more.
            if unread.len() > 1 && (alone || unread.len() > NEAR) {
                let tokens: Vec<u32> = unread.drain(..).collect();
                self.read(text.slot, &tokens, true, costs)?;
                guesses.push(self.likeliest(0));
            }
            jobs.push(Job { slot: text.slot, unread, count: text.count, guesses });
        }
        while self.step(&mut jobs, costs)? {}
        let guess = |job: Job| Guess { slot: job.slot, tokens: job.guesses, source: Source::Draft };
        Ok(jobs.into_iter().map(guess).collect())
    }

    /// A token for each text that is not done. False where all are.
    fn step(&mut self, jobs: &mut [Job], costs: &mut Speculation) -> Result<bool, RequestError> {
        let mut rows = Vec::with_capacity(jobs.len());
        for job in jobs.iter_mut().filter(|job| job.guesses.len() < job.count) {
            let Some(token) = job.unread.pop_front().or_else(|| job.guesses.last().copied()) else { continue };
            rows.push(Row { slot: job.slot, cached: self.rows[job.slot].tokens.len(), token });
        }
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(false) };
        let lengths: Vec<usize> = self.rows.iter().map(|row| row.tokens.len()).collect();
        for row in &mut self.rows[first.slot..=last.slot] {
            row.extent = row.extent.max((row.tokens.len() + 1).min(self.context));
        }
        let begun = Instant::now();
        self.decoder.decode(&rows, &lengths)?;
        costs.draft_stepped(rows.len(), begun.elapsed());
        for (place, row) in rows.iter().enumerate() {
            self.rows[row.slot].tokens.push(row.token);
            let guess = self.likeliest(place);
            let job = jobs.iter_mut().find(|job| job.slot == row.slot).expect("rows are made of jobs");
            if job.unread.is_empty() {
                job.guesses.push(guess);
            }
        }
        Ok(true)
    }

    /// Reads a piece of a slot's text.
    pub(super) fn catch_up(&mut self, text: &Asked<'_>, costs: &mut Speculation) -> Result<(), RequestError> {
        let unread = self.cut(text)?;
        // The last token is left: what follows it is wanted.
        let count = unread.len().saturating_sub(1).min(self.chunk);
        let tokens: Vec<u32> = unread.into_iter().take(count).collect();
        if tokens.is_empty() { Ok(()) } else { self.read(text.slot, &tokens, false, costs) }
    }

    /// Cuts off what is not of the text, and says what is missing of it.
    fn cut(&mut self, text: &Asked<'_>) -> Result<VecDeque<u32>, RequestError> {
        let held = &mut self.rows[text.slot].tokens;
        let same = common(held, text.cached);
        if same < held.len() {
            held.truncate(same);
            if !self.decoder.share(text.slot, text.slot, same)? {
                held.clear();
            }
        }
        let start = self.rows[text.slot].tokens.len();
        Ok(text.cached[start..].iter().copied().chain([text.next]).collect())
    }

    fn read(&mut self, slot: usize, tokens: &[u32], last: bool, costs: &mut Speculation) -> Result<(), RequestError> {
        let row = &mut self.rows[slot];
        let start = row.tokens.len();
        row.extent = row.extent.max(start + tokens.len());
        let begun = Instant::now();
        self.decoder.prefill(slot, start, tokens, last)?;
        costs.draft_read(tokens.len(), begun.elapsed());
        self.rows[slot].tokens.extend_from_slice(tokens);
        Ok(())
    }

    /// The token with the largest number among those that both models know.
    fn likeliest(&mut self, row: usize) -> u32 {
        let logits = &self.decoder.logits(row)[..self.vocabulary];
        let mut best = (0, f32::NEG_INFINITY);
        for (token, logit) in (0..).zip(logits) {
            if *logit > best.1 {
                best = (token, *logit);
            }
        }
        best.0
    }

    /// A request moved from one slot to another.
    pub(super) fn moved(&mut self, from: usize, to: usize) {
        let tokens = self.rows[from].tokens.len();
        self.release(to);
        if tokens > 0 && matches!(self.decoder.share(from, to, tokens), Ok(true)) {
            self.rows[to] = Held { tokens: std::mem::take(&mut self.rows[from].tokens), extent: tokens };
        }
        self.release(from);
    }

    /// Bytes that it takes of the memory for requests.
    pub(super) fn bytes(&self) -> usize {
        self.rows.iter().map(|row| self.cost(row.extent)).sum()
    }

    /// Bytes more that it takes once its rows are so long; slots between them are written to, too.
    pub(super) fn grows(&self, lengths: &[(usize, usize)]) -> usize {
        let (first, last) = (lengths.first().map(|of| of.0), lengths.last().map(|of| of.0));
        let written = |slot: usize, row: &Held| match lengths.iter().find(|of| of.0 == slot) {
            Some((_, tokens)) => *tokens,
            None if first < Some(slot) && Some(slot) < last => row.tokens.len() + 1,
            None => 0,
        };
        let more = |(slot, row): (usize, &Held)| {
            let extent = row.extent.max(written(slot, row).min(self.context));
            self.cost(extent) - self.cost(row.extent)
        };
        self.rows.iter().enumerate().map(more).sum()
    }

    fn cost(&self, tokens: usize) -> usize {
        self.budget.map_or(0, |budget| budget.cost(tokens))
    }

    /// Whether a slot's row takes memory that can be given back.
    pub(super) fn takes(&self, slot: usize) -> bool {
        self.cost(self.rows[slot].extent) > 0
    }

    /// Forgets what it read of a slot's text, and gives its memory back.
    pub(super) fn release(&mut self, slot: usize) {
        self.rows[slot] = Held::default();
        if let Err(error) = self.decoder.release(slot, 0) {
            tracing::warn!(%error, "memory of the draft model could not be given back");
        }
    }

    /// Forgets everything.
    pub(super) fn release_all(&mut self) {
        (0..self.rows.len()).for_each(|slot| self.release(slot));
    }
}

/// Tokens that both begin with.
fn common(held: &[u32], text: &[u32]) -> usize {
    held.iter().zip(text).take_while(|(one, other)| one == other).count()
}
