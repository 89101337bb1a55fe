//! Whether an object has become what it says, and if not, why.

use kube::api::{Api, DynamicObject, ListParams};
use kube::core::discovery::ApiResource;
use kube::core::gvk::GroupVersionKind;
use serde_json::Value;

/// How far an object is.
#[derive(Debug, PartialEq)]
pub(super) enum Progress {
    Ready,
    /// Not yet, with how far it is.
    Waiting(String),
    /// It will not become ready.
    Failed(String),
}

/// Reads an object's status.
pub(super) fn progress(kind: &str, object: &Value) -> Progress {
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0);
    let seen = number("/status/observedGeneration") >= number("/metadata/generation");
    let of = |done: i64, all: i64, what: &str| match seen && done >= all {
        true => Progress::Ready,
        false => Progress::Waiting(format!("{done} of {all} {what}")),
    };
    match kind {
        "Deployment" => {
            let wanted = object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
            if let Some(reason) = condition(object, "Progressing", "False") {
                return Progress::Failed(reason);
            }
            let updated = number("/status/updatedReplicas");
            if seen && updated >= wanted && number("/status/replicas") > updated {
                return Progress::Waiting("old replicas are still there".to_owned());
            }
            of(number("/status/availableReplicas").min(updated), wanted, "replicas available")
        }
        "StatefulSet" => {
            let wanted = object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
            of(number("/status/readyReplicas").min(number("/status/updatedReplicas")), wanted, "replicas ready")
        }
        "DaemonSet" => {
            let done = number("/status/numberAvailable").min(number("/status/updatedNumberScheduled"));
            of(done, number("/status/desiredNumberScheduled"), "nodes")
        }
        "Job" => match (condition(object, "Failed", "True"), condition(object, "Complete", "True")) {
            (Some(reason), _) => Progress::Failed(reason),
            (None, Some(_)) => Progress::Ready,
            (None, None) => Progress::Waiting("the job runs".to_owned()),
        },
        "CustomResourceDefinition" => match condition(object, "Established", "True") {
            Some(_) => Progress::Ready,
            None => Progress::Waiting("the API server takes the definition in".to_owned()),
        },
        "Service" if object.pointer("/spec/type").and_then(Value::as_str) == Some("LoadBalancer") => {
            match object.pointer("/status/loadBalancer/ingress/0") {
                Some(_) => Progress::Ready,
                None => Progress::Waiting("the load balancer has no address yet".to_owned()),
            }
        }
        _ => Progress::Ready,
    }
}

/// The message of a condition that has this status.
fn condition(object: &Value, kind: &str, status: &str) -> Option<String> {
    let all = object.pointer("/status/conditions")?.as_array()?;
    let found = all.iter().find(|condition| condition["type"] == kind && condition["status"] == status)?;
    let text = |key: &str| found[key].as_str().unwrap_or_default();
    Some(format!("{}: {}", text("reason"), text("message")))
}

/// Why the pods of a workload are not ready, in their own words, each reason once.
pub(super) async fn reasons(client: &kube::Client, namespace: &str, object: &Value) -> Vec<String> {
    let Some(labels) = object.pointer("/spec/selector/matchLabels").and_then(Value::as_object) else {
        return Vec::new();
    };
    let pairs: Vec<String> =
        labels.iter().filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?))).collect();
    let pod = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Pod"));
    let pods: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &pod);
    let found = pods.list(&ListParams::default().labels(&pairs.join(",")).limit(50)).await;
    let mut reasons = Vec::new();
    for pod in found.map(|list| list.items).unwrap_or_default() {
        let containers = ["/status/initContainerStatuses", "/status/containerStatuses"];
        let statuses = containers.iter().filter_map(|pointer| pod.data.pointer(pointer)?.as_array()).flatten();
        let waiting = statuses.filter_map(|status| {
            let state = status.pointer("/state/waiting").or_else(|| status.pointer("/lastState/terminated"))?;
            let text = |key: &str| state[key].as_str().unwrap_or_default().to_owned();
            Some(format!("{}: {}", text("reason"), text("message")))
        });
        let unscheduled = condition(&pod.data, "PodScheduled", "False");
        for reason in waiting.chain(unscheduled) {
            let reason = reason.trim_end_matches(": ").to_owned();
            if !reason.starts_with("ContainerCreating") && !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
    }
    reasons
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rollout_is_done_when_the_new_generation_is_available_and_the_old_is_gone() {
        let object = |observed: i64, updated: i64, available: i64, all: i64| {
            json!({ "metadata": { "generation": 2 }, "spec": { "replicas": 2 }, "status": {
                "observedGeneration": observed, "updatedReplicas": updated, "availableReplicas": available, "replicas": all } })
        };
        assert_eq!(progress("Deployment", &object(2, 2, 2, 2)), Progress::Ready);
        for waiting in [object(1, 2, 2, 2), object(2, 1, 2, 2), object(2, 2, 1, 2), object(2, 2, 2, 3)] {
            assert!(matches!(progress("Deployment", &waiting), Progress::Waiting(_)), "{waiting}");
        }
        let stuck = json!({ "status": { "conditions": [{ "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "too late" }] } });
        assert_eq!(progress("Deployment", &stuck), Progress::Failed("ProgressDeadlineExceeded: too late".to_owned()));
        assert_eq!(progress("ConfigMap", &json!({})), Progress::Ready);
    }
}
