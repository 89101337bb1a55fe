//! The API that OpenAI's clients speak.

mod chat;
mod completions;
mod embeddings;
mod models;
mod read;
mod stream;
mod types;

pub(crate) use chat::chat;
pub(crate) use completions::completions;
pub(crate) use embeddings::embeddings;
pub(crate) use models::{model, models};
