//! Whether an object has become what it says.

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
                return Progress::Waiting("old replicas still exist".to_owned());
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
            None => Progress::Waiting("the API server registers the definition".to_owned()),
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
