//! Replicas by what the server measures: a ScaledObject of KEDA, or an autoscaler of Kubernetes on a metric of the pods.

use llmhost_plugin::{Failure, invalid};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::check;
use crate::config::{Config, Server};
use crate::manifests::autoscaler_metadata;

/// The longest name of a Deployment that is whole in the names of its pods.
const LONGEST: usize = 46;
/// A target that no load reaches: what it belongs to wakes the server, and does not size it.
const NEVER: &str = "1000000000";

/// How many replicas there are, by what the server measures.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scaling {
    /// Who scales: keda asks Prometheus and can scale to zero; hpa is Kubernetes' own autoscaler, and needs prometheus-adapter.
    pub(crate) engine: Engine,
    /// What is measured.
    pub(crate) metric: Metric,
    /// What each replica should have of it, on average: requests that wait, the used share of the cache (0.8), tokens a second.
    pub(crate) target: f64,
    /// Fewest replicas. 0 is for keda, with wake.
    #[serde(default = "one")]
    pub(crate) min: u32,
    /// Most replicas.
    #[schemars(range(min = 1))]
    pub(crate) max: u32,
    /// Address of Prometheus, for keda: http://prometheus-operated.monitoring.svc:9090.
    #[serde(default)]
    pub(crate) prometheus: Option<String>,
    /// Name of the metric of a custom server, a gauge: vllm:num_requests_waiting. llmhost's own names are known.
    #[serde(default)]
    pub(crate) metric_name: Option<String>,
    /// How long the load must be lower before a replica goes.
    #[serde(default = "five_minutes")]
    #[schemars(range(max = 3600))]
    pub(crate) down_after_seconds: u32,
    /// How long nothing may be asked before the last replica goes, where min is 0.
    #[serde(default = "five_minutes")]
    pub(crate) idle_seconds: u32,
    /// What starts the first replica, where min is 0: a server without replicas measures nothing.
    #[serde(default)]
    pub(crate) wake: Option<Wake>,
}

/// Who scales.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Engine {
    Keda,
    Hpa,
}

/// What is measured.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Metric {
    /// Requests that wait for a place in the batch.
    RequestsWaiting,
    /// The share of the key/value cache that is used.
    CacheUsed,
    /// Tokens that are generated a second.
    TokensPerSecond,
}

/// What starts the first replica: one of hosts and query.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wake {
    /// Names that clients call the server by, through the interceptor of KEDA's HTTP add-on: it holds their requests until a replica is ready, so none fails.
    #[serde(default)]
    pub(crate) hosts: Vec<String>,
    /// A query of Prometheus that is above 0 while somebody asks, such as a rate of requests at the gateway. What is asked before a replica is ready fails there.
    #[serde(default)]
    pub(crate) query: Option<String>,
    /// Address of the scaler of KEDA's HTTP add-on.
    #[serde(default = "scaler")]
    pub(crate) scaler: String,
}

impl Metric {
    /// What llmhost's server calls it.
    fn name(self) -> &'static str {
        match self {
            Self::RequestsWaiting => "llmhost_queue_depth",
            Self::CacheUsed => "llmhost_kv_cache_used_ratio",
            Self::TokensPerSecond => "llmhost_tokens_per_second",
        }
    }
}

/// Refuses what cannot scale.
pub(crate) fn check(config: &Config) -> Result<(), Failure> {
    let Some(scaling) = &config.scaling else { return Ok(()) };
    if config.replicas.is_some() {
        return Err(invalid("replicas and scaling both set the number of replicas; keep one of them"));
    }
    if scaling.max < scaling.min.max(1) {
        let (min, max) = (scaling.min, scaling.max);
        return Err(invalid(format!("scaling.max is {max}, fewer than scaling.min ({min}) or than 1")));
    }
    let is_share = scaling.metric == Metric::CacheUsed;
    if scaling.target < 0.001 || (is_share && scaling.target >= 1.0) {
        return Err(invalid(format!(
            "scaling.target is {}; {}",
            scaling.target,
            if is_share {
                "a share of the cache must be above 0 and below 1, such as 0.8"
            } else {
                "it must be above 0"
            }
        )));
    }
    if config.name.len() > LONGEST {
        let name = &config.name;
        return Err(invalid(format!(
            "name '{name}' is longer than {LONGEST} characters, so it would be cut in the names of its pods"
        )));
    }
    match (check::server(config)?, &scaling.metric_name) {
        (Server::Custom, None) => Err(invalid(
            "scaling.metric_name is missing: set the metric of the custom server, such as vllm:num_requests_waiting",
        )),
        (Server::Llmhost, Some(_)) => {
            Err(invalid("scaling.metric_name is for server = \"custom\"; the names of llmhost's metrics are known"))
        }
        _ => match scaling.engine {
            Engine::Keda => keda(config, scaling),
            Engine::Hpa => hpa(scaling),
        },
    }
}

fn keda(config: &Config, scaling: &Scaling) -> Result<(), Failure> {
    let is_address = |text: &String| ["http://", "https://", "<<"].iter().any(|start| text.starts_with(start));
    if !scaling.prometheus.as_ref().is_some_and(is_address) {
        return Err(invalid(
            "scaling.prometheus is missing, or not an http:// address; KEDA reads the metric there, such as \
             http://prometheus-operated.monitoring.svc:9090",
        ));
    }
    match (&scaling.wake, scaling.min) {
        (None, 0) => Err(invalid(
            "scaling.min is 0, and scaling.wake is missing: without replicas there is no metric, so another trigger must start \
             the first one; set wake = { hosts = [\"model.example.com\"] } or wake = { query = \"…\" }",
        )),
        (Some(_), 1..) => Err(invalid("scaling.wake is only for scaling.min = 0")),
        (Some(wake), 0) if wake.hosts.is_empty() == wake.query.is_none() => {
            Err(invalid("scaling.wake takes one of hosts and query"))
        }
        (Some(wake), 0) if !wake.hosts.is_empty() && config.gateway.is_some() => Err(invalid(
            "scaling.wake.hosts needs requests through the interceptor of KEDA's HTTP add-on, and requests of the gateway do \
             not pass it; set wake = { query = \"…\" } on the gateway's requests",
        )),
        _ => Ok(()),
    }
}

fn hpa(scaling: &Scaling) -> Result<(), Failure> {
    if scaling.min == 0 || scaling.wake.is_some() {
        return Err(invalid(
            "scaling to zero is for scaling.engine = \"keda\"; the Horizontal Pod Autoscaler keeps at least 1",
        ));
    }
    match &scaling.prometheus {
        Some(_) => Err(invalid(
            "scaling.prometheus is for scaling.engine = \"keda\"; prometheus-adapter gets its Prometheus when it is \
                installed",
        )),
        None => Ok(()),
    }
}

/// The objects that scale, with their names in the step.
pub(crate) fn objects(config: &Config) -> Vec<(&'static str, Value)> {
    let Some(scaling) = &config.scaling else { return Vec::new() };
    match scaling.engine {
        Engine::Hpa => vec![("autoscaler", autoscaler(config, scaling))],
        Engine::Keda => {
            let mut all = vec![("scaled-object", scaled_object(config, scaling))];
            all.extend(
                scaling.wake.iter().filter(|wake| !wake.hosts.is_empty()).map(|wake| ("wake", route(config, wake))),
            );
            all
        }
    }
}

fn metric_name(scaling: &Scaling) -> &str {
    scaling.metric_name.as_deref().unwrap_or(scaling.metric.name())
}

/// Quick up, slow down: a replica takes minutes to load its model, and one that goes takes its cache along.
fn behavior(scaling: &Scaling) -> Value {
    json!({
        "scaleUp": {
            "stabilizationWindowSeconds": 30, "selectPolicy": "Max",
            "policies": [
                { "type": "Percent", "value": 100, "periodSeconds": 60 }, { "type": "Pods", "value": 2, "periodSeconds": 60 },
            ],
        },
        "scaleDown": {
            "stabilizationWindowSeconds": scaling.down_after_seconds, "selectPolicy": "Max",
            "policies": [{ "type": "Pods", "value": 1, "periodSeconds": 60 }],
        },
    })
}

fn autoscaler(config: &Config, scaling: &Scaling) -> Value {
    json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": autoscaler_metadata(config),
        "spec": {
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": config.name },
            "minReplicas": scaling.min, "maxReplicas": scaling.max,
            "metrics": [{ "type": "Pods", "pods": {
                "metric": { "name": metric_name(scaling) },
                "target": { "type": "AverageValue", "averageValue": quantity(scaling.target) },
            } }],
            "behavior": behavior(scaling),
        },
    })
}

/// As Kubernetes writes numbers: 4, 800m.
fn quantity(number: f64) -> String {
    if number.fract() == 0.0 { format!("{number:.0}") } else { format!("{:.0}m", number * 1000.0) }
}

/// What Prometheus is asked: the sum over the pods, which KEDA divides by their number. A server with several models has a
/// figure for each, and the fullest cache of a pod is the one that counts.
fn query(config: &Config, scaling: &Scaling) -> String {
    // A Deployment's pods have its name, a hash and five characters; and a point is any character in an expression.
    let (namespace, name) = (&config.namespace, config.name.replace('.', "[.]"));
    let series =
        format!("{}{{namespace=\"{namespace}\",pod=~\"{name}-[a-z0-9]+-[a-z0-9]{{5}}\"}}", metric_name(scaling));
    match scaling.metric {
        Metric::RequestsWaiting => format!("sum({series})"),
        Metric::CacheUsed => format!("sum(max by (pod) ({series}))"),
        Metric::TokensPerSecond => format!("sum(avg_over_time({series}[1m]))"),
    }
}

fn scaled_object(config: &Config, scaling: &Scaling) -> Value {
    let address = scaling.prometheus.as_deref().unwrap_or_default();
    let asked = |name: &str, query: &str, threshold: &str| {
        json!({
            "type": "prometheus", "name": name, "metricType": "AverageValue",
            "metadata": {
                "serverAddress": address, "query": query, "threshold": threshold, "activationThreshold": "0",
            },
        })
    };
    let mut triggers = vec![asked("load", &query(config, scaling), &scaling.target.to_string())];
    if let Some(wake) = &scaling.wake {
        triggers.push(match &wake.query {
            Some(query) => asked("wake", query, NEVER),
            None => json!({
                "type": "external-push", "name": "wake",
                "metadata": { "scalerAddress": wake.scaler, "interceptorRoute": config.name },
            }),
        });
    }
    json!({
        "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": config.metadata(&config.name),
        "spec": {
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": config.name },
            "minReplicaCount": scaling.min, "maxReplicaCount": scaling.max,
            "pollingInterval": 15, "cooldownPeriod": scaling.idle_seconds,
            // The first replica has the time to load before it counts as idle.
            "initialCooldownPeriod": config.startup_minutes * 60,
            "advanced": { "horizontalPodAutoscalerConfig": { "behavior": behavior(scaling) } },
            "triggers": triggers,
        },
    })
}

/// How the interceptor of KEDA's HTTP add-on knows the server. It holds a request while there is no replica.
fn route(config: &Config, wake: &Wake) -> Value {
    json!({
        "apiVersion": "http.keda.sh/v1beta1", "kind": "InterceptorRoute", "metadata": config.metadata(&config.name),
        "spec": {
            "target": { "service": config.name, "port": config.port },
            "rules": [{ "hosts": wake.hosts }],
            // It wakes, and the metric of the server decides on the rest.
            "scalingMetric": { "concurrency": { "targetValue": 1_000_000 } },
            "timeouts": { "readiness": format!("{}s", config.startup_minutes * 60), "responseHeader": "0s" },
        },
    })
}

fn one() -> u32 {
    1
}

fn five_minutes() -> u32 {
    300
}

fn scaler() -> String {
    "keda-add-ons-http-external-scaler.keda:9090".to_owned()
}

#[cfg(test)]
#[path = "scaling_tests.rs"]
mod tests;
