//! What a plan names and nobody makes: clusters, roles, policies and networks that have to be there.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_eks::types::ClusterStatus;
use llmhost_engine::kind::OpError;
use llmhost_engine::names::ResourceAddress;
use llmhost_engine::unknown;
use serde_json::Value;

use super::{Declared, Finding, Severity, View, text, texts, together};
use crate::aws::clients::Aws;
use crate::aws::ec2::filter_any;
use crate::aws::eks;
use crate::aws::errors::{Operation, gone_is_none};

const CLUSTER: &[&str] = &["cluster", "name"];
const ROLE: &[&str] = &["role_arn", "node_role_arn", "role", "pod_identity", "pod_execution_role_arn", "auto_mode"];

pub(super) async fn ask(aws: &Aws, view: &View<'_>) -> Result<Vec<Finding>, OpError> {
    let mut findings: Vec<Finding> =
        together(clusters(view).into_iter().map(|(name, users)| cluster(aws, name, users)))
            .await?
            .into_iter()
            .flatten()
            .collect();
    let roles = roles(view).into_iter().map(|(arn, user)| role(aws, arn, user));
    findings.extend(together(roles).await?.into_iter().flatten());
    let policies = policies(view).into_iter().map(|(arn, user)| policy(aws, arn, user));
    findings.extend(together(policies).await?.into_iter().flatten());
    findings.extend(networks(aws, view).await?);
    Ok(findings)
}

/// The clusters that are used and not declared, each with the first user in every step.
fn clusters<'a>(view: &View<'a>) -> BTreeMap<&'a str, Vec<&'a ResourceAddress>> {
    let own: BTreeSet<&str> = view.of_kind("eks.cluster").map(|cluster| text(cluster.spec, "cluster_name")).collect();
    let inside =
        ["eks.node-group", "eks.addon", "eks.access-entry", "eks.fargate-profile", "eks.pod-identity-association"];
    let inside = inside.into_iter().flat_map(|kind| view.checked(kind));
    let inside = inside.map(|user| (text(user.spec, "cluster_name"), user.address));
    let objects = view.checked("kube.object");
    let objects = objects.filter_map(|object| Some((object.spec["target"]["eks"].as_str()?, object.address)));
    let mut all: BTreeMap<&str, Vec<&ResourceAddress>> = BTreeMap::new();
    for (name, user) in inside.chain(objects) {
        if name.is_empty() || unknown::is_unknown(name) || own.contains(name) {
            continue;
        }
        let users = all.entry(name).or_default();
        if !users.iter().any(|known| known.step() == user.step()) {
            users.push(user);
        }
    }
    all
}

async fn cluster(aws: &Aws, name: &str, users: Vec<&ResourceAddress>) -> Result<Vec<Finding>, OpError> {
    let region = &aws.settings.region;
    let (message, fix) = match eks::status(aws, name).await? {
        None => (
            format!("there is no cluster '{name}' in {region}, and no step creates one"),
            "Correct the name, the region or the account. If another pipeline creates the cluster, run that one first.",
        ),
        Some(ClusterStatus::Deleting | ClusterStatus::Failed) => (
            format!("the cluster '{name}' in {region} is being deleted, or its creation failed"),
            "Choose another cluster, or create it again first.",
        ),
        Some(_) => return Ok(Vec::new()),
    };
    let finding = |user: &ResourceAddress| finding("no-cluster", user, CLUSTER, message.clone(), fix);
    Ok(users.into_iter().map(finding).collect())
}

/// The roles that are named by ARN or name and not declared.
fn roles<'a>(view: &View<'a>) -> BTreeMap<&'a str, Declared<'a>> {
    let declared: BTreeSet<&str> = view.of_kind("iam.role").map(|role| text(role.spec, "role_name")).collect();
    let fields = [
        ("eks.cluster", "role_arn"),
        ("eks.node-group", "role_arn"),
        ("eks.pod-identity-association", "role_arn"),
        ("eks.addon", "service_account_role_arn"),
        ("eks.fargate-profile", "pod_execution_role_arn"),
        ("iam.instance-profile", "role_name"),
    ];
    let named = fields
        .into_iter()
        .flat_map(|(kind, field)| view.checked(kind).filter_map(move |user| Some((user.spec[field].as_str()?, user))));
    let of_addons = view.checked("eks.addon").flat_map(|user| {
        let pairs = user.spec["pod_identity"].as_array().into_iter().flatten();
        pairs.filter_map(move |pair| Some((pair["role_arn"].as_str()?, user)))
    });
    let of_nodes = view.checked("eks.cluster");
    let of_nodes = of_nodes.filter_map(|user| Some((user.spec["auto_mode"]["node_role_arn"].as_str()?, user)));
    let named = named.chain(of_addons).chain(of_nodes);
    let foreign =
        named.filter(|(role, _)| !role.is_empty() && !unknown::is_unknown(role) && !declared.contains(name_of(role)));
    foreign.collect()
}

/// The last part of an ARN with a path, or the name itself.
fn name_of(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

async fn role(aws: &Aws, arn: &str, user: Declared<'_>) -> Result<Option<Finding>, OpError> {
    let answer = aws.iam().await.get_role().role_name(name_of(arn)).send().await.operation("iam:GetRole");
    let there = gone_is_none(answer)?.and_then(|answer| answer.role).map(|role| role.arn);
    let is_arn = arn.starts_with("arn:");
    let message = match there {
        None => format!("there is no role {arn}, and no step creates one"),
        Some(there) if is_arn && there != arn => format!("there is no role {arn}; the account has {there}"),
        Some(_) => return Ok(None),
    };
    let fix = "Correct the role, use the credentials of its account, or let the iam step create one.";
    Ok(Some(finding("no-role", user.address, ROLE, message, fix)))
}

/// The managed policies that roles name by ARN and no step makes.
fn policies<'a>(view: &View<'a>) -> BTreeMap<&'a str, Declared<'a>> {
    let declared: BTreeSet<&str> = view.of_kind("iam.policy").map(|policy| text(policy.spec, "policy_name")).collect();
    let named = view.checked("iam.role").flat_map(|role| {
        let attached = texts(role.spec, "managed_policy_arns");
        attached.chain(role.spec["permissions_boundary"].as_str()).map(move |arn| (arn, role))
    });
    let is_own = |arn: &str| !arn.contains(":iam::aws:") && declared.contains(name_of(arn));
    named.filter(|(arn, _)| !unknown::is_unknown(arn) && !is_own(arn)).collect()
}

async fn policy(aws: &Aws, arn: &str, user: Declared<'_>) -> Result<Option<Finding>, OpError> {
    let answer = aws.iam().await.get_policy().policy_arn(arn).send().await.operation("iam:GetPolicy");
    if gone_is_none(answer)?.is_some() {
        return Ok(None);
    }
    let keys: &[&str] = &["node_role_policies", "cluster_role_policies", "policies", "policy_arns", "name"];
    let message = format!("there is no managed policy {arn}, and no step creates one");
    Ok(Some(finding("no-policy", user.address, keys, message, "Correct its ARN, or create the policy first.")))
}

/// What EC2 gives ids to, as far as steps name it: what it is, and the start of its id.
const NETWORKS: [(&str, &str, &str); 8] = [
    ("ec2.vpc", "VPC", "vpc-"),
    ("ec2.subnet", "subnet", "subnet-"),
    ("ec2.security-group", "security group", "sg-"),
    ("ec2.route-table", "route table", "rtb-"),
    ("ec2.internet-gateway", "internet gateway", "igw-"),
    ("ec2.launch-template", "launch template", "lt-"),
    ("ec2.prefix-list", "managed prefix list", "pl-"),
    ("ec2.elastic-ip", "elastic IP address", "eipalloc-"),
];

async fn networks(aws: &Aws, view: &View<'_>) -> Result<Vec<Finding>, OpError> {
    let mut named: BTreeMap<&str, (&ResourceAddress, usize)> = BTreeMap::new();
    for kind in ["ec2.", "eks."] {
        for user in view.checked_below(kind) {
            collect(user.spec, &mut |id| {
                if let Some(which) = NETWORKS.iter().position(|(_, _, start)| is_id(id, start))
                    && !view.is_own(NETWORKS[which].0, id)
                {
                    named.entry(id).or_insert((user.address, which));
                }
            });
        }
    }
    let mut findings = Vec::new();
    for (which, (_, what, _)) in NETWORKS.iter().enumerate() {
        let ids: Vec<&str> = named.iter().filter(|(_, (_, of))| *of == which).map(|(id, _)| *id).collect();
        // A filter takes 200 values.
        for ids in ids.chunks(200) {
            let there = there(aws, which, ids).await?;
            for id in ids.iter().filter(|id| !there.contains(**id)) {
                let message = format!("there is no {what} {id} in {}", aws.settings.region);
                let fix = "Correct the id, the region or the account.";
                let keys: &[&str] = match *what {
                    "VPC" => &["vpc_id", "vpc"],
                    "subnet" => &["subnet_ids", "subnets", "subnet_id"],
                    "launch template" => &["launch_template"],
                    "security group" => &["security_group_ids", "security_groups", "rules"],
                    "managed prefix list" => &["security_groups", "rules"],
                    "internet gateway" => &["internet_gateway_id"],
                    "elastic IP address" => &["nat_elastic_ips"],
                    _ => &["name"],
                };
                findings.push(finding("not-there", named[*id].0, keys, message, fix));
            }
        }
    }
    Ok(findings)
}

/// Every text of a spec that is used, and not a tag.
fn collect<'a>(value: &'a Value, found: &mut impl FnMut(&'a str)) {
    match value {
        Value::String(text) => found(text),
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(fields) => {
            let used = fields.iter().filter(|(key, _)| !["tags", "instance_tags", "labels"].contains(&key.as_str()));
            used.for_each(|(_, field)| collect(field, found));
        }
        _ => {}
    }
}

fn is_id(text: &str, start: &str) -> bool {
    text.strip_prefix(start).is_some_and(|rest| rest.len() >= 8 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Which of these ids there are.
async fn there(aws: &Aws, which: usize, ids: &[&str]) -> Result<BTreeSet<String>, OpError> {
    let ec2 = aws.ec2().await;
    let found: Vec<Option<String>> = match NETWORKS[which].0 {
        "ec2.vpc" => {
            let answer = ec2.describe_vpcs().filters(filter_any("vpc-id", ids)).send().await;
            let all = answer.operation("ec2:DescribeVpcs")?.vpcs.unwrap_or_default();
            all.into_iter().map(|vpc| vpc.vpc_id).collect()
        }
        "ec2.subnet" => {
            let answer = ec2.describe_subnets().filters(filter_any("subnet-id", ids)).send().await;
            let all = answer.operation("ec2:DescribeSubnets")?.subnets.unwrap_or_default();
            all.into_iter().map(|subnet| subnet.subnet_id).collect()
        }
        "ec2.security-group" => {
            let answer = ec2.describe_security_groups().filters(filter_any("group-id", ids)).send().await;
            let all = answer.operation("ec2:DescribeSecurityGroups")?.security_groups.unwrap_or_default();
            all.into_iter().map(|group| group.group_id).collect()
        }
        "ec2.route-table" => {
            let answer = ec2.describe_route_tables().filters(filter_any("route-table-id", ids)).send().await;
            let all = answer.operation("ec2:DescribeRouteTables")?.route_tables.unwrap_or_default();
            all.into_iter().map(|table| table.route_table_id).collect()
        }
        "ec2.internet-gateway" => {
            let answer = ec2.describe_internet_gateways().filters(filter_any("internet-gateway-id", ids)).send().await;
            let all = answer.operation("ec2:DescribeInternetGateways")?.internet_gateways.unwrap_or_default();
            all.into_iter().map(|gateway| gateway.internet_gateway_id).collect()
        }
        "ec2.launch-template" => {
            // There is no filter for ids, and one that is missing fails a call for all of them.
            let mut all = Vec::new();
            for id in ids {
                let request = ec2.describe_launch_templates().launch_template_ids(*id);
                let answer = gone_is_none(request.send().await.operation("ec2:DescribeLaunchTemplates"))?;
                let found = answer.and_then(|answer| answer.launch_templates).unwrap_or_default();
                all.extend(found.into_iter().map(|template| template.launch_template_id));
            }
            all
        }
        "ec2.prefix-list" => {
            let answer = ec2.describe_managed_prefix_lists().filters(filter_any("prefix-list-id", ids)).send().await;
            let all = answer.operation("ec2:DescribeManagedPrefixLists")?.prefix_lists.unwrap_or_default();
            all.into_iter().map(|list| list.prefix_list_id).collect()
        }
        _ => {
            let answer = ec2.describe_addresses().filters(filter_any("allocation-id", ids)).send().await;
            let all = answer.operation("ec2:DescribeAddresses")?.addresses.unwrap_or_default();
            all.into_iter().map(|address| address.allocation_id).collect()
        }
    };
    Ok(found.into_iter().flatten().collect())
}

fn finding(
    code: &'static str,
    user: &ResourceAddress,
    keys: &'static [&'static str],
    message: String,
    fix: &str,
) -> Finding {
    Finding { severity: Severity::Error, code, address: user.clone(), keys, message, fix: fix.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_are_found_wherever_they_are_used_and_not_in_tags() {
        let spec = json!({ "vpc_id": "vpc-0123456789abcdef0", "peer": { "security_group": "sg-01234567" }, "name": "sg-team",
            "tags": { "of": "subnet-0123456789abcdef0" }, "subnet_ids": ["subnet-01234567", "<<a/ec2.subnet/b#id>>"] });
        let mut found = Vec::new();
        collect(&spec, &mut |text| {
            found.extend(NETWORKS.iter().find(|(_, _, start)| is_id(text, start)).map(|_| text.to_owned()));
        });
        found.sort();
        assert_eq!(found, ["sg-01234567", "subnet-01234567", "vpc-0123456789abcdef0"]);
    }
}
