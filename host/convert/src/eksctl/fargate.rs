//! Fargate profiles.

use toml::{Table, Value};

use super::network::Network;
use super::{Work, list, table};
use crate::at::At;
use crate::document::literal;

/// Steps of the Fargate profiles.
pub(crate) fn fargate_profiles(work: &mut Work<'_>, network: &Network) {
    for at in work.at("fargateProfiles").map(|at| at.items()).unwrap_or_default() {
        let Some(name) = at.get("name").and_then(|at| at.text()) else {
            work.wrong(&at, "a profile with a name");
            continue;
        };
        let mut step = work.step(name, "fargate", "fargate");
        let here = format!("steps.{}.with", step.name);
        if let Some(at) = at.get("name") {
            work.same(&at, here.clone());
        }
        step.set("cluster", "${cluster.name}").set("name", literal(name));
        let named = at.get("subnets").map(|at| work.subnets(&at, network, true, &format!("{here}.subnet_ids")));
        match named.unwrap_or_default() {
            named if named.is_empty() => step.set("subnet_ids", network.subnets(true)),
            named => step.set("subnet_ids", list(named)),
        };
        let selectors = at.get("selectors").map(|at| at.items()).unwrap_or_default();
        let selectors: Vec<Value> = selectors
            .iter()
            .filter_map(|selector| {
                let (namespace_at, labels_at) = (selector.get("namespace")?, selector.get("labels"));
                let namespace = namespace_at.text()?;
                let labels = labels_at.as_ref().map_or(Some(Vec::new()), At::pairs);
                match (&labels, &labels_at) {
                    (None, Some(at)) => {
                        work.same(&namespace_at, format!("{here}.selectors"));
                        work.wrong(at, "a map of texts");
                    }
                    _ => work.same(selector, format!("{here}.selectors")),
                }
                let labels = labels.unwrap_or_default();
                let labels: Table = labels.into_iter().map(|(k, v)| (literal(k), literal(v).into())).collect();
                Some(match labels.is_empty() {
                    true => table([("namespace", literal(namespace).into())]),
                    false => table([("namespace", literal(namespace).into()), ("labels", Value::Table(labels))]),
                })
            })
            .collect();
        step.set("selectors", selectors);
        if let Some(mut tags) = work.pairs(at.get("tags"), &format!("{here}.tags")) {
            // To IAM, name and Name are one tag.
            tags.retain(|key, _| !key.eq_ignore_ascii_case("name"));
            step.set("tags", Value::Table(tags));
        }
        let given = at.get("podExecutionRoleARN").or_else(|| work.at("iam.fargatePodExecutionRoleARN"));
        if let Some(given) = given
            && let Some(arn) = work.iam_arn(&given, "iam.role")
        {
            work.same(&given, format!("{here}.pod_execution_role_arn, looked up"));
            step.set("pod_execution_role_arn", arn);
        }
        if let Some(boundary) = work.at("iam.fargatePodExecutionRolePermissionsBoundary")
            && let Some(arn) = work.iam_arn(&boundary, "iam.policy")
        {
            work.same(&boundary, format!("{here}.permissions_boundary"));
            step.set("permissions_boundary", arn);
        }
        work.add(step);
    }
}
