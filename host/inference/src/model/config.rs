//! The numbers of a model: config.json, generation_config.json, tokenizer_config.json and, where
//! an export has only that, genai_config.json.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::ModelError;
use super::generation_config::GenerationDefaults;
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
        let read = |name: &'static str| Ok(File { path: folder.join(name), value: json(&folder.join(name))? });
        let mut config = read("config.json")?;
        let generation = read("generation_config.json")?;
        let tokenizer = json(&folder.join("tokenizer_config.json"))?;
        let mut genai = read("genai_config.json")?;
        genai.value = genai.value["model"].take();
        if config.value["text_config"].is_object() {
            config.value = config.value["text_config"].take();
        }
        let text = &config.value;
        let mut eos = BTreeSet::new();
        for file in [&generation, &config, &genai] {
            eos.extend(file.tokens("eos_token_id")?);
        }
        let first = |values: [(&File, &str); 3]| {
            values.into_iter().find_map(|(file, key)| file.whole(key).transpose()).transpose()
        };
        let token = |key| {
            let found = first([(&generation, key), (&config, key), (&genai, key)])?;
            Ok(found.and_then(|value| u32::try_from(value).ok()))
        };
        // tokenizer_config.json says 1e30 where it means "no limit".
        let tokenizer_limit = tokenizer["model_max_length"].as_u64().filter(|limit| *limit < 10_000_000);
        let tokenizer_limit = tokenizer_limit.and_then(|limit| usize::try_from(limit).ok());
        let context =
            first([(&config, "max_position_embeddings"), (&config, "n_positions"), (&genai, "context_length")])?;
        let context = context.and_then(|value| usize::try_from(value).ok());
        let pad = token("pad_token_id")?;
        let counts_from_pad = text["model_type"].as_str().is_some_and(|kind| COUNT_FROM_PAD.contains(&kind));
        // Their own default.
        let pad = if counts_from_pad { pad.or(Some(1)) } else { pad };
        let reserved = pad.filter(|_| counts_from_pad).map_or(0, |pad| pad as usize + 1);
        Ok(Self {
            context_length: context.map(|context| context.saturating_sub(reserved)).or(tokenizer_limit),
            tokenizer_limit,
            first_position: reserved,
            eos: eos.into_iter().collect(),
            bos: token("bos_token_id")?,
            pad,
            heads: heads(text).or_else(|| heads(&genai.value["decoder"])),
            rope: Rope::read(text),
            defaults: GenerationDefaults::read(&generation)?,
        })
    }
}

fn heads(config: &Value) -> Option<(usize, usize)> {
    let number = |key: &str| config[key].as_u64().and_then(|value| usize::try_from(value).ok());
    let heads = number("num_attention_heads")?;
    let size = number("head_dim").or_else(|| number("head_size")).or_else(|| number("hidden_size")?.checked_div(heads));
    Some((number("num_key_value_heads").unwrap_or(heads), size?))
}

/// A JSON file of the folder, or the part of it that counts.
pub(super) struct File {
    path: PathBuf,
    value: Value,
}

impl File {
    /// What a key has, but for null.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.value.get(key).filter(|value| !value.is_null())
    }

    /// A number; an error where something else stands there.
    pub(super) fn number(&self, key: &str) -> Result<Option<f64>, ModelError> {
        let number = |value: &Value| value.as_f64().ok_or_else(|| self.wrong(key, value, "a number"));
        self.get(key).map(number).transpose()
    }

    /// A number without a fraction. Below zero is none: files have -1 for a token that there is not.
    pub(super) fn whole(&self, key: &str) -> Result<Option<u64>, ModelError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let number = self.number(key)?.filter(|number| number.fract() == 0.0);
        let number = number.ok_or_else(|| self.wrong(key, value, "a whole number"))?;
        Ok((number >= 0.0).then_some(number as u64))
    }

    /// Yes or no.
    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, ModelError> {
        let flag = |value: &Value| value.as_bool().ok_or_else(|| self.wrong(key, value, "true or false"));
        self.get(key).map(flag).transpose()
    }

    /// One token or a list of them.
    fn tokens(&self, key: &str) -> Result<Vec<u32>, ModelError> {
        let one = |value: &Value| match value.as_i64() {
            Some(token) => Ok(u32::try_from(token).ok()),
            None => Err(self.wrong(key, value, "a token's number or a list of them")),
        };
        match self.get(key) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => {
                Ok(list.iter().map(one).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
            }
            Some(other) => Ok(one(other)?.into_iter().collect()),
        }
    }

    fn wrong(&self, key: &str, value: &Value, expected: &str) -> ModelError {
        self.invalid(format!("{key} is {value}, and must be {expected}"))
    }

    pub(super) fn invalid(&self, reason: String) -> ModelError {
        ModelError::Invalid { path: self.path.clone(), reason }
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
        for (name, text, said) in [
            (
                "config.json",
                r#"{"max_position_embeddings":"lots"}"#,
                "max_position_embeddings is \"lots\", and must be a number",
            ),
            ("config.json", r#"{"n_positions":0.5}"#, "n_positions is 0.5, and must be a whole number"),
            (
                "config.json",
                r#"{"eos_token_id":"</s>"}"#,
                "eos_token_id is \"</s>\", and must be a token's number or a list of them",
            ),
            ("config.json", r#"{"eos_token_id":[1,"</s>"]}"#, "eos_token_id is \"</s>\""),
            ("config.json", r#"{"pad_token_id":-1,"bos_token_id":null,"eos_token_id":-1}"#, ""),
        ] {
            write(name, text);
            match (read(), said) {
                (found, "") => assert_eq!(found.expect("read").pad, None),
                (found, said) => {
                    let error = found.expect_err(text).to_string();
                    assert!(error.contains("config.json is not valid") && error.contains(said), "{error}");
                }
            }
        }
        write("config.json", "{");
        assert!(read().expect_err("broken").to_string().contains("config.json is not valid"));
    }
}
