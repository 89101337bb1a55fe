//! Which templates a model's folder has, by the rules of Hugging Face's tokenizers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{ChatTemplate, DEFAULT};
use crate::model::config::json;
use crate::model::error::ModelError;

/// Special tokens that are variables of a template where the model has them.
const TOKENS: [&str; 7] = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

impl ChatTemplate {
    /// Reads chat_template.jinja and additional_chat_templates/*.jinja; where there are none, `chat_template` of
    /// tokenizer_config.json. A model that has none of them has no template.
    pub(in crate::model) fn read(folder: &Path) -> Result<Option<Self>, ModelError> {
        let config_file = folder.join("tokenizer_config.json");
        let config = json(&config_file)?;
        let text = |value: &Value| value.as_str().or(value["content"].as_str()).map(str::to_owned);
        let tokens = TOKENS.into_iter().filter_map(|name| Some((name.to_owned(), text(&config[name])?)));
        let (sources, path) = match files(folder)? {
            (files, _) if files.is_empty() => (inside(&config["chat_template"]), config_file),
            files => files,
        };
        if sources.is_empty() {
            return Ok(None);
        }
        let sources = sources.iter().map(|(name, source)| (name.as_str(), source.as_str()));
        Self::named(sources, tokens.collect()).map(Some).map_err(|reason| ModelError::Invalid { path, reason })
    }
}

/// Templates in files of their own by name, and the file or folder that messages name.
fn files(folder: &Path) -> Result<(BTreeMap<String, String>, PathBuf), ModelError> {
    let (main, more) = (folder.join("chat_template.jinja"), folder.join("additional_chat_templates"));
    let mut all = BTreeMap::new();
    if let Some(source) = text(&main)? {
        all.insert(DEFAULT.to_owned(), source);
    }
    for entry in std::fs::read_dir(&more).into_iter().flatten().flatten() {
        let path = entry.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".jinja")) else { continue };
        if let Some(source) = text(&path)? {
            all.insert(name.to_owned(), source);
        }
    }
    let named = if all.keys().any(|name| name != DEFAULT) { more } else { main };
    Ok((all, named))
}

fn text(path: &Path) -> Result<Option<String>, ModelError> {
    match std::fs::read_to_string(path) {
        Ok(source) => Ok(Some(source)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ModelError::Unreadable { path: path.to_owned(), reason: error.to_string() }),
    }
}

/// A string, or a list of templates with names.
fn inside(value: &Value) -> BTreeMap<String, String> {
    let named = |entry: &Value| Some((entry["name"].as_str()?.to_owned(), entry["template"].as_str()?.to_owned()));
    match value {
        Value::String(text) => BTreeMap::from([(DEFAULT.to_owned(), text.clone())]),
        Value::Array(list) => list.iter().filter_map(named).collect(),
        _ => BTreeMap::new(),
    }
}
