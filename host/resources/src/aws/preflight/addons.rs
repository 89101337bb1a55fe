//! Whether the nodes of a cluster get a network.

use super::{Finding, Severity, View, text};

/// The add-on without which EKS's nodes never become ready.
const NETWORK: &str = "vpc-cni";

pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for cluster in view.checked("eks.cluster") {
        let name = text(cluster.spec, "cluster_name");
        let has = |kind, field: &'static str, value: Option<&str>| {
            view.of_kind(kind).any(|one| {
                text(one.spec, "cluster_name") == name && value.is_none_or(|value| text(one.spec, field) == value)
            })
        };
        if has("eks.node-group", "", None) && !has("eks.addon", "addon_name", Some(NETWORK)) {
            findings.push(Finding {
                severity: Severity::Warning,
                code: "no-network-add-on",
                address: cluster.address.clone(),
                keys: &["addons"],
                message: format!(
                    "the cluster '{name}' has node groups and no network add-on; without one no node becomes ready"
                ),
                fix: format!(
                    "Add {NETWORK} = {{}} to addons, unless something else installs a network plugin before the nodes join."
                ),
            });
        }
    }
}
