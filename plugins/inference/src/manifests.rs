//! The objects of a model server.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::config::{Config, Device, Service};
use crate::container::{container, security, volumes};

impl Config {
    pub(crate) fn gpus(&self) -> u32 {
        self.gpus.unwrap_or(if self.device == Device::Cpu { 0 } else { 1 })
    }

    /// What the pods ask for: GPUs, or parts of them.
    pub(crate) fn gpu_resource(&self) -> String {
        match &self.mig_profile {
            Some(profile) => format!("nvidia.com/mig-{profile}"),
            None => "nvidia.com/gpu".to_owned(),
        }
    }

    fn is_autoscaled(&self) -> bool {
        self.replicas.max > self.replicas.min
    }

    fn metadata(&self, name: &str) -> Value {
        json!({ "name": name, "namespace": self.namespace, "labels": self.labels() })
    }

    fn labels(&self) -> Value {
        json!({ "app.kubernetes.io/name": "llmhost", "app.kubernetes.io/instance": self.name, "app.kubernetes.io/component": "model-server" })
    }

    fn selector(&self) -> Value {
        json!({ "app.kubernetes.io/name": "llmhost", "app.kubernetes.io/instance": self.name })
    }

    pub(crate) fn secrets_name(&self) -> String {
        format!("{}-secrets", self.name)
    }

    /// Environment variables whose values are secrets. All that there is of these here are handles.
    pub(crate) fn secrets(&self) -> BTreeMap<&str, &str> {
        let mut all: BTreeMap<&str, &str> =
            self.secret_env.iter().map(|(name, handle)| (name.as_str(), handle.as_str())).collect();
        all.extend(self.api_key.iter().map(|handle| ("LLMHOST_API_KEY", handle.as_str())));
        all
    }

    pub(crate) fn claim_name(&self) -> String {
        format!("{}-cache", self.name)
    }
}

pub(crate) fn deployment(config: &Config) -> Value {
    let mut spec = json!({
        "selector": { "matchLabels": config.selector() },
        // A replica more needs a GPU more, which may not be there: one goes before one comes.
        "strategy": match config.gpus() {
            0 => json!({ "type": "RollingUpdate" }),
            _ => json!({ "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 0, "maxUnavailable": 1 } }),
        },
        "template": { "metadata": template_metadata(config), "spec": pod(config) },
    });
    // The autoscaler's number is its own.
    if !config.is_autoscaled() {
        spec["replicas"] = json!(config.replicas.min);
    }
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": config.metadata(&config.name), "spec": spec })
}

/// Pods read secrets when they start: another version of one makes other pods.
fn template_metadata(config: &Config) -> Value {
    let mut metadata = json!({ "labels": config.labels() });
    let secrets = config.secrets();
    if !secrets.is_empty() {
        let text = secrets.iter().map(|(name, handle)| format!("{name}={handle}\n")).collect::<String>();
        // FNV-1a of the handles: it has to differ where they do, and nothing else.
        let digest = text
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        metadata["annotations"] = json!({ "llmhost.dev/secrets": format!("{digest:016x}") });
    }
    metadata
}

/// What holds the secrets of the server.
pub(crate) fn secret(config: &Config) -> Option<Value> {
    let secrets = config.secrets();
    (!secrets.is_empty()).then(|| {
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": config.metadata(&config.secrets_name()),
            "type": "Opaque", "stringData": secrets,
        })
    })
}

fn pod(config: &Config) -> Value {
    let gpu = (config.gpus() > 0).then_some("nvidia.com/gpu");
    // A set: another order in the file is no other pod.
    let tolerated: BTreeSet<&str> = gpu.into_iter().chain(config.tolerate.iter().map(String::as_str)).collect();
    let tolerated = tolerated.into_iter();
    let tolerations: Vec<Value> = tolerated.map(|key| json!({ "key": key, "operator": "Exists" })).collect();
    let mut pod = json!({
        "securityContext": security(config),
        // The server is withdrawn, and finishes what it is at; then it may go.
        "terminationGracePeriodSeconds": config.drain_delay_seconds + config.drain_seconds + 10,
        "containers": [container(config)],
        "volumes": volumes(config),
    });
    if let Some(account) = &config.service_account {
        pod["serviceAccountName"] = json!(account);
    }
    if !config.node_selector.is_empty() {
        pod["nodeSelector"] = json!(config.node_selector);
    }
    if !tolerations.is_empty() {
        pod["tolerations"] = json!(tolerations);
    }
    pod
}

pub(crate) fn claim(config: &Config) -> Option<Value> {
    let class = config.cache.storage_class.as_ref()?;
    // Replicas on several nodes share it.
    let mode = if config.replicas.max > 1 { "ReadWriteMany" } else { "ReadWriteOnce" };
    Some(json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": config.metadata(&config.claim_name()),
        "spec": {
            "accessModes": [mode], "storageClassName": class,
            "resources": { "requests": { "storage": format!("{}Gi", config.cache.size_gib) } },
        },
    }))
}

pub(crate) fn service(config: &Config) -> Value {
    let mut metadata = config.metadata(&config.name);
    if !config.service_annotations.is_empty() {
        metadata["annotations"] = json!(config.service_annotations);
    }
    let kind = if config.service == Service::LoadBalancer { "LoadBalancer" } else { "ClusterIP" };
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": metadata,
        "spec": {
            "type": kind, "selector": config.selector(),
            "ports": [{ "name": "http", "port": config.port, "targetPort": "http" }],
        },
    })
}

pub(crate) fn autoscaler(config: &Config) -> Option<Value> {
    config.is_autoscaled().then(|| {
        json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": config.metadata(&config.name),
            "spec": {
                "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": config.name },
                "minReplicas": config.replicas.min, "maxReplicas": config.replicas.max,
                "metrics": [{ "type": "Resource", "resource": {
                    "name": "cpu", "target": { "type": "Utilization", "averageUtilization": config.replicas.cpu_percent } } }],
            },
        })
    })
}

pub(crate) fn disruption_budget(config: &Config) -> Value {
    json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": config.metadata(&config.name),
        "spec": { "maxUnavailable": 1, "selector": { "matchLabels": config.selector() } },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_has_time_to_be_withdrawn_and_to_finish() {
        for (options, seconds) in [("", 45), (r#", "drain_delay_seconds": 20, "drain_seconds": 60"#, 90)] {
            let options = format!(r#"{{ "image": "llmhost:1", "model": "s3://b/m"{options} }}"#);
            let config: Config = serde_json::from_str(&options).expect("options");
            let spec = &deployment(&config)["spec"]["template"]["spec"];
            assert_eq!(spec["terminationGracePeriodSeconds"], seconds);
        }
    }
}
