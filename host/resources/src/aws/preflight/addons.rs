//! Whether the nodes of a cluster get a network, and whether EKS has the add-ons that are asked for.

use std::collections::BTreeSet;

use aws_sdk_eks::types::{AddonInfo, AddonVersionInfo};
use llmhost_engine::kind::OpError;
use llmhost_engine::names::ResourceAddress;
use llmhost_engine::unknown;

use super::{Declared, Finding, Severity, View, text};
use crate::aws::clients::Aws;
use crate::aws::eks;
use crate::aws::errors::{Operation, gone_is_none};

/// The add-on without which EKS's nodes never become ready.
const NETWORK: &str = "vpc-cni";
/// Who assumes the role of a service account by Pod Identity.
const PODS: &str = "pods.eks.amazonaws.com";

pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for cluster in view.checked("eks.cluster") {
        let name = text(cluster.spec, "cluster_name");
        let of_cluster = |kind| view.of_kind(kind).filter(move |one| text(one.spec, "cluster_name") == name);
        let network = of_cluster("eks.addon").find(|addon| text(addon.spec, "addon_name") == NETWORK);
        let Some(network) = network else {
            if of_cluster("eks.node-group").next().is_some() {
                findings.push(without_network(&cluster, name));
            }
            continue;
        };
        let early = of_cluster("eks.node-group").filter(|group| !comes_after(view, group.address, network.address));
        findings.extend(early.map(|group| before_network(&group, network.address)));
    }
    for addon in view.checked("eks.addon") {
        for pair in addon.spec["pod_identity"].as_array().into_iter().flatten() {
            let role = view.behind(&pair["role_arn"]).filter(|role| role.address.kind() == "iam.role");
            if let Some(role) = role.filter(|role| !trusts(role, PODS)) {
                findings.push(wrong_trust(&addon, &role, &["pod_identity"], PODS));
            }
        }
    }
}

fn without_network(cluster: &Declared<'_>, name: &str) -> Finding {
    Finding {
        severity: Severity::Warning,
        code: "no-network-add-on",
        address: cluster.address.clone(),
        keys: &["addons"],
        message: format!(
            "the cluster '{name}' has node groups and no network add-on; nodes do not become ready without one"
        ),
        fix: format!(
            "Add {NETWORK} = {{}} to addons, unless something else installs a network plugin before the nodes join."
        ),
    }
}

fn before_network(group: &Declared<'_>, network: &ResourceAddress) -> Finding {
    let step = network.step();
    Finding {
        severity: Severity::Warning,
        code: "nodes-before-network",
        address: group.address.clone(),
        keys: &["cluster", "name"],
        message: format!(
            "the nodes do not wait for the network add-on, {network}: they join before they have a network, and EKS fails the \
             group if that takes too long"
        ),
        fix: format!("Add after = [\"{step}\"] to the step of the nodes."),
    }
}

/// Whether one resource waits for another, directly or by others.
pub(super) fn comes_after(view: &View<'_>, later: &ResourceAddress, earlier: &ResourceAddress) -> bool {
    let (mut seen, mut open) = (BTreeSet::new(), vec![later]);
    while let Some(address) = open.pop() {
        if address == earlier {
            return true;
        }
        if seen.insert(address)
            && let Some(planned) = view.plan.resources.get(address)
        {
            open.extend(&planned.depends_on);
        }
    }
    false
}

/// Whether a declared role's trust policy names a service.
pub(super) fn trusts(role: &Declared<'_>, service: &str) -> bool {
    let policy = role.spec["assume_role_policy"].to_string();
    policy.contains(service) || unknown::is_unknown(&policy)
}

/// A role that its user could not assume.
pub(super) fn wrong_trust(
    user: &Declared<'_>,
    role: &Declared<'_>,
    keys: &'static [&'static str],
    service: &str,
) -> Finding {
    Finding {
        severity: Severity::Error,
        code: "role-trust",
        address: user.address.clone(),
        keys,
        message: format!("the role {} does not trust {service}, and nothing else assumes it here", role.address),
        fix: format!("Set services = [\"{service}\"] for it in the iam step, or use another role."),
    }
}

/// What EKS says of its add-ons.
pub(super) async fn ask(aws: &Aws, view: &View<'_>, findings: &mut Vec<Finding>) -> Result<(), OpError> {
    for addon in view.checked("eks.addon") {
        let name = text(addon.spec, "addon_name");
        if unknown::is_unknown(name) {
            continue;
        }
        let finding = |code, keys, message: String, fix: String| Finding {
            severity: Severity::Error,
            code,
            address: addon.address.clone(),
            keys,
            message,
            fix,
        };
        let Some(known) = described(aws, name).await? else {
            let message = format!("EKS has no add-on '{name}'");
            let fix = "Correct its name; 'aws eks describe-addon-versions' lists them all.".to_owned();
            findings.push(finding("unknown-add-on", &["name", "addons"][..], message, fix));
            continue;
        };
        let Some(cluster) = version_of(aws, view, &addon).await? else { continue };
        let fits = |version: &&AddonVersionInfo| {
            version.compatibilities().iter().any(|place| place.cluster_version() == Some(&cluster))
        };
        let fitting: Vec<&str> =
            known.addon_versions().iter().filter(fits).filter_map(|version| version.addon_version()).collect();
        let wanted = addon.spec["version"].as_str().filter(|version| !unknown::is_unknown(version));
        if let Some(wanted) = wanted.filter(|wanted| !fitting.contains(wanted)) {
            let message = format!("there is no version {wanted} of {name} for Kubernetes {cluster}");
            let some: Vec<&str> = fitting.iter().copied().take(5).collect();
            let fix = match some.is_empty() {
                true => format!("EKS has no version of {name} for Kubernetes {cluster}."),
                false => format!("Remove version, or choose one of {}.", some.join(", ")),
            };
            findings.push(finding("add-on-version", &["version", "addons"], message, fix));
            continue;
        }
        let pairs = addon.spec["pod_identity"].as_array().map(Vec::as_slice).unwrap_or_default();
        let Some(version) = wanted.or(fitting.first().copied()).filter(|_| !pairs.is_empty()) else { continue };
        let accounts = accounts(aws, name, version).await?;
        for account in pairs.iter().map(|pair| text(pair, "service_account")) {
            if !accounts.iter().any(|known| known == account) {
                let message = format!("{name} has no service account '{account}' that supports Pod Identity");
                let fix = match accounts.is_empty() {
                    true => "It supports none: use IRSA (role_arn).".to_owned(),
                    false => format!("It has {}.", accounts.join(", ")),
                };
                findings.push(finding("add-on-service-account", &["pod_identity", "addons"], message, fix));
            }
        }
    }
    Ok(())
}

async fn described(aws: &Aws, name: &str) -> Result<Option<AddonInfo>, OpError> {
    let answer = aws.eks().await.describe_addon_versions().addon_name(name).send().await;
    let answer = match answer.operation("eks:DescribeAddonVersions") {
        // EKS calls a name that it does not know an invalid parameter.
        Err(error) if error.code.as_deref() == Some("InvalidParameterException") => return Ok(None),
        other => gone_is_none(other)?,
    };
    Ok(answer.and_then(|answer| answer.addons?.pop()))
}

/// The version that the add-on's cluster has, or will have.
async fn version_of(aws: &Aws, view: &View<'_>, addon: &Declared<'_>) -> Result<Option<String>, OpError> {
    let name = text(addon.spec, "cluster_name");
    let declared = view.of_kind("eks.cluster").find(|cluster| text(cluster.spec, "cluster_name") == name);
    let declared = view.behind(&addon.spec["cluster_name"]).or(declared);
    let version = match declared {
        Some(cluster) => Some(text(cluster.spec, "version").to_owned()),
        None if unknown::is_unknown(name) => None,
        None => eks::version(aws, name).await?,
    };
    Ok(version.filter(|version| !unknown::is_unknown(version)))
}

/// The service accounts of an add-on that may have roles by Pod Identity.
async fn accounts(aws: &Aws, name: &str, version: &str) -> Result<Vec<String>, OpError> {
    let request = aws.eks().await.describe_addon_configuration().addon_name(name).addon_version(version);
    let answer = gone_is_none(request.send().await.operation("eks:DescribeAddonConfiguration"))?;
    let all = answer.and_then(|answer| answer.pod_identity_configuration).unwrap_or_default();
    Ok(all.into_iter().filter_map(|one| one.service_account).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{found, plan, says, token};
    use super::*;

    #[test]
    fn nodes_wait_for_the_network_add_on() {
        let cluster = ("c/eks.cluster/main".to_owned(), json!({ "cluster_name": "c" }));
        let nodes = ("n/eks.node-group/main".to_owned(), json!({ "cluster_name": "c" }));
        let addon = ("a/eks.addon/vpc-cni".to_owned(), json!({ "cluster_name": "c", "addon_name": NETWORK }));
        says(&found(&plan([cluster.clone()]), check), None);
        let none = plan([cluster.clone(), nodes.clone()]);
        says(&found(&none, check), Some(("no-network-add-on", "nodes do not become ready")));
        let mut all = plan([cluster, nodes, addon]);
        says(&found(&all, check), Some(("nodes-before-network", "a/eks.addon/vpc-cni")));
        let (group, network): (ResourceAddress, _) =
            ("n/eks.node-group/main".parse().expect("an address"), "a/eks.addon/vpc-cni".parse().expect("an address"));
        all.resources.get_mut(&group).expect("the group").depends_on.push(network);
        says(&found(&all, check), None);
    }

    #[test]
    fn a_role_of_pods_trusts_them() {
        for (service, wanted) in
            [(PODS, None), ("ec2.amazonaws.com", Some(("role-trust", "does not trust pods.eks.amazonaws.com")))]
        {
            let trust = json!({ "Statement": [{ "Principal": { "Service": [service] } }] });
            let pair = json!([{ "service_account": "s", "role_arn": token("r/iam.role/ebs", "arn") }]);
            let plan = plan([
                ("r/iam.role/ebs".to_owned(), json!({ "role_name": "ebs", "assume_role_policy": trust })),
                ("a/eks.addon/ebs".to_owned(), json!({ "cluster_name": "c", "addon_name": "e", "pod_identity": pair })),
            ]);
            says(&found(&plan, check), wanted);
        }
    }
}
