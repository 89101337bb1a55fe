//! What kind of model a session is, told from the names and types of its inputs and outputs.
//!
//! The names are those of the public ONNX exports (Optimum, onnxruntime-genai). A graph that fits
//! none of them is served as named tensors in, tensors out.

use std::path::Path;

use ort::session::Session;
use ort::value::{Outlet, TensorElementType, ValueType};

use super::config::ModelConfig;
use super::edit::POSITIONS;
use super::error::ModelError;
use super::graph::Graph;
use super::lengths::Lengths;
use super::reranker::{Activation, Head};

/// The kind of a model, with what its engine needs to know.
#[derive(Debug, Clone)]
pub(crate) enum Layout {
    /// A language model with a key/value cache.
    Decoder(DecoderLayout),
    /// A text encoder.
    Encoder(EncoderLayout),
    /// A cross-encoder: a text encoder whose head scores a pair of texts.
    Reranker(EncoderLayout, Activation),
    /// Anything else.
    Tensors,
}

/// Element type of the key/value cache, of the logits and of embeddings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FloatType {
    F32,
    F16,
    Bf16,
}

/// So many of the likeliest tokens are found in a graph that was made to find them.
pub(crate) const LIKELIEST: usize = 64;
/// Its outputs for them, and for their logits.
pub(crate) const LIKELIEST_TOKENS: &str = "llmhost.likeliest.tokens";
pub(crate) const LIKELIEST_LOGITS: &str = "llmhost.likeliest.logits";

/// The names of one layer's cache.
#[derive(Debug, Clone)]
pub(crate) struct CacheNames {
    pub(crate) past: String,
    pub(crate) present: String,
}

/// A decoder's inputs and outputs.
#[derive(Debug, Clone)]
pub(crate) struct DecoderLayout {
    /// Key and value of every layer, two entries a layer.
    pub(crate) cache: Vec<CacheNames>,
    pub(crate) cache_type: FloatType,
    /// Heads of the cache.
    pub(crate) heads: usize,
    /// Numbers a head holds per token.
    pub(crate) head_size: usize,
    pub(crate) vocabulary: usize,
    pub(crate) logits_type: FloatType,
    /// Whether the graph gives logits of the last position alone.
    pub(crate) last_only: bool,
    pub(crate) position_ids: bool,
    /// The dimensions of `num_logits_to_keep`, where the graph has it.
    pub(crate) logits_to_keep: Option<Vec<usize>>,
    /// Whether `use_cache_branch` chooses between a graph for a whole prompt and one for a past.
    pub(crate) cache_branch: bool,
    /// Whether past and present may be one buffer (GroupQueryAttention).
    pub(crate) shared: bool,
    /// Whether the graph finds the [`LIKELIEST`] tokens of each row of logits.
    pub(crate) likeliest: bool,
    /// How a row depends on the run that it is in.
    pub(crate) lengths: Lengths,
    /// Whether the graph gives logits of the positions that it is asked for alone, and how many a run asks for at least.
    pub(crate) positions: Option<usize>,
}

#[cfg(test)]
impl DecoderLayout {
    /// One head over one buffer that past and present share, and none of what a graph may have besides.
    pub(crate) fn for_a_test() -> Self {
        Self {
            cache: vec![CacheNames { past: String::new(), present: String::new() }; 2],
            cache_type: FloatType::F32,
            heads: 1,
            head_size: 8,
            vocabulary: 8,
            logits_type: FloatType::F32,
            last_only: false,
            position_ids: false,
            logits_to_keep: None,
            cache_branch: false,
            shared: true,
            likeliest: false,
            lengths: Lengths::Any,
            positions: None,
        }
    }
}

/// An encoder's inputs and outputs.
#[derive(Debug, Clone)]
pub(crate) struct EncoderLayout {
    /// The output to read.
    pub(crate) output: String,
    /// Whether the graph pools already, `[texts, width]` and not `[texts, tokens, width]`.
    pub(crate) pooled: bool,
    pub(crate) token_types: bool,
    pub(crate) attention_mask: bool,
    /// The position of a text's first token, where the graph asks for positions.
    pub(crate) first_position: Option<usize>,
    pub(crate) output_type: FloatType,
    /// Whether a text's numbers depend on what runs with it: the graph quantizes all of a run by one scale.
    pub(crate) alone: bool,
}

impl Layout {
    /// Classifies a session. `changed` says that its graph was made to take positions.
    pub(super) fn of(
        session: &Session,
        graph: &Graph,
        config: &ModelConfig,
        head: Option<&Head>,
        path: &Path,
        changed: bool,
    ) -> Result<Self, ModelError> {
        let ids = find(session.inputs(), "input_ids");
        let logits = find(session.outputs(), "logits");
        if ids.is_some() && logits.is_some() && graph_is_causal(session) {
            return decoder(session, graph, config, path, changed).map(Self::Decoder);
        }
        if let (Some(ids), Some(logits), Some(head)) = (ids, logits, head)
            && shape(logits).len() == 2
            && head.labels(shape(logits)) == 1
        {
            return Ok(Self::Reranker(encoder((session, graph), ids, logits, config, path)?, head.activation()?));
        }
        let output = ["sentence_embedding", "last_hidden_state", "token_embeddings", "hidden_states"]
            .into_iter()
            .find_map(|name| find(session.outputs(), name));
        match (ids, output) {
            (Some(ids), Some(output)) => encoder((session, graph), ids, output, config, path).map(Self::Encoder),
            _ if ids.is_some() && logits.is_some() && !has_labels(logits) => Err(ModelError::Unsuitable {
                path: path.to_owned(),
                reason: "it is a language model without a key/value cache (no input past_key_values.0.key); \
                         export it with one (`optimum-cli export onnx --task text-generation-with-past`)"
                    .to_owned(),
            }),
            _ => Ok(Self::Tensors),
        }
    }

    /// Why a model does not rerank; nothing where it does.
    pub(super) fn no_reranker(&self, session: &Session, head: Option<&Head>) -> Option<String> {
        let logits = find(session.outputs(), "logits");
        match (self, head) {
            (Self::Reranker(..), _) => None,
            (Self::Tensors, Some(head)) if logits.is_some() => {
                let labels = head.labels(logits.map_or(&[], shape));
                Some(format!("its classification head has {labels} labels, and a reranker's has one"))
            }
            (Self::Tensors, None) if logits.is_some() => {
                Some("its config.json names no architecture that ends in ForSequenceClassification".to_owned())
            }
            _ => Some("it has no sequence classification head".to_owned()),
        }
    }

    /// Whether what goes in or comes out is bfloat16.
    pub(super) fn is_bf16(&self) -> bool {
        match self {
            Self::Decoder(decoder) => [decoder.cache_type, decoder.logits_type].contains(&FloatType::Bf16),
            Self::Encoder(encoder) | Self::Reranker(encoder, _) => encoder.output_type == FloatType::Bf16,
            Self::Tensors => false,
        }
    }

    /// `decoder`, `encoder`, `reranker`, `tensors`.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Decoder(_) => "decoder",
            Self::Encoder(_) => "encoder",
            Self::Reranker(..) => "reranker",
            Self::Tensors => "tensors",
        }
    }
}

/// A classifier's logits are `[texts, labels]`; a language model's have three dimensions.
fn has_labels(logits: Option<&Outlet>) -> bool {
    logits.is_some_and(|logits| shape(logits).len() != 3)
}

fn graph_is_causal(session: &Session) -> bool {
    session.inputs().iter().any(|input| input.name().starts_with("past_key"))
}

fn encoder(
    (session, graph): (&Session, &Graph),
    ids: &Outlet,
    output: &Outlet,
    config: &ModelConfig,
    path: &Path,
) -> Result<EncoderLayout, ModelError> {
    integer(ids, path)?;
    let known = ["input_ids", "attention_mask", "token_type_ids", "position_ids"];
    if let Some(name) = session.inputs().iter().map(Outlet::name).find(|name| !known.contains(name)) {
        let reason = format!("it has an input '{name}', which no plain text encoder has");
        return Err(ModelError::Unsuitable { path: path.to_owned(), reason });
    }
    let positions = find(session.inputs(), "position_ids");
    if let Some(positions) = positions {
        integer(positions, path)?;
    }
    Ok(EncoderLayout {
        output: output.name().to_owned(),
        pooled: shape(output).len() == 2,
        token_types: find(session.inputs(), "token_type_ids").is_some(),
        attention_mask: find(session.inputs(), "attention_mask").is_some(),
        first_position: positions.map(|_| config.first_position),
        output_type: float(output, path)?,
        alone: graph.quantizes_runs(),
    })
}

fn decoder(
    session: &Session,
    graph: &Graph,
    config: &ModelConfig,
    path: &Path,
    changed: bool,
) -> Result<DecoderLayout, ModelError> {
    let unsuitable = |reason: String| ModelError::Unsuitable { path: path.to_owned(), reason };
    for name in ["input_ids", "attention_mask"] {
        match find(session.inputs(), name) {
            Some(input) => integer(input, path)?,
            None => return Err(unsuitable(format!("it has no input '{name}'"))),
        }
    }
    let mut cache = Vec::new();
    for layer in 0.. {
        let key = format!("past_key_values.{layer}.key");
        if find(session.inputs(), &key).is_none() {
            break;
        }
        for part in ["key", "value"] {
            let names = CacheNames {
                past: format!("past_key_values.{layer}.{part}"),
                present: format!("present.{layer}.{part}"),
            };
            if find(session.inputs(), &names.past).is_none() || find(session.outputs(), &names.present).is_none() {
                return Err(unsuitable(format!("layer {layer} has no {} or no {}", names.past, names.present)));
            }
            cache.push(names);
        }
    }
    let Some(first) = cache.first().and_then(|names| find(session.inputs(), &names.past)) else {
        return Err(unsuitable("its cache inputs are not named past_key_values.N.key and .value".to_owned()));
    };
    let known = ["input_ids", "attention_mask", "position_ids", "num_logits_to_keep", "use_cache_branch"];
    let strange = session
        .inputs()
        .iter()
        .map(Outlet::name)
        .filter(|name| !(changed && *name == POSITIONS))
        .find(|name| !known.contains(name) && !cache.iter().any(|names| names.past == *name));
    if let Some(name) = strange {
        return Err(unsuitable(format!("it has an input '{name}', which no plain language model has")));
    }
    let (heads, head_size) = match shape(first) {
        [_, heads, _, size] if *heads > 0 && *size > 0 => (*heads as usize, *size as usize),
        _ => config.heads.ok_or_else(|| {
            unsuitable("its cache has no fixed number of heads; add num_key_value_heads to config.json".to_owned())
        })?,
    };
    let logits = find(session.outputs(), "logits").expect("checked before");
    let (length, vocabulary) = match shape(logits) {
        [_, length, vocabulary] if *vocabulary > 0 => (*length, *vocabulary as usize),
        other => {
            return Err(unsuitable(format!("its logits have the shape {other:?}, not [batch, tokens, vocabulary]")));
        }
    };
    if let Some(positions) = find(session.inputs(), "position_ids") {
        integer(positions, path)?;
        if !matches!(shape(positions), [_, _]) {
            let found = shape(positions);
            return Err(unsuitable(format!("its position_ids have the shape {found:?}, not [batch, tokens]")));
        }
    }
    let logits_to_keep = find(session.inputs(), "num_logits_to_keep");
    if let Some(input) = logits_to_keep {
        integer(input, path)?;
        if !matches!(shape(input), [] | [1 | -1]) {
            let found = shape(input);
            return Err(unsuitable(format!("its num_logits_to_keep has the shape {found:?}, and must be one number")));
        }
    }
    let cache_branch = find(session.inputs(), "use_cache_branch");
    if let Some(input) = cache_branch
        && (element(input) != Some(TensorElementType::Bool) || !matches!(shape(input), [1 | -1]))
    {
        return Err(wrong(input, path, "one bool"));
    }
    Ok(DecoderLayout {
        cache_type: float(first, path)?,
        heads,
        head_size,
        vocabulary,
        logits_type: float(logits, path)?,
        // The engine asks for one position where it may.
        last_only: length == 1 || logits_to_keep.is_some(),
        position_ids: find(session.inputs(), "position_ids").is_some(),
        logits_to_keep: logits_to_keep.map(|input| vec![1; shape(input).len()]),
        cache_branch: cache_branch.is_some(),
        shared: graph.shares_cache(),
        likeliest: find(session.outputs(), LIKELIEST_TOKENS).is_some(),
        lengths: Lengths::read(path, &config.rope)?,
        positions: None,
        cache,
    })
}

fn find<'a>(outlets: &'a [Outlet], name: &str) -> Option<&'a Outlet> {
    outlets.iter().find(|outlet| outlet.name() == name)
}

/// Dimensions; -1 where one is free.
fn shape(outlet: &Outlet) -> &[i64] {
    match outlet.dtype() {
        ValueType::Tensor { shape, .. } => shape,
        _ => &[],
    }
}

fn element(outlet: &Outlet) -> Option<TensorElementType> {
    match outlet.dtype() {
        ValueType::Tensor { ty, .. } => Some(*ty),
        _ => None,
    }
}

fn integer(outlet: &Outlet, path: &Path) -> Result<(), ModelError> {
    match element(outlet) {
        Some(TensorElementType::Int64) => Ok(()),
        _ => Err(wrong(outlet, path, "int64")),
    }
}

fn float(outlet: &Outlet, path: &Path) -> Result<FloatType, ModelError> {
    match element(outlet) {
        Some(TensorElementType::Float32) => Ok(FloatType::F32),
        Some(TensorElementType::Float16) => Ok(FloatType::F16),
        Some(TensorElementType::Bfloat16) => Ok(FloatType::Bf16),
        _ => Err(wrong(outlet, path, "float32, float16 or bfloat16")),
    }
}

fn wrong(outlet: &Outlet, path: &Path, expected: &'static str) -> ModelError {
    let found = element(outlet).map_or_else(|| "no tensor".to_owned(), |kind| format!("{kind:?}").to_lowercase());
    ModelError::WrongType { path: path.to_owned(), tensor: outlet.name().to_owned(), found, expected }
}
