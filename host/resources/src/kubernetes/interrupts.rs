//! What a change of an object interrupts: pods that are restarted, and what is gone while it is replaced.

use llmhost_engine::kind::{ChangeKind, ReplaceOrder};
use serde_json::{Map, Value};

/// In one sentence about the object.
pub(super) fn interrupts(
    kind: &str,
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    how: ChangeKind,
) -> Option<String> {
    match how {
        ChangeKind::Replace(ReplaceOrder::DeleteFirst) => replaced(kind).map(str::to_owned),
        ChangeKind::Replace(ReplaceOrder::CreateFirst) => None,
        ChangeKind::Update => {
            let (old, new) = (old.get("spec")?, new.get("spec")?);
            // Pods are made anew where their template changes, and nowhere else.
            (old.get("template") != new.get("template")).then(|| restarts(kind, new)).flatten()
        }
    }
}

fn replaced(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Pod" | "Job" => {
            "its pods are deleted before those of the new one are ready"
        }
        "Service" => "it is missing for a few seconds, and its addresses change: cluster IP and load balancer",
        "Ingress" => "it is missing until the new one's load balancer answers, usually 2 to 5 minutes",
        "PersistentVolumeClaim" => "the data on its volume is lost, unless its storage class retains volumes",
        "Namespace" => "everything in the namespace is deleted with it",
        "CustomResourceDefinition" => "every object of its kind is deleted with it",
        _ => return None,
    })
}

fn restarts(kind: &str, spec: &Value) -> Option<String> {
    let text = |pointer: &str| spec.pointer(pointer).and_then(Value::as_str);
    match kind {
        "Deployment" if text("/strategy/type") == Some("Recreate") => {
            Some("stops all of its pods before new ones start: nothing answers until these are ready".to_owned())
        }
        "Deployment" => Some(rolls(spec)),
        "StatefulSet" | "DaemonSet" if text("/updateStrategy/type") == Some("OnDelete") => None,
        "StatefulSet" => Some("restarts its pods, one after the other".to_owned()),
        "DaemonSet" => {
            let most = spec.pointer("/updateStrategy/rollingUpdate/maxUnavailable");
            let most = most.map_or_else(|| "1".to_owned(), |most| most.to_string().trim_matches('"').to_owned());
            Some(format!("restarts its pod on every node, {most} at a time"))
        }
        _ => None,
    }
}

/// How a Deployment rolls its pods. Where an autoscaler chooses their number, nobody knows it here.
fn rolls(spec: &Value) -> String {
    let replicas = spec.get("replicas").and_then(Value::as_i64);
    let at_a_time = share(spec.pointer("/strategy/rollingUpdate/maxUnavailable"), "25%", replicas.unwrap_or(1));
    match (at_a_time, replicas) {
        (Some(0), _) => match device(spec) {
            Some(device) => format!(
                "rolls its pods: each new one is ready before an old one stops, and waits until a node has \
                    {device} free"
            ),
            None => "rolls its pods: each new one is ready before an old one stops".to_owned(),
        },
        (Some(count), Some(replicas)) if count >= replicas => {
            "stops its pods before new ones are ready: nothing answers until these are".to_owned()
        }
        (Some(count), Some(replicas)) => format!("rolls its pods: at most {count} of {replicas} unavailable at a time"),
        (Some(count), None) => format!(
            "rolls its pods: at most {count} unavailable at a time; with one replica, nothing answers until the new \
                one is ready"
        ),
        (None, _) => "rolls its pods".to_owned(),
    }
}

/// The device that each pod asks for: `1 nvidia.com/gpu`.
fn device(spec: &Value) -> Option<String> {
    let containers = spec.pointer("/template/spec/containers")?.as_array()?.iter();
    let mut limits = containers.filter_map(|container| container.pointer("/resources/limits")?.as_object()).flatten();
    let (name, count) = limits.find(|(name, _)| name.contains('/'))?;
    Some(format!("{} {name}", count.as_str().map_or_else(|| count.to_string(), str::to_owned)))
}

/// A number, or a share rounded down, as the deployment controller reads `maxUnavailable`.
fn share(value: Option<&Value>, usual: &str, replicas: i64) -> Option<i64> {
    match value {
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::String(text)) => Some(text.strip_suffix('%')?.parse::<i64>().ok()? * replicas / 100),
        None => Some(usual.strip_suffix('%')?.parse::<i64>().ok()? * replicas / 100),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pods_that_a_change_restarts_are_said_with_how_many_may_be_missing() {
        let object = |spec: Value| json!({ "spec": spec }).as_object().unwrap().clone();
        for (kind, spec, expected) in [
            (
                "Deployment",
                json!({ "replicas": 1 }),
                Some("rolls its pods: each new one is ready before an old one stops"),
            ),
            ("Deployment", json!({ "replicas": 8 }), Some("rolls its pods: at most 2 of 8 unavailable at a time")),
            (
                "Deployment",
                json!({ "replicas": 2, "strategy": { "rollingUpdate": { "maxUnavailable": 1 } } }),
                Some("rolls its pods: at most 1 of 2 unavailable at a time"),
            ),
            (
                "Deployment",
                json!({ "replicas": 1, "strategy": { "rollingUpdate": { "maxUnavailable": 1 } } }),
                Some("stops its pods before new ones are ready: nothing answers until these are"),
            ),
            (
                "Deployment",
                json!({ "strategy": { "rollingUpdate": { "maxUnavailable": 1 } } }),
                Some(
                    "rolls its pods: at most 1 unavailable at a time; with one replica, nothing answers until the \
                        new one is ready",
                ),
            ),
            (
                "Deployment",
                json!({ "strategy": { "type": "Recreate" } }),
                Some("stops all of its pods before new ones start: nothing answers until these are ready"),
            ),
            ("StatefulSet", json!({}), Some("restarts its pods, one after the other")),
            ("StatefulSet", json!({ "updateStrategy": { "type": "OnDelete" } }), None),
            ("DaemonSet", json!({}), Some("restarts its pod on every node, 1 at a time")),
            ("Job", json!({}), None),
        ] {
            let (mut old, mut new) = (spec.clone(), spec.clone());
            old["template"] = json!({ "image": "1" });
            new["template"] = json!({ "image": "2" });
            let said = interrupts(kind, &object(old.clone()), &object(new), ChangeKind::Update);
            assert_eq!(said.as_deref(), expected, "{kind} {spec}");
            // More replicas restart nothing.
            let mut more = old.clone();
            more["replicas"] = json!(20);
            assert_eq!(interrupts(kind, &object(old), &object(more), ChangeKind::Update), None);
        }
        let pod = |image: &str| {
            let limits = json!({ "memory": "8Gi", "nvidia.com/gpu": "1" });
            let containers = json!([{ "image": image, "resources": { "limits": limits } }]);
            let strategy = json!({ "rollingUpdate": { "maxUnavailable": 0 } });
            object(json!({ "template": { "spec": { "containers": containers } }, "strategy": strategy }))
        };
        let said = interrupts("Deployment", &pod("1"), &pod("2"), ChangeKind::Update);
        assert!(said.is_some_and(|said| said.ends_with("waits until a node has 1 nvidia.com/gpu free")));
        let gone = interrupts("Service", &Map::new(), &Map::new(), ChangeKind::Replace(ReplaceOrder::DeleteFirst));
        assert!(gone.unwrap().contains("its addresses change"));
    }
}
