//! Which request runs next.
//!
//! Work comes in turns: a chunk of prompts, then a step of all running answers, for as long as
//! there is both. So an answer waits for one chunk at most, and a prompt for one step. Prompts take
//! turns among themselves too, and are cut at multiples of the chunk's size whatever else runs:
//! the same prompt is always computed in the same pieces.

mod prompts;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::counters::Counters;
use super::decoder::{Decoder, Row};
use super::error::RequestError;
use super::sequence::{Pending, Sequence};
use super::slots::{Slot, place};

/// The requests of a decoder.
pub(super) struct Generation {
    decoder: Box<dyn Decoder>,
    slots: Vec<Slot>,
    waiting: VecDeque<Box<Pending>>,
    counters: Arc<Counters>,
    chunk: usize,
    reuse: bool,
    /// Whose prompt is next.
    round: usize,
    /// Whether the next turn is the prompts'.
    prompts_turn: bool,
    admissions: u64,
}

impl Generation {
    pub(super) fn new(decoder: Box<dyn Decoder>, counters: Arc<Counters>, chunk: usize, reuse: bool) -> Self {
        let slots = (0..counters.slots).map(|_| Slot::default()).collect();
        let waiting = VecDeque::new();
        Self {
            decoder,
            slots,
            waiting,
            counters,
            chunk: chunk.max(1),
            reuse,
            round: 0,
            prompts_turn: true,
            admissions: 0,
        }
    }

    pub(super) fn decoder(&mut self) -> &mut dyn Decoder {
        &mut *self.decoder
    }

    pub(super) fn add(&mut self, request: Box<Pending>) {
        self.waiting.push_back(request);
    }

    pub(super) fn has_work(&self) -> bool {
        !self.waiting.is_empty() || self.slots.iter().any(|slot| slot.sequence.is_some())
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
        let cached = self.slots.iter().map(|slot| slot.cached.len()).sum();
        self.counters.cached_tokens.store(cached, Relaxed);
    }

    /// Ends everything that runs, and what waits too if `waiting` says so.
    pub(super) fn fail_all(&mut self, error: &RequestError, waiting: bool) {
        for slot in 0..self.slots.len() {
            self.fail(slot, error.clone());
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
        let before = self.waiting.len();
        self.waiting.retain(|request| !request.abandoned());
        let gone = before - self.waiting.len();
        self.counters.queued.fetch_sub(gone, Relaxed);
        self.counters.cancelled.fetch_add(gone as u64, Relaxed);
        for slot in 0..self.slots.len() {
            if self.slots[slot].sequence.as_ref().is_some_and(Sequence::abandoned) {
                self.leave(slot);
                self.counters.cancelled.fetch_add(1, Relaxed);
            }
        }
    }

    fn admit(&mut self) {
        while let Some(request) = self.waiting.front() {
            let Some(place) = place(&self.slots, &request.prompt, self.reuses(request)) else { return };
            let request = self.waiting.pop_front().expect("looked at a moment ago");
            let shared = place.tokens > 0
                && self.decoder.share(place.from, place.slot, place.tokens).unwrap_or_else(|error| {
                    tracing::warn!(%error, "tokens of another prompt could not be taken over");
                    false
                });
            let reused = if shared { place.tokens } else { 0 };
            let slot = &mut self.slots[place.slot];
            slot.cached.clear();
            slot.cached.extend_from_slice(&request.prompt[..reused]);
            self.admissions += 1;
            slot.taken = self.admissions;
            slot.sequence = Some(Sequence::new(request, reused));
            self.counters.queued.fetch_sub(1, Relaxed);
            self.counters.active.fetch_add(1, Relaxed);
            self.counters.requests.fetch_add(1, Relaxed);
            self.counters.reused_tokens.fetch_add(reused as u64, Relaxed);
        }
    }

    /// Reads prompts, a chunk of tokens in all.
    fn read_prompts(&mut self) {
        self.prompts_turn = false;
        let mut left = self.chunk;
        while let Some(slot) = self.next_prompt() {
            let (start, end) = self.piece(slot);
            // The first piece always fits; later ones must.
            if end - start > left {
                return;
            }
            left -= if self.is_slow(slot) { left } else { end - start };
            self.round = slot + 1;
            self.read_piece(slot, start, end);
            if left == 0 {
                return;
            }
        }
    }

    fn next_prompt(&self) -> Option<usize> {
        let count = self.slots.len();
        (0..count).map(|step| (self.round + step) % count).find(|slot| reading(&self.slots[*slot]))
    }

    /// The next piece of a slot's prompt, up to a multiple of the chunk's size.
    fn piece(&self, slot: usize) -> (usize, usize) {
        let start = self.slots[slot].cached.len();
        let whole = self.slots[slot].sequence.as_ref().map_or(start, |sequence| sequence.prompt().len());
        let chunk = if self.is_slow(slot) { prompts::SLOW_CHUNK.min(self.chunk) } else { self.chunk };
        (start, whole.min((start / chunk + 1) * chunk))
    }

    fn read_piece(&mut self, slot: usize, start: usize, end: usize) {
        let Some(sequence) = &self.slots[slot].sequence else { return };
        let tokens = sequence.prompt()[start..end].to_vec();
        let last = end == sequence.prompt().len();
        let begun = Instant::now();
        let result = match sequence.prompt_logprobs() {
            Some(top) => self.read_with_logprobs(slot, start, &tokens, top),
            None => self.decoder.prefill(slot, start, &tokens, last),
        };
        self.counters.ran(begun.elapsed());
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

    /// One token for every answer.
    fn step_answers(&mut self) {
        self.prompts_turn = true;
        if self.decoder.wants_dense_rows() {
            self.close_gap();
        }
        let lengths: Vec<usize> = self.slots.iter().map(|slot| slot.cached.len()).collect();
        let rows: Vec<Row> = (0..self.slots.len())
            .filter_map(|slot| {
                let token = self.slots[slot].sequence.as_ref()?.next?;
                Some(Row { slot, cached: lengths[slot], token })
            })
            .collect();
        let begun = Instant::now();
        let result = self.decoder.decode(&rows, &lengths);
        self.counters.ran(begun.elapsed());
        self.counters.batch_sizes[rows.len() - 1].fetch_add(1, Relaxed);
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

    /// Moves the last answer into a free slot between the others: a step costs the rows it spans.
    fn close_gap(&mut self) {
        let answers: Vec<usize> = (0..self.slots.len()).filter(|slot| answering(&self.slots[*slot])).collect();
        let (Some(first), Some(last)) = (answers.first().copied(), answers.last().copied()) else { return };
        let Some(gap) = (first..last).find(|slot| self.slots[*slot].sequence.is_none()) else { return };
        let tokens = self.slots[last].cached.clone();
        if matches!(self.decoder.share(last, gap, tokens.len()), Ok(true)) {
            self.slots[gap].sequence = self.slots[last].sequence.take();
            self.slots[gap].taken = self.slots[last].taken;
            self.slots[gap].cached = tokens;
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
