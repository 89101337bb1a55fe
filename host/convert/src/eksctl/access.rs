//! Who gets into the cluster.

use toml::{Table, Value};

use super::{Work, list, table};
use crate::at::At;
use crate::document::{Step, literal};

/// A group of Kubernetes that may do everything.
const MASTERS: &str = "system:masters";
/// The policy of EKS that may do everything.
const ADMIN: &str = "AmazonEKSClusterAdminPolicy";

/// Admins and access entries of the cluster's step.
pub(crate) fn access(work: &mut Work<'_>, step: &mut Step) {
    let (mut admins, mut entries) = (Vec::new(), Table::new());
    for at in work.at("accessConfig.accessEntries").map(|at| at.items()).unwrap_or_default() {
        entry(work, &at, &mut admins, &mut entries);
    }
    for at in work.at("iamIdentityMappings").map(|at| at.items()).unwrap_or_default() {
        mapping(work, &at, &mut admins, &mut entries);
    }
    if let Some(at) = work.at("accessConfig.authenticationMode") {
        match at.text() {
            Some("API") => work.same(&at, "always so"),
            _ => work.differs(&at, "who gets in is decided by access entries alone (API), and not by aws-auth"),
        }
    }
    if let Some(at) = work.at("accessConfig.bootstrapClusterCreatorAdminPermissions") {
        match at.flag() {
            Some(true) => work.same(&at, "always so"),
            _ => {
                let todo = "Delete the entry of the creator after the first run, where nobody may keep it.";
                work.missing(&at, "who makes the cluster administers it: the next steps need that", todo);
            }
        }
    }
    if !admins.is_empty() {
        step.set("admins", list(admins));
    }
    if !entries.is_empty() {
        step.set("access", Value::Table(entries));
    }
}

/// An ARN of a role or user, as it is: it may be of another account.
fn principal(work: &mut Work<'_>, at: &At<'_>) -> Option<String> {
    let arn = at.text().unwrap_or_default();
    if arn.starts_with("arn:") && arn.split(':').count() >= 6 {
        return Some(literal(arn));
    }
    work.missing(at, format!("'{arn}' is not an ARN"), "Correct it in the file.");
    None
}

/// A name of the entry's own, from its principal.
fn name_of(arn: &str, entries: &Table) -> String {
    let last = arn.rsplit(['/', ':']).next().unwrap_or("entry");
    let base: String =
        last.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).take(40).collect();
    let numbered = (2..).map(|number| format!("{base}-{number}"));
    std::iter::once(base.clone()).chain(numbered).find(|name| !entries.contains_key(name)).expect("numbers do not end")
}

fn entry(work: &mut Work<'_>, at: &At<'_>, admins: &mut Vec<String>, entries: &mut Table) {
    let Some(arn) = at.get("principalARN").and_then(|arn| principal(work, &arn)) else { return };
    match at.get("type") {
        Some(kind) if kind.text() != Some("STANDARD") => {
            let why = "access entries here are for people and programs; EKS makes those of nodes itself";
            return work.missing(at, why, "Nothing, where the role is that of a node group.");
        }
        Some(kind) => work.same(&kind, "always so"),
        None => {}
    }
    if let Some(user) = at.get("kubernetesUsername") {
        work.missing(&user, "an access entry has no user name of its own here: it is the principal's", "");
    }
    let groups = work.texts(at.get("kubernetesGroups"), "steps.cluster.with.access").unwrap_or_default();
    let policies = at.get("accessPolicies").map(|at| at.items()).unwrap_or_default();
    let mut policy: Option<(String, Vec<String>)> = None;
    if let Some(first) = policies.first()
        && let Some(name) = first.get("policyARN").and_then(|at| at.text())
    {
        let namespaces = first.find("accessScope.namespaces").and_then(|at| at.texts()).unwrap_or_default();
        work.same(first, "steps.cluster.with.access, or admins");
        let short = name.rsplit('/').next().unwrap_or(name).to_owned();
        policy = Some((short, namespaces.into_iter().map(literal).collect()));
    }
    // A policy without an ARN makes no entry.
    if policies.is_empty() || policy.is_some() {
        if let Some((policy, namespaces)) = &policy
            && policy.ends_with(ADMIN)
            && namespaces.is_empty()
            && groups.is_empty()
        {
            admins.push(arn);
        } else {
            let mut one = Table::new();
            one.insert("principal_arn".into(), arn.as_str().into());
            if let Some((policy, namespaces)) = policy {
                one.insert("policy".into(), policy.into());
                if !namespaces.is_empty() {
                    one.insert("namespaces".into(), list(namespaces));
                }
            }
            if !groups.is_empty() {
                one.insert("groups".into(), list(groups));
            }
            entries.insert(name_of(&arn, entries), Value::Table(one));
        }
        if let Some(arn) = at.get("principalARN") {
            work.same(&arn, "steps.cluster.with.access, or admins");
        }
    }
    for more in policies.iter().skip(1) {
        let todo =
            "EKS has one entry for each principal, and llmhost one policy for each entry: bind a role in Kubernetes.";
        work.missing(more, "an entry has one policy", todo);
    }
}

/// A line of `aws-auth`.
fn mapping(work: &mut Work<'_>, at: &At<'_>, admins: &mut Vec<String>, entries: &mut Table) {
    for (key, why) in [
        ("account", "a whole account is a line of aws-auth, for which access entries have nothing"),
        ("serviceName", "a service such as EMR is a line of aws-auth, for which access entries have nothing"),
    ] {
        if at.get(key).is_some() {
            return work.missing(at, why, "Let in each role or user by steps.cluster.with.access.");
        }
    }
    let Some(arn) = at.get("arn").and_then(|arn| principal(work, &arn)) else { return };
    let groups = work.texts(at.get("groups"), "steps.cluster.with.access, or admins").unwrap_or_default();
    if let Some(user) = at.get("username") {
        work.missing(&user, "an access entry has no user name of its own here: it is the principal's", "");
    }
    if let Some(unique) = at.get("noDuplicateARNs") {
        work.same(&unique, "always so: EKS has one access entry for each principal");
    }
    if groups.iter().any(|group| group == MASTERS) {
        admins.push(arn.clone());
    } else {
        let others: Vec<String> = groups.into_iter().filter(|group| !group.starts_with("system:")).collect();
        for group in at.get("groups").map(|at| at.items()).unwrap_or_default() {
            if group.text().is_some_and(|text| text.starts_with("system:")) {
                work.missing(
                    &group,
                    "EKS does not allow groups of system: in access entries",
                    "Give the entry a policy of EKS.",
                );
            }
        }
        if others.is_empty() {
            let todo =
                "Give it a group that your role bindings name, or a policy of EKS, in steps.cluster.with.access.";
            return work.missing(at, "it has no group that an access entry can have, so it would let in nobody", todo);
        }
        let entry = [("principal_arn", arn.as_str().into()), ("groups", list(others))];
        entries.insert(name_of(&arn, entries), table(entry));
    }
    if let Some(arn) = at.get("arn") {
        work.same(&arn, "steps.cluster.with.access, or admins");
    }
}
