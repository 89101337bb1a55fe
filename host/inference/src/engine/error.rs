//! Why an engine does not start, and why a request has no answer.

use crate::model::{ChatError, ModelError};
use crate::runtime::RuntimeError;
use crate::sampling::{GrammarError, ParamsError, SampleError};
use crate::tokens::TokenizeError;

/// Why a model cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The library or the device.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The folder.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The JSON files name no limit and neither do the options.
    #[error("the model's config.json has no max_position_embeddings; set the context length in the options")]
    NoContext,
    /// The options ask for more than the model was made for.
    #[error("a context of {asked} tokens was requested, and the model supports {limit}")]
    ContextTooLong {
        /// The options' number.
        asked: usize,
        /// The model's.
        limit: usize,
    },
    /// The cache does not fit.
    #[error(
        "keys and values of one request need {needed} bytes, and {free} are available; \
             reduce the context length or increase the cache memory"
    )]
    NoMemory {
        /// Bytes of one request: at the context that was asked for, or else at the shortest that is served.
        needed: usize,
        /// Bytes that the cache may take.
        free: usize,
    },
    /// The draft model.
    #[error("the draft model {} cannot be used: {reason}", .folder.display())]
    Draft {
        /// Its address.
        folder: std::path::PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The first run failed.
    #[error("the model loads but does not run: {0}")]
    WarmUp(String),
    /// The system gives no thread.
    #[error("cannot start the engine's thread: {0}")]
    Thread(String),
}

/// Why a request has no answer, or its answer broke off.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Too many requests wait (HTTP: 429).
    #[error("{waiting} requests are waiting already; try again later")]
    Busy {
        /// Requests that wait.
        waiting: usize,
    },
    /// Prompt and answer do not fit.
    #[error("the prompt has {prompt} tokens and {answer} are requested, and the context has {context}")]
    TooLong {
        /// Tokens of the prompt; a lower bound where it is far too long.
        prompt: usize,
        /// Tokens asked for.
        answer: usize,
        /// Tokens of prompt and answer together, at most.
        context: usize,
    },
    /// One of a request's texts is longer than the model takes.
    #[error("the text at index {place} has {tokens} tokens, and the context has {context}; shorten it or split it")]
    TextTooLong {
        /// Which one, from 0.
        place: usize,
        /// Its tokens.
        tokens: usize,
        /// Tokens of a text, at most.
        context: usize,
    },
    /// A field of the request is wrong.
    #[error("{0}")]
    Invalid(String),
    /// The model is of another kind.
    #[error("this model cannot {wanted}: it is a {kind} model")]
    NotSupported {
        /// `generate text`, `embed text`.
        wanted: &'static str,
        /// `decoder`, `encoder`, `reranker`, `tensors`.
        kind: &'static str,
    },
    /// The model does not score pairs of texts.
    #[error("this model does not rerank: {0}")]
    NotReranker(String),
    /// The engine stops (HTTP: 503).
    #[error("the engine is shutting down")]
    ShuttingDown,
    /// ONNX Runtime failed in a step. Other requests go on.
    #[error("the model failed in this request: {0}")]
    Failed(String),
    /// No token could be chosen.
    #[error(transparent)]
    Sample(#[from] SampleError),
}

impl From<ParamsError> for RequestError {
    fn from(error: ParamsError) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<GrammarError> for RequestError {
    fn from(error: GrammarError) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<TokenizeError> for RequestError {
    fn from(error: TokenizeError) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<ChatError> for RequestError {
    fn from(error: ChatError) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<ort::Error> for RequestError {
    fn from(error: ort::Error) -> Self {
        Self::Failed(error.message().to_owned())
    }
}
