//! How likely a model finds a prompt.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc as channel;

use super::Engine;
use crate::engine::error::RequestError;
use crate::engine::request::{Event, Prompt};
use crate::engine::sequence::Pending;
use crate::model::Layout;
use crate::sampling::{Sampler, SamplingParams, TokenLogprobs};
use crate::tokens::{Detokenizer, StopStrings};

/// A token of a prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct PromptToken {
    /// The token.
    pub id: u32,
    /// Its log-probabilities after the tokens before it; the first has none.
    pub logprobs: Option<TokenLogprobs>,
}

impl Engine {
    /// The tokens of a prompt, each with its log-probability and those of the `top` likeliest ones in its place.
    /// Nothing is taken from the cache for it; what it reads stays there for the next request.
    pub async fn prompt_logprobs(&self, prompt: &Prompt, top: u32) -> Result<Vec<PromptToken>, RequestError> {
        let (made, inner) = (Instant::now(), &*self.inner);
        let fits = matches!(inner.model.layout, Layout::Decoder(_));
        let tokenizer = self.tokenizer_for("give log-probabilities of a prompt", fits)?;
        let prompt = self.prompt_tokens(prompt, tokenizer)?;
        let context = inner.counters.context;
        if prompt.len() > context {
            return Err(RequestError::TooLong { prompt: prompt.len(), answer: 0, context });
        }
        let params = SamplingParams { logprobs: Some(top), ..SamplingParams::default() };
        params.check()?;
        let (listener, mut receiver) = channel::unbounded_channel();
        inner.enqueue(Pending {
            sampler: Sampler::new(params, &[], None),
            text: Detokenizer::new(Arc::clone(tokenizer)),
            stops: StopStrings::new(Vec::new()),
            prompt,
            budget: 0,
            ends: Arc::new([]),
            listener,
            made,
            end_logprobs: false,
            prompt_logprobs: Some(top),
        })?;
        let mut tokens = Vec::new();
        while let Some(event) = receiver.recv().await {
            match event {
                Event::Token { id, logprobs, .. } => tokens.push(PromptToken { id, logprobs }),
                Event::Done { .. } => return Ok(tokens),
                Event::Failed(error) => return Err(error),
            }
        }
        Err(RequestError::ShuttingDown)
    }
}
