//! Cross-encoders: a sequence classification head with one label scores a pair of texts.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::config::json;
use super::error::ModelError;

/// What turns a logit into a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    /// Scores from 0 to 1.
    Sigmoid,
    /// The logit itself.
    Identity,
}

impl Activation {
    pub(crate) fn apply(self, logit: f32) -> f32 {
        match self {
            Self::Sigmoid => 1.0 / (1.0 + (-logit).exp()),
            Self::Identity => logit,
        }
    }
}

/// A sequence classification head, as config.json has it.
#[derive(Debug)]
pub(super) struct Head {
    labels: usize,
    /// The name of the activation, and the file that has it.
    activation: Option<(String, PathBuf)>,
}

impl Head {
    /// Nothing where config.json names no architecture with such a head.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, ModelError> {
        let path = folder.join("config.json");
        let config = json(&path)?;
        let classifies = |name: &Value| name.as_str().is_some_and(|name| name.ends_with("ForSequenceClassification"));
        if !config["architectures"].as_array().is_some_and(|names| names.iter().any(classifies)) {
            return Ok(None);
        }
        let newer = folder.join("config_sentence_transformers.json");
        // In the order in which sentence-transformers looks.
        let places = [
            (json(&newer)?["activation_fn"].clone(), &newer),
            (config["sentence_transformers"]["activation_fn"].clone(), &path),
            (config["sbert_ce_default_activation_function"].clone(), &path),
        ];
        let activation = places.into_iter().find(|(value, _)| !value.is_null());
        let activation = activation
            .map(|(value, path)| (value.as_str().map_or_else(|| value.to_string(), str::to_owned), path.clone()));
        let named = config["id2label"].as_object().map(serde_json::Map::len);
        let counted = config["num_labels"].as_u64().and_then(|count| usize::try_from(count).ok());
        // Two are what transformers takes where nothing is said.
        Ok(Some(Self { labels: named.or(counted).unwrap_or(2), activation }))
    }

    /// Labels; as the graph has them, where its logits have a fixed shape `[texts, labels]`.
    pub(super) fn labels(&self, logits: &[i64]) -> usize {
        logits
            .get(1)
            .and_then(|labels| usize::try_from(*labels).ok())
            .filter(|labels| *labels > 0)
            .unwrap_or(self.labels)
    }

    /// The sigmoid where nothing is said, as sentence-transformers has it for one label.
    pub(super) fn activation(&self) -> Result<Activation, ModelError> {
        let Some((name, path)) = &self.activation else { return Ok(Activation::Sigmoid) };
        match (name.starts_with("torch.nn."), name.rsplit('.').next()) {
            (true, Some("Sigmoid")) => Ok(Activation::Sigmoid),
            (true, Some("Identity")) => Ok(Activation::Identity),
            _ => {
                let reason = format!("activation_fn is '{name}', and llmhost has Sigmoid and Identity of torch.nn");
                Err(ModelError::Unsuitable { path: path.clone(), reason })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn head(config: &Value, newer: &Value) -> Option<Head> {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, content) in [("config.json", config), ("config_sentence_transformers.json", newer)] {
            std::fs::write(folder.path().join(name), content.to_string()).expect("written");
        }
        Head::read(folder.path()).expect("JSON")
    }

    #[test]
    fn heads_and_their_activations_are_read() {
        let one = |key: &str, value: Value| json!({ "architectures": ["BertForSequenceClassification"], "id2label": { "0": "LABEL_0" }, key: value });
        let (sigmoid, identity) = ("torch.nn.modules.activation.Sigmoid", "torch.nn.modules.linear.Identity");
        let within = |name: &str| json!({ "activation_fn": name });
        for (config, newer, expected) in [
            (one("x", json!(1)), json!({}), Activation::Sigmoid),
            (one("sentence_transformers", within(identity)), json!({}), Activation::Identity),
            (one("sentence_transformers", within(identity)), within(sigmoid), Activation::Sigmoid),
            (one("sbert_ce_default_activation_function", json!("torch.nn.Identity")), json!({}), Activation::Identity),
        ] {
            let head = head(&config, &newer).expect("a head");
            assert_eq!(head.labels(&[-1, -1]), 1, "{config}");
            assert_eq!(head.activation().expect("known"), expected, "{config}");
        }
        let other = head(&one("sentence_transformers", within("mine.Softmax")), &json!({})).expect("a head");
        let error = other.activation().expect_err("not known").to_string();
        assert!(error.contains("config.json: activation_fn is 'mine.Softmax'"), "{error}");
        assert_eq!(other.labels(&[-1, 3]), 3, "the graph knows best");
        assert!(head(&json!({ "architectures": ["BertModel"] }), &json!({})).is_none());
        let unsaid = head(&json!({ "architectures": ["XForSequenceClassification"] }), &json!({})).expect("a head");
        assert_eq!(unsaid.labels(&[-1, 0]), 2);
        assert!((Activation::Sigmoid.apply(2.0) - 0.880_797).abs() < 1e-6);
    }
}
