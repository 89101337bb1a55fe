//! How pods give way to others, and where they stand.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::Config;

/// How another image or model replaces the pods.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Rollout {
    /// A new one is ready before an old one ends: no request fails, and there must be room, and a GPU, for one more.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_more_is_started_where_that_needs_no_gpu_or_is_asked_for() {
        let replace = json!({ "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 0, "maxUnavailable": 1 } });
        let surge = json!({ "type": "RollingUpdate", "rollingUpdate": { "maxSurge": "25%", "maxUnavailable": 0 } });
        for (options, wanted) in [
            (r#""device": "cpu""#, &surge),
            (r#""device": "cuda""#, &replace),
            (r#""device": "cuda", "rollout": "surge""#, &surge),
            (r#""device": "cpu", "rollout": "replace""#, &replace),
        ] {
            let config: Config = serde_json::from_str(&format!("{{ {options} }}")).expect("options");
            assert_eq!(strategy(&config), *wanted, "{options}");
        }
    }

    #[test]
    fn replicas_are_spread_where_there_can_be_more_than_one() {
        let scaling = r#""scaling": { "engine": "hpa", "metric": "cache_used", "target": 0.8, "max": 2 }"#;
        for (options, wanted) in [
            ("", None),
            (r#""replicas": { "max": 2 }"#, Some("ScheduleAnyway")),
            (scaling, Some("ScheduleAnyway")),
            (r#""topology_spread": "require""#, Some("DoNotSchedule")),
            (r#""replicas": { "max": 2 }, "topology_spread": "none""#, None),
        ] {
            let config: Config = serde_json::from_str(&format!("{{ {options} }}")).expect("options");
            let spread = spread(&config);
            let found = spread.as_ref().and_then(|all| all[0]["whenUnsatisfiable"].as_str());
            assert_eq!(found, wanted, "{options}");
        }
    }
}
