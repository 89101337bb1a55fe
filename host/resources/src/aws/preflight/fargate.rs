//! Whether Fargate takes the subnets and the role of a profile.

use llmhost_engine::kind::OpError;

use super::addons::{trusts, wrong_trust};
use super::{Declared, Finding, Severity, View, texts};
use crate::aws::clients::Aws;
use crate::aws::ec2::filter_any;
use crate::aws::errors::Operation;

/// Who assumes the role of a profile.
const PODS: &str = "eks-fargate-pods.amazonaws.com";

pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for profile in view.checked("eks.fargate-profile") {
        let role = view.behind(&profile.spec["pod_execution_role_arn"]);
        if let Some(role) = role.filter(|role| role.address.kind() == "iam.role" && !trusts(role, PODS)) {
            findings.push(wrong_trust(&profile, &role, &["pod_execution_role_arn"], PODS));
        }
        let subnets = profile.spec["subnet_ids"].as_array().into_iter().flatten();
        for subnet in subnets.filter_map(|id| view.behind(id)).filter(|subnet| is_public(view, subnet)) {
            findings.push(public(&profile, &subnet.address.to_string()));
        }
    }
}

/// Whether the declared way out of a declared subnet is an internet gateway.
fn is_public(view: &View<'_>, subnet: &Declared<'_>) -> bool {
    let used = view
        .of_kind("ec2.route-table-association")
        .find(|used| view.behind(&used.spec["subnet_id"]).is_some_and(|found| found.address == subnet.address));
    let Some(used) = used else { return false };
    view.of_kind("ec2.route").any(|route| {
        route.spec["route_table_id"] == used.spec["route_table_id"]
            && route.spec["target"].get("internet_gateway").is_some()
    })
}

fn public(profile: &Declared<'_>, subnet: &str) -> Finding {
    Finding {
        severity: Severity::Error,
        code: "public-subnet",
        address: profile.address.clone(),
        keys: &["subnet_ids"],
        message: format!(
            "the subnet {subnet} has a route to an internet gateway, and Fargate supports only private subnets"
        ),
        fix: "Use private subnets with a NAT gateway for the profile: \"${net.private_subnet_ids}\".".to_owned(),
    }
}

/// What AWS says of subnets that are there.
pub(super) async fn ask(aws: &Aws, view: &View<'_>, findings: &mut Vec<Finding>) -> Result<(), OpError> {
    for profile in view.checked("eks.fargate-profile") {
        let ids: Vec<&str> = texts(profile.spec, "subnet_ids").filter(|id| id.starts_with("subnet-")).collect();
        if ids.is_empty() {
            continue;
        }
        let request = aws.ec2().await.describe_route_tables().filters(filter_any("association.subnet-id", &ids));
        let tables = request.send().await.operation("ec2:DescribeRouteTables")?.route_tables.unwrap_or_default();
        for table in tables {
            let leads_out =
                table.routes().iter().any(|route| route.gateway_id().is_some_and(|id| id.starts_with("igw-")));
            let used = table.associations().iter().filter_map(|used| used.subnet_id());
            for id in used.filter(|id| leads_out && ids.contains(id)) {
                findings.push(public(&profile, id));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{found, plan, says, token};
    use super::*;

    #[test]
    fn fargate_takes_private_subnets() {
        for (target, wanted) in [
            ("nat_gateway", None),
            ("internet_gateway", Some(("public-subnet", "n/ec2.subnet/a has a route to an internet gateway"))),
        ] {
            let (subnet, table) = (token("n/ec2.subnet/a", "id"), token("n/ec2.route-table/t", "id"));
            let plan = plan([
                ("n/ec2.subnet/a".to_owned(), json!({})),
                ("n/ec2.route-table-association/a".to_owned(), json!({ "subnet_id": subnet, "route_table_id": table })),
                (
                    "n/ec2.route/out".to_owned(),
                    json!({ "route_table_id": table, "destination_cidr_block": "0.0.0.0/0", "target": { target: "x" } }),
                ),
                ("f/eks.fargate-profile/main".to_owned(), json!({ "subnet_ids": [subnet] })),
            ]);
            says(&found(&plan, check), wanted);
        }
    }
}
