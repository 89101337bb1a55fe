//! Which tokens a text's vector is made of, as `1_Pooling/config.json` says it.

use std::path::Path;

use serde_json::Value;

use super::error::ModelError;

/// One vector from those of a text's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PoolingKind {
    /// The first token.
    First,
    /// The largest value of each dimension.
    Max,
    /// The mean of all tokens.
    Mean,
    /// The sum of all tokens, divided by the square root of their number.
    MeanSqrtLength,
    /// The mean of all tokens, each weighted by its position; the first has weight 1.
    WeightedMean,
    /// The last token.
    Last,
}

/// The switch of older files and the name of newer ones, in the order in which sentence-transformers
/// joins the vectors where a file switches several on.
const MODES: [(&str, &str, PoolingKind); 6] = [
    ("pooling_mode_cls_token", "cls", PoolingKind::First),
    ("pooling_mode_max_tokens", "max", PoolingKind::Max),
    ("pooling_mode_mean_tokens", "mean", PoolingKind::Mean),
    ("pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", PoolingKind::MeanSqrtLength),
    ("pooling_mode_weightedmean_tokens", "weightedmean", PoolingKind::WeightedMean),
    ("pooling_mode_lasttoken", "lasttoken", PoolingKind::Last),
];

/// The kinds that a pooling file names; their vectors are joined in this order. Where a file has
/// both forms, the newer one counts, as in sentence-transformers.
pub(super) fn kinds(config: &Value, path: &Path) -> Result<Vec<PoolingKind>, ModelError> {
    let wrong = |reason: String| ModelError::Unsuitable { path: path.to_owned(), reason };
    let Some(keys) = config.as_object() else { return Err(wrong("it is not a JSON object".to_owned())) };
    let unknown = |key: &&String| {
        key.starts_with("pooling_mode") && *key != "pooling_mode" && MODES.iter().all(|(switch, _, _)| switch != key)
    };
    if let Some(key) = keys.keys().find(unknown) {
        return Err(wrong(format!("'{key}' is not a pooling mode that llmhost has")));
    }
    let named = |name: &Value| {
        // Some files have the shorter name; it can only mean this one.
        let text = name.as_str().map(|text| if text == "mean_sqrt_len" { "mean_sqrt_len_tokens" } else { text });
        let found = MODES.iter().find(|(_, mode, _)| Some(*mode) == text).map(|(_, _, kind)| *kind);
        found.ok_or_else(|| {
            let all = MODES.map(|(_, mode, _)| mode).join(", ");
            wrong(format!("pooling_mode {name} is not one of those that llmhost has ({all})"))
        })
    };
    let kinds: Vec<PoolingKind> = match &config["pooling_mode"] {
        Value::Null => {
            let mut on = Vec::new();
            for (switch, _, kind) in MODES {
                match &config[switch] {
                    Value::Null | Value::Bool(false) => {}
                    Value::Bool(true) => on.push(kind),
                    other => return Err(wrong(format!("{switch} is {other}; it must be true or false"))),
                }
            }
            on
        }
        Value::Array(names) => names.iter().map(named).collect::<Result<_, _>>()?,
        name => vec![named(name)?],
    };
    if kinds.is_empty() {
        return Err(wrong("it names no pooling mode; set pooling_mode as the model's documentation says".to_owned()));
    }
    Ok(kinds)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(config: &Value) -> Result<Vec<PoolingKind>, String> {
        kinds(config, Path::new("1_Pooling/config.json")).map_err(|error| error.to_string())
    }

    #[test]
    fn both_forms_name_every_kind() {
        for (switch, name, kind) in MODES {
            let old = json!({ "word_embedding_dimension": 8, "pooling_mode_mean_tokens": false, switch: true });
            assert_eq!(read(&old), Ok(vec![kind]), "{switch}");
            assert_eq!(read(&json!({ "pooling_mode": name })), Ok(vec![kind]), "{name}");
        }
        let both = json!({ "pooling_mode": "cls", "pooling_mode_mean_tokens": true });
        assert_eq!(read(&both), Ok(vec![PoolingKind::First]), "the newer form counts");
        let old = json!({ "pooling_mode_mean_tokens": true, "pooling_mode_cls_token": true });
        assert_eq!(read(&old), Ok(vec![PoolingKind::First, PoolingKind::Mean]));
        let new = json!({ "pooling_mode": ["mean", "cls"] });
        assert_eq!(read(&new), Ok(vec![PoolingKind::Mean, PoolingKind::First]));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (config, words) in [
            (json!({ "pooling_mode": "attention" }), "pooling_mode \"attention\""),
            (json!({ "pooling_mode": ["mean", 7] }), "pooling_mode 7"),
            (json!({ "pooling_mode_attention": true }), "'pooling_mode_attention'"),
            (json!({ "pooling_mode_cls_token": "yes" }), "pooling_mode_cls_token is \"yes\""),
            (json!({ "word_embedding_dimension": 8 }), "names no pooling mode"),
            (json!({ "pooling_mode_mean_tokens": false }), "names no pooling mode"),
            (json!([]), "not a JSON object"),
        ] {
            let error = read(&config).expect_err(words);
            assert!(error.starts_with("1_Pooling/config.json: ") && error.contains(words), "{error}");
        }
    }
}
