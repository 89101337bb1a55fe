//! The objects of a model server.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::config::{Config, Device, Service};
use crate::container::{container, security, volumes};
use crate::{gateway, model_cache, rollout};

impl Config {
    pub(crate) fn gpus(&self) -> u32 {
        let usual = if self.device == Device::Cpu { 0 } else { 1 };
        self.gpu.as_ref().map(|gpu| gpu.count).or(self.gpus).unwrap_or(usual)
    }

    /// The MIG profile that the pods ask for, as the file has it or in the name of the resource.
    pub(crate) fn profile(&self) -> Option<&str> {
        let named = self.gpu.as_ref().and_then(|gpu| gpu.resource.strip_prefix("nvidia.com/mig-"));
        named.or(self.mig_profile.as_deref())
    }

    /// What the pods ask for: GPUs, or parts of them.
    pub(crate) fn gpu_resource(&self) -> String {
        match (&self.gpu, &self.mig_profile) {
            (Some(gpu), _) => gpu.resource.clone(),
            (None, Some(profile)) => format!("nvidia.com/mig-{profile}"),
            (None, None) => "nvidia.com/gpu".to_owned(),
        }
    }

    /// Whether this step brings NVIDIA's device plugin: for NVIDIA's devices alone, where nothing else is stated.
    pub(crate) fn brings_device_plugin(&self) -> bool {
        let is_nvidia = self.gpu_resource().starts_with("nvidia.com/");
        self.gpus() > 0 && self.device_plugin.unwrap_or(is_nvidia)
    }

    fn is_autoscaled(&self) -> bool {
        self.scaling.is_some() || self.replicas.as_ref().is_some_and(|replicas| replicas.max > replicas.min)
    }

    /// Most replicas that there can be.
    pub(crate) fn most(&self) -> u32 {
        let by_cpu = self.replicas.as_ref().map(|replicas| replicas.max);
        self.scaling.as_ref().map(|scaling| scaling.max).or(by_cpu).unwrap_or(1)
    }

    pub(crate) fn metadata(&self, name: &str) -> Value {
        json!({ "name": name, "namespace": self.namespace, "labels": self.labels() })
    }

    fn labels(&self) -> Value {
        json!({ "app.kubernetes.io/name": "llmhost", "app.kubernetes.io/instance": self.name, "app.kubernetes.io/component": "model-server" })
    }

    pub(crate) fn selector(&self) -> Value {
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
        "strategy": rollout::strategy(config),
        // A replica that is still loading is no failed rollout.
        "progressDeadlineSeconds": config.startup_minutes * 60 + 60,
        "template": { "metadata": template_metadata(config), "spec": pod(config) },
    });
    // The autoscaler's number is its own.
    if !config.is_autoscaled() {
        spec["replicas"] = json!(config.replicas.as_ref().map_or(1, |replicas| replicas.min));
    }
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": config.metadata(&config.name), "spec": spec })
}

/// Pods read secrets when they start: another version of one makes other pods.
fn template_metadata(config: &Config) -> Value {
    let mut metadata = json!({ "labels": config.labels() });
    if let Some((label, engine)) = gateway::engine_label(config) {
        metadata["labels"][label] = json!(engine);
    }
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
    let resource = config.gpu_resource();
    // A taint has the name of the resource, and NVIDIA's has the whole GPU's for parts of it, too.
    let key = if resource.starts_with("nvidia.com/") { "nvidia.com/gpu" } else { resource.as_str() };
    let gpu = (config.gpus() > 0).then_some(key);
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
    if let Some(owner) = model_cache::owner(config) {
        pod["initContainers"] = json!([owner]);
    }
    if let Some(spread) = rollout::spread(config) {
        pod["topologySpreadConstraints"] = spread;
    }
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
    let mode = if config.most() > 1 { "ReadWriteMany" } else { "ReadWriteOnce" };
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

/// Of a Kubernetes autoscaler. KEDA refuses a workload that another one has, even where that goes in the same run.
pub(crate) fn autoscaler_metadata(config: &Config) -> Value {
    let mut metadata = config.metadata(&config.name);
    metadata["annotations"] = json!({ "validations.keda.sh/hpa-ownership": "false" });
    metadata
}

pub(crate) fn autoscaler(config: &Config) -> Option<Value> {
    let replicas = config.replicas.as_ref().filter(|replicas| replicas.max > replicas.min)?;
    Some(json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": autoscaler_metadata(config),
        "spec": {
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": config.name },
            "minReplicas": replicas.min, "maxReplicas": replicas.max,
            "metrics": [{ "type": "Resource", "resource": {
                "name": "cpu", "target": { "type": "Utilization", "averageUtilization": replicas.cpu_percent } } }],
        },
    }))
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
