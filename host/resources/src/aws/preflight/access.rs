//! Who gets in: ports, endpoints, trust.

use llmhost_engine::kind::OpError;
use serde_json::Value;

use super::{Finding, Severity, View, texts};
use crate::aws::clients::Aws;
use crate::aws::errors::{Operation, gone_is_none};

const WORLD: &str = "0.0.0.0/0";
const WORLD_V6: &str = "::/0";

pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for rule in view.checked("ec2.security-group-rule") {
        let peer = &rule.spec["peer"];
        let world = match (peer["cidr"] == WORLD, peer["cidr_ipv6"] == WORLD_V6) {
            (true, _) => WORLD,
            (false, true) => WORLD_V6,
            (false, false) => continue,
        };
        if rule.spec["direction"] != "ingress" {
            continue;
        }
        let (from, to) = (rule.spec["from_port"].as_i64().unwrap_or(0), rule.spec["to_port"].as_i64().unwrap_or(0));
        let everything = rule.spec["ip_protocol"] == "-1" || (from == 0 && to >= 65_535);
        let ssh = everything || (from..=to).contains(&22);
        let what = match (everything, ssh, from == to) {
            (true, _, _) => "every port is".to_owned(),
            (false, true, _) => "SSH (port 22) is".to_owned(),
            (false, false, true) => format!("port {from} is"),
            (false, false, false) => format!("the ports {from} to {to} are"),
        };
        findings.push(Finding {
            severity: Severity::Warning,
            code: if ssh { "ssh-open-to-world" } else { "port-open-to-world" },
            address: rule.address.clone(),
            keys: &["security_groups", "remote_access"],
            message: format!("{what} open to the internet ({world})"),
            fix: match ssh {
                true => "Restrict the source addresses, or close it and use AWS Systems Manager Session Manager.",
                false => "Restrict the source addresses, unless the port must be public.",
            }
            .to_owned(),
        });
    }
    for cluster in view.checked("eks.cluster") {
        if cluster.spec["public_access"] == true
            && texts(cluster.spec, "public_access_cidrs").any(|range| range == WORLD)
        {
            findings.push(Finding {
                severity: Severity::Warning,
                code: "endpoint-open-to-world",
                address: cluster.address.clone(),
                keys: &["public_access_cidrs", "endpoint", "name"],
                message: format!("the cluster's API server is open to the internet ({WORLD})"),
                fix: "Set public_access_cidrs to the addresses that you connect from, or endpoint = \"private\"."
                    .to_owned(),
            });
        }
    }
}

pub(super) async fn ask(aws: &Aws, view: &View<'_>, findings: &mut Vec<Finding>) -> Result<(), OpError> {
    for role in view.checked("iam.role") {
        for provider in federated(&role.spec["assume_role_policy"])
            .filter(|arn| arn.contains(":oidc-provider/") && !arn.contains("<<"))
        {
            let request = aws.iam().await.get_open_id_connect_provider().open_id_connect_provider_arn(provider);
            if gone_is_none(request.send().await.operation("iam:GetOpenIDConnectProvider"))?.is_none() {
                findings.push(Finding {
                    severity: Severity::Error,
                    code: "no-oidc-provider",
                    address: role.address.clone(),
                    keys: &["oidc_provider_arn", "cluster"],
                    message: format!("the role trusts {provider}, and the account has no such OIDC provider"),
                    fix: "Set oidc_provider = true in the eks step, or use mode = \"pod-identity\", which needs none."
                        .to_owned(),
                });
            }
        }
    }
    Ok(())
}

/// The federated principals of a trust policy.
fn federated(policy: &Value) -> impl Iterator<Item = &str> {
    let statements = policy["Statement"].as_array().into_iter().flatten();
    let principals = statements.filter_map(|statement| statement["Principal"]["Federated"].as_array());
    principals.flatten().filter_map(Value::as_str)
}
