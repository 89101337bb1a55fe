//! Requests for the log-probabilities of their prompt: they run as others' prompts do, and have no answer.

use std::sync::atomic::Ordering::Relaxed;

use super::Generation;
use crate::engine::error::RequestError;
use crate::engine::request::{Event, Finish};
use crate::engine::sequence::Pending;
use crate::sampling::{SampleError, TokenLogprobs};

/// Tokens in a piece where each costs a run: answers wait for a piece.
pub(super) const SLOW_CHUNK: usize = 16;

impl Generation {
    /// Whether a request may take tokens from the cache. Of tokens that are there already, nobody knows the logits.
    pub(super) fn reuses(&self, request: &Pending) -> bool {
        self.reuse && request.prompt_logprobs.is_none()
    }

    /// Whether each token of this slot's prompt costs a run of its own.
    pub(super) fn is_slow(&self, slot: usize) -> bool {
        !self.wants_answer(slot) && !self.decoder.gives_each()
    }

    pub(super) fn wants_answer(&self, slot: usize) -> bool {
        self.slots[slot].sequence.as_ref().is_none_or(|sequence| sequence.prompt_logprobs().is_none())
    }

    /// Reads a piece of a prompt, and tells the listener of the token after each of its tokens.
    pub(super) fn read_with_logprobs(
        &mut self,
        slot: usize,
        start: usize,
        tokens: &[u32],
        top: u32,
    ) -> Result<(), RequestError> {
        let Some(sequence) = &self.slots[slot].sequence else { return Ok(()) };
        let prompt = sequence.prompt();
        let tell = |id, logprobs| sequence.send(Event::Token { text: String::new(), id, logprobs });
        if let (0, Some(first)) = (start, prompt.first()) {
            tell(*first, None);
        }
        let mut unreadable = false;
        self.decoder.prefill_each(slot, start, tokens, &mut |place, logits| {
            let Some(next) = prompt.get(start + place + 1) else { return };
            match TokenLogprobs::of(logits, *next, top) {
                Some(logprobs) => tell(*next, Some(logprobs)),
                None => unreadable = true,
            }
        })?;
        if unreadable { Err(SampleError::NotANumber.into()) } else { Ok(()) }
    }

    /// Ends a request that wants no answer.
    pub(super) fn end_prompt(&mut self, slot: usize) {
        if let Some(mut sequence) = self.leave(slot) {
            self.counters.finished.fetch_add(1, Relaxed);
            let done = sequence.done(Finish::Length);
            sequence.send(done);
        }
    }
}
