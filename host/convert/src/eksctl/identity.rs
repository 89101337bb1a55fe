//! Roles of pods: by IRSA, and by EKS Pod Identity.

use toml::Value;

use super::policies::{self, WellKnown};
use super::{Work, list};
use crate::at::At;
use crate::document::{Step, literal};

/// A service account.
pub(crate) struct Account<'a> {
    pub(crate) name: &'a str,
    pub(crate) namespace: &'a str,
}

/// Steps of `iam.serviceAccounts`.
pub(crate) fn service_accounts(work: &mut Work<'_>) {
    for at in work.at("iam.serviceAccounts").map(|at| at.items()).unwrap_or_default() {
        let Some(name) = at.find("metadata.name").and_then(|at| at.text()) else {
            work.wrong(&at, "a service account with metadata.name");
            continue;
        };
        let namespace = at.find("metadata.namespace").and_then(|at| at.text()).unwrap_or("default");
        let (mut step, has_role) = account(work, &at, &Account { name, namespace }, false);
        for key in ["metadata.name", "metadata.namespace"] {
            if let Some(at) = at.find(key) {
                work.same(&at, format!("steps.{}.with", step.name));
            }
        }
        if let Some(only) = at.get("roleOnly") {
            work.same(&only, format!("steps.{}.with.role_only", step.name));
            if only.flag() == Some(true) {
                step.set("role_only", true);
            }
        }
        push(work, step, has_role, &at);
    }
}

/// Steps of `iam.podIdentityAssociations`.
pub(crate) fn pod_identities(work: &mut Work<'_>) {
    for at in work.at("iam.podIdentityAssociations").map(|at| at.items()).unwrap_or_default() {
        let text = |key| at.get(key).and_then(|at| at.text());
        let Some(name) = text("serviceAccountName") else {
            work.wrong(&at, "an association with serviceAccountName");
            continue;
        };
        let namespace = text("namespace").unwrap_or("default");
        let (step, has_role) = account(work, &at, &Account { name, namespace }, true);
        for key in ["serviceAccountName", "namespace"] {
            if let Some(at) = at.get(key) {
                work.same(&at, format!("steps.{}.with", step.name));
            }
        }
        if let Some(creates) = at.get("createServiceAccount") {
            work.differs(&creates, format!("steps.{} always makes the service account", step.name));
        }
        push(work, step, has_role, &at);
    }
}

/// Adds a step, with the namespace made by the first that needs it. A step that would give nothing is left out.
fn push(work: &mut Work<'_>, mut step: Step, has_role: bool, at: &At<'_>) {
    if !has_role {
        let todo =
            "Add a step of the plugin irsa with statements, from the policy that the program's documents publish.";
        return work.missing(
            at,
            "none of its policies has a counterpart, so it would be a role without permissions",
            todo,
        );
    }
    let namespace = step.get("namespace").and_then(Value::as_str).unwrap_or_default().to_owned();
    let before = work.document.steps.iter().find(|other| {
        other.uses == "irsa"
            && other.get("role_only").is_none()
            && other.get("create_namespace").is_none()
            && other.get("namespace").and_then(Value::as_str) == Some(&namespace)
    });
    let is_made = !["default", "kube-system", "kube-public", "kube-node-lease"].contains(&namespace.as_str());
    if let (Some(before), true) = (before.map(|step| step.name.clone()), is_made) {
        step.after.push(before);
        step.set("create_namespace", false);
    }
    work.add(step);
}

/// A step that makes the role of an add-on; a reference to the role.
pub(crate) fn role(work: &mut Work<'_>, at: &At<'_>, of: &Account<'_>, by_agent: bool) -> String {
    let (mut step, _) = account(work, at, of, by_agent);
    step.set("role_only", true);
    let reference = format!("${{{}.role_arn}}", step.name);
    work.add(step);
    reference
}

/// A step for a service account, and whether its role may do anything.
fn account(work: &mut Work<'_>, at: &At<'_>, of: &Account<'_>, by_agent: bool) -> (Step, bool) {
    let mut step = work.step(of.name, "pods", "irsa");
    let here = step.name.clone();
    step.set("cluster", "${cluster.name}").set("namespace", literal(of.namespace));
    step.set("service_account", literal(of.name));
    if by_agent {
        step.set("mode", "pod-identity");
    }
    for key in ["attachRoleARN", "roleARN"] {
        let Some(given) = at.get(key) else { continue };
        if let Some(arn) = work.iam_arn(&given, "iam.role") {
            work.same(&given, format!("steps.{here}.with.role_arn, looked up"));
            step.set("role_arn", arn);
            return (step, true);
        }
        return (step, false);
    }
    if !by_agent {
        step.set("oidc_provider_arn", "${cluster.oidc_provider_arn}").set("oidc_issuer", "${cluster.oidc_issuer}");
    }
    if let Some(name) = work.text(at.get("roleName"), &format!("steps.{here}.with.role_name")) {
        step.set("role_name", name);
    }
    let mut managed = Vec::new();
    for key in ["attachPolicyARNs", "permissionPolicyARNs"] {
        for policy in at.get(key).map(|at| at.items()).unwrap_or_default() {
            if let Some(arn) = work.iam_arn(&policy, "iam.policy") {
                work.same(&policy, format!("steps.{here}.with.policies"));
                managed.push(arn);
            }
        }
    }
    let mut statements = Vec::new();
    for (word, at) in at.get("wellKnownPolicies").map(|at| at.entries()).unwrap_or_default() {
        match policies::well_known(word) {
            _ if at.flag() != Some(true) => work.same(&at, "nothing, as it is false"),
            Some(WellKnown::Managed(name)) => {
                work.same(&at, format!("steps.{here}.with.policies"));
                managed.push(format!("arn:aws:iam::aws:policy/{name}"));
            }
            Some(WellKnown::Statements(more)) => {
                work.same(&at, format!("steps.{here}.with.statements"));
                statements.extend(more);
            }
            None => {
                let why = format!("llmhost has no policy for '{word}'");
                work.missing(
                    &at,
                    why,
                    format!("Put the policy that its documents publish into steps.{here}.with.statements."),
                );
            }
        }
    }
    for key in ["attachPolicy", "permissionPolicy"] {
        let Some(at) = at.get(key) else { continue };
        match at.get("Statement").map(|at| at.toml()) {
            Some(Value::Array(more)) => {
                work.same(&at, format!("steps.{here}.with.statements"));
                statements.extend(more);
            }
            Some(one @ Value::Table(_)) => {
                work.same(&at, format!("steps.{here}.with.statements"));
                statements.push(one);
            }
            _ => work.wrong(&at, "a policy with Statement"),
        }
    }
    let has_role = !managed.is_empty() || !statements.is_empty();
    if !managed.is_empty() {
        step.set("policies", list(managed));
    }
    if !statements.is_empty() {
        step.set("statements", Value::Array(statements));
    }
    for key in ["permissionsBoundary", "permissionsBoundaryARN"] {
        if let Some(at) = at.get(key)
            && let Some(arn) = work.iam_arn(&at, "iam.policy")
        {
            work.same(&at, format!("steps.{here}.with.permissions_boundary"));
            step.set("permissions_boundary", arn);
        }
    }
    let tags =
        work.pairs(at.get("tags").filter(|_| !at.path.starts_with("addons")), &format!("steps.{here}.with.tags"));
    if let Some(tags) = tags {
        step.set("tags", Value::Table(tags));
    }
    (step, has_role)
}
