//! Where a pod could run when its node is gone, as far as its spec tells: node selector and affinity, taints,
//! and the resources that only some nodes have. How much room is left there is the scheduler's business.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use k8s_openapi::api::core::v1::{Node, NodeSelectorTerm, Pod, PodSpec, Taint, Toleration};
use kube::ResourceExt;

/// A node younger than this may still be given what its device plugins offer.
const YOUNG: Duration = Duration::from_secs(10 * 60);
/// Taints that a node has only while it is not ready.
const NOT_READY: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A node that is ready could take it.
    Ready,
    /// Only nodes could take it that are not ready yet.
    Soon,
    /// No node could.
    Nowhere,
}

/// Where a pod could run, of these nodes.
pub(super) fn of(pod: &Pod, nodes: &[Node]) -> Place {
    let Some(spec) = &pod.spec else { return Place::Nowhere };
    let mut found = Place::Nowhere;
    for node in nodes.iter().filter(|node| takes(node, spec)) {
        let (ready, offers) = (is_ready(node), offers(node, spec));
        if ready && offers {
            return Place::Ready;
        }
        if !ready || is_young(node) {
            found = Place::Soon;
        }
    }
    found
}

/// Whether labels and taints let the pod onto the node.
fn takes(node: &Node, pod: &PodSpec) -> bool {
    let spec = node.spec.as_ref();
    let is_cordoned = spec.and_then(|spec| spec.unschedulable) == Some(true);
    let taints = spec.and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    let tolerations = pod.tolerations.as_deref().unwrap_or_default();
    let repels = |taint: &Taint| {
        taint.effect != "PreferNoSchedule"
            && !NOT_READY.contains(&taint.key.as_str())
            && !tolerations.iter().any(|toleration| tolerates(toleration, taint))
    };
    let selected = pod.node_selector.iter().flatten().all(|(key, value)| node.labels().get(key) == Some(value));
    !is_cordoned && selected && is_required(node, pod) && !taints.iter().any(repels)
}

fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let key = toleration.key.as_deref().unwrap_or_default();
    let effect = toleration.effect.as_deref().unwrap_or_default();
    let any_value = toleration.operator.as_deref() == Some("Exists");
    let same_value = toleration.value.as_deref().unwrap_or_default() == taint.value.as_deref().unwrap_or_default();
    // An empty key with Exists tolerates everything.
    let same_key = key == taint.key || (key.is_empty() && any_value);
    same_key && (effect.is_empty() || effect == taint.effect) && (any_value || same_value)
}

/// Whether the node is one of those that the pod's affinity requires.
fn is_required(node: &Node, pod: &PodSpec) -> bool {
    let affinity = pod.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
    let required = affinity.and_then(|of| of.required_during_scheduling_ignored_during_execution.as_ref());
    required.is_none_or(|required| required.node_selector_terms.iter().any(|term| meets(node, term)))
}

fn meets(node: &Node, term: &NodeSelectorTerm) -> bool {
    let name = BTreeMap::from([("metadata.name".to_owned(), node.name_any())]);
    let by_labels = term.match_expressions.iter().flatten().map(|rule| (rule, node.labels()));
    let by_fields = term.match_fields.iter().flatten().map(|rule| (rule, &name));
    let mut rules = by_labels.chain(by_fields).peekable();
    // A term without rules meets nothing.
    rules.peek().is_some()
        && rules.all(|(rule, of)| {
            let (found, values) = (of.get(&rule.key), rule.values.as_deref().unwrap_or_default());
            let number = |text: Option<&String>| text.and_then(|text| text.parse::<i64>().ok());
            match rule.operator.as_str() {
                "In" => found.is_some_and(|found| values.contains(found)),
                "NotIn" => !found.is_some_and(|found| values.contains(found)),
                "Exists" => found.is_some(),
                "DoesNotExist" => found.is_none(),
                "Gt" => number(found).zip(number(values.first())).is_some_and(|(found, least)| found > least),
                "Lt" => number(found).zip(number(values.first())).is_some_and(|(found, most)| found < most),
                _ => false,
            }
        })
}

/// Whether the node has of every device that the pod asks for (`nvidia.com/gpu`).
fn offers(node: &Node, pod: &PodSpec) -> bool {
    let asked = pod.containers.iter().filter_map(|container| container.resources.as_ref());
    let asked = asked.flat_map(|resources| resources.limits.iter().chain(&resources.requests).flatten());
    let mut devices = asked.filter(|(name, amount)| name.contains('/') && amount.0 != "0").map(|(name, _)| name);
    let offered = node.status.as_ref().and_then(|status| status.allocatable.as_ref());
    devices.all(|name| offered.and_then(|offered| offered.get(name)).is_some_and(|amount| amount.0 != "0"))
}

fn is_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn is_young(node: &Node) -> bool {
    let made = node.metadata.creation_timestamp.as_ref().map(|made| made.0.as_second());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    made.is_some_and(|made| now.saturating_sub(made.try_into().unwrap_or(0)) < YOUNG.as_secs())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn node(labels: Value, spec: Value, ready: bool, gpus: &str, made: &str) -> Node {
        let conditions = json!([{ "type": "Ready", "status": if ready { "True" } else { "Unknown" } }]);
        let node = json!({ "metadata": { "name": "n", "labels": labels, "creationTimestamp": made }, "spec": spec,
            "status": { "conditions": conditions, "allocatable": { "nvidia.com/gpu": gpus } } });
        serde_json::from_value(node).unwrap()
    }

    #[test]
    fn a_pod_can_move_to_a_node_that_its_selector_its_tolerations_and_its_devices_allow() {
        const OLD: &str = "2020-01-01T00:00:00Z";
        let container = json!({ "name": "c", "resources": { "limits": { "nvidia.com/gpu": "1" } } });
        let gpu_taint = json!({ "taints": [{ "key": "gpu", "value": "yes", "effect": "NoSchedule" }] });
        let plain = || node(json!({ "pool": "a" }), json!({}), true, "0", OLD);
        let affinity = |operator: &str, value: &str| {
            let rule = json!({ "key": "pool", "operator": operator, "values": [value] });
            json!({ "containers": [], "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution":
                { "nodeSelectorTerms": [{ "matchExpressions": [rule] }] } } } })
        };
        for (spec, node, expected) in [
            (json!({ "containers": [] }), plain(), Place::Ready),
            (json!({ "containers": [], "nodeSelector": { "pool": "a" } }), plain(), Place::Ready),
            (json!({ "containers": [], "nodeSelector": { "pool": "b" } }), plain(), Place::Nowhere),
            (affinity("In", "a"), plain(), Place::Ready),
            (affinity("NotIn", "a"), plain(), Place::Nowhere),
            (
                json!({ "containers": [] }),
                node(json!({}), json!({ "unschedulable": true }), true, "0", OLD),
                Place::Nowhere,
            ),
            (json!({ "containers": [] }), node(json!({}), gpu_taint.clone(), true, "1", OLD), Place::Nowhere),
            (
                json!({ "containers": [], "tolerations": [{ "key": "gpu", "operator": "Equal", "value": "yes" }] }),
                node(json!({}), gpu_taint.clone(), true, "1", OLD),
                Place::Ready,
            ),
            (
                json!({ "containers": [], "tolerations": [{ "operator": "Exists" }] }),
                node(json!({}), gpu_taint.clone(), true, "1", OLD),
                Place::Ready,
            ),
            (json!({ "containers": [] }), node(json!({}), json!({}), false, "0", OLD), Place::Soon),
            (
                json!({ "containers": [] }),
                node(
                    json!({}),
                    json!({ "taints": [{ "key": NOT_READY[0], "effect": "NoSchedule" }] }),
                    false,
                    "0",
                    OLD,
                ),
                Place::Soon,
            ),
            // No GPU, and none to come; or a young node whose device plugin has not spoken yet.
            (json!({ "containers": [container] }), plain(), Place::Nowhere),
            (
                json!({ "containers": [container] }),
                node(json!({}), json!({}), true, "0", "2999-01-01T00:00:00Z"),
                Place::Soon,
            ),
            (json!({ "containers": [container] }), node(json!({}), json!({}), true, "4", OLD), Place::Ready),
        ] {
            let pod: Pod = serde_json::from_value(json!({ "metadata": {}, "spec": spec })).unwrap();
            assert_eq!(of(&pod, std::slice::from_ref(&node)), expected, "{spec} {node:?}");
        }
    }
}
