//! HTTP over a language model: the API that OpenAI's clients speak, health, metrics, and a page to
//! try the model from a browser.
//!
//! The model is behind [`Backend`]; only [`EngineBackend`] knows what runs it.

mod backend;
mod connections;
mod engine;
mod error;
mod health;
mod limits;
mod metrics;
mod models;
mod openai;
mod origins;
mod page;
mod prompt;
mod serve;
mod tools;

pub use backend::{
    Backend, Constraint, EmbedInput, EmbedRequest, Event, Failure, Finish, GenerateRequest, LogProb, Message,
    ModelInfo, Pair, Prompt, Sampling, Stats, Stop, TokenEvent, ToolCallPart, ToolChoice, Tools, Usage,
};
pub use engine::EngineBackend;
pub use serve::{Ending, Settings, router, serve};
