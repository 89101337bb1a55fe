//! Add-ons: options of the cluster's step, or a step of their own where they have a role.

use toml::{Table, Value};

use super::identity::{self, Account};
use super::{Work, cluster, table};
use crate::at::At;
use crate::document::{Step, literal};

/// What eksctl adds to every cluster.
const EVERY: [&str; 3] = ["vpc-cni", "kube-proxy", "coredns"];
/// Gives pods roles by EKS Pod Identity.
const AGENT: &str = "eks-pod-identity-agent";

/// Service accounts that add-ons bring: add-on, namespace, name.
const ACCOUNTS: [(&str, &str, &str); 6] = [
    ("vpc-cni", "kube-system", "aws-node"),
    ("aws-ebs-csi-driver", "kube-system", "ebs-csi-controller-sa"),
    ("aws-efs-csi-driver", "kube-system", "efs-csi-controller-sa"),
    ("aws-fsx-csi-driver", "kube-system", "fsx-csi-controller-sa"),
    ("aws-mountpoint-s3-csi-driver", "kube-system", "s3-csi-driver-sa"),
    ("amazon-cloudwatch-observability", "amazon-cloudwatch", "cloudwatch-agent"),
];

/// Keys of an add-on for which it needs a step.
const OF_A_STEP: [&str; 8] = [
    "attachPolicyARNs",
    "attachPolicy",
    "wellKnownPolicies",
    "serviceAccountRoleARN",
    "podIdentityAssociations",
    "resolveConflicts",
    "tags",
    "permissionsBoundary",
];

/// The add-ons that are steps.
pub(crate) struct Addons {
    /// Names of steps that nodes wait for.
    pub(crate) before_nodes: Vec<String>,
    later: Vec<Step>,
}

fn all<'a>(work: &Work<'a>) -> Vec<At<'a>> {
    work.at("addons").map(|at| at.items()).unwrap_or_default()
}

fn needs_step(at: &At<'_>) -> bool {
    OF_A_STEP.iter().any(|key| at.get(key).is_some())
}

fn name_of<'a>(at: &At<'a>) -> Option<&'a str> {
    at.get("name").and_then(|at| at.text())
}

/// Those that the cluster's step has.
pub(crate) fn of_cluster(work: &mut Work<'_>, step: &mut Step) {
    let listed = all(work);
    if let Some(at) = work.at("addonsConfig.disableDefaultAddons") {
        work.same(&at, "steps.cluster.with.addons");
    }
    let has_none = work.at("addonsConfig.disableDefaultAddons").is_some_and(|at| at.flag() == Some(true));
    if listed.is_empty() && !has_none {
        return;
    }
    let mut addons = Table::new();
    let usual = EVERY.iter().filter(|_| !has_none && !cluster::is_auto(work));
    for name in usual {
        if !listed.iter().any(|at| name_of(at) == Some(name) && needs_step(at)) {
            addons.insert((*name).to_owned(), cluster::no_options());
        }
    }
    let has_pods = work.at("iam.podIdentityAssociations").is_some_and(|at| !at.items().is_empty())
        || listed.iter().any(|at| at.get("podIdentityAssociations").is_some());
    if has_pods {
        addons.insert(AGENT.to_owned(), cluster::no_options());
    }
    for at in listed.iter().filter(|at| !needs_step(at) || name_of(at) == Some(AGENT)) {
        let Some(name) = name_of(at) else { continue };
        if let Some(at) = at.get("name") {
            work.same(&at, format!("steps.cluster.with.addons.{name}"));
        }
        let mut options = Table::new();
        options.extend(version(work, at).map(|version| ("version".to_owned(), Value::from(version))));
        options.extend(configuration(work, at).map(|value| ("configuration".to_owned(), value)));
        addons.insert(literal(name), Value::Table(options));
    }
    step.set("addons", Value::Table(addons));
}

fn version(work: &mut Work<'_>, at: &At<'_>) -> Option<String> {
    let at = at.get("version")?;
    match at.text() {
        Some("latest" | "") => {
            work.differs(&at, "without a version it is the one that EKS recommends for the cluster's");
            None
        }
        Some(text) if text.starts_with('v') && text.contains("-eksbuild.") => {
            work.same(&at, "version of the add-on");
            Some(literal(text))
        }
        _ => {
            work.missing(&at, "it is no whole version of an add-on", "Write it like v1.19.0-eksbuild.1, or remove it.");
            None
        }
    }
}

/// Settings, which eksctl takes as a text with YAML or JSON in it.
fn configuration(work: &mut Work<'_>, at: &At<'_>) -> Option<Value> {
    let at = at.get("configurationValues")?;
    let documents = at.text().and_then(|text| crate::yaml::documents(text).ok()).unwrap_or_default();
    match documents.first() {
        Some(node) if documents.len() == 1 => {
            work.same(&at, "configuration of the add-on");
            Some(At { path: String::new(), node }.toml())
        }
        _ => {
            work.wrong(&at, "a text with YAML or JSON");
            None
        }
    }
}

/// Steps of add-ons with a role. Those that nodes need are added; the others wait.
pub(crate) fn addons(work: &mut Work<'_>) -> Addons {
    let mut found = Addons { before_nodes: Vec::new(), later: Vec::new() };
    for at in all(work).iter().filter(|at| needs_step(at) && name_of(at) != Some(AGENT)) {
        let Some(name) = name_of(at) else { continue };
        let step = one(work, at, name);
        if EVERY.contains(&name) && name != "coredns" {
            found.before_nodes.push(step.name.clone());
            work.add(step);
        } else {
            found.later.push(step);
        }
    }
    found
}

fn one(work: &mut Work<'_>, at: &At<'_>, name: &str) -> Step {
    let mut step = work.step(name, "addon", "addon");
    let here = step.name.clone();
    if let Some(at) = at.get("name") {
        work.same(&at, format!("steps.{here}"));
    }
    step.set("cluster", "${cluster.name}").set("name", literal(name));
    if let Some(version) = version(work, at) {
        step.set("version", version);
    }
    if let Some(value) = configuration(work, at) {
        step.set("configuration", value);
    }
    if let Some(conflicts) = at.get("resolveConflicts") {
        match conflicts.text() {
            Some(how @ ("none" | "overwrite" | "preserve")) => {
                work.same(&conflicts, format!("steps.{here}.with.resolve_conflicts"));
                step.set("resolve_conflicts", how);
            }
            _ => work.wrong(&conflicts, "none, overwrite or preserve"),
        }
    }
    if let Some(tags) = work.pairs(at.get("tags"), &format!("steps.{here}.with.tags")) {
        step.set("tags", Value::Table(tags));
    }
    role(work, at, name, &mut step);
    step
}

/// The role of the add-on: one that is there, or a step that makes it.
fn role(work: &mut Work<'_>, at: &At<'_>, name: &str, step: &mut Step) {
    if let Some(given) = at.get("serviceAccountRoleARN") {
        if let Some(arn) = work.iam_arn(&given, "iam.role") {
            work.same(&given, format!("steps.{}.with.role_arn, looked up", step.name));
            step.set("role_arn", arn);
        }
        return;
    }
    let associations = at.get("podIdentityAssociations").map(|at| at.items()).unwrap_or_default();
    if let Some(association) = associations.first() {
        for more in &associations[1..] {
            work.missing(
                more,
                "an add-on has one service account with a role here",
                "Give the other one by a step irsa.",
            );
        }
        let Some(account) = association.get("serviceAccountName").and_then(|at| at.text()) else {
            return work.wrong(association, "an association with serviceAccountName");
        };
        if let Some(at) = association.get("serviceAccountName") {
            work.same(&at, format!("steps.{}.with.pod_identity", step.name));
        }
        let arn = identity::role(work, association, &Account { name: account, namespace: "kube-system" }, true);
        step.set("pod_identity", table([("service_account", account.into()), ("role_arn", arn.into())]));
        return;
    }
    let makes_one = ["attachPolicyARNs", "attachPolicy", "wellKnownPolicies"].iter().any(|key| at.get(key).is_some());
    if !makes_one {
        return;
    }
    match ACCOUNTS.iter().find(|(addon, ..)| *addon == name) {
        Some((_, namespace, account)) => {
            let arn = identity::role(work, at, &Account { name: account, namespace }, false);
            step.set("role_arn", arn);
        }
        None => {
            let todo =
                "Make a step of the plugin irsa with role_only = true for its service account, and give its role_arn.";
            work.missing(at, "llmhost does not know the service account of this add-on", todo);
        }
    }
}

/// Adds the steps that wait for nodes.
pub(crate) fn after_nodes(work: &mut Work<'_>, addons: Addons) {
    let nodes = work.document.steps.iter().find(|step| step.uses == "nodegroup").map(|step| step.name.clone());
    for mut step in addons.later {
        step.after.extend(nodes.clone());
        work.add(step);
    }
}
