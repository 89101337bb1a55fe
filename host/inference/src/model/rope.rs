//! What the JSON files say of the rotary embedding.
//!
//! The graph computes it, so this changes no number: it says what to look for where the graph
//! cannot be followed, and warns where the graph is not what the files say.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

/// The kinds of scaling that are named, for one or several kinds of layers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rope {
    kinds: BTreeSet<String>,
}

/// Kinds whose factors are the same for texts of any length.
const FIXED: [&str; 7] = ["default", "linear", "llama3", "yarn", "mrope", "proportional", "none"];

impl Rope {
    /// Reads `rope_scaling` or `rope_parameters`, where the kind stands itself or for each kind of layer.
    pub(super) fn read(config: &Value) -> Self {
        let mut kinds = BTreeSet::new();
        for scaling in [&config["rope_scaling"], &config["rope_parameters"]] {
            let of_layers = scaling.as_object().into_iter().flat_map(|object| object.values());
            for place in std::iter::once(scaling).chain(of_layers) {
                for name in ["rope_type", "type"] {
                    kinds.extend(place[name].as_str().map(str::to_owned));
                }
            }
        }
        Self { kinds }
    }

    /// Whether a row's factors may depend on how long the text is. A kind that is not known may do so.
    pub(super) fn by_length(&self) -> bool {
        self.kinds.iter().any(|kind| !FIXED.contains(&kind.as_str()))
    }
}

impl fmt::Display for Rope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.kinds.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_wherever_they_stand() {
        for (config, by_length) in [
            (r#"{}"#, false),
            (r#"{"rope_scaling": null}"#, false),
            (r#"{"rope_scaling": {"type": "linear", "factor": 2.0}}"#, false),
            (r#"{"rope_scaling": {"rope_type": "longrope", "short_factor": [1]}}"#, true),
            (r#"{"rope_scaling": {"type": "su"}}"#, true),
            (r#"{"rope_parameters": {"rope_type": "dynamic"}}"#, true),
            (r#"{"rope_parameters": {"full_attention": {"rope_type": "yarn"}}}"#, false),
            (r#"{"rope_parameters": {"full_attention": {"rope_type": "of-tomorrow"}}}"#, true),
        ] {
            let rope = Rope::read(&serde_json::from_str(config).expect("JSON"));
            assert_eq!(rope.by_length(), by_length, "{config}: {rope}");
        }
    }
}
