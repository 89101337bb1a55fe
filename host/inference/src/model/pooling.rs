//! How an embedding model makes one vector of many, as its own files say (sentence-transformers).

use std::path::Path;

use super::config::json;
use super::error::ModelError;

/// Which tokens a text's vector is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PoolingKind {
    /// The mean of all tokens.
    Mean,
    /// The first token.
    First,
    /// The last token.
    Last,
    /// The largest value of each dimension.
    Max,
}

/// The steps after the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pooling {
    pub(crate) kind: PoolingKind,
    /// Whether vectors get the length one.
    pub(crate) normalise: bool,
    /// Tokens of a text, at most.
    pub(crate) max_tokens: Option<usize>,
}

impl Pooling {
    /// Reads modules.json, 1_Pooling/config.json and sentence_bert_config.json. Without them: mean
    /// and normalised, as most models of this kind are used.
    pub(crate) fn read(folder: &Path) -> Result<Self, ModelError> {
        let modules = json(&folder.join("modules.json"))?;
        let pooling = json(&folder.join("1_Pooling/config.json"))?;
        let limits = json(&folder.join("sentence_bert_config.json"))?;
        let on = |key: &str| pooling[key].as_bool() == Some(true);
        let kind = match () {
            () if on("pooling_mode_cls_token") => PoolingKind::First,
            () if on("pooling_mode_lasttoken") => PoolingKind::Last,
            () if on("pooling_mode_max_tokens") => PoolingKind::Max,
            () => PoolingKind::Mean,
        };
        let normalise = match modules.as_array() {
            None => true,
            Some(list) => list.iter().any(|part| part["type"].as_str().is_some_and(|kind| kind.ends_with("Normalize"))),
        };
        let max_tokens = limits["max_seq_length"].as_u64().and_then(|value| usize::try_from(value).ok());
        Ok(Self { kind, normalise, max_tokens })
    }
}
