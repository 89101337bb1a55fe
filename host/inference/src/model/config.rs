//! The numbers of a model: config.json, generation_config.json, tokenizer_config.json and, where
//! an export has only that, genai_config.json.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::error::ModelError;
use super::rope::Rope;

/// What the JSON files say.
#[derive(Debug, Clone, Default)]
pub struct ModelConfig {
    /// Tokens of a prompt and its answer together, at most.
    pub context_length: Option<usize>,
    /// Tokens of a text, at most, as tokenizer_config.json says it.
    pub(crate) tokenizer_limit: Option<usize>,
    /// Tokens that end an answer.
    pub eos: Vec<u32>,
    /// The token that may begin a text.
    pub bos: Option<u32>,
    /// The token that fills up short rows of a batch.
    pub pad: Option<u32>,
    /// The position of a text's first token: not 0 for models of RoBERTa's kind.
    pub(crate) first_position: usize,
    /// Key and value heads, and what each holds, where config.json says it.
    pub(crate) heads: Option<(usize, usize)>,
    /// How the files say that positions are turned.
    pub(crate) rope: Rope,
    /// Sampling that the model's makers recommend.
    pub defaults: GenerationDefaults,
}

/// The part of generation_config.json that requests fall back to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GenerationDefaults {
    /// Sampling temperature; `Some(0.0)` where the makers say greedy.
    pub temperature: Option<f32>,
    /// Nucleus.
    pub top_p: Option<f32>,
    /// Most likely tokens.
    pub top_k: Option<u32>,
    /// Minimum probability relative to the likeliest.
    pub min_p: Option<f32>,
    /// Repetition penalty.
    pub repetition_penalty: Option<f32>,
}

/// Models of RoBERTa's kind: a text's first token has the position after the padding token's number,
/// so that many rows of the table of positions hold no token.
const COUNT_FROM_PAD: [&str; 13] = [
    "camembert",
    "data2vec-text",
    "esm",
    "ibert",
    "longformer",
    "luke",
    "mluke",
    "mpnet",
    "roberta",
    "roberta-prelayernorm",
    "xlm-roberta",
    "xlm-roberta-xl",
    "xmod",
];

impl ModelConfig {
    /// Reads the files of a folder; each may be missing.
    pub(super) fn read(folder: &Path) -> Result<Self, ModelError> {
        let config = json(&folder.join("config.json"))?;
        let generation = json(&folder.join("generation_config.json"))?;
        let tokenizer = json(&folder.join("tokenizer_config.json"))?;
        let genai = json(&folder.join("genai_config.json"))?["model"].clone();
        let text = if config["text_config"].is_object() { &config["text_config"] } else { &config };
        let mut eos = BTreeSet::new();
        for value in [&generation["eos_token_id"], &text["eos_token_id"], &genai["eos_token_id"]] {
            eos.extend(numbers(value));
        }
        let first = |values: [&Value; 3]| values.into_iter().find_map(Value::as_u64);
        let token = |values| first(values).and_then(|value| u32::try_from(value).ok());
        // tokenizer_config.json says 1e30 where it means "no limit".
        let tokenizer_limit = tokenizer["model_max_length"].as_u64().filter(|limit| *limit < 10_000_000);
        let tokenizer_limit = tokenizer_limit.and_then(|limit| usize::try_from(limit).ok());
        let context = first([&text["max_position_embeddings"], &text["n_positions"], &genai["context_length"]]);
        let context = context.and_then(|value| usize::try_from(value).ok());
        let pad = token([&generation["pad_token_id"], &text["pad_token_id"], &genai["pad_token_id"]]);
        let counts_from_pad = text["model_type"].as_str().is_some_and(|kind| COUNT_FROM_PAD.contains(&kind));
        // Their own default.
        let pad = if counts_from_pad { pad.or(Some(1)) } else { pad };
        let reserved = pad.filter(|_| counts_from_pad).map_or(0, |pad| pad as usize + 1);
        Ok(Self {
            context_length: context.map(|context| context.saturating_sub(reserved)).or(tokenizer_limit),
            tokenizer_limit,
            first_position: reserved,
            eos: eos.into_iter().collect(),
            bos: token([&generation["bos_token_id"], &text["bos_token_id"], &genai["bos_token_id"]]),
            pad,
            heads: heads(text).or_else(|| heads(&genai["decoder"])),
            rope: Rope::read(text),
            defaults: GenerationDefaults::read(&generation),
        })
    }
}

impl GenerationDefaults {
    fn read(generation: &Value) -> Self {
        let number = |key: &str| generation[key].as_f64().map(|value| value as f32);
        let greedy = generation["do_sample"].as_bool() == Some(false);
        Self {
            temperature: if greedy { Some(0.0) } else { number("temperature") },
            top_p: number("top_p"),
            top_k: generation["top_k"].as_u64().and_then(|value| u32::try_from(value).ok()),
            min_p: number("min_p"),
            repetition_penalty: number("repetition_penalty"),
        }
    }
}

fn heads(config: &Value) -> Option<(usize, usize)> {
    let number = |key: &str| config[key].as_u64().and_then(|value| usize::try_from(value).ok());
    let heads = number("num_attention_heads")?;
    let size = number("head_dim").or_else(|| number("head_size")).or_else(|| number("hidden_size")?.checked_div(heads));
    Some((number("num_key_value_heads").unwrap_or(heads), size?))
}

/// One token or a list of them.
fn numbers(value: &Value) -> Vec<u32> {
    let one = |value: &Value| value.as_u64().and_then(|value| u32::try_from(value).ok());
    match value {
        Value::Array(list) => list.iter().filter_map(one).collect(),
        other => one(other).into_iter().collect(),
    }
}

/// A JSON file; `null` where there is none.
pub(super) fn json(path: &Path) -> Result<Value, ModelError> {
    let bytes = match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Value::Null),
        other => other.map_err(|error| ModelError::Unreadable { path: path.to_owned(), reason: error.to_string() })?,
    };
    serde_json::from_slice(&bytes)
        .map_err(|error| ModelError::Invalid { path: path.to_owned(), reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_from_whichever_file_has_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
        let read = || ModelConfig::read(folder.path());
        assert_eq!(read().expect("empty").context_length, None);
        write("genai_config.json", r#"{"model":{"context_length":512,"eos_token_id":2,"bos_token_id":1}}"#);
        assert_eq!(read().expect("genai").context_length, Some(512));
        write(
            "config.json",
            r#"{"max_position_embeddings":2048,"hidden_size":576,"num_attention_heads":9,
                "num_key_value_heads":3,"eos_token_id":[2,0]}"#,
        );
        write("generation_config.json", r#"{"do_sample":false,"top_k":50}"#);
        let config = read().expect("read");
        assert_eq!((config.context_length, config.eos, config.heads), (Some(2048), vec![0, 2], Some((3, 64))));
        assert_eq!((config.defaults.temperature, config.defaults.top_k), (Some(0.0), Some(50)));
        write("config.json", "{");
        assert!(read().expect_err("broken").to_string().contains("config.json is not valid"));
    }
}
