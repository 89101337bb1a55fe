//! One request on its way: its prompt, its tokens so far, and who listens.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use super::counters::Counters;
use super::decoder::Decoder;
use super::error::RequestError;
use super::request::{Event, Finish, Timings, Usage};
use super::speculate::Guesser;
use crate::sampling::{SampleError, Sampler};
use crate::tokens::{Detokenizer, StopStrings};

/// A request that was checked and waits for a slot.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) prompt: Vec<u32>,
    /// Tokens of the answer, at most.
    pub(super) budget: usize,
    /// Tokens that end the answer.
    pub(super) ends: Arc<[u32]>,
    pub(super) sampler: Sampler,
    pub(super) text: Detokenizer,
    pub(super) stops: StopStrings,
    pub(super) listener: UnboundedSender<Event>,
    pub(super) made: Instant,
    /// Whether the token that ends the answer is told with its log-probabilities.
    pub(super) end_logprobs: bool,
    /// Log-probabilities of the prompt's tokens are wanted, with so many others each, and no answer.
    pub(super) prompt_logprobs: Option<u32>,
}

/// A request in a slot.
#[derive(Debug)]
pub(super) struct Sequence {
    request: Box<Pending>,
    /// Prompt and answer so far, where they have to be read again.
    again: Vec<u32>,
    /// Tokens of the prompt whose log-probabilities the listener has. A prompt may be read again.
    pub(super) told: usize,
    reused: usize,
    completion: usize,
    /// The token that was chosen last; its keys and values are not in the cache yet.
    pub(super) next: Option<u32>,
    pub(super) guesser: Guesser,
    queued: Duration,
    first_token: Duration,
}

impl Pending {
    /// Whether nobody waits for the answer any more.
    pub(super) fn abandoned(&self) -> bool {
        self.listener.is_closed()
    }

    pub(super) fn fail(self, error: RequestError) {
        // The listener may be gone; then nobody needs to know.
        let _ = self.listener.send(Event::Failed(error));
    }
}

impl Sequence {
    pub(super) fn new(request: Box<Pending>, reused: usize) -> Self {
        let queued = request.made.elapsed();
        let (again, guesser, first_token) = (Vec::new(), Guesser::default(), Duration::ZERO);
        Self { request, again, told: 0, reused, completion: 0, next: None, guesser, queued, first_token }
    }

    /// What is to be read before the next token is chosen.
    pub(super) fn text(&self) -> &[u32] {
        if self.again.is_empty() { &self.request.prompt } else { &self.again }
    }

    /// Tokens that the answer may still have.
    pub(super) fn remaining(&self) -> usize {
        self.request.budget - self.completion.min(self.request.budget)
    }

    /// Has the text read again, the token that was chosen last included: its keys and values go.
    pub(super) fn read_again(&mut self, cached: &[u32]) {
        if let Some(next) = self.next.take() {
            self.again = [cached, &[next]].concat();
        }
    }

    pub(super) fn prompt(&self) -> &[u32] {
        &self.request.prompt
    }

    /// Whether it takes the likeliest token each time.
    pub(super) fn greedy(&self) -> bool {
        self.request.sampler.greedy()
    }

    /// Whether it is to be the same each time.
    pub(super) fn seeded(&self) -> bool {
        self.request.sampler.seeded()
    }

    pub(super) fn abandoned(&self) -> bool {
        self.request.abandoned()
    }

    /// Where log-probabilities of the prompt are wanted: of how many others each.
    pub(super) fn prompt_logprobs(&self) -> Option<u32> {
        self.request.prompt_logprobs
    }

    pub(super) fn fail(self, error: RequestError) {
        self.request.fail(error);
    }

    /// Chooses the next token from a row of the last step, and tells the listener. Where the answer is whole,
    /// the last event comes back, to be sent when the slot is free and the counters say so.
    pub(super) fn advance(
        &mut self,
        (decoder, row): (&mut dyn Decoder, usize),
        counters: &Counters,
    ) -> Result<Option<Event>, SampleError> {
        let sampler = &mut self.request.sampler;
        let sampled = match decoder.likeliest(row).and_then(|few| sampler.sample_few(&few)) {
            Some(sampled) => {
                counters.short_rows.fetch_add(1, Relaxed);
                sampled?
            }
            None => sampler.sample(decoder.logits(row))?,
        };
        self.completion += 1;
        if self.completion == 1 {
            self.first_token = self.request.made.elapsed();
        }
        if self.request.ends.contains(&sampled.id) {
            if self.request.end_logprobs && sampled.logprobs.is_some() {
                self.send(Event::Token { text: String::new(), id: sampled.id, logprobs: sampled.logprobs });
            }
            return Ok(Some(self.done(Finish::Token(sampled.id))));
        }
        let text = self.request.text.push(sampled.id);
        let (text, stop) = self.request.stops.push(&text);
        self.send(Event::Token { text, id: sampled.id, logprobs: sampled.logprobs });
        let finish = match stop {
            Some(stop) => Some(Finish::String(stop)),
            None if sampled.last => Some(Finish::Grammar),
            None if self.completion >= self.request.budget => Some(Finish::Length),
            None => None,
        };
        self.next = Some(sampled.id);
        Ok(finish.map(|finish| self.done(finish)))
    }

    pub(super) fn done(&mut self, finish: Finish) -> Event {
        let usage = Usage { prompt: self.request.prompt.len(), reused: self.reused, completion: self.completion };
        let total = self.request.made.elapsed();
        let timings = Timings { queued: self.queued, first_token: self.first_token, total };
        let text = self.request.stops.finish();
        Event::Done { text, finish, usage, timings }
    }

    pub(super) fn send(&self, event: Event) {
        // A listener that went away is noticed before the next step.
        let _ = self.request.listener.send(event);
    }
}
