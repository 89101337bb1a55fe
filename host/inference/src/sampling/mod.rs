//! From logits to the next token.
//!
//! The order of the steps is part of the contract, because each sees what the last one left. It is
//! that of vLLM: log-probabilities are taken from the raw logits; then grammar mask, logit bias,
//! repetition penalty, frequency and presence penalties, temperature, min-p, top-k, top-p, draw.
//! Every request has its own random numbers, so its answer does not depend on its neighbours.

mod crowded;
mod error;
mod few;
mod grammar;
mod logprobs;
mod params;
mod penalties;
mod pick;
mod sampler;
mod schema;

pub use error::SampleError;
pub use grammar::{Grammar, GrammarError, Grammars};
pub use logprobs::TokenLogprobs;
pub use params::{ParamsError, SamplingParams};
pub use sampler::{Sampled, Sampler, TokenMask};
pub use schema::with_bounded_whitespace;
