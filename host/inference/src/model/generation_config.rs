//! generation_config.json: what the model's makers recommend, and what they ask for that llmhost does not do.

use serde_json::Value;

use super::config::File;
use super::error::ModelError;

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

/// Keys that change answers in transformers and not here, with the number that changes nothing. Whatever is empty
/// changes nothing either.
const UNSUPPORTED: [(&str, Option<f64>); 24] = [
    ("bad_words_ids", None),
    ("begin_suppress_tokens", None),
    ("constraints", None),
    ("diversity_penalty", Some(0.0)),
    ("dola_layers", None),
    ("encoder_no_repeat_ngram_size", Some(0.0)),
    ("encoder_repetition_penalty", Some(1.0)),
    ("epsilon_cutoff", Some(0.0)),
    ("eta_cutoff", Some(0.0)),
    ("exponential_decay_length_penalty", None),
    ("force_words_ids", None),
    ("forced_bos_token_id", None),
    ("forced_eos_token_id", None),
    ("guidance_scale", Some(1.0)),
    ("min_length", Some(0.0)),
    ("min_new_tokens", Some(0.0)),
    ("no_repeat_ngram_size", Some(0.0)),
    ("num_beam_groups", Some(1.0)),
    ("num_beams", Some(1.0)),
    ("penalty_alpha", Some(0.0)),
    ("sequence_bias", None),
    ("stop_strings", None),
    ("suppress_tokens", None),
    ("typical_p", Some(1.0)),
];

impl GenerationDefaults {
    pub(super) fn read(file: &File) -> Result<Self, ModelError> {
        for (key, neutral) in UNSUPPORTED {
            match file.get(key) {
                Some(value) if !is_neutral(value, neutral) => {
                    return Err(file.invalid(format!(
                        "{key} is {value}, which is not supported and would change answers; remove it from the file to \
                         serve the model without it"
                    )));
                }
                _ => {}
            }
        }
        let number = |key| Ok::<_, ModelError>(file.number(key)?.map(|value| value as f32));
        let temperature = number("temperature")?;
        Ok(Self {
            temperature: if file.flag("do_sample")? == Some(false) { Some(0.0) } else { temperature },
            top_p: number("top_p")?,
            top_k: file.whole("top_k")?.and_then(|value| u32::try_from(value).ok()),
            min_p: number("min_p")?,
            repetition_penalty: number("repetition_penalty")?,
        })
    }
}

fn is_neutral(value: &Value, neutral: Option<f64>) -> bool {
    match value {
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        other => neutral.is_some() && other.as_f64() == neutral,
    }
}

#[cfg(test)]
mod tests {
    use crate::model::ModelConfig;

    fn read(text: &str) -> Result<super::GenerationDefaults, String> {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("generation_config.json"), text).expect("written");
        ModelConfig::read(folder.path()).map(|config| config.defaults).map_err(|error| error.to_string())
    }

    #[test]
    fn what_would_change_answers_is_refused_by_name() {
        for key in [
            r#""suppress_tokens": [1]"#,
            r#""no_repeat_ngram_size": 2"#,
            r#""forced_bos_token_id": 5"#,
            r#""num_beams": 4"#,
            r#""typical_p": 0.9"#,
            r#""stop_strings": ["x"]"#,
            r#""guidance_scale": "much""#,
        ] {
            let error = read(&format!("{{{key}}}")).expect_err(key);
            let name = key.split('"').nth(1).expect("a name");
            assert!(error.contains(&format!("{name} is ")) && error.contains("remove it from the file"), "{error}");
        }
        let neutral = r#"{"suppress_tokens": null, "begin_suppress_tokens": [], "no_repeat_ngram_size": 0, "num_beams": 1,
            "typical_p": 1.0, "max_length": 4096, "max_new_tokens": 512, "cache_implementation": "hybrid",
            "transformers_version": "4.57.0", "_from_model_config": true, "temperature": null}"#;
        assert_eq!(read(neutral), Ok(super::GenerationDefaults::default()));
    }

    #[test]
    fn a_recommendation_of_another_type_is_an_error() {
        for (text, said) in [
            (r#"{"temperature": "hot"}"#, "temperature is \"hot\", and must be a number"),
            (r#"{"top_k": "many"}"#, "top_k is \"many\", and must be a number"),
            (r#"{"top_k": 1.5}"#, "top_k is 1.5, and must be a whole number"),
            (r#"{"do_sample": "no"}"#, "do_sample is \"no\", and must be true or false"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(said), "{error}");
        }
    }
}
