//! ARNs for policies, and the policy that allows what a pipeline needs.

use std::collections::{BTreeMap, BTreeSet};

use llmhost_engine::kind::{Outputs, Permission, Scope};
use llmhost_engine::unknown;
use serde_json::{Value, json};

use super::limits::MANAGED_POLICY;
use super::outputs;

/// Makes ARNs of a pipeline's place.
pub(crate) trait Arns {
    /// `arn:aws:eks:REGION:ACCOUNT:cluster/x`, with `*` for what is not known.
    fn arn(&self, service: &str, resource: &str) -> String;
    /// `arn:aws:iam::ACCOUNT:role/x`.
    fn iam(&self, kind: &str, path: &str, name: &str) -> String;
    /// `arn:aws:s3:::x`.
    fn bucket(&self, name: &str) -> String;
    /// The output `arn` of something in IAM, where account and name are known.
    fn predicted_iam(&self, kind: &str, path: &str, name: &str) -> Outputs;
    /// The ARN itself where it is known, else a pattern.
    fn known_arn(&self, arn: &str, service: &str, resource: &str) -> String;
}

impl Arns for Scope<'_> {
    fn arn(&self, service: &str, resource: &str) -> String {
        let partition = partition_of(self.region);
        format!("arn:{partition}:{service}:{}:{}:{}", self.region, self.account, pattern(resource))
    }

    fn iam(&self, kind: &str, path: &str, name: &str) -> String {
        format!("arn:{}:iam::{}:{kind}{path}{}", partition_of(self.region), self.account, pattern(name))
    }

    fn predicted_iam(&self, kind: &str, path: &str, name: &str) -> Outputs {
        if self.account == "*" || unknown::is_opaque(path) || unknown::is_opaque(name) {
            return Outputs::new();
        }
        outputs([("arn", self.iam(kind, path, name).as_str())])
    }

    fn bucket(&self, name: &str) -> String {
        format!("arn:{}:s3:::{}", partition_of(self.region), pattern(name))
    }

    fn known_arn(&self, arn: &str, service: &str, resource: &str) -> String {
        if !unknown::is_unknown(arn) {
            return arn.to_owned();
        }
        let region = if service == "iam" { "" } else { self.region };
        format!("arn:{}:{service}:{region}:{}:{resource}", partition_of(self.region), self.account)
    }
}

/// The partition of a region, as ARNs have it.
pub(crate) fn partition_of(region: &str) -> &'static str {
    llmhost_partitions::of(region).id
}

/// A text with a star for each part that only applying can tell.
fn pattern(text: &str) -> String {
    let mut out = text.to_owned();
    while let (Some(from), Some(to)) = (out.find("<<"), out.find(">>")) {
        if to < from {
            break;
        }
        out.replace_range(from..to + 2, "*");
    }
    out
}

/// Whether an action only looks, or takes something away: what a destroy needs.
pub fn is_for_destroy(action: &str) -> bool {
    const VERBS: [&str; 15] = [
        "Describe",
        "Get",
        "List",
        "Head",
        "Delete",
        "Detach",
        "Disassociate",
        "Release",
        "Revoke",
        "Remove",
        "Untag",
        "Abort",
        "Cancel",
        "PassRole",
        "Simulate",
    ];
    let verb = action.split_once(':').map_or(action, |(_, verb)| verb);
    verb != "PassRole" && VERBS.iter().any(|known| verb.starts_with(known))
}

/// The policy document that allows all of `permissions`, resources narrowed as far as IAM takes it.
pub fn document<'a>(permissions: impl IntoIterator<Item = (Scope<'a>, Permission)>) -> Value {
    let mut by_resources: BTreeMap<BTreeSet<String>, BTreeSet<String>> = BTreeMap::new();
    for (scope, permission) in permissions {
        for action in permission.actions {
            let resources = match permission.as_is {
                true => permission.resources.iter().cloned().collect(),
                false => narrowed(&action, &permission.resources, &scope),
            };
            by_resources.entry(resources).or_default().insert(action);
        }
    }
    // What is allowed everywhere needs no narrower allowance beside it.
    let star = BTreeSet::from(["*".to_owned()]);
    let everywhere = by_resources.get(&star).cloned().unwrap_or_default();
    for (resources, actions) in &mut by_resources {
        if *resources != star {
            actions.retain(|action| !everywhere.contains(action));
        }
    }
    // Actions that go together on different resources make one statement.
    let mut by_actions: BTreeMap<BTreeSet<String>, BTreeSet<String>> = BTreeMap::new();
    for (resources, actions) in by_resources.into_iter().filter(|(_, actions)| !actions.is_empty()) {
        by_actions.entry(actions).or_default().extend(resources);
    }
    let mut statements = Vec::new();
    for (actions, resources) in by_actions {
        let room = MOST_OF_STATEMENT.saturating_sub(resources.iter().map(|one| one.len() + 3).sum());
        for actions in parts(actions, room) {
            statements.push(json!({ "Effect": "Allow", "Action": actions, "Resource": resources }));
        }
    }
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// A longer statement would fit no managed policy, with what is written around it.
const MOST_OF_STATEMENT: usize = MANAGED_POLICY - 144;

/// The actions in parts of that many characters, with quotation marks and commas.
fn parts(actions: BTreeSet<String>, room: usize) -> Vec<Vec<String>> {
    let mut parts: Vec<Vec<String>> = Vec::new();
    let mut left = 0usize;
    for action in actions {
        let length = action.len() + 3;
        match parts.last_mut().filter(|_| length <= left) {
            Some(part) => {
                left -= length;
                part.push(action);
            }
            None => {
                left = room.saturating_sub(length);
                parts.push(vec![action]);
            }
        }
    }
    parts
}

/// EC2 has ids that nobody knows beforehand, but a region and an account.
fn narrowed(action: &str, resources: &[String], scope: &Scope<'_>) -> BTreeSet<String> {
    let everything = resources == ["*"];
    match action.split_once(':') {
        // What only looks cannot be narrowed.
        Some(("ec2", verb)) if everything && !verb.starts_with("Describe") => {
            let place = format!("arn:{}:ec2:{}", partition_of(scope.region), scope.region);
            let mut arns = BTreeSet::from([format!("{place}:{}:*/*", scope.account)]);
            if verb == "RunInstances" {
                // Images belong to no account.
                arns.insert(format!("{place}::image/*"));
            }
            arns
        }
        _ => resources.iter().cloned().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCOPE: Scope<'static> = Scope { pipeline: "llm", region: "us-east-1", account: "123456789012" };

    #[test]
    fn unknown_parts_of_an_arn_become_stars() {
        assert_eq!(
            SCOPE.arn("eks", "cluster/<<a/eks.cluster/b#cluster_name>>"),
            "arn:aws:eks:us-east-1:123456789012:cluster/*"
        );
        assert_eq!(SCOPE.iam("role", "/", "EKSNodeRole"), "arn:aws:iam::123456789012:role/EKSNodeRole");
        assert_eq!(SCOPE.known_arn("<<a/iam.role/b#arn>>", "iam", "role/*"), "arn:aws:iam::123456789012:role/*");
    }

    #[test]
    fn arns_are_of_the_partition_of_the_region() {
        for (region, partition) in [
            ("cn-north-1", "aws-cn"),
            ("us-gov-west-1", "aws-us-gov"),
            ("us-iso-east-1", "aws-iso"),
            ("eusc-de-east-1", "aws-eusc"),
        ] {
            let scope = Scope { region, ..SCOPE };
            assert_eq!(scope.arn("eks", "cluster/x"), format!("arn:{partition}:eks:{region}:123456789012:cluster/x"));
            assert_eq!(scope.iam("role", "/", "x"), format!("arn:{partition}:iam::123456789012:role/x"));
            assert_eq!(scope.bucket("x"), format!("arn:{partition}:s3:::x"));
            let all = document([(scope, Permission::new(&["ec2:CreateVpc"], ["*".to_owned()]))]);
            let wanted = format!("arn:{partition}:ec2:{region}:123456789012:*/*");
            assert_eq!(all["Statement"][0]["Resource"][0], wanted);
        }
    }

    #[test]
    fn statements_are_few_and_say_no_more_than_needed() {
        let all = [
            Permission::new(&["ec2:CreateVpc", "ec2:DescribeVpcs"], ["*".to_owned()]),
            Permission::new(&["iam:GetRole"], ["arn:a".to_owned()]),
            Permission::new(&["iam:GetRole"], ["arn:b".to_owned()]),
            Permission::new(&["ec2:DescribeVpcs"], ["arn:c".to_owned()]),
        ];
        assert_eq!(
            document(all.map(|permission| (SCOPE, permission)))["Statement"],
            json!([
                { "Effect": "Allow", "Action": ["ec2:CreateVpc"], "Resource": ["arn:aws:ec2:us-east-1:123456789012:*/*"] },
                { "Effect": "Allow", "Action": ["ec2:DescribeVpcs"], "Resource": ["*"] },
                { "Effect": "Allow", "Action": ["iam:GetRole"], "Resource": ["arn:a", "arn:b"] },
            ])
        );
    }

    #[test]
    fn every_statement_fits_a_managed_policy_and_what_is_stated_as_is_stays() {
        let many: Vec<String> = (0..400).map(|number| format!("service:DescribeSomething{number:04}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let all = document([(SCOPE, Permission::new(&many, ["*".to_owned()]))]);
        let statements = all["Statement"].as_array().expect("statements");
        let actions: usize = statements.iter().filter_map(|one| one["Action"].as_array()).map(Vec::len).sum();
        assert_eq!((statements.len(), actions), (3, 400));
        for one in statements {
            let alone = json!({ "Version": "2012-10-17", "Statement": [one] }).to_string();
            assert!(alone.len() <= MANAGED_POLICY, "{}", alone.len());
        }
        let all = document([(SCOPE, Permission::new(&["ec2:CreateIpam"], ["*".to_owned()]).as_is())]);
        assert_eq!(all["Statement"][0]["Resource"], json!(["*"]));
    }

    #[test]
    fn a_destroy_looks_and_takes_away_and_does_nothing_else() {
        for (action, needed) in [
            ("ec2:DeleteVpc", true),
            ("ec2:DescribeVpcs", true),
            ("iam:DetachRolePolicy", true),
            ("iam:PassRole", false),
            ("ec2:CreateTags", false),
            ("s3:PutObject", false),
        ] {
            assert_eq!(is_for_destroy(action), needed, "{action}");
        }
    }
}
