//! Which request runs next.
//!
//! Work comes in turns: pieces of prompts, then a step of all running answers, for as long as
//! there is both. How long each waits for the other, and whose prompt is next, is for [`turns`]. Prompts are
//! cut at multiples of the chunk's size whatever else runs: the same prompt is always computed in the
//! same pieces. Graphs whose numbers depend on the length of the run get whole prompts, and rows that
//! agree ([`rounds`]).

mod prompts;
mod room;
mod rounds;
mod turns;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::budget::Budget;
use super::counters::Counters;
use super::decoder::{Decoder, Row};
use super::error::RequestError;
use super::sequence::{Pending, Sequence};
use super::slots::Slot;
use super::speculate::{Answer, Guess, Speculate, Speculation, exact};
use crate::model::Lengths;
pub(super) use turns::Rank;
use turns::Turns;

/// The requests of a decoder.
pub(super) struct Generation {
    decoder: Box<dyn Decoder>,
    slots: Vec<Slot>,
    waiting: VecDeque<Box<Pending>>,
    /// Requests that made room for others, and go on before any that waits.
    paused: VecDeque<Sequence>,
    counters: Arc<Counters>,
    settings: Settings,
    speculation: Speculation,
    /// Whether runs over several tokens give the logits that single steps give.
    exact: bool,
    turns: Turns,
    /// Whether the next turn is the prompts'.
    prompts_turn: bool,
    admissions: u64,
}

/// How requests are computed.
pub(super) struct Settings {
    /// Tokens of a prompt in one run, at most.
    pub(super) chunk: usize,
    /// Whether prompts that begin alike share what was computed.
    pub(super) reuse: bool,
    pub(super) speculate: Speculate,
    pub(super) lengths: Lengths,
    pub(super) budget: Budget,
}

impl Generation {
    pub(super) fn new(decoder: Box<dyn Decoder>, counters: Arc<Counters>, settings: Settings) -> Self {
        let slots = (0..counters.slots).map(|_| Slot::default()).collect();
        let (waiting, paused) = (VecDeque::new(), VecDeque::new());
        // Guesses that were wrong have run, too: where that changes what the rest is, none are made.
        let mode = if settings.lengths == Lengths::Any { settings.speculate } else { Speculate::Off };
        let speculation = Speculation::new(mode, counters.slots);
        Self {
            decoder,
            slots,
            waiting,
            paused,
            counters,
            settings,
            speculation,
            exact: true,
            turns: Turns::default(),
            prompts_turn: true,
            admissions: 0,
        }
    }

    /// Tries whether several tokens in a run give what single steps do. Before the first request.
    pub(super) fn compare_widths(&mut self, token: u32, vocabulary: usize) -> Result<(), RequestError> {
        if !self.speculation.off() && self.decoder.widest() > 1 {
            let place = (self.slots.len(), self.counters.context);
            self.exact = exact(&mut *self.decoder, place, token, vocabulary)?;
        }
        Ok(())
    }

    pub(super) fn decoder(&mut self) -> &mut dyn Decoder {
        &mut *self.decoder
    }

    pub(super) fn add(&mut self, request: Box<Pending>) {
        self.waiting.push_back(request);
    }

    pub(super) fn has_work(&self) -> bool {
        !self.waiting.is_empty() || !self.paused.is_empty() || self.slots.iter().any(|slot| slot.sequence.is_some())
    }

    /// One turn.
    pub(super) fn step(&mut self) {
        self.drop_abandoned();
        self.admit();
        let answers = self.slots.iter().any(answering);
        let prompts = self.slots.iter().any(reading);
        match (prompts, answers) {
            (true, true) if self.prompts_turn => self.read_prompts(),
            (_, true) => self.step_answers(),
            (true, false) => self.read_prompts(),
            (false, false) => {}
        }
        self.count_memory();
    }

    /// Ends everything that runs, and what waits too if `waiting` says so.
    pub(super) fn fail_all(&mut self, error: &RequestError, waiting: bool) {
        for slot in 0..self.slots.len() {
            self.fail(slot, error.clone());
        }
        for sequence in std::mem::take(&mut self.paused) {
            self.counters.queued.fetch_sub(1, Relaxed);
            self.counters.failed.fetch_add(1, Relaxed);
            sequence.fail(error.clone());
        }
        if waiting {
            for request in self.waiting.drain(..) {
                self.counters.queued.fetch_sub(1, Relaxed);
                self.counters.failed.fetch_add(1, Relaxed);
                request.fail(error.clone());
            }
        }
    }

    fn drop_abandoned(&mut self) {
        let before = self.waiting.len() + self.paused.len();
        self.waiting.retain(|request| !request.abandoned());
        self.paused.retain(|sequence| !sequence.abandoned());
        let gone = before - self.waiting.len() - self.paused.len();
        self.counters.queued.fetch_sub(gone, Relaxed);
        self.counters.cancelled.fetch_add(gone as u64, Relaxed);
        for slot in 0..self.slots.len() {
            if self.slots[slot].sequence.as_ref().is_some_and(Sequence::abandoned) {
                self.leave(slot);
                self.counters.cancelled.fetch_add(1, Relaxed);
            }
        }
    }

    /// Reads pieces of prompts, as many as the answers can wait for; one, where there are none.
    fn read_prompts(&mut self) {
        self.prompts_turn = false;
        self.turns.begin();
        while let Some(slot) = self.next_prompt() {
            let (start, end) = self.piece(slot);
            let slow = self.is_slow(slot);
            if !self.turns.fits(end - start) || slow && !self.turns.is_fresh() {
                return;
            }
            self.read_piece(slot, start, end);
            // What comes and goes meanwhile is looked at between pieces.
            if slow || !self.slots.iter().any(answering) {
                return;
            }
        }
    }

    fn next_prompt(&self) -> Option<usize> {
        let order = |slot: &usize| (self.slots[*slot].rank.order(), self.slots[*slot].taken);
        (0..self.slots.len()).filter(|slot| reading(&self.slots[*slot])).min_by_key(order)
    }

    /// The next piece of a slot's prompt, up to a multiple of the chunk's size.
    fn piece(&self, slot: usize) -> (usize, usize) {
        let start = self.slots[slot].cached.len();
        let whole = self.slots[slot].sequence.as_ref().map_or(start, |sequence| sequence.text().len());
        let chunk = self.settings.chunk;
        let chunk = if self.is_slow(slot) { prompts::SLOW_CHUNK.min(chunk) } else { chunk };
        (start, whole.min((start / chunk + 1) * chunk))
    }

    fn read_piece(&mut self, slot: usize, start: usize, end: usize) {
        let Some(sequence) = &self.slots[slot].sequence else { return };
        let tokens = sequence.text()[start..end].to_vec();
        let (last, logprobs) = (end == sequence.text().len(), sequence.prompt_logprobs());
        self.slots[slot].extent = self.slots[slot].extent.max(end);
        let begun = Instant::now();
        let result = match logprobs {
            Some(top) => self.read_with_logprobs(slot, start, &tokens, top),
            None => self.decoder.prefill(slot, start, &tokens, last),
        };
        let took = begun.elapsed();
        self.counters.ran(took);
        self.turns.read(tokens.len(), took);
        self.slots[slot].rank.read(tokens.len(), self.settings.chunk);
        self.counters.prompt_tokens.fetch_add(tokens.len() as u64, Relaxed);
        match result {
            Err(error) => self.fail(slot, error),
            Ok(()) => {
                self.slots[slot].cached.extend(tokens);
                match last && self.wants_answer(slot) {
                    true => self.choose(slot, 0),
                    false if last => self.end_prompt(slot),
                    false => {}
                }
            }
        }
    }

    /// One token for every answer, and more for those whose next ones are guessed.
    fn step_answers(&mut self) {
        self.prompts_turn = true;
        let begun = Instant::now();
        if self.decoder.wants_dense_rows() {
            self.close_gap();
        }
        self.cross_threshold();
        self.make_room_for_answers();
        let mut guesses = self.guesses();
        guesses.retain(|guess| self.make_room_for_guess(guess.slot, guess.tokens.len()));
        self.step_together(&guesses);
        for guess in guesses {
            self.verify(&guess);
        }
        self.turns.stepped(begun.elapsed());
    }

    fn guesses(&mut self) -> Vec<Guess> {
        let widest = self.decoder.widest();
        if widest == 1 || self.speculation.off() {
            return Vec::new();
        }
        let (context, exact, relaxed) = (self.counters.context, self.exact, self.speculation.is_relaxed());
        let answers = self.slots.iter_mut().enumerate().filter_map(|(place, slot)| {
            let (cached, sequence) = (&slot.cached, slot.sequence.as_mut()?);
            let is_fixed = sequence.seeded() || sequence.greedy() && !relaxed;
            let widest = if is_fixed && !exact { 1 } else { widest };
            let room = widest.min(context - cached.len()).min(sequence.remaining()).saturating_sub(1);
            Some(Answer { slot: place, cached, next: sequence.next?, guesser: &mut sequence.guesser, room })
        });
        self.speculation.plan(answers.collect())
    }

    /// One token for every answer for which none are guessed.
    fn step_together(&mut self, guesses: &[Guess]) {
        let lengths: Vec<usize> = self.slots.iter().map(|slot| slot.cached.len()).collect();
        let rows: Vec<Row> = (0..self.slots.len())
            .filter(|slot| !guesses.iter().any(|guess| guess.slot == *slot))
            .filter_map(|slot| {
                let token = self.slots[slot].sequence.as_ref()?.next?;
                Some(Row { slot, cached: lengths[slot], token })
            })
            .collect();
        for rows in rounds::rounds(&self.settings.lengths, rows, &lengths) {
            self.step_rows(&rows);
        }
    }

    fn step_rows(&mut self, rows: &[Row]) {
        let Some(last) = rows.len().checked_sub(1) else { return };
        // Anew for each run: the rows of the last one have a token more.
        let lengths: Vec<usize> = self.slots.iter().map(|slot| slot.cached.len()).collect();
        let begun = Instant::now();
        let result = self.decoder.decode(rows, &lengths);
        let took = begun.elapsed();
        self.counters.ran(took);
        self.speculation.stepped(rows.len(), took);
        self.counters.batch_sizes[last].fetch_add(1, Relaxed);
        for (place, row) in rows.iter().enumerate() {
            match &result {
                Err(error) => self.fail(row.slot, error.clone()),
                Ok(()) => {
                    self.slots[row.slot].cached.push(row.token);
                    self.choose(row.slot, place);
                }
            }
        }
    }

    /// Runs an answer over what is guessed, and goes on for as long as it chooses just that.
    fn verify(&mut self, guess: &Guess) {
        let slot = guess.slot;
        let Some(next) = self.next(slot) else { return };
        let start = self.slots[slot].cached.len();
        let run: Vec<u32> = std::iter::once(next).chain(guess.tokens.iter().copied()).collect();
        let begun = Instant::now();
        let result = self.decoder.verify(slot, start, &run);
        let mut took = begun.elapsed();
        self.counters.batch_sizes[0].fetch_add(1, Relaxed);
        if let Err(error) = result {
            self.counters.ran(took);
            return self.fail(slot, error);
        }
        let mut taken = 0;
        while taken < run.len() && self.next(slot) == Some(run[taken]) {
            self.slots[slot].cached.push(run[taken]);
            self.choose(slot, taken);
            taken += 1;
        }
        self.counters.proposed_tokens.fetch_add(guess.tokens.len() as u64, Relaxed);
        self.counters.accepted_tokens.fetch_add(taken as u64 - 1, Relaxed);
        if taken < run.len() && self.slots[slot].sequence.is_some() {
            let begun = Instant::now();
            let cut = self.decoder.share(slot, slot, start + taken);
            took += begun.elapsed();
            if let Err(error) = cut {
                self.fail(slot, error);
            }
        }
        self.counters.ran(took);
        self.speculation.verified(run.len(), took);
    }

    fn next(&self, slot: usize) -> Option<u32> {
        self.slots[slot].sequence.as_ref()?.next
    }

    /// Moves the last answer into a free slot between the others: a step costs the rows it spans.
    fn close_gap(&mut self) {
        let answers: Vec<usize> = (0..self.slots.len()).filter(|slot| answering(&self.slots[*slot])).collect();
        let (Some(first), Some(last)) = (answers.first().copied(), answers.last().copied()) else { return };
        let Some(gap) = (first..last).find(|slot| self.slots[*slot].sequence.is_none()) else { return };
        let tokens = self.slots[last].cached.len();
        if !self.make_room_for_copy(gap, self.slots[last].promise) {
            return;
        }
        if matches!(self.decoder.share(last, gap, tokens), Ok(true)) {
            let extent = self.slots[gap].extent.max(tokens);
            self.slots.swap(last, gap);
            // What was kept in the gap was written over, and what moved away is still in memory.
            let left = std::mem::replace(&mut self.slots[gap].extent, extent);
            self.slots[last] = Slot { extent: left, ..Slot::default() };
        }
    }

    /// Chooses a slot's next token from a row of the logits.
    fn choose(&mut self, slot: usize, row: usize) {
        let Some(sequence) = &mut self.slots[slot].sequence else { return };
        self.counters.generated_tokens.fetch_add(1, Relaxed);
        match sequence.advance(self.decoder.logits(row)) {
            Ok(None) => {}
            Ok(Some(done)) => {
                let sequence = self.leave(slot);
                self.counters.finished.fetch_add(1, Relaxed);
                sequence.into_iter().for_each(|sequence| sequence.send(done.clone()));
            }
            Err(error) => self.fail(slot, error.into()),
        }
    }

    fn fail(&mut self, slot: usize, error: RequestError) {
        if let Some(sequence) = self.leave(slot) {
            tracing::warn!(%error, "a request failed");
            self.counters.failed.fetch_add(1, Relaxed);
            sequence.fail(error);
        }
        // What a failed step left in the cache is not known.
        self.slots[slot].cached.clear();
    }

    /// Takes the request out; its tokens stay. A dummy row writes behind them, so one place is left.
    fn leave(&mut self, slot: usize) -> Option<Sequence> {
        let sequence = self.slots[slot].sequence.take()?;
        self.slots[slot].cached.truncate(self.counters.context - 1);
        self.slots[slot].promise = 0;
        self.counters.active.fetch_sub(1, Relaxed);
        Some(sequence)
    }
}

fn answering(slot: &Slot) -> bool {
    slot.sequence.as_ref().is_some_and(|sequence| sequence.next.is_some())
}

fn reading(slot: &Slot) -> bool {
    slot.sequence.as_ref().is_some_and(|sequence| sequence.next.is_none())
}

#[cfg(test)]
#[path = "generation/tests.rs"]
mod tests;
