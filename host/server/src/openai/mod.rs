//! The API that OpenAI's clients speak.

mod chat;
mod completions;
mod embeddings;
mod fields;
mod models;
mod read;
mod stream;
mod tokens;
mod types;

pub(crate) use chat::chat;
pub(crate) use completions::completions;
pub(crate) use embeddings::embeddings;
pub(crate) use models::{model, models};
pub(crate) use tokens::{detokenize, tokenize};
