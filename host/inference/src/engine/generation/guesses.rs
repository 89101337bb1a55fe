//! Answers that take several tokens in a run.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::Generation;
use crate::engine::error::RequestError;
use crate::engine::speculate::{Answer, Guess, exact};
use crate::model::Lengths;

impl Generation {
    /// Tries whether several tokens in a run give what single steps do. Before the first request.
    pub(in crate::engine) fn compare_widths(&mut self, token: u32, vocabulary: usize) -> Result<(), RequestError> {
        if self.may_guess() {
            let place = (self.slots.len(), self.counters.context);
            self.exact = exact(&mut *self.decoder, place, token, vocabulary)?;
        }
        Ok(())
    }

    /// A graph that computes by the length of a run would compute a guess otherwise.
    fn may_guess(&self) -> bool {
        !self.speculation.off() && self.decoder.widest() > 1 && matches!(self.settings.lengths, Lengths::Any)
    }

    /// What is guessed in this turn, for answers that there is memory for.
    pub(super) fn guesses(&mut self) -> Vec<Guess> {
        if !self.may_guess() {
            return Vec::new();
        }
        let (widest, context, exact) = (self.decoder.widest(), self.counters.context, self.exact);
        let answers = self.slots.iter_mut().enumerate().filter_map(|(place, slot)| {
            let (cached, sequence) = (&slot.cached, slot.sequence.as_mut()?);
            let widest = if sequence.seeded() && !exact { 1 } else { widest };
            let room = widest.min(context - cached.len()).min(sequence.remaining()).saturating_sub(1);
            Some(Answer { slot: place, cached, next: sequence.next?, guesser: &mut sequence.guesser, room })
        });
        let mut guesses = self.speculation.plan(answers.collect());
        guesses.retain(|guess| self.make_room_for_guess(guess));
        guesses
    }

    fn make_room_for_guess(&mut self, guess: &Guess) -> bool {
        let end = self.slots[guess.slot].cached.len() + 1 + guess.tokens.len();
        if !self.make_room(guess.slot, end, &[guess.slot]) {
            return false;
        }
        let slot = &mut self.slots[guess.slot];
        (slot.promise, slot.extent) = (slot.promise.max(end), slot.extent.max(end));
        true
    }

    /// Runs an answer over what is guessed, and goes on for as long as it chooses just that.
    pub(super) fn verify(&mut self, guess: &Guess) {
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
}
