//! How pods give way to others, and where they stand.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::Config;

/// How another image or model replaces the pods.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Rollout {
    /// A new one is ready before an old one ends: no request fails, and there has to be room, and a GPU, for one more.
    Surge,
    /// An old one ends before a new one starts: it needs no room, and a single replica leaves a gap until the new one is ready.
    Replace,
}

/// How replicas are spread over zones and nodes.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Spread {
    /// As well as it can be.
    Prefer,
    /// Evenly, or they wait for room.
    Require,
    /// As the scheduler has it.
    None,
}

/// How the Deployment replaces its pods.
pub(crate) fn strategy(config: &Config) -> Value {
    // A replica more needs a GPU more, which may not be there.
    let usual = if config.gpus() == 0 { Rollout::Surge } else { Rollout::Replace };
    let rolling = match config.rollout.unwrap_or(usual) {
        Rollout::Surge => json!({ "maxSurge": "25%", "maxUnavailable": 0 }),
        Rollout::Replace => json!({ "maxSurge": 0, "maxUnavailable": 1 }),
    };
    json!({ "type": "RollingUpdate", "rollingUpdate": rolling })
}

/// Where replicas stand among each other: zones first, then nodes.
pub(crate) fn spread(config: &Config) -> Option<Value> {
    let usual = if config.most() > 1 { Spread::Prefer } else { Spread::None };
    let otherwise = match config.topology_spread.unwrap_or(usual) {
        Spread::Prefer => "ScheduleAnyway",
        Spread::Require => "DoNotSchedule",
        Spread::None => return None,
    };
    let over = |key: &str| {
        json!({
            "maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": otherwise,
            "labelSelector": { "matchLabels": config.selector() },
            // Those of a rollout are spread among themselves.
            "matchLabelKeys": ["pod-template-hash"],
        })
    };
    Some(json!([over("topology.kubernetes.io/zone"), over("kubernetes.io/hostname")]))
}
