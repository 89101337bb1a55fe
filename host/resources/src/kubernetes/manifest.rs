//! What a manifest says of itself, and which of its parts Kubernetes never lets be changed.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use kube::core::gvk::{GroupVersion, GroupVersionKind};
use llmhost_engine::run::{ADDRESS_ANNOTATION, ADDRESS_TAG, PIPELINE_ANNOTATION};
use llmhost_engine::{secret, unknown};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Whose object it is: the label that every tool shows.
pub(super) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The pipeline that applied it.
pub(super) const PIPELINE: &str = PIPELINE_ANNOTATION;
/// Where in its pipeline it stands.
pub(super) const ADDRESS: &str = ADDRESS_ANNOTATION;
/// The create that made it; for finding it after a crash. Not part of a spec.
pub(super) const INTENT: &str = "llmhost.dev/intent";
/// It was there before, and stays when the pipeline goes. Not part of a spec.
pub(super) const ADOPTED: &str = "llmhost.dev/adopted";
/// Helm's annotation of what stays when its chart goes.
const POLICY: &str = "helm.sh/resource-policy";

/// Whether an object stays when its declaration goes, read as Helm reads it.
pub(super) fn is_kept(object: &Value) -> bool {
    let policy = object["metadata"]["annotations"][POLICY].as_str();
    policy.is_some_and(|policy| policy.trim().eq_ignore_ascii_case("keep"))
}

/// Tags of the load balancer that a controller makes for a service.
const BALANCER_TAGS: &str = "service.beta.kubernetes.io/aws-load-balancer-additional-resource-tags";

/// Which object a manifest speaks of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) group: String,
    pub(super) kind: String,
    pub(super) namespace: Option<String>,
    pub(super) name: String,
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ", self.kind)?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)
    }
}

/// Reads the identity of a manifest, or says what is wrong with it.
pub(super) fn identity(manifest: &Map<String, Value>) -> Result<Identity, String> {
    let text = |value: Option<&Value>, what: &str| match value {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        _ => Err(format!("the manifest has no {what}")),
    };
    let version = text(manifest.get("apiVersion"), "apiVersion")?;
    let kind = text(manifest.get("kind"), "kind")?;
    let metadata = manifest.get("metadata").and_then(Value::as_object);
    let metadata = metadata.ok_or("the manifest has no metadata.name")?;
    let name = text(metadata.get("name"), "metadata.name")?;
    let namespace =
        metadata.get("namespace").map(|value| text(Some(value), "a good metadata.namespace")).transpose()?;
    let group =
        version.parse::<GroupVersion>().map_err(|_| format!("apiVersion '{version}' is not group/version"))?.group;
    for key in ["resourceVersion", "uid", "managedFields", "creationTimestamp", "generation"] {
        if metadata.contains_key(key) {
            return Err(format!("the API server sets metadata.{key}; remove it"));
        }
    }
    if manifest.contains_key("status") {
        return Err("the cluster sets status; remove it".to_owned());
    }
    let fields = |key: &str| manifest.get(key).and_then(Value::as_object).into_iter().flatten();
    let is_handle = |value: &Value| !secret::named(value).is_empty();
    let open = fields("data").next().is_some() || fields("stringData").any(|(_, value)| !is_handle(value));
    if group.is_empty() && kind == "Secret" && open {
        return Err(
            "the contents of a Secret would be in the plan and in the state; write them below stringData, as secrets of the \
             file (${secrets.name}), let the cluster fetch it (External Secrets, the Secrets Store CSI driver), or give \
             pods a role instead"
                .to_owned(),
        );
    }
    Ok(Identity { group, kind, namespace, name })
}

/// The group, version and kind of a manifest whose identity is known to be good.
pub(super) fn gvk(manifest: &Map<String, Value>, identity: &Identity) -> GroupVersionKind {
    let version = manifest.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    let version = version.rsplit('/').next().unwrap_or_default();
    GroupVersionKind::gvk(&identity.group, version, &identity.kind)
}

/// The parts of an object that cannot be changed in place, by JSON pointer.
pub(super) fn fixed(manifest: &Map<String, Value>, identity: &Identity) -> Map<String, Value> {
    let pointers: &[&str] = match (identity.group.as_str(), identity.kind.as_str()) {
        ("apps", "Deployment" | "DaemonSet" | "ReplicaSet") => &["/spec/selector"],
        ("apps", "StatefulSet") => &["/spec/selector", "/spec/serviceName", "/spec/volumeClaimTemplates"],
        ("batch", "Job") => &["/spec/template", "/spec/selector", "/spec/completions"],
        ("", "PersistentVolumeClaim") => &["/spec/accessModes", "/spec/storageClassName", "/spec/volumeName"],
        ("", "Service") => &["/spec/clusterIP"],
        ("storage.k8s.io", "StorageClass") => &["/provisioner", "/parameters", "/reclaimPolicy", "/volumeBindingMode"],
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => &["/roleRef"],
        ("scheduling.k8s.io", "PriorityClass") => &["/value"],
        _ => &[],
    };
    let whole = Value::Object(manifest.clone());
    let parts = pointers.iter().filter_map(|pointer| Some(((*pointer).to_owned(), whole.pointer(pointer)?.clone())));
    parts.collect()
}

/// Adds to the labels and annotations what says whose object it is.
pub(super) fn mark(manifest: &mut Map<String, Value>, pipeline: &str, address: &str) {
    annotate(manifest, "labels", MANAGED_BY, "llmhost");
    annotate(manifest, "annotations", PIPELINE, pipeline);
    annotate(manifest, "annotations", ADDRESS, address);
}

/// Has the controllers of AWS put the pipeline's tags on the load balancer of a service, unless the manifest says
/// which. The address is left out: what carries one is never taken for the cluster's own, which it is. So is a tag
/// that the annotation cannot hold, a list of `key=value` without escapes.
pub(super) fn tag_balancer(manifest: &mut Map<String, Value>, object: &Identity, tags: &BTreeMap<String, String>) {
    let is_balancer = object.group.is_empty()
        && object.kind == "Service"
        && manifest.get("spec").is_some_and(|spec| spec["type"] == "LoadBalancer");
    let stated = manifest.get("metadata").is_some_and(|metadata| metadata["annotations"].get(BALANCER_TAGS).is_some());
    if !is_balancer || stated {
        return;
    }
    let fits = |text: &str| !text.contains([',', '=']);
    let tags = tags.iter().filter(|(key, value)| *key != ADDRESS_TAG && fits(key) && fits(value));
    let tags: Vec<String> = tags.map(|(key, value)| format!("{key}={value}")).collect();
    annotate(manifest, "annotations", BALANCER_TAGS, &tags.join(","));
}

/// Sets a label or an annotation.
pub(super) fn annotate(manifest: &mut Map<String, Value>, what: &str, key: &str, value: &str) {
    let metadata = manifest.entry("metadata").or_insert_with(|| json!({}));
    if let Some(metadata) = metadata.as_object_mut()
        && let Some(marks) = metadata.entry(what).or_insert_with(|| json!({})).as_object_mut()
    {
        marks.insert(key.to_owned(), Value::from(value));
    }
}

/// Whether pods come of it.
pub(super) fn has_pods(identity: &Identity) -> bool {
    matches!(
        (identity.group.as_str(), identity.kind.as_str()),
        ("apps", _) | ("batch", _) | ("", "Pod" | "ReplicationController")
    )
}

/// Names of objects of its own namespace that an object needs: service account, claims, maps.
pub(super) fn needed(manifest: &Value) -> BTreeSet<(&'static str, String)> {
    let mut found = BTreeSet::new();
    collect(manifest, &mut found);
    found
}

fn collect(value: &Value, found: &mut BTreeSet<(&'static str, String)>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let named = |of: &str| value.get(of).and_then(Value::as_str).map(str::to_owned);
                let hit = match key.as_str() {
                    "serviceAccountName" => value.as_str().map(|name| ("ServiceAccount", name.to_owned())),
                    "priorityClassName" => value.as_str().map(|name| ("PriorityClass", name.to_owned())),
                    "persistentVolumeClaim" => named("claimName").map(|name| ("PersistentVolumeClaim", name)),
                    "volumeName" => value.as_str().map(|name| ("PersistentVolume", name.to_owned())),
                    "configMap" | "configMapRef" | "configMapKeyRef" => named("name").map(|name| ("ConfigMap", name)),
                    "secretRef" | "secretKeyRef" => named("name").map(|name| ("Secret", name)),
                    "scaleTargetRef" => match (value.get("kind"), named("name")) {
                        (Some(Value::String(kind)), Some(name)) if kind == "Deployment" => Some(("Deployment", name)),
                        (Some(Value::String(kind)), Some(name)) if kind == "StatefulSet" => Some(("StatefulSet", name)),
                        _ => None,
                    },
                    _ => None,
                };
                found.extend(hit);
                collect(value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}

/// Gives a Secret that is there its stringData back, which an API server takes and does not show: as
/// it is stated, where the content is the same.
pub(super) fn show_string_data(there: &mut Value, stated: &Map<String, Value>, revealed: &Map<String, Value>) {
    let Some(stated) = stated.get("stringData").and_then(Value::as_object) else { return };
    let content = |key: &str| BASE64_STANDARD.decode(there["data"].get(key)?.as_str()?).ok();
    let shown = stated.iter().filter_map(|(key, handle)| {
        let wanted = revealed.get("stringData")?.get(key)?.as_str()?;
        let is_same = content(key)? == wanted.as_bytes();
        Some((key.clone(), if is_same { handle.clone() } else { Value::from("(another value)") }))
    });
    let shown: Map<String, Value> = shown.collect();
    there["stringData"] = Value::Object(shown);
}

/// Of what is there, the parts that the manifest speaks of, in its form.
pub(super) fn projected(stated: &Value, there: &Value) -> Value {
    match (stated, there) {
        (Value::Object(stated), Value::Object(there)) => {
            let part = |(key, value): (&String, &Value)| Some((key.clone(), projected(value, there.get(key)?)));
            Value::Object(stated.iter().filter_map(part).collect())
        }
        (Value::Array(stated), Value::Array(there)) if stated.len() == there.len() => {
            Value::Array(stated.iter().zip(there).map(|(stated, there)| projected(stated, there)).collect())
        }
        (_, there) => there.clone(),
    }
}

/// Whether a name is one that Kubernetes takes: a DNS-1123 subdomain.
pub(super) fn check_name(what: &str, name: &str) -> Result<(), String> {
    if unknown::is_unknown(name) {
        return Ok(());
    }
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.' || c == ':';
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if name.len() > 253 || !name.chars().all(good) || !edge(name.chars().next()) || !edge(name.chars().last()) {
        return Err(format!(
            "{what} '{name}' is not a valid name for Kubernetes: lower-case letters, digits, hyphens and dots, starting \
             and ending with a letter or digit"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).expect("an object")
    }

    #[test]
    fn a_manifest_says_what_it_is_or_what_is_wrong_with_it() {
        let good = map(
            json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "a", "namespace": "b" } }),
        );
        assert_eq!(identity(&good).expect("good").to_string(), "Deployment b/a");
        for (bad, part) in [
            (json!({ "kind": "Pod", "metadata": { "name": "a" } }), "apiVersion"),
            (json!({ "apiVersion": "v1", "metadata": { "name": "a" } }), "kind"),
            (json!({ "apiVersion": "v1", "kind": "Pod" }), "metadata.name"),
            (json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a", "uid": "1" } }), "metadata.uid"),
            (json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a" }, "status": {} }), "status"),
            (
                json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "a" }, "stringData": { "k": "v" } }),
                "Secret",
            ),
        ] {
            let reason = identity(&map(bad)).expect_err(part);
            assert!(reason.contains(part), "{reason}");
        }
    }

    #[test]
    fn a_secret_holds_handles_alone_and_is_shown_by_them() {
        let of = |data: Value| {
            map(json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "a" }, "stringData": data }))
        };
        let handle = unknown::secret("key", 1);
        let stated = of(json!({ "a": handle, "b": handle }));
        identity(&stated).expect("handles alone");
        identity(&of(json!({ "a": handle, "b": "plain" }))).expect_err("one is open");
        let revealed = of(json!({ "a": "value", "b": "value" }));
        let mut there =
            json!({ "data": { "a": BASE64_STANDARD.encode("value"), "b": BASE64_STANDARD.encode("other") } });
        show_string_data(&mut there, &stated, &revealed);
        assert_eq!(there["stringData"], json!({ "a": handle, "b": "(another value)" }));
    }

    #[test]
    fn what_an_object_needs_is_found_wherever_it_stands() {
        let pod = json!({ "spec": { "template": { "spec": {
            "serviceAccountName": "server",
            "volumes": [{ "persistentVolumeClaim": { "claimName": "cache" } }, { "configMap": { "name": "settings" } }],
        } } } });
        let found: Vec<_> = needed(&pod).into_iter().collect();
        assert_eq!(
            found,
            [
                ("ConfigMap", "settings".to_owned()),
                ("PersistentVolumeClaim", "cache".to_owned()),
                ("ServiceAccount", "server".to_owned())
            ]
        );
    }

    #[test]
    fn only_stated_fields_count() {
        let stated = json!({ "spec": { "replicas": 2, "list": [{ "a": 1 }] } });
        let there = json!({ "spec": { "replicas": 3, "list": [{ "a": 1, "b": 2 }], "more": 1 }, "status": {} });
        assert_eq!(projected(&stated, &there), json!({ "spec": { "replicas": 3, "list": [{ "a": 1 }] } }));
    }

    #[test]
    fn a_load_balancer_gets_the_pipelines_tags_unless_the_manifest_says_which() {
        let tags: BTreeMap<String, String> = [
            ("team", "ml"),
            ("formula", "a=b"),
            ("llmhost:pipeline", "demo"),
            (ADDRESS_TAG, "server/kube.object/service"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        let own = json!({ BALANCER_TAGS: "own=x" });
        for (kind, annotations, wanted) in [
            ("LoadBalancer", json!({}), Some("llmhost:pipeline=demo,team=ml")),
            ("LoadBalancer", own, Some("own=x")),
            ("ClusterIP", json!({}), None),
        ] {
            let metadata = json!({ "name": "s", "annotations": annotations });
            let mut service =
                map(json!({ "apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": { "type": kind } }));
            let object = identity(&service).expect("good");
            tag_balancer(&mut service, &object, &tags);
            assert_eq!(service["metadata"]["annotations"][BALANCER_TAGS].as_str(), wanted);
        }
    }
}
