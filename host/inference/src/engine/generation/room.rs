//! Who gets memory for keys and values.
//!
//! A request is let in where there is room for its prompt and the first tokens of its answer. Longer
//! answers take more as they grow. Where there is none left, prompts that were kept go, the one that
//! was of no use for the longest time first; then the request that came last is paused: it gives its
//! memory back and is read again, prompt and answer, when there is room. The oldest request always
//! goes on, and has room for the whole context if it needs it, so no request fails for want of memory.

use std::sync::atomic::Ordering::Relaxed;

use super::{Generation, Rank, answering, reading};
use crate::engine::sequence::Sequence;
use crate::engine::slots::{Place, place};
use crate::model::Lengths;

/// Tokens of an answer that there is room for when its request is let in.
const AHEAD: usize = 256;

impl Generation {
    /// Lets requests in, in their order, while there are slots and memory.
    pub(super) fn admit(&mut self) {
        while let Some((mut place, promise, long)) = self.next_place() {
            if !self.make_room_for_request(&mut place, promise) {
                return;
            }
            let shared = place.tokens > 0
                && self.decoder.share(place.from, place.slot, place.tokens).unwrap_or_else(|error| {
                    tracing::warn!(%error, "tokens of another prompt could not be taken over");
                    false
                });
            let reused = if shared { place.tokens } else { 0 };
            let sequence = match (self.paused.pop_front(), reused) {
                (Some(sequence), _) => sequence,
                (None, reused) => {
                    let Some(request) = self.waiting.pop_front() else { return };
                    self.counters.requests.fetch_add(1, Relaxed);
                    self.counters.reused_tokens.fetch_add(reused as u64, Relaxed);
                    Sequence::new(request, reused)
                }
            };
            self.admissions += 1;
            let rank = Rank::after(self.slots.iter().filter(|slot| reading(slot)).map(|slot| slot.rank));
            let slot = &mut self.slots[place.slot];
            slot.cached.clear();
            slot.cached.extend_from_slice(&sequence.text()[..reused]);
            slot.extent = slot.extent.max(reused);
            (slot.taken, slot.promise, slot.long, slot.rank) = (self.admissions, promise, long, rank);
            slot.sequence = Some(sequence);
            self.counters.queued.fetch_sub(1, Relaxed);
            self.counters.active.fetch_add(1, Relaxed);
        }
    }

    /// Where the next request goes, the tokens that it needs room for, and its side of the threshold.
    fn next_place(&self) -> Option<(Place, usize, bool)> {
        let (text, remaining, reuse) = match (self.paused.front(), self.waiting.front()) {
            (Some(sequence), _) => (sequence.text(), sequence.remaining(), sequence.prompt_logprobs().is_none()),
            (None, Some(request)) => (request.prompt.as_slice(), request.budget, request.prompt_logprobs.is_none()),
            (None, None) => return None,
        };
        let ahead = match self.settings.lengths {
            // To read it again in one piece would give other keys than it has.
            Lengths::Unknown(_) => remaining,
            _ => remaining.min(AHEAD),
        };
        let long = self.settings.lengths.is_long(text.len());
        // Of tokens that are there already, nobody knows the logits.
        let place = place(&self.slots, text, long, self.settings.reuse && reuse)?;
        Some((place, (text.len() + ahead).min(self.counters.context), long))
    }

    fn make_room_for_request(&mut self, place: &mut Place, promise: usize) -> bool {
        let (budget, running) = (self.settings.budget, self.slots.iter().filter(|slot| slot.sequence.is_some()));
        let least: usize = running.map(|slot| budget.cost(slot.promise.max(slot.cached.len()))).sum();
        if least + budget.cost(promise) > budget.limit {
            return false;
        }
        if self.make_room(place.slot, promise, &[place.slot, place.from]) {
            return true;
        }
        // What it would begin with has to go, too.
        if self.slots[place.from].sequence.is_none() {
            place.tokens = 0;
        }
        self.make_room(place.slot, promise, &[])
    }

    /// Makes room for a slot's copy beside the slot.
    pub(super) fn make_room_for_copy(&mut self, to: usize, promise: usize) -> bool {
        self.make_room(to, promise, &[to])
    }

    /// Gives memory back until a slot can come to so many tokens.
    fn make_room(&mut self, slot: usize, promise: usize, spared: &[usize]) -> bool {
        let budget = self.settings.budget;
        loop {
            let of = |(place, other): (usize, &super::Slot)| {
                let counted = if place == slot { other.counted().max(promise) } else { other.counted() };
                budget.cost(counted)
            };
            if self.slots.iter().enumerate().map(of).sum::<usize>() <= budget.limit {
                return true;
            }
            if !self.give_back(spared) {
                return false;
            }
        }
    }

    /// Makes room for the next token of every answer, and pauses the newest requests where there is none.
    pub(super) fn make_room_for_answers(&mut self) {
        for slot in self.slots.iter_mut().filter(|slot| answering(slot)) {
            slot.promise = slot.promise.max(slot.cached.len() + 1);
        }
        let (budget, context) = (self.settings.budget, self.counters.context);
        // A second run of the same step writes a dummy behind the token of the first.
        let runs = if matches!(self.settings.lengths, Lengths::Threshold(_)) { 2 } else { 1 };
        loop {
            let mut answers = (0..self.slots.len()).filter(|slot| answering(&self.slots[*slot]));
            let first = answers.next();
            let last = answers.next_back().or(first);
            let spans = |place: usize| first <= Some(place) && Some(place) <= last;
            let written =
                |(place, slot): (usize, &super::Slot)| match answering(slot) || budget.fills_gaps && spans(place) {
                    true => slot.extent.max((slot.cached.len() + runs).min(context)),
                    false => slot.extent,
                };
            let written: Vec<usize> = self.slots.iter().enumerate().map(written).collect();
            let cost = |(slot, written): (&super::Slot, &usize)| budget.cost(slot.promise.max(*written));
            if self.slots.iter().zip(&written).map(cost).sum::<usize>() <= budget.limit {
                self.slots.iter_mut().zip(written).for_each(|(slot, written)| slot.extent = written);
                return;
            }
            if !self.give_back(&[]) && !self.pause_newest() {
                return;
            }
        }
    }

    /// Makes room for a guess behind the token of an answer; nobody is paused for it.
    pub(super) fn make_room_for_guess(&mut self, slot: usize, tokens: usize) -> bool {
        let extent = self.slots[slot].cached.len() + 1 + tokens;
        let budget = self.settings.budget;
        let cost = |(place, other): (usize, &super::Slot)| match place == slot {
            true => budget.cost(other.counted().max(extent)),
            false => budget.cost(other.counted()),
        };
        let fits = self.slots.iter().enumerate().map(cost).sum::<usize>() <= budget.limit;
        if fits {
            self.slots[slot].extent = self.slots[slot].extent.max(extent);
        }
        fits
    }

    /// Gives back what is of the least use: places that nothing is in, else the prompt that was kept for
    /// longest. False where there is nothing.
    fn give_back(&mut self, spared: &[usize]) -> bool {
        let budget = self.settings.budget;
        let in_use = |slot: &super::Slot| match slot.sequence.is_some() {
            true => slot.promise.max(slot.cached.len()),
            false => slot.cached.len(),
        };
        let idle = |slot: &usize| budget.cost(self.slots[*slot].extent) > budget.cost(in_use(&self.slots[*slot]));
        if let Some(slot) = (0..self.slots.len()).find(idle) {
            self.release(slot, in_use(&self.slots[slot]));
            return true;
        }
        let kept = |slot: &usize| {
            let of = &self.slots[*slot];
            of.sequence.is_none() && of.extent > 0 && !spared.contains(slot)
        };
        let Some(oldest) = (0..self.slots.len()).filter(kept).min_by_key(|slot| self.slots[*slot].taken) else {
            return false;
        };
        self.slots[oldest].cached.clear();
        self.release(oldest, 0);
        true
    }

    fn release(&mut self, slot: usize, keep: usize) {
        if let Err(error) = self.decoder.release(slot, keep) {
            tracing::warn!(%error, "memory of the cache could not be given back");
        }
        self.slots[slot].extent = keep;
    }

    /// Takes the request that was let in last out of its slot, to be read again. False where there is only one.
    fn pause_newest(&mut self) -> bool {
        let running = |slot: &usize| self.slots[*slot].sequence.is_some();
        if (0..self.slots.len()).filter(running).count() < 2 {
            return false;
        }
        let Some(newest) = (0..self.slots.len()).filter(running).max_by_key(|slot| self.slots[*slot].taken) else {
            return false;
        };
        let slot = &mut self.slots[newest];
        let Some(mut sequence) = slot.sequence.take() else { return false };
        sequence.read_again(&slot.cached);
        slot.promise = 0;
        slot.cached.truncate(self.counters.context - 1);
        self.paused.push_front(sequence);
        self.counters.active.fetch_sub(1, Relaxed);
        self.counters.queued.fetch_add(1, Relaxed);
        self.counters.paused.fetch_add(1, Relaxed);
        true
    }

    /// Has texts read again that come to the graph's threshold: all of their keys are of one side.
    pub(super) fn cross_threshold(&mut self) {
        for slot in &mut self.slots {
            let crosses = !slot.long && self.settings.lengths.is_long(slot.cached.len() + 1);
            if let Some(sequence) = slot.sequence.as_mut().filter(|sequence| crosses && sequence.next.is_some()) {
                sequence.read_again(&slot.cached);
                slot.promise = slot.promise.max(slot.cached.len() + 1);
                slot.cached.clear();
                slot.long = true;
            }
        }
    }

    pub(super) fn count_memory(&self) {
        let (budget, slots) = (self.settings.budget, self.slots.iter());
        self.counters.cached_tokens.store(slots.clone().map(|slot| slot.cached.len()).sum(), Relaxed);
        self.counters.held_bytes.store(slots.map(|slot| budget.cost(slot.extent)).sum(), Relaxed);
    }
}
