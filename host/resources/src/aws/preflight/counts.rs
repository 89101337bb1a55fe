//! Whether what a plan makes fits into the quotas of the account: how many there may be of each thing.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{Filter, VpcEndpoint};
use llmhost_engine::kind::OpError;
use llmhost_engine::names::ResourceAddress;
use llmhost_engine::unknown;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::network::subnets;
use super::{Declared, Finding, Severity, View, Zones, quotas, texts, together};
use crate::aws::clients::Aws;
use crate::aws::ec2::filter;
use crate::aws::errors::{Operation, gone_is_none};
use crate::aws::iam::Document;
use crate::aws::limits::{self, Quota};

/// What a plan asks of one quota.
struct Demand<'a> {
    quota: &'static Quota,
    address: &'a ResourceAddress,
    keys: &'static [&'static str],
    /// What is counted, after a number: `VPCs`, `inbound rules of network/ec2.security-group/llm`.
    what: String,
    /// All that the plan declares.
    declared: u64,
    /// Those of them that are not there yet.
    new: u64,
    used: Used<'a>,
}

/// Where AWS says how many there are.
#[derive(Clone, Copy)]
enum Used<'a> {
    /// Nowhere: the plan says all of it.
    InPlan,
    Vpcs,
    InternetGateways,
    Addresses,
    Endpoints,
    Groups,
    Clusters,
    /// In a key of `iam:GetAccountSummary`.
    Account(&'static str),
    /// In the zone of a subnet, by its name or its token.
    NatGateways(&'a str),
    /// Of a VPC.
    Subnets(&'a str),
    /// Of a VPC.
    RouteTables(&'a str),
    /// Of a VPC.
    InterfaceEndpoints(&'a str),
    /// Of a VPC.
    VpcRanges(&'a str),
    EgressGateways,
    /// Of a cluster.
    NodeGroups(&'a str),
    /// Of a group, in one direction.
    Rules {
        group: &'a str,
        outbound: bool,
    },
}

/// Compares with the defaults: nobody is asked.
pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for demand in demands(view).into_iter().filter(|demand| demand.new > 0) {
        let (quota, declared) = (demand.quota, demand.declared);
        if declared > quota.default {
            let severity =
                if quota.most.is_some_and(|most| declared > most) { Severity::Error } else { Severity::Warning };
            let message = format!(
                "{declared} {} are more than the {} that an account has by default (quota '{}', {})",
                demand.what, quota.default, quota.name, quota.code
            );
            let fix = match quota.most.filter(|most| declared > *most) {
                Some(most) => format!("AWS raises this quota to at most {most}: declare fewer."),
                None => {
                    format!("'llmhost validate --online' checks the quota of your account. {}", raise(quota, declared))
                }
            };
            findings.push(demand.finding(severity, message, fix));
        }
    }
}

/// Compares with what the account has and uses.
pub(super) async fn ask(aws: &Aws, view: &View<'_>, zones: &Zones) -> Result<Vec<Finding>, OpError> {
    let account = Account { aws, zones, summary: OnceCell::new() };
    let demands = demands(view).into_iter().filter(|demand| demand.new > 0);
    let account = &account;
    let asked = demands.map(|demand| async move {
        let used = account.used(demand.used).await?;
        let wanted = used + demand.new;
        // Nobody has less than the default.
        if wanted <= demand.quota.default {
            return Ok(None);
        }
        let allowed = account.allowed(demand.quota).await?;
        Ok((wanted > allowed).then(|| demand.exceeds(allowed, used)))
    });
    Ok(together(asked).await?.into_iter().flatten().collect())
}

impl Demand<'_> {
    fn exceeds(&self, allowed: u64, used: u64) -> Finding {
        let Self { quota: Quota { name, code, .. }, what, new, .. } = self;
        let message = match self.used {
            Used::InPlan => format!("the quota '{name}' ({code}) allows {allowed}, and the plan has {new} {what}"),
            _ => {
                format!(
                    "the quota '{name}' ({code}) allows {allowed} {what}: {used} exist, and the plan creates {new} more"
                )
            }
        };
        self.finding(Severity::Error, message, raise(self.quota, used + new))
    }

    fn finding(&self, severity: Severity, message: String, fix: String) -> Finding {
        Finding { severity, code: "quota", address: self.address.clone(), keys: self.keys, message, fix }
    }
}

/// How a quota is raised.
fn raise(quota: &Quota, wanted: u64) -> String {
    let Quota { service, code, .. } = quota;
    // Service Quotas keeps IAM's in one region.
    let region = if *service == "iam" { " --region us-east-1" } else { "" };
    format!(
        "Ask for {wanted} in Service Quotas (aws service-quotas request-service-quota-increase{region} --service-code {service} \
         --quota-code {code} --desired-value {wanted}), or delete or declare fewer."
    )
}

/// Everything of a plan that a quota counts.
fn demands<'a>(view: &View<'a>) -> Vec<Demand<'a>> {
    let mut all = Vec::new();
    let everywhere: [(&'static str, &'static Quota, Used<'a>, &str); 10] = [
        ("ec2.vpc", &limits::VPCS, Used::Vpcs, "VPCs in the region"),
        ("ec2.internet-gateway", &limits::INTERNET_GATEWAYS, Used::InternetGateways, "internet gateways in the region"),
        ("ec2.elastic-ip", &limits::ADDRESSES, Used::Addresses, "elastic IP addresses in the region"),
        ("ec2.gateway-endpoint", &limits::ENDPOINTS, Used::Endpoints, "gateway endpoints in the region"),
        (
            "ec2.egress-only-internet-gateway",
            &limits::EGRESS_GATEWAYS,
            Used::EgressGateways,
            "egress-only internet gateways in the region",
        ),
        ("ec2.security-group", &limits::GROUPS, Used::Groups, "security groups in the region"),
        ("eks.cluster", &limits::CLUSTERS, Used::Clusters, "clusters in the region"),
        ("iam.role", &limits::ROLES, Used::Account("Roles"), "roles"),
        ("iam.policy", &limits::POLICIES, Used::Account("Policies"), "policies"),
        ("iam.instance-profile", &limits::PROFILES, Used::Account("InstanceProfiles"), "instance profiles"),
    ];
    for (kind, quota, used, what) in everywhere {
        all.extend(counted(view, kind, quota, |_| Some((used, what.to_owned()))));
    }
    all.extend(counted(view, "ec2.nat-gateway", &limits::NAT_GATEWAYS, |gateway| {
        let zone = view.behind(&gateway["subnet_id"])?.spec["availability_zone"].as_str()?;
        Some((Used::NatGateways(zone), "NAT gateways in one zone".to_owned()))
    }));
    all.extend(counted(view, "ec2.subnet", &limits::SUBNETS, |subnet| {
        Some((Used::Subnets(subnet["vpc_id"].as_str()?), "subnets in one VPC".to_owned()))
    }));
    all.extend(counted(view, "ec2.route-table", &limits::ROUTE_TABLES, |table| {
        Some((Used::RouteTables(table["vpc_id"].as_str()?), "route tables in one VPC".to_owned()))
    }));
    all.extend(counted(view, "ec2.interface-endpoint", &limits::INTERFACE_ENDPOINTS, |endpoint| {
        Some((Used::InterfaceEndpoints(endpoint["vpc_id"].as_str()?), "interface endpoints in one VPC".to_owned()))
    }));
    all.extend(counted(view, "ec2.vpc-cidr-block", &limits::VPC_RANGES, |block| {
        block["range"].get("ipv4")?;
        Some((Used::VpcRanges(block["vpc_id"].as_str()?), "IPv4 ranges of one VPC".to_owned()))
    }));
    all.extend(counted(view, "eks.node-group", &limits::NODE_GROUPS, |group| {
        let cluster = group["cluster_name"].as_str()?;
        Some((Used::NodeGroups(cluster), "node groups in one cluster".to_owned()))
    }));
    all.extend(counted(view, "ec2.security-group-rule", &limits::RULES, |rule| {
        let (group, outbound) = (rule["security_group_id"].as_str()?, rule["direction"] == "egress");
        let what = if outbound { "outbound" } else { "inbound" };
        let of = view.behind(&rule["security_group_id"]).map_or(group.to_owned(), |group| group.address.to_string());
        Some((Used::Rules { group, outbound }, format!("{what} rules in {of}")))
    }));
    all.extend(sizes(view));
    all
}

/// Counts the resources of a kind that share a quota, as `shared` says.
fn counted<'a>(
    view: &View<'a>,
    kind: &'static str,
    quota: &'static Quota,
    shared: impl Fn(&'a Value) -> Option<(Used<'a>, String)>,
) -> Vec<Demand<'a>> {
    let mut groups: BTreeMap<String, Demand<'a>> = BTreeMap::new();
    for declared in view.of_kind(kind) {
        let Some((used, what)) = shared(declared.spec) else { continue };
        let of = match used {
            Used::NatGateways(of)
            | Used::Subnets(of)
            | Used::RouteTables(of)
            | Used::InterfaceEndpoints(of)
            | Used::VpcRanges(of)
            | Used::NodeGroups(of) => of,
            Used::Rules { group, .. } => group,
            _ => "",
        };
        let demand = groups.entry(format!("{of} {what}")).or_insert_with(|| {
            let address = declared.address;
            Demand { quota, address, keys: keys(kind), what, declared: 0, new: 0, used }
        });
        demand.declared += 1;
        demand.new += u64::from(declared.adds_one());
    }
    groups.into_values().collect()
}

/// What one spec says all of.
fn sizes<'a>(view: &View<'a>) -> Vec<Demand<'a>> {
    let own = |declared: Declared<'a>, quota: &'static Quota, keys, count: u64, what: &str| Demand {
        quota,
        address: declared.address,
        keys,
        what: what.to_owned(),
        declared: count,
        new: count,
        used: Used::InPlan,
    };
    let mut all = Vec::new();
    for role in view.checked("iam.role") {
        let keys: &[&str] = &["node_role_policies", "cluster_role_policies", "policies", "policy_arns"];
        let attached = texts(role.spec, "managed_policy_arns").count() as u64;
        all.push(own(role, &limits::POLICIES_PER_ROLE, keys, attached, "managed policies on one role"));
        if let Ok(trust) = Document::new(role.spec["assume_role_policy"].clone()) {
            let what = "characters of a trust policy, white space not counted,";
            all.push(own(role, &limits::TRUST_POLICY, &["trust", "name"], trust.length() as u64, what));
        }
    }
    for template in view.checked("ec2.launch-template") {
        let groups = texts(template.spec, "security_group_ids").count() as u64;
        let what = "security groups on one network interface";
        all.push(own(template, &limits::GROUPS_PER_INTERFACE, &["security_group_ids"], groups, what));
    }
    for group in view.checked("eks.node-group") {
        let most = group.spec["max_size"].as_u64().unwrap_or(0);
        all.push(own(group, &limits::NODES, &["max", "max_size"], most, "nodes in one node group"));
    }
    all
}

/// Keys of a step's table that say how many there are.
fn keys(kind: &str) -> &'static [&'static str] {
    match kind {
        "ec2.nat-gateway" | "ec2.elastic-ip" => &["nat", "name"],
        "ec2.subnet" | "ec2.route-table" => &["azs", "public_subnets", "name"],
        "ec2.security-group" | "ec2.security-group-rule" => &["security_groups", "rules"],
        "ec2.vpc" => &["cidr", "name"],
        "ec2.interface-endpoint" => &["endpoints", "name"],
        "ec2.vpc-cidr-block" => &["secondary_cidrs", "name"],
        "ec2.egress-only-internet-gateway" => &["ipv6", "name"],
        _ => &["name"],
    }
}

/// An endpoint that was deleted is listed for a while.
fn is_there(endpoint: &VpcEndpoint) -> bool {
    endpoint.state().is_none_or(|state| !state.as_str().to_lowercase().starts_with("delet"))
}

/// What AWS says of an account in a region.
struct Account<'a> {
    aws: &'a Aws,
    zones: &'a Zones,
    summary: OnceCell<BTreeMap<String, u64>>,
}

impl Account<'_> {
    /// How many there are.
    async fn used(&self, used: Used<'_>) -> Result<u64, OpError> {
        let ec2 = self.aws.ec2().await;
        let count = match used {
            Used::InPlan => 0,
            Used::Vpcs => {
                let pages = ec2.describe_vpcs().into_paginator().items().send();
                pages.try_collect().await.operation("ec2:DescribeVpcs")?.len()
            }
            Used::InternetGateways => {
                let pages = ec2.describe_internet_gateways().into_paginator().items().send();
                pages.try_collect().await.operation("ec2:DescribeInternetGateways")?.len()
            }
            Used::Addresses => {
                let answer = ec2.describe_addresses().send().await.operation("ec2:DescribeAddresses")?;
                answer.addresses().len()
            }
            Used::Endpoints => {
                let request = ec2.describe_vpc_endpoints().filters(filter("vpc-endpoint-type", "Gateway"));
                let all = request.into_paginator().items().send().try_collect().await;
                all.operation("ec2:DescribeVpcEndpoints")?.iter().filter(|one| is_there(one)).count()
            }
            Used::EgressGateways => {
                let pages = ec2.describe_egress_only_internet_gateways().into_paginator().items().send();
                pages.try_collect().await.operation("ec2:DescribeEgressOnlyInternetGateways")?.len()
            }
            Used::Groups => {
                let pages = ec2.describe_security_groups().into_paginator().items().send();
                pages.try_collect().await.operation("ec2:DescribeSecurityGroups")?.len()
            }
            Used::Clusters => {
                let pages = self.aws.eks().await.list_clusters().into_paginator().items().send();
                pages.try_collect().await.operation("eks:ListClusters")?.len()
            }
            Used::Account(key) => return Ok(self.summary().await?.get(key).copied().unwrap_or(0)),
            Used::NatGateways(zone) => self.nat_gateways(&self.zones.name(zone)).await?,
            // Nothing is in what is not there yet, but the rule that EC2 itself makes, and a VPC's first range.
            Used::Subnets(of) | Used::RouteTables(of) | Used::InterfaceEndpoints(of) | Used::NodeGroups(of)
                if unknown::is_unknown(of) =>
            {
                0
            }
            Used::VpcRanges(of) if unknown::is_unknown(of) => 1,
            Used::Rules { group, outbound } if unknown::is_unknown(group) => usize::from(outbound),
            Used::Subnets(vpc) => {
                let pages = ec2.describe_subnets().filters(filter("vpc-id", vpc)).into_paginator().items().send();
                pages.try_collect().await.operation("ec2:DescribeSubnets")?.len()
            }
            Used::RouteTables(vpc) => {
                let pages = ec2.describe_route_tables().filters(filter("vpc-id", vpc)).into_paginator().items().send();
                pages.try_collect().await.operation("ec2:DescribeRouteTables")?.len()
            }
            Used::InterfaceEndpoints(vpc) => {
                let filters = [filter("vpc-id", vpc), filter("vpc-endpoint-type", "Interface")];
                let request = ec2.describe_vpc_endpoints().set_filters(Some(filters.into()));
                let all = request.into_paginator().items().send().try_collect().await;
                all.operation("ec2:DescribeVpcEndpoints")?.iter().filter(|one| is_there(one)).count()
            }
            Used::VpcRanges(vpc) => {
                let answer = ec2.describe_vpcs().filters(filter("vpc-id", vpc)).send().await;
                let vpcs = answer.operation("ec2:DescribeVpcs")?.vpcs.unwrap_or_default();
                vpcs.iter().map(|vpc| vpc.cidr_block_association_set().len()).sum()
            }
            Used::NodeGroups(cluster) => {
                let pages =
                    self.aws.eks().await.list_nodegroups().cluster_name(cluster).into_paginator().items().send();
                gone_is_none(pages.try_collect().await.operation("eks:ListNodegroups"))?
                    .map_or(0, |groups| groups.len())
            }
            Used::Rules { group, outbound } => {
                let request = ec2.describe_security_group_rules().filters(filter("group-id", group));
                let all = request.into_paginator().items().send().try_collect().await;
                let all = all.operation("ec2:DescribeSecurityGroupRules")?;
                all.iter().filter(|rule| rule.is_egress() == Some(outbound)).count()
            }
        };
        Ok(count as u64)
    }

    /// The gateways of a zone: those that are going away count, too.
    async fn nat_gateways(&self, zone: &str) -> Result<usize, OpError> {
        let states = ["pending", "available", "deleting"].map(str::to_owned).to_vec();
        let alive = Filter::builder().name("state").set_values(Some(states)).build();
        let request = self.aws.ec2().await.describe_nat_gateways().filter(alive);
        let all = request.into_paginator().items().send().try_collect().await;
        let all = all.operation("ec2:DescribeNatGateways")?;
        if all.is_empty() {
            return Ok(0);
        }
        let places: Vec<&str> = all.iter().filter_map(|gateway| gateway.subnet_id()).collect();
        let subnets = subnets(self.aws, &places.iter().map(|id| (*id).to_owned()).collect()).await?;
        let here = subnets.iter().filter(|subnet| subnet.availability_zone() == Some(zone));
        let here: Vec<&str> = here.filter_map(|subnet| subnet.subnet_id()).collect();
        Ok(places.iter().filter(|id| here.contains(id)).count())
    }

    /// What the account is allowed.
    async fn allowed(&self, quota: &Quota) -> Result<u64, OpError> {
        let told = match quota.summary {
            Some(key) => self.summary().await?.get(key).copied(),
            None => quotas::allowed(self.aws, quota.service, quota.code).await?,
        };
        Ok(told.unwrap_or(quota.default))
    }

    async fn summary(&self) -> Result<&BTreeMap<String, u64>, OpError> {
        let ask = || async {
            let answer = self.aws.iam().await.get_account_summary().send().await.operation("iam:GetAccountSummary")?;
            let all = answer.summary_map.unwrap_or_default().into_iter();
            Ok(all.map(|(key, count)| (key.as_str().to_owned(), count.max(0) as u64)).collect())
        };
        self.summary.get_or_try_init(ask).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{found, plan, says, token};
    use super::*;

    fn many(kind: &str, count: usize, spec: impl Fn(usize) -> Value) -> Vec<(String, Value)> {
        (0..count).map(|i| (format!("s/{kind}/n{i}"), spec(i))).collect()
    }

    fn plain_in(vpc: &str) -> impl Fn(usize) -> Value {
        move |_| json!({ "vpc_id": vpc })
    }

    fn range_of(vpc: &str) -> impl Fn(usize) -> Value {
        move |i| json!({ "vpc_id": vpc, "range": { "ipv4": format!("100.{i}.0.0/16") } })
    }

    #[test]
    fn counts_are_fine_up_to_the_default_and_told_above_it() {
        let (vpc, group) = (token("net/ec2.vpc/main", "id"), token("net/ec2.security-group/web", "id"));
        let plain = |_| json!({});
        let rule = |direction: &'static str| {
            let group = group.clone();
            move |i: usize| json!({ "security_group_id": group, "direction": direction, "from_port": i })
        };
        let subnet = |i: usize| json!({ "vpc_id": vpc, "cidr_block": format!("10.0.{i}.0/24") });
        let nodes = |i: usize| json!({ "cluster_name": "c", "node_group_name": format!("g{i}"), "max_size": 1 });
        for (resources, wanted) in [
            (many("ec2.vpc", 5, plain), None),
            (many("ec2.vpc", 6, plain), Some("6 VPCs in the region are more than the 5")),
            (many("ec2.elastic-ip", 6, plain), Some("6 elastic IP addresses")),
            (many("ec2.internet-gateway", 6, plain), Some("6 internet gateways")),
            (many("ec2.security-group-rule", 60, rule("ingress")), None),
            (many("ec2.security-group-rule", 61, rule("ingress")), Some("61 inbound rules in")),
            (many("ec2.security-group-rule", 61, rule("egress")), Some("61 outbound rules in")),
            (many("ec2.subnet", 200, subnet), None),
            (many("ec2.subnet", 201, subnet), Some("201 subnets in one VPC")),
            (many("ec2.interface-endpoint", 51, plain_in(&vpc)), Some("51 interface endpoints in one VPC")),
            (many("ec2.vpc-cidr-block", 6, range_of(&vpc)), Some("6 IPv4 ranges of one VPC")),
            (many("eks.node-group", 30, nodes), None),
            (many("eks.node-group", 31, nodes), Some("31 node groups in one cluster")),
        ] {
            let plan = plan(resources);
            says(&found(&plan, check), wanted.map(|words| ("quota", words)));
        }
    }

    #[test]
    fn what_one_resource_says_all_of_is_an_error_where_no_quota_is_raised_so_far() {
        let arns = |count: usize| (0..count).map(|i| format!("arn:{i}")).collect::<Vec<_>>();
        let trust = |characters: usize| {
            let rest =
                json!({ "Statement": [{ "Sid": "", "Effect": "Allow", "Action": "a", "Principal": { "AWS": "" } }] });
            let short = Document::new(rest).expect("a document").length();
            let who = "a".repeat(characters - short);
            json!({ "Statement": [{ "Effect": "Allow", "Action": "a", "Principal": { "AWS": who } }] })
        };
        let role = |policies: usize, characters: usize| json!({ "managed_policy_arns": arns(policies), "assume_role_policy": trust(characters) });
        let template = |groups: usize| json!({ "security_group_ids": arns(groups) });
        for (kind, spec, wanted) in [
            ("iam.role", role(10, 2048), None),
            ("iam.role", role(11, 2048), Some((Severity::Warning, "11 managed policies on one role"))),
            ("iam.role", role(26, 2048), Some((Severity::Error, "26 managed policies on one role"))),
            ("iam.role", role(10, 2049), Some((Severity::Warning, "2049 characters of a trust policy"))),
            ("iam.role", role(10, 8193), Some((Severity::Error, "8193 characters of a trust policy"))),
            ("ec2.launch-template", template(5), None),
            (
                "ec2.launch-template",
                template(6),
                Some((Severity::Warning, "6 security groups on one network interface")),
            ),
            ("ec2.launch-template", template(17), Some((Severity::Error, "17 security groups"))),
            ("eks.node-group", json!({ "cluster_name": "c", "max_size": 450 }), None),
            (
                "eks.node-group",
                json!({ "cluster_name": "c", "max_size": 451 }),
                Some((Severity::Warning, "451 nodes in one node group")),
            ),
        ] {
            let plan = plan([(format!("s/{kind}/x"), spec)]);
            let findings = found(&plan, check);
            says(&findings, wanted.map(|(_, words)| ("quota", words)));
            assert_eq!(findings.first().map(|one| one.severity), wanted.map(|(severity, _)| severity));
        }
    }
}
