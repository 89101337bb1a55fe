//! A plugin that declares nothing: it gives back what it is given. For measuring what a step costs.

use llmhost_plugin::{Failure, Output, Outputs, Plugin, outputs};
use schemars::JsonSchema;
use serde::Deserialize;

/// What is given.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Any value.
    value: serde_json::Value,
}

/// The plugin.
pub struct Noop;

impl Plugin for Noop {
    type Config = Config;
    const SUMMARY: &'static str = "Gives back the value it is given.";
    const OUTPUTS: &'static [Output] = &[Output::any("value", "The value")];

    fn run(config: Config) -> Result<Outputs, Failure> {
        Ok(outputs! { "value": config.value })
    }
}

llmhost_plugin::export!(Noop);
