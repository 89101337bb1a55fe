//! One Kubernetes object.

use serde_json::{Map, Value, json};

/// An object and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) value: Value,
    /// `k8s/web.yaml:12`
    pub(crate) place: String,
}

/// Kinds that others need, in the order in which they are made; those that are not here come behind, and webhooks last.
const FIRST: [&str; 24] = [
    "Namespace",
    "CustomResourceDefinition",
    "PriorityClass",
    "StorageClass",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "ServiceAccount",
    "Secret",
    "ConfigMap",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "Service",
    "DaemonSet",
    "Deployment",
    "StatefulSet",
    "Job",
    "CronJob",
    "HorizontalPodAutoscaler",
    "Ingress",
];

impl Object {
    fn text(&self, pointer: &str) -> &str {
        self.value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn kind(&self) -> &str {
        self.text("/kind")
    }

    pub(crate) fn api_version(&self) -> &str {
        self.text("/apiVersion")
    }

    /// API group, empty for the core's.
    pub(crate) fn group(&self) -> &str {
        self.api_version().split_once('/').map_or("", |(group, _)| group)
    }

    pub(crate) fn version(&self) -> &str {
        self.api_version().rsplit('/').next().unwrap_or_default()
    }

    pub(crate) fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    pub(crate) fn namespace(&self) -> Option<&str> {
        self.value.pointer("/metadata/namespace").and_then(Value::as_str)
    }

    pub(crate) fn set_namespace(&mut self, namespace: &str) {
        self.set_metadata("namespace", json!(namespace));
    }

    pub(crate) fn set_metadata(&mut self, key: &str, value: Value) {
        if let Some(fields) = self.value.as_object_mut()
            && let Some(metadata) = fields.entry("metadata").or_insert_with(|| json!({})).as_object_mut()
        {
            metadata.insert(key.to_owned(), value);
        }
    }

    /// Of Kubernetes' own API, and no custom object.
    pub(crate) fn is_built_in(&self) -> bool {
        !self.group().contains('.') || self.group().ends_with(".k8s.io")
    }

    pub(crate) fn is_definition(&self) -> bool {
        self.kind() == "CustomResourceDefinition"
    }

    /// `Deployment.shop.web`, and `Certificate.cert-manager.io.shop.web` of custom objects. What tells it from all others.
    pub(crate) fn identity(&self) -> String {
        let mut parts = vec![self.kind()];
        if !self.is_built_in() {
            parts.push(self.group());
        }
        parts.extend(self.namespace());
        parts.push(self.name());
        parts.join(".")
    }

    /// When it is made.
    pub(crate) fn rank(&self) -> usize {
        let known = FIRST.iter().position(|kind| *kind == self.kind()).filter(|_| self.is_built_in());
        match known {
            Some(rank) => rank,
            None if self.group() == "admissionregistration.k8s.io" => FIRST.len() + 1,
            None => FIRST.len(),
        }
    }

    /// Takes out what tools write and nobody states.
    pub(crate) fn tidy(&mut self) {
        let Some(fields) = self.value.as_object_mut() else { return };
        fields.remove("status");
        if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            if metadata.get("creationTimestamp").is_some_and(Value::is_null) {
                metadata.remove("creationTimestamp");
            }
            metadata.retain(|key, value| !(matches!(key.as_str(), "labels" | "annotations") && value.is_null()));
        }
        // The template of a workload has one as well.
        let template = self.value.pointer_mut("/spec/template/metadata").and_then(Value::as_object_mut);
        template.into_iter().for_each(remove_time);
    }
}

fn remove_time(metadata: &mut Map<String, Value>) {
    if metadata.get("creationTimestamp").is_some_and(Value::is_null) {
        metadata.remove("creationTimestamp");
    }
}
