//! How Prometheus finds the server's figures.

use llmhost_plugin::{Failure, invalid};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::Config;

/// How Prometheus finds the server's figures.
#[derive(Deserialize, JsonSchema, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Monitor {
    /// This step says nothing.
    #[default]
    None,
    /// By a PodMonitor of the Prometheus operator.
    Pod,
}

/// Refuses labels that nothing would have.
pub(crate) fn check(config: &Config) -> Result<(), Failure> {
    match config.monitor {
        Monitor::None if !config.monitor_labels.is_empty() => {
            Err(invalid("monitor_labels are for a PodMonitor; set monitor = \"pod\" with them"))
        }
        _ => Ok(()),
    }
}

/// Reads `/metrics` of every pod, which llmhost's server answers without a key.
pub(crate) fn object(config: &Config) -> Option<Value> {
    let mut metadata = config.metadata(&config.name);
    for (name, value) in &config.monitor_labels {
        metadata["labels"][name] = json!(value);
    }
    (config.monitor == Monitor::Pod).then(|| {
        json!({
            "apiVersion": "monitoring.coreos.com/v1", "kind": "PodMonitor", "metadata": metadata,
            "spec": {
                "selector": { "matchLabels": config.selector() },
                "podMetricsEndpoints": [{ "port": "http", "path": "/metrics", "interval": "15s" }],
            },
        })
    })
}
