//! A sentence-transformers folder: what its files say is done before and after the graph.
//!
//! A value that is not understood is an error, since a vector made another way than the model's
//! makers made it looks right and finds the wrong texts.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::config::json;
use super::error::ModelError;
use super::pooling::{PoolingKind, kinds};

/// What a graph of texts gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gives {
    /// A vector a token: the modules after the transformer are left to llmhost.
    Tokens,
    /// A vector a text: the export has all modules in the graph.
    Vectors,
    /// A score a pair of texts.
    Scores,
}

/// The steps before and after the graph.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SentenceConfig {
    /// A text's vector is these, one after the other.
    pub(crate) pooling: Vec<PoolingKind>,
    /// Whether vectors get the length one.
    pub(crate) normalise: bool,
    /// Tokens of a text, at most, where sentence-transformers' files say it.
    pub(crate) max_tokens: Option<usize>,
    /// Whether texts are put into lower case first.
    pub(crate) lower_case: bool,
    /// What is put in front of a text, by name.
    pub(crate) prompts: BTreeMap<String, String>,
    /// The name of the one that is put in front where a request names none.
    pub(crate) default_prompt: Option<String>,
}

/// Names of the transformer's own file; sentence-transformers takes the first that is there.
const LIMITS: [&str; 7] = [
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
];

const WHOLE_EXPORT: &str = "export the model with all its modules in the graph \
                            (`optimum-cli export onnx --library sentence_transformers`)";

impl SentenceConfig {
    /// Reads modules.json and the files that it leads to, sentence_bert_config.json and
    /// config_sentence_transformers.json. Without modules.json: mean and normalised, as most models
    /// of this kind are used.
    pub(super) fn read(folder: &Path, gives: Gives) -> Result<Self, ModelError> {
        let modules = Modules::read(folder, gives)?;
        let transformer = Transformer::read(&modules.transformer, gives)?;
        let path = folder.join("config_sentence_transformers.json");
        let prompts = Prompts::read(&json(&path)?, &path)?;
        if prompts.default.is_some() && gives == Gives::Scores {
            return Err(unsuitable(&path, "it has a default prompt, and llmhost scores pairs without one"));
        }
        let pooling = match modules.pooling {
            Some(path) => pooling(&path, &prompts)?,
            None if gives == Gives::Tokens => {
                let folder = folder.display();
                tracing::warn!(%folder, "no modules.json and no 1_Pooling: the vector of a text is the mean of its \
                    tokens");
                vec![PoolingKind::Mean]
            }
            None => Vec::new(),
        };
        Ok(Self {
            pooling,
            normalise: modules.normalise && gives != Gives::Scores,
            max_tokens: transformer.max_tokens,
            lower_case: transformer.lower_case,
            prompts: prompts.texts,
            default_prompt: prompts.default,
        })
    }
}

fn pooling(path: &Path, prompts: &Prompts) -> Result<Vec<PoolingKind>, ModelError> {
    let config = json(path)?;
    // Then the prompt's tokens would have to be left out.
    if config["include_prompt"] == false && prompts.texts.values().any(|text| !text.is_empty()) {
        return Err(unsuitable(path, "include_prompt is false, and llmhost pools prompts with their text"));
    }
    kinds(&config, path)
}

/// What modules.json lists.
struct Modules {
    /// The transformer's folder.
    transformer: PathBuf,
    /// The pooling's file.
    pooling: Option<PathBuf>,
    normalise: bool,
}

impl Modules {
    fn read(folder: &Path, gives: Gives) -> Result<Self, ModelError> {
        let path = folder.join("modules.json");
        let mut found = Self { transformer: folder.to_owned(), pooling: None, normalise: false };
        let list = match json(&path)? {
            Value::Null => {
                let pooling = folder.join("1_Pooling/config.json");
                let pooling = Some(pooling).filter(|path| gives == Gives::Tokens && path.is_file());
                return Ok(Self { pooling, normalise: true, ..found });
            }
            Value::Array(list) => list,
            _ => return Err(unsuitable(&path, "it is not a list of modules")),
        };
        for (place, module) in list.iter().enumerate() {
            let kind = module["type"].as_str().unwrap_or_default();
            let known = kind.starts_with("sentence_transformers.");
            let name = kind.rsplit('.').next().filter(|_| known).unwrap_or(kind);
            let at = inside(folder, module["path"].as_str().unwrap_or_default(), &path)?;
            match (name, place) {
                ("Transformer", 0) if known => found.transformer = at,
                // The graph has them.
                _ if gives == Gives::Vectors => found.normalise |= known && name == "Normalize",
                ("Pooling", 1) if known && gives == Gives::Tokens => {
                    let file = at.join("config.json");
                    if !file.is_file() {
                        let advice = "it says how a text's vector is made. Copy all folders of the model";
                        return Err(ModelError::Missing { folder: at, file: "config.json".to_owned(), advice });
                    }
                    found.pooling = Some(file);
                }
                ("Normalize", 2..) if known && gives == Gives::Tokens => {
                    let file = at.join("config.json");
                    expect(&json(&file)?, &file, "module_input_name", &["sentence_embedding"])?;
                    found.normalise = true;
                }
                _ => {
                    let reason = format!("llmhost does not have the module '{kind}' at place {place}; {WHOLE_EXPORT}");
                    return Err(unsuitable(&path, &reason));
                }
            }
        }
        if gives == Gives::Tokens && found.pooling.is_none() {
            return Err(unsuitable(&path, "it lists no Pooling, so there is no vector of a text"));
        }
        Ok(found)
    }
}

/// What the transformer's own file says.
struct Transformer {
    max_tokens: Option<usize>,
    lower_case: bool,
}

impl Transformer {
    fn read(folder: &Path, gives: Gives) -> Result<Self, ModelError> {
        let path = LIMITS.map(|name| folder.join(name)).into_iter().find(|path| path.is_file());
        let path = path.unwrap_or_else(|| folder.join(LIMITS[0]));
        let config = json(&path)?;
        let (task, output) = match gives {
            Gives::Scores => ("sequence-classification", "logits"),
            Gives::Tokens | Gives::Vectors => ("feature-extraction", "last_hidden_state"),
        };
        expect(&config, &path, "transformer_task", &[task])?;
        expect(&config["modality_config"]["text"], &path, "method_output_name", &[output])?;
        expect(&config, &path, "module_output_name", &["token_embeddings", "scores"])?;
        for key in ["processing_kwargs", "query_length", "document_length", "query_expansion"] {
            if !config[key].is_null() && config[key] != Value::Object(serde_json::Map::new()) {
                return Err(unsuitable(&path, &format!("llmhost does not have {key} ({})", config[key])));
            }
        }
        let max_tokens = match &config["max_seq_length"] {
            Value::Null => None,
            value => match value.as_u64().and_then(|value| usize::try_from(value).ok()).filter(|value| *value > 0) {
                None => return Err(unsuitable(&path, &format!("max_seq_length is {value}; it must be 1 or more"))),
                limit => limit,
            },
        };
        let lower_case = match &config["do_lower_case"] {
            Value::Null => false,
            Value::Bool(value) => *value,
            other => return Err(unsuitable(&path, &format!("do_lower_case is {other}; it must be true or false"))),
        };
        Ok(Self { max_tokens, lower_case })
    }
}

struct Prompts {
    texts: BTreeMap<String, String>,
    default: Option<String>,
}

impl Prompts {
    fn read(config: &Value, path: &Path) -> Result<Self, ModelError> {
        let texts: BTreeMap<String, String> = match &config["prompts"] {
            Value::Null => BTreeMap::new(),
            list => serde_json::from_value(list.clone())
                .map_err(|error| unsuitable(path, &format!("prompts must be texts by their names: {error}")))?,
        };
        let default = match &config["default_prompt_name"] {
            Value::Null => None,
            Value::String(name) if texts.contains_key(name) => Some(name.clone()),
            name => return Err(unsuitable(path, &format!("default_prompt_name {name} is not among its prompts"))),
        };
        Ok(Self { texts, default })
    }
}

/// Fails where a key has a value beside the ones that are understood.
fn expect(config: &Value, path: &Path, key: &str, values: &[&str]) -> Result<(), ModelError> {
    match &config[key] {
        Value::Null => Ok(()),
        Value::String(value) if values.contains(&value.as_str()) => Ok(()),
        other => Err(unsuitable(path, &format!("{key} is {other}, and llmhost has {}", values.join(", ")))),
    }
}

/// A module's folder, which must lie in the model's.
fn inside(folder: &Path, module: &str, list: &Path) -> Result<PathBuf, ModelError> {
    if Path::new(module).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Ok(folder.join(module));
    }
    Err(unsuitable(list, &format!("the path '{module}' is outside the model's folder")))
}

fn unsuitable(path: &Path, reason: &str) -> ModelError {
    ModelError::Unsuitable { path: path.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
#[path = "sentence_tests.rs"]
mod tests;
