//! What is guessed in a turn, and the draft model beside the requests.
//!
//! That model reads a request's text only once the answer has begun, a piece in a turn and only while no prompt
//! is to be read, so that it delays no first token by more than a step. Its memory is what requests leave
//! over: it takes none from them, and gives it back before anything else goes.

use std::time::Instant;

use super::{Generation, reading};
use crate::engine::decoder::CacheSize;
use crate::engine::draft::{Asked, Opened};
use crate::engine::error::{LoadError, RequestError};
use crate::engine::options::Options;
use crate::engine::speculate::{Answer, Drafting, Guess, Plan, WIDEST};
use crate::model::Lengths;

impl Generation {
    /// Takes a draft model in. Before the first request.
    pub(in crate::engine) fn add_draft(
        &mut self,
        draft: Opened,
        size: CacheSize,
        vocabulary: usize,
        options: &Options,
    ) -> Result<(), LoadError> {
        let reason = match &self.settings.lengths {
            Lengths::Any if self.decoder.widest() == 1 => {
                "the model does not give the logits of several tokens, so guesses cannot be checked; leave the draft out"
            }
            Lengths::Any => {
                self.draft = Some(draft.start(size, vocabulary, options, &mut self.speculation)?);
                return Ok(());
            }
            _ => {
                "what the model computes depends on the length of a run, so guesses would change it; leave the draft out"
            }
        };
        Err(LoadError::Draft { folder: draft.folder().to_owned(), reason: reason.to_owned() })
    }

    /// What is guessed in this turn, and the slot whose text the draft model should read.
    pub(super) fn guesses(&mut self) -> (Vec<Guess>, Option<usize>) {
        let Plan { mut guesses, to_draft, to_read } = self.plan();
        guesses.extend(self.ask_draft(&to_draft));
        (guesses, to_read)
    }

    fn plan(&mut self) -> Plan {
        let widest = self.decoder.widest();
        if widest == 1 || self.speculation.off() {
            return Plan::default();
        }
        let draft = self.draft.as_ref();
        let (context, exact, relaxed) = (self.counters.context, self.exact, self.speculation.is_relaxed());
        let answers = self.slots.iter_mut().enumerate().filter_map(|(place, slot)| {
            let (cached, sequence) = (&slot.cached, slot.sequence.as_mut()?);
            let is_fixed = sequence.seeded() || sequence.greedy() && !relaxed;
            let widest = if is_fixed && !exact { 1 } else { widest };
            let room = widest.min(context - cached.len()).min(sequence.remaining()).saturating_sub(1);
            let (next, remaining) = (sequence.next?, sequence.remaining());
            let draft = draft.filter(|_| room > 0 && !sequence.guesser.is_without_draft).and_then(|draft| {
                let behind = draft.behind(place, cached, next)?;
                Some(Drafting { behind, room: draft.room(cached.len() + 1), remaining })
            });
            Some(Answer { slot: place, cached, next, guesser: &mut sequence.guesser, room, draft })
        });
        self.speculation.plan(answers.collect())
    }

    /// The draft model's guesses for these slots, so many tokens each.
    fn ask_draft(&mut self, wanted: &[(usize, usize)]) -> Vec<Guess> {
        let lengths: Vec<(usize, usize)> =
            wanted.iter().map(|(slot, count)| (*slot, self.slots[*slot].cached.len() + count)).collect();
        if lengths.is_empty() || !self.make_room_for_draft(&lengths) {
            return Vec::new();
        }
        let Some(draft) = &mut self.draft else { return Vec::new() };
        let slots = &self.slots;
        let asked = wanted.iter().filter_map(|(slot, count)| {
            let next = slots[*slot].sequence.as_ref()?.next?;
            Some(Asked { slot: *slot, cached: &slots[*slot].cached, next, count: *count })
        });
        let begun = Instant::now();
        let guesses = draft.guess(&asked.collect::<Vec<_>>(), &mut self.speculation);
        self.counters.ran(begun.elapsed());
        guesses.unwrap_or_else(|error| {
            self.lose_draft(&lengths, &error);
            Vec::new()
        })
    }

    /// Has the draft model read a piece of a slot's text.
    pub(super) fn read_for_draft(&mut self, slot: usize) {
        let Some(next) = self.next(slot) else { return };
        let lengths = [(slot, self.slots[slot].cached.len() + WIDEST)];
        // A prompt that waits is somebody's first token.
        if self.slots.iter().any(reading) || !self.make_room_for_draft(&lengths) {
            return;
        }
        let Some(draft) = &mut self.draft else { return };
        let begun = Instant::now();
        let text = Asked { slot, cached: &self.slots[slot].cached, next, count: 0 };
        let read = draft.catch_up(&text, &mut self.speculation);
        self.counters.ran(begun.elapsed());
        if let Err(error) = read {
            self.lose_draft(&lengths, &error);
        }
    }

    /// Requests go on without the draft model, which failed in them.
    fn lose_draft(&mut self, slots: &[(usize, usize)], error: &RequestError) {
        tracing::warn!(%error, "the draft model failed; requests continue without it");
        for (slot, _) in slots {
            self.end_draft(*slot);
        }
    }

    fn end_draft(&mut self, slot: usize) {
        if let Some(draft) = &mut self.draft {
            draft.release(slot);
        }
        if let Some(sequence) = &mut self.slots[slot].sequence {
            sequence.guesser.is_without_draft = true;
        }
    }

    /// Bytes that the draft model takes of the memory for requests.
    pub(super) fn draft_bytes(&self) -> usize {
        self.draft.as_ref().map_or(0, |draft| draft.bytes())
    }

    /// Takes the draft model's memory of one slot: of ended requests first, then of the one that came last. False where
    /// it has none.
    pub(super) fn take_from_draft(&mut self) -> bool {
        let slot = self.idle_draft().or_else(|| {
            let draft = self.draft.as_ref()?;
            (0..self.slots.len()).filter(|slot| draft.takes(*slot)).max_by_key(|slot| self.slots[*slot].taken)
        });
        slot.inspect(|slot| self.end_draft(*slot)).is_some()
    }

    fn idle_draft(&self) -> Option<usize> {
        let draft = self.draft.as_ref()?;
        let idle = |slot: &usize| draft.takes(*slot) && self.slots[*slot].sequence.is_none();
        (0..self.slots.len()).filter(idle).min_by_key(|slot| self.slots[*slot].taken)
    }

    /// Makes room for the draft model's tokens of slots, at the cost of what ended requests left. Requests for which
    /// there is none go on without it.
    fn make_room_for_draft(&mut self, lengths: &[(usize, usize)]) -> bool {
        loop {
            let budget = self.settings.budget;
            let held: usize = self.slots.iter().map(|slot| budget.cost(slot.counted())).sum();
            let grows = self.draft.as_ref().map_or(0, |draft| draft.grows(lengths));
            if held + self.draft_bytes() + grows <= budget.limit {
                return true;
            }
            match self.idle_draft() {
                Some(slot) => self.end_draft(slot),
                None if self.drop_kept(&[]) => {}
                None => break,
            }
        }
        lengths.iter().for_each(|(slot, _)| self.end_draft(*slot));
        false
    }
}
