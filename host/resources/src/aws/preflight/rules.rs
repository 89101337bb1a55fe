//! Rules of security groups: the same one twice.

use std::collections::HashMap;

use serde_json::json;

use super::{Declared, Finding, Severity, View, text};

const KEYS: &[&str] = &["security_groups", "rules", "remote_access"];

pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    let mut first: HashMap<(&str, String), Declared<'_>> = HashMap::new();
    for rule in view.of_kind("ec2.security-group-rule") {
        let group = text(rule.spec, "security_group_id");
        // What it is for is no part of what it allows.
        let fields = ["direction", "ip_protocol", "from_port", "to_port", "peer"].map(|field| &rule.spec[field]);
        let allows = json!(fields).to_string();
        let finding = |message: String, fix: &str| Finding {
            severity: Severity::Error,
            code: "same-rule-twice",
            address: rule.address.clone(),
            keys: KEYS,
            message,
            fix: fix.to_owned(),
        };
        if let Some(other) = first.get(&(group, allows.clone())) {
            if rule.is_checked || other.is_checked {
                findings.push(finding(
                    format!("{} allows the same in the same security group, and EC2 refuses duplicates", other.address),
                    "Remove one of the two. A description does not make them different.",
                ));
            }
            continue;
        }
        if rule.is_made() && view.behind(&rule.spec["security_group_id"]).is_some() && is_given(&rule) {
            findings.push(finding(
                "every new security group already allows all outbound traffic, and EC2 refuses the rule a second time"
                    .to_owned(),
                "Remove the rule.",
            ));
        }
        first.insert((group, allows), rule);
    }
}

/// Whether EC2 gives every new group this rule.
fn is_given(rule: &Declared<'_>) -> bool {
    rule.spec["direction"] == "egress" && rule.spec["ip_protocol"] == "-1" && rule.spec["peer"]["cidr"] == "0.0.0.0/0"
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::{found, plan, says, token};
    use super::*;

    fn rule(group: &str, direction: &str, (protocol, from, to): (&str, i32, i32), peer: Value, text: &str) -> Value {
        json!({ "security_group_id": group, "direction": direction, "ip_protocol": protocol, "from_port": from,
            "to_port": to, "peer": peer, "description": text, "tags": {} })
    }

    #[test]
    fn the_same_rule_twice_is_found_whatever_it_is_called() {
        let (a, b) = (token("net/ec2.security-group/a", "id"), token("net/ec2.security-group/b", "id"));
        let office = || json!({ "cidr": "203.0.113.0/24" });
        let https = ("tcp", 443, 443);
        let first = || rule(&a, "ingress", https, office(), "https");
        for (second, wanted) in [
            (rule(&a, "ingress", https, office(), "the same"), Some("r/ec2.security-group-rule/1 allows the same")),
            (rule(&b, "ingress", https, office(), "https"), None),
            (rule(&a, "egress", https, office(), "https"), None),
            (rule(&a, "ingress", ("udp", 443, 443), office(), "https"), None),
            (rule(&a, "ingress", ("tcp", 443, 444), office(), "https"), None),
            (rule(&a, "ingress", https, json!({ "cidr": "203.0.113.0/25" }), "https"), None),
            (rule(&a, "ingress", https, json!({ "security_group": b }), "https"), None),
            (rule(&a, "egress", ("-1", 0, 0), json!({ "cidr": "0.0.0.0/0" }), ""), Some("every new security group")),
            (rule("sg-01234567", "egress", ("-1", 0, 0), json!({ "cidr": "0.0.0.0/0" }), ""), None),
        ] {
            let group = |name: &str| (format!("net/ec2.security-group/{name}"), json!({ "group_name": name }));
            let rules = [first(), second].into_iter().enumerate();
            let rules = rules.map(|(i, rule)| (format!("r/ec2.security-group-rule/{}", i + 1), rule));
            let plan = plan([group("a"), group("b")].into_iter().chain(rules));
            says(&found(&plan, check), wanted.map(|words| ("same-rule-twice", words)));
        }
    }
}
