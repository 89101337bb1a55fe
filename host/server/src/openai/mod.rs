//! The API that OpenAI's clients speak, and the paths of other servers for what it has not.

mod chat;
mod completions;
mod embeddings;
mod fields;
mod models;
mod read;
mod rerank;
pub(crate) mod responses;
mod stream;
mod tokens;
mod tools;
mod types;

pub(crate) use chat::chat;
pub(crate) use completions::completions;
pub(crate) use embeddings::embeddings;
pub(crate) use models::{model, models};
pub(crate) use rerank::{rerank, score};
pub(crate) use tokens::{detokenize, tokenize};
