//! Labels and taints of a node group, as EKS and the kubelet take them.

use std::collections::{BTreeMap, BTreeSet};

use super::node_group::Taint;
use crate::aws::limits;
use crate::kubernetes::names::{label_value, qualified};

/// Labels below these domains are Kubernetes' own.
/// <https://kubernetes.io/docs/reference/labels-annotations-taints/>
const RESERVED: [&str; 2] = ["kubernetes.io", "k8s.io"];
/// What the kubelet may give its own node all the same.
/// <https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction>
const ALLOWED: [&str; 2] = ["kubelet.kubernetes.io", "node.kubernetes.io"];
const ALLOWED_KEYS: [&str; 9] = [
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "kubernetes.io/arch",
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "node.kubernetes.io/instance-type",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
];

/// Checks the labels that every node of a group gets.
pub(super) fn check_labels(labels: &BTreeMap<String, String>) -> Result<(), String> {
    for (key, value) in labels {
        qualified("the label", key)?;
        label_value(&format!("the label '{key}'"), value)?;
        let domain = key.split_once('/').map_or("", |(domain, _)| domain);
        if domain == "eks.amazonaws.com" {
            return Err(format!("the label '{key}' belongs to EKS"));
        }
        let is_below = |of: &[&str]| of.iter().any(|of| domain == *of || domain.ends_with(&format!(".{of}")));
        if is_below(&RESERVED) && !is_below(&ALLOWED) && !ALLOWED_KEYS.contains(&key.as_str()) {
            return Err(format!(
                "a node cannot set the label '{key}' on itself: the domain belongs to Kubernetes, and the kubelet would not \
                 start. Use another domain, or node.kubernetes.io"
            ));
        }
    }
    Ok(())
}

/// Checks the taints that every node of a group gets. The effects were checked before.
pub(super) fn check_taints(taints: &[Taint]) -> Result<(), String> {
    if taints.len() > limits::TAINTS {
        return Err(format!("the group has {} taints; EKS allows {}", taints.len(), limits::TAINTS));
    }
    let mut seen = BTreeSet::new();
    for taint in taints {
        let key = &taint.key;
        qualified("the taint", key)?;
        label_value(&format!("the taint '{key}'"), taint.value.as_deref().unwrap_or_default())?;
        if !seen.insert((key, &taint.effect)) {
            return Err(format!("the taint '{key}' is there twice with the effect {}", taint.effect));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_those_that_a_kubelet_starts_with() {
        for (key, value, wrong) in [
            ("lifecycle", "Ec2Spot", None),
            ("aws.amazon.com/spot", "true", None),
            ("node.kubernetes.io/role", "gpu", None),
            ("kubernetes.io/arch", "amd64", None),
            ("node-role.kubernetes.io/gpu", "", Some("the kubelet would not start")),
            ("kubernetes.io/role", "gpu", Some("the kubelet would not start")),
            ("x.k8s.io/role", "gpu", Some("the kubelet would not start")),
            ("eks.amazonaws.com/x", "", Some("belongs to EKS")),
            ("gpu count", "1", Some("not a valid key")),
            ("a", &"v".repeat(63), None),
            ("a", &"v".repeat(64), Some("64 characters")),
        ] {
            let found = check_labels(&BTreeMap::from([(key.to_owned(), value.to_owned())]));
            match wrong {
                None => assert_eq!(found, Ok(()), "{key}"),
                Some(words) => assert!(found.as_ref().is_err_and(|e| e.contains(words)), "{key}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_group_has_fifty_taints_each_once() {
        let taint = |key: &str, value: &str, effect: &str| Taint {
            key: key.to_owned(),
            value: Some(value.to_owned()),
            effect: effect.to_owned(),
        };
        let many = |n: usize| (0..n).map(|i| taint(&format!("k{i}"), "v", "NO_SCHEDULE")).collect::<Vec<_>>();
        for (taints, wrong) in [
            (many(50), None),
            (many(51), Some("51 taints; EKS allows 50")),
            (vec![taint("a", "1", "NO_SCHEDULE"), taint("a", "2", "NO_EXECUTE")], None),
            (vec![taint("a", "1", "NO_SCHEDULE"), taint("a", "2", "NO_SCHEDULE")], Some("twice")),
            (vec![taint("a b", "1", "NO_SCHEDULE")], Some("not a valid key")),
            (vec![taint("a", "b c", "NO_SCHEDULE")], Some("the value 'b c'")),
        ] {
            let found = check_taints(&taints);
            match wrong {
                None => assert_eq!(found, Ok(()), "{taints:?}"),
                Some(words) => assert!(found.as_ref().is_err_and(|e| e.contains(words)), "{taints:?}: {found:?}"),
            }
        }
    }
}
