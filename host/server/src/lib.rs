//! HTTP over a language model: the API that OpenAI's clients speak, health, metrics, and a page to
//! try the model from a browser.
//!
//! The model is behind [`Backend`]; only [`EngineBackend`] knows what runs it.

mod admin;
mod backend;
mod connections;
mod engine;
mod error;
mod health;
mod limits;
mod metrics;
mod models;
mod oip;
mod openai;
mod openapi;
mod origins;
mod page;
mod prompt;
mod protocol_metrics;
mod serve;
mod tensors;
mod tools;

pub use backend::{
    Backend, Constraint, EmbedInput, EmbedRequest, Event, Failure, Finish, GenerateRequest, Infill, LogProb, Message,
    ModelInfo, Pair, Prompt, PromptToken, Rendering, Sampling, Stats, Stop, TokenEvent, ToolCallPart, ToolChoice,
    Tools, Usage,
};
pub use engine::EngineBackend;
pub use models::{
    LoadAt, LoadFailure, Loaded, Loader, ModelEvent, ModelSpec, Models, ModelsError, Place, Prepared, Refreshed, Room,
};
pub use serve::{Ending, Settings, router, router_of, serve, serve_models};
pub use tensors::{Datatype, Signature, Tensor, TensorInfo};
