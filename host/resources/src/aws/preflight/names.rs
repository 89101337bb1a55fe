//! Names and places that only one resource can have: two of a plan that want the same cannot both be made.

use std::collections::HashMap;

use serde_json::Value;

use super::{Declared, Finding, Severity, View, text};

/// What only one resource can have.
pub(super) struct Unique {
    /// What kind of thing it is, in a sentence.
    pub(super) what: &'static str,
    /// As a user would call it.
    pub(super) name: String,
    /// The same for two that cannot both be.
    key: String,
}

/// Kinds that have a name or a place of their own.
pub(super) const KINDS: [&str; 17] = [
    "ec2.launch-template",
    "ec2.placement-group",
    "ec2.route",
    "ec2.route-table-association",
    "ec2.security-group",
    "eks.access-entry",
    "eks.addon",
    "eks.cluster",
    "eks.fargate-profile",
    "eks.node-group",
    "eks.pod-identity-association",
    "iam.instance-profile",
    "iam.oidc-provider",
    "iam.policy",
    "iam.role",
    "kube.object",
    "s3.bucket",
];

/// What a resource wants for itself.
pub(super) fn unique(kind: &str, spec: &Value) -> Option<Unique> {
    let of = |what, field| (what, text(spec, field).to_owned(), String::new());
    let within = |what, field: &str, scope: &str| (what, text(spec, field).to_owned(), text(spec, scope).to_owned());
    let (what, name, scope) = match kind {
        "ec2.launch-template" => of("launch template", "template_name"),
        "ec2.placement-group" => of("placement group", "group_name"),
        "ec2.route" => within("route to", "destination_cidr_block", "route_table_id"),
        "ec2.route-table-association" => of("route table of", "subnet_id"),
        "ec2.security-group" => within("security group", "group_name", "vpc_id"),
        "eks.access-entry" => within("access entry of", "principal_arn", "cluster_name"),
        "eks.addon" => within("add-on", "addon_name", "cluster_name"),
        "eks.cluster" => of("cluster", "cluster_name"),
        "eks.fargate-profile" => within("Fargate profile", "profile_name", "cluster_name"),
        "eks.node-group" => within("node group", "node_group_name", "cluster_name"),
        "eks.pod-identity-association" => {
            let account = format!("{}/{}", text(spec, "namespace"), text(spec, "service_account"));
            ("pod identity association of", account, text(spec, "cluster_name").to_owned())
        }
        "iam.instance-profile" => of("instance profile", "profile_name"),
        "iam.oidc-provider" => of("OIDC provider", "url"),
        "iam.policy" => of("policy", "policy_name"),
        "iam.role" => of("role", "role_name"),
        "kube.object" => {
            let object = &spec["object"];
            let place = [&object["kind"], &object["namespace"], &object["name"]];
            let name: Vec<&str> = place.into_iter().filter_map(Value::as_str).collect();
            ("object", name.join(" "), format!("{}{}", spec["target"], object["group"]))
        }
        "s3.bucket" => of("bucket", "bucket"),
        _ => return None,
    };
    // IAM does not tell upper case from lower case.
    let compared = if kind.starts_with("iam.") { name.to_lowercase() } else { name.clone() };
    Some(Unique { what, name, key: format!("{kind} {scope} {compared}") })
}

/// Keys of the step's table that the name is likely said by.
pub(super) fn keys(declared: &Declared<'_>) -> &'static [&'static str] {
    match declared.address.kind() {
        "iam.role" if declared.address.name().contains("node") => &["node_role", "role_name", "name"],
        "iam.role" => &["cluster_role", "role_name", "name", "service_account"],
        "s3.bucket" => &["bucket", "name"],
        "ec2.security-group" => &["security_groups", "name"],
        "eks.addon" => &["addons", "name", "cluster"],
        "ec2.placement-group" => &["placement_group", "efa", "name"],
        "eks.fargate-profile" => &["name", "namespace", "cluster"],
        "eks.access-entry" => &["admins", "access", "cluster"],
        "eks.pod-identity-association" => &["service_account", "namespace", "cluster"],
        "kube.object" => &["name", "namespace", "cluster"],
        _ => &["name"],
    }
}

pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for kind in KINDS {
        let mut first: HashMap<String, Declared<'_>> = HashMap::new();
        for declared in view.of_kind(kind) {
            let Some(Unique { what, name, key }) = unique(kind, declared.spec) else { continue };
            let Some(other) = first.get(&key) else {
                first.insert(key, declared);
                continue;
            };
            if !declared.is_checked && !other.is_checked {
                continue;
            }
            findings.push(Finding {
                severity: Severity::Error,
                code: "same-name-twice",
                address: declared.address.clone(),
                keys: keys(&declared),
                message: format!(
                    "{} is the {what} '{}' already, and there can be only one",
                    other.address,
                    shown(&name)
                ),
                fix: "Give one of the two another name, or remove one.".to_owned(),
            });
        }
    }
}

/// A name in which tokens are written as plans write them.
fn shown(name: &str) -> String {
    name.replace("<<", "").replace(">>", "").replace('#', ".")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{found, plan, says, token};
    use super::*;

    #[test]
    fn two_resources_with_one_name_are_found_where_only_one_can_have_it() {
        let (a, b) = (token("net/ec2.vpc/a", "id"), token("net/ec2.vpc/b", "id"));
        let group = |vpc: &str, name: &str| json!({ "vpc_id": vpc, "group_name": name });
        let nodes = |cluster: &str| json!({ "cluster_name": cluster, "node_group_name": "gpu" });
        let object = |namespace: &str, kind: &str| json!({ "target": { "eks": "c" }, "object": { "group": "", "kind": kind, "namespace": namespace, "name": "n" } });
        let account = |name: &str| json!({ "cluster_name": "c", "namespace": "n", "service_account": name });
        for (kind, first, second, wanted) in [
            ("iam.role", json!({ "role_name": "Node" }), json!({ "role_name": "node" }), Some("the role 'node'")),
            ("iam.role", json!({ "role_name": "a" }), json!({ "role_name": "b" }), None),
            ("s3.bucket", json!({ "bucket": "a" }), json!({ "bucket": "a" }), Some("the bucket 'a'")),
            ("eks.cluster", json!({ "cluster_name": "c" }), json!({ "cluster_name": "c" }), Some("the cluster 'c'")),
            ("eks.node-group", nodes("a"), nodes("a"), Some("the node group 'gpu'")),
            ("eks.node-group", nodes("a"), nodes("b"), None),
            ("ec2.security-group", group(&a, "web"), group(&a, "web"), Some("the security group 'web'")),
            ("ec2.security-group", group(&a, "web"), group(&b, "web"), None),
            ("kube.object", object("x", "Service"), object("x", "Service"), Some("the object 'Service x n'")),
            ("kube.object", object("x", "Service"), object("y", "Service"), None),
            ("eks.pod-identity-association", account("s"), account("s"), Some("association of 'n/s'")),
            ("eks.pod-identity-association", account("s"), account("t"), None),
        ] {
            let plan = plan([(format!("one/{kind}/x"), first), (format!("two/{kind}/x"), second)]);
            says(&found(&plan, check), wanted.map(|words| ("same-name-twice", words)));
        }
    }
}
