//! Requests for the log-probabilities of their prompt: they run as others' prompts do, and have no answer.

use std::sync::atomic::Ordering::Relaxed;

use super::Generation;
use crate::engine::error::RequestError;
use crate::engine::request::{Event, Finish};
use crate::model::Lengths;
use crate::sampling::{SampleError, TokenLogprobs};

/// Tokens in a piece where each costs a run: answers wait for a piece.
pub(super) const SLOW_CHUNK: usize = 16;

impl Generation {
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
        if self.is_slow(slot) && !matches!(self.settings.lengths, Lengths::Any) {
            let reason = "the model gives logits of the last token alone, and computes by the length of a run: it has no \
                          log-probabilities of prompts";
            return Err(RequestError::Invalid(reason.to_owned()));
        }
        let Some(sequence) = &self.slots[slot].sequence else { return Ok(()) };
        let (prompt, told) = (sequence.prompt(), sequence.told);
        let tell = |id, logprobs| sequence.send(Event::Token { text: String::new(), id, logprobs });
        if let (0, Some(first)) = (told, prompt.first()) {
            tell(*first, None);
        }
        let mut unreadable = false;
        self.decoder.prefill_each(slot, start, tokens, &mut |place, logits| {
            let at = start + place + 1;
            let Some(next) = prompt.get(at).filter(|_| at >= told) else { return };
            match TokenLogprobs::of(logits, *next, top) {
                Some(logprobs) => tell(*next, Some(logprobs)),
                None => unreadable = true,
            }
        })?;
        let told = told.max((start + tokens.len() + 1).min(prompt.len()));
        if let Some(sequence) = &mut self.slots[slot].sequence {
            sequence.told = told;
        }
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
