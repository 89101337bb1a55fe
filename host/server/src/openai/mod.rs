//! The API that OpenAI's clients speak, and the paths of other servers for what it has not.

mod chat;
mod completions;
mod echo;
mod embeddings;
mod fields;
mod messages;
mod models;
mod object;
mod read;
mod rerank;
pub(crate) mod responses;
mod stream;
mod template;
mod tokens;
mod tools;
mod types;

pub(crate) use chat::chat;
pub(crate) use completions::completions;
pub(crate) use embeddings::embeddings;
pub(crate) use fields::near;
pub(crate) use models::{model, models};
pub(crate) use read::parse;
pub(crate) use rerank::{rerank, score};
pub(crate) use tokens::{detokenize, tokenize};

/// The fields of each request, by its path.
#[cfg(test)]
pub(crate) fn fields_by_path() -> Vec<(&'static str, Vec<&'static str>)> {
    vec![
        ("/v1/chat/completions", [chat::FIELDS, tools::FIELDS, template::FIELDS, types::FIELDS].concat()),
        ("/v1/completions", [completions::FIELDS, types::FIELDS].concat()),
        ("/v1/responses", responses::FIELDS.to_vec()),
        ("/v1/embeddings", embeddings::FIELDS.to_vec()),
        ("/v1/responses", responses::FIELDS.to_vec()),
        ("/tokenize", [tokens::TOKENIZE, tools::FIELDS, template::FIELDS].concat()),
        ("/detokenize", tokens::DETOKENIZE.to_vec()),
    ]
}
