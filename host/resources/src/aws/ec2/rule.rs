//! `ec2.security-group-rule`

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_ec2::types::{
    IpPermission, IpRange, Ipv6Range, PrefixListId, ResourceType, SecurityGroupRule as Found, SecurityGroupRuleRequest,
    SecurityGroupRuleUpdate, UserIdGroupPair,
};
use llmhost_engine::kind::{
    Created, DeclareContext, ErrorClass, Intent, Kind, Observed, OpError, Outputs, Progress, Sampled,
};
use llmhost_engine::unknown;
use serde::{Deserialize, Serialize};

use super::{
    Operation, cidr, filter, made, made_by, observed, outputs, present, security_group, sync_tags, tagged, with_tags,
};
use crate::aws::clients::Aws;
use crate::aws::errors::gone_is_none;
use crate::aws::tags::Tags;

/// One rule of a security group.
pub(in crate::aws) struct SecurityGroupRule(pub(in crate::aws) Arc<Aws>);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::aws) struct Spec {
    security_group_id: String,
    direction: Direction,
    ip_protocol: String,
    from_port: i32,
    to_port: i32,
    peer: Peer,
    description: String,
    tags: Tags,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Direction {
    #[serde(alias = "Ingress")]
    Ingress,
    #[serde(alias = "Egress")]
    Egress,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Peer {
    #[serde(alias = "Cidr")]
    Cidr(String),
    #[serde(alias = "SecurityGroup")]
    SecurityGroup(String),
    #[serde(alias = "CidrIpv6")]
    CidrIpv6(String),
    #[serde(alias = "PrefixList")]
    PrefixList(String),
}

impl Peer {
    /// Refuses what cannot be meant, and brings an IPv6 range into the form in which EC2 tells it.
    fn check(&mut self) -> Result<(), String> {
        let id_of = |what: &str, start: &str, id: &str| match id.starts_with(start) || unknown::is_unknown(id) {
            true => Ok(()),
            false => Err(format!("peer '{id}' is not the id of a {what}, which starts with {start}")),
        };
        match self {
            Self::Cidr(range) => cidr::parse("peer", range).map(drop),
            Self::CidrIpv6(range) => {
                if let Some(net) = cidr::parse_v6("peer", range)? {
                    *range = net.to_string();
                }
                Ok(())
            }
            Self::SecurityGroup(id) => id_of("security group", "sg-", id),
            Self::PrefixList(id) => id_of("managed prefix list", "pl-", id),
        }
    }
}

impl Spec {
    fn permission(&self) -> IpPermission {
        let permission = IpPermission::builder().ip_protocol(&self.ip_protocol);
        let permission = match self.ip_protocol.as_str() {
            "-1" => permission,
            _ => permission.from_port(self.from_port).to_port(self.to_port),
        };
        let text = Some(self.description.clone()).filter(|text| !text.is_empty());
        match &self.peer {
            Peer::Cidr(range) => permission.ip_ranges(IpRange::builder().cidr_ip(range).set_description(text).build()),
            Peer::SecurityGroup(id) => {
                permission.user_id_group_pairs(UserIdGroupPair::builder().group_id(id).set_description(text).build())
            }
            Peer::CidrIpv6(range) => {
                permission.ipv6_ranges(Ipv6Range::builder().cidr_ipv6(range).set_description(text).build())
            }
            Peer::PrefixList(id) => {
                permission.prefix_list_ids(PrefixListId::builder().prefix_list_id(id).set_description(text).build())
            }
        }
        .build()
    }

    fn allows_the_same(&self, other: &Self) -> bool {
        let what = |spec: &Self| (spec.direction, spec.ip_protocol.clone(), spec.from_port, spec.to_port);
        self.security_group_id == other.security_group_id && what(self) == what(other) && self.peer == other.peer
    }

    /// The rule as a whole, as AWS takes it for one that is there.
    fn request(&self) -> SecurityGroupRuleRequest {
        let request = SecurityGroupRuleRequest::builder().ip_protocol(&self.ip_protocol).description(&self.description);
        let request = match self.ip_protocol.as_str() {
            "-1" => request.from_port(-1).to_port(-1),
            _ => request.from_port(self.from_port).to_port(self.to_port),
        };
        match &self.peer {
            Peer::Cidr(range) => request.cidr_ipv4(range),
            Peer::SecurityGroup(id) => request.referenced_group_id(id),
            Peer::CidrIpv6(range) => request.cidr_ipv6(range),
            Peer::PrefixList(id) => request.prefix_list_id(id),
        }
        .build()
    }

    /// A rule that AWS lists, in the form of a spec.
    fn observe(rule: &Found) -> Self {
        let egress = rule.is_egress().unwrap_or(false);
        let group = rule.referenced_group_info().and_then(|group| group.group_id());
        let peer = match (group, rule.prefix_list_id(), rule.cidr_ipv6()) {
            (Some(group), _, _) => Peer::SecurityGroup(group.to_owned()),
            (None, Some(list), _) => Peer::PrefixList(list.to_owned()),
            (None, None, Some(range)) => Peer::CidrIpv6(range.to_owned()),
            (None, None, None) => Peer::Cidr(rule.cidr_ipv4().unwrap_or_default().to_owned()),
        };
        // A rule for every protocol has no ports; for ICMP, -1 stands for every type or code.
        let port = |port: Option<i32>| port.filter(|_| rule.ip_protocol() != Some("-1")).unwrap_or(0);
        Self {
            security_group_id: rule.group_id().unwrap_or_default().to_owned(),
            direction: if egress { Direction::Egress } else { Direction::Ingress },
            ip_protocol: rule.ip_protocol().unwrap_or_default().to_owned(),
            from_port: port(rule.from_port()),
            to_port: port(rule.to_port()),
            peer,
            description: rule.description().unwrap_or_default().to_owned(),
            tags: observed(rule.tags()),
        }
    }
}

#[async_trait]
impl Kind for SecurityGroupRule {
    type Spec = Spec;
    const NAME: &'static str = "ec2.security-group-rule";
    const ACTIONS: &'static [&'static str] = &[
        "ec2:AuthorizeSecurityGroupIngress",
        "ec2:AuthorizeSecurityGroupEgress",
        "ec2:DescribeSecurityGroupRules",
        "ec2:ModifySecurityGroupRules",
        "ec2:RevokeSecurityGroupIngress",
        "ec2:RevokeSecurityGroupEgress",
        "ec2:CreateTags",
        "ec2:DeleteTags",
    ];
    const IMMUTABLE: &'static [&'static str] =
        &["security_group_id", "direction", "ip_protocol", "from_port", "to_port", "peer"];
    /// EC2 refuses two rules that allow the same.
    const UNIQUE: &'static [&'static str] = Self::IMMUTABLE;
    const IDENTITIES: &'static [&'static str] = &["id"];

    fn complete(&self, spec: &mut Spec, context: &DeclareContext<'_>) -> Result<(), String> {
        if !["tcp", "udp", "icmp", "-1"].contains(&spec.ip_protocol.as_str()) {
            return Err(format!("ip_protocol '{}' is not one of tcp, udp, icmp, -1", spec.ip_protocol));
        }
        if spec.ip_protocol == "-1" {
            (spec.from_port, spec.to_port) = (0, 0);
        } else if spec.ip_protocol != "icmp" && spec.from_port > spec.to_port {
            return Err(format!("the ports {} to {} are in the wrong order", spec.from_port, spec.to_port));
        }
        let ports = match spec.ip_protocol.as_str() {
            "tcp" | "udp" => 0..=65_535,
            // A type and a code of ICMP; -1 is every one.
            "icmp" => -1..=255,
            _ => 0..=0,
        };
        if let Some(port) = [spec.from_port, spec.to_port].into_iter().find(|port| !ports.contains(port)) {
            let (least, most) = (ports.start(), ports.end());
            return Err(format!("{port} is not a port that {} allows: {least} to {most}", spec.ip_protocol));
        }
        spec.peer.check()?;
        if !spec.description.is_empty() {
            security_group::check_text("description", &spec.description)?;
        }
        spec.tags.complete(context)
    }

    fn sample(&self, _: &str, _: &Spec, sampled: &Sampled<'_>) -> Option<serde_json::Value> {
        Some(sampled.id("sgr"))
    }

    async fn create(&self, spec: &Spec, intent: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
        let (ec2, group) = (self.0.ec2_once().await, &spec.security_group_id);
        let tags = tagged(ResourceType::SecurityGroupRule, &spec.tags, intent);
        let (operation, rules) = match spec.direction {
            Direction::Ingress => {
                let request = ec2.authorize_security_group_ingress().group_id(group);
                let answer = request.ip_permissions(spec.permission()).tag_specifications(tags).send().await;
                let operation = "ec2:AuthorizeSecurityGroupIngress";
                (operation, answer.operation(operation)?.security_group_rules)
            }
            Direction::Egress => {
                let request = ec2.authorize_security_group_egress().group_id(group);
                let answer = request.ip_permissions(spec.permission()).tag_specifications(tags).send().await;
                let operation = "ec2:AuthorizeSecurityGroupEgress";
                (operation, answer.operation(operation)?.security_group_rules)
            }
        };
        let id = rules.and_then(|mut rules| rules.pop()?.security_group_rule_id);
        Ok(made(present(operation, id)?))
    }

    async fn configure(&self, id: &str, spec: &Spec, was: Option<&Spec>, _: &dyn Progress) -> Result<Outputs, OpError> {
        if was.is_some_and(|was| was.description != spec.description) {
            let update =
                SecurityGroupRuleUpdate::builder().security_group_rule_id(id).security_group_rule(spec.request());
            let request = self.0.ec2().await.modify_security_group_rules().group_id(&spec.security_group_id);
            let request = request.security_group_rules(update.build());
            request.send().await.operation("ec2:ModifySecurityGroupRules")?;
        }
        sync_tags(&self.0, id, was.map(|was| &was.tags), &spec.tags).await?;
        Ok(Outputs::new())
    }

    async fn read(&self, id: &str, _: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        let request = self.0.ec2().await.describe_security_group_rules().security_group_rule_ids(id);
        let answer = gone_is_none(request.send().await.operation("ec2:DescribeSecurityGroupRules"))?;
        let found = answer.and_then(|answer| answer.security_group_rules?.pop());
        Ok(found.map(|rule| Observed { spec: Spec::observe(&rule), outputs: outputs([("id", id)]) }))
    }

    async fn find(&self, spec: &Spec, intent: &Intent) -> Result<Option<Created>, OpError> {
        // A rule that allows the same may be somebody else's, also in a group of this pipeline.
        let filters = [filter("group-id", &spec.security_group_id), made_by(intent)];
        let request = self.0.ec2().await.describe_security_group_rules().set_filters(Some(filters.into()));
        let answer = gone_is_none(request.send().await.operation("ec2:DescribeSecurityGroupRules"))?;
        let found = answer.and_then(|answer| answer.security_group_rules?.pop()?.security_group_rule_id);
        Ok(found.map(made))
    }

    /// A group has no two rules that allow the same, whatever their descriptions say.
    async fn by_place(&self, spec: &Spec) -> Result<Option<Vec<String>>, OpError> {
        let request = self.0.ec2().await.describe_security_group_rules();
        let request = request.filters(filter("group-id", &spec.security_group_id));
        let pages = request.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
        let rules = gone_is_none(pages.operation("ec2:DescribeSecurityGroupRules"))?.unwrap_or_default();
        let same = rules.iter().filter(|rule| Spec::observe(rule).allows_the_same(spec));
        Ok(Some(same.filter_map(|rule| rule.security_group_rule_id().map(str::to_owned)).collect()))
    }

    async fn by_tags(&self, tags: &BTreeMap<String, String>) -> Result<Option<Vec<String>>, OpError> {
        with_tags(&self.0, ResourceType::SecurityGroupRule, tags).await.map(Some)
    }

    async fn delete(&self, id: &str, spec: &Spec, _: &dyn Progress) -> Result<(), OpError> {
        let (ec2, group) = (self.0.ec2().await, &spec.security_group_id);
        let result = match spec.direction {
            Direction::Ingress => {
                let request = ec2.revoke_security_group_ingress().group_id(group).security_group_rule_ids(id);
                request.send().await.operation("ec2:RevokeSecurityGroupIngress").map(drop)
            }
            Direction::Egress => {
                let request = ec2.revoke_security_group_egress().group_id(group).security_group_rule_ids(id);
                request.send().await.operation("ec2:RevokeSecurityGroupEgress").map(drop)
            }
        };
        match result {
            Err(error) if error.class != ErrorClass::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_icmp_reads_back_as_it_was_stated() {
        for (protocol, ports, read) in [
            ("icmp", (-1, -1), (-1, -1)),
            ("icmp", (8, -1), (8, -1)),
            ("tcp", (80, 81), (80, 81)),
            ("-1", (-1, -1), (0, 0)),
        ] {
            let rule = Found::builder().ip_protocol(protocol).from_port(ports.0).to_port(ports.1).build();
            let seen = Spec::observe(&rule);
            assert_eq!((seen.from_port, seen.to_port), read, "{protocol}");
        }
    }
}
