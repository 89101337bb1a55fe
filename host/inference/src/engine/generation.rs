//! Which request runs next.
//!
//! Work comes in turns: a chunk of prompts, then a step of all running answers, for as long as
//! there is both. So an answer waits for one chunk at most, and a prompt for one step. Prompts take
//! turns among themselves too, and are cut at multiples of the chunk's size whatever else runs:
//! the same prompt is always computed in the same pieces.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::counters::Counters;
use super::decoder::{Decoder, Row};
use super::error::RequestError;
use super::options::Options;
use super::sequence::{Pending, Sequence};
use super::slots::{Slot, place};
use super::speculate::{Answer, Guess, Speculation, exact};

/// The requests of a decoder.
pub(super) struct Generation {
    decoder: Box<dyn Decoder>,
    slots: Vec<Slot>,
    waiting: VecDeque<Box<Pending>>,
    counters: Arc<Counters>,
    chunk: usize,
    reuse: bool,
    speculation: Speculation,
    /// Whether runs over several tokens give the logits that single steps give.
    exact: bool,
    /// Whose prompt is next.
    round: usize,
    /// Whether the next turn is the prompts'.
    prompts_turn: bool,
    admissions: u64,
}

impl Generation {
    pub(super) fn new(decoder: Box<dyn Decoder>, counters: Arc<Counters>, chunk: usize, options: &Options) -> Self {
        let slots = (0..counters.slots).map(|_| Slot::default()).collect();
        let speculation = Speculation::new(options.speculate, counters.slots);
        let waiting = VecDeque::new();
        Self {
            decoder,
            slots,
            waiting,
            counters,
            chunk: chunk.max(1),
            reuse: options.reuse,
            speculation,
            exact: true,
            round: 0,
            prompts_turn: true,
            admissions: 0,
        }
    }

    /// Tries whether several tokens in a run give what single steps do. Before the first request.
    pub(super) fn compare_widths(&mut self, token: u32, vocabulary: usize) -> Result<(), RequestError> {
        if !self.speculation.off() && self.decoder.widest() > 1 {
            self.exact = exact(&mut *self.decoder, self.slots.len(), token, vocabulary)?;
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
            let Some(place) = place(&self.slots, &request.prompt, self.reuse) else { return };
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
            left -= end - start;
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
        (start, whole.min((start / self.chunk + 1) * self.chunk))
    }

    fn read_piece(&mut self, slot: usize, start: usize, end: usize) {
        let Some(sequence) = &self.slots[slot].sequence else { return };
        let tokens = sequence.prompt()[start..end].to_vec();
        let last = end == sequence.prompt().len();
        let begun = Instant::now();
        let result = self.decoder.prefill(slot, start, &tokens, last);
        self.counters.ran(begun.elapsed());
        self.counters.prompt_tokens.fetch_add(tokens.len() as u64, Relaxed);
        match result {
            Err(error) => self.fail(slot, error),
            Ok(()) => {
                self.slots[slot].cached.extend(tokens);
                if last {
                    self.choose(slot, 0);
                }
            }
        }
    }

    /// One token for every answer, and more for those whose next ones are guessed.
    fn step_answers(&mut self) {
        self.prompts_turn = true;
        if self.decoder.wants_dense_rows() {
            self.close_gap();
        }
        let guesses = self.guesses();
        self.step_together(&guesses);
        for guess in guesses {
            self.verify(&guess);
        }
    }

    fn guesses(&mut self) -> Vec<Guess> {
        let widest = self.decoder.widest();
        if widest == 1 || self.speculation.off() {
            return Vec::new();
        }
        let (context, exact) = (self.counters.context, self.exact);
        let answers = self.slots.iter_mut().enumerate().filter_map(|(place, slot)| {
            let (cached, sequence) = (&slot.cached, slot.sequence.as_mut()?);
            let widest = if sequence.seeded() && !exact { 1 } else { widest };
            let room = widest.min(context - cached.len()).min(sequence.left()).saturating_sub(1);
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
        let Some(last) = rows.len().checked_sub(1) else { return };
        let begun = Instant::now();
        let result = self.decoder.decode(&rows, &lengths);
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
