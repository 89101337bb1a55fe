//! Checks of a step's options that a JSON Schema cannot say, such as properties by the type that another option names.
//!
//! A plugin asks for one by the keyword [`KEYWORD`] at the top of its schema; what it is called is looked up in the
//! registry of kinds.

use serde_json::Value;

/// The keyword: `"x-llmhost-check": "aws-resource-types"`.
pub const KEYWORD: &str = "x-llmhost-check";

/// A check of a `with` table.
pub trait ConfigCheck: Send + Sync {
    /// What is wrong. References to other steps are null; problems of their types are left out by whoever calls.
    fn check(&self, config: &Value) -> Vec<ConfigProblem>;

    /// The form of the step's outputs, as far as the table tells it: objects with every name that there is, and null
    /// for what may be anything.
    fn outputs(&self, _config: &Value) -> Value {
        Value::Null
    }
}

/// Something that cannot work, at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// JSON pointer into the `with` table.
    pub pointer: String,
    /// Whether it holds whatever the value at the pointer becomes: a key that is not known, one that is missing.
    pub is_of_keys: bool,
    /// One sentence.
    pub message: String,
    /// What to do.
    pub help: String,
}
