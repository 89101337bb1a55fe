//! A model's folder: what lies in it, what is wrong with it, and what kind of model it is.
//!
//! Everything that can be told without running the graph is told here, before memory is spent:
//! missing files, a cut-off download, a checksum that does not fit, an operator set of the future.
//! Each becomes a [`ModelError`] that names the file and says what to do.

mod chat;
mod config;
mod edit;
mod error;
mod files;
mod folder;
mod generation_config;
mod graph;
mod inspect;
mod layout;
mod lengths;
mod numbers;
mod pooling;
mod reranker;
mod rope;
mod sentence;
mod weights;
mod wire;

pub use chat::{Chat, ChatError, ChatTemplate, Message, parse_arguments};
pub use config::ModelConfig;
pub(crate) use edit::{POSITIONS, asked};
pub use error::ModelError;
pub use files::verify;
pub(crate) use folder::FolderError;
pub use folder::Model;
pub use generation_config::GenerationDefaults;
pub use inspect::{Inspected, Precision, inspect};
pub(crate) use layout::{
    DecoderLayout, EncoderLayout, FloatType, LIKELIEST, LIKELIEST_LOGITS, LIKELIEST_TOKENS, Layout,
};
pub(crate) use lengths::Lengths;
pub(crate) use numbers::{numbers_of, take_end, widen};
pub(crate) use pooling::PoolingKind;
pub(crate) use sentence::SentenceConfig;
