//! What would go wrong, said before anything is made.
//!
//! Offline, from the plan alone; online, with what AWS says of quotas, offerings and networks.

mod access;
mod addons;
mod instances;
mod network;
mod nodes;
mod quotas;
mod trust;
mod versions;

use std::collections::BTreeMap;

use llmhost_engine::kind::OpError;
use llmhost_engine::names::ResourceAddress;
use llmhost_engine::plan::{Action, Plan};
use llmhost_engine::unknown::{self, Source};
use serde_json::Value;

use super::clients::Aws;
use super::ec2;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It may be meant so.
    Warning,
    /// It cannot work.
    Error,
}

/// Something that would go wrong, or that a careful reader would ask about.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Stable and greppable: `quota`, `no-route-out`.
    pub code: &'static str,
    /// The resource it speaks of.
    pub address: ResourceAddress,
    /// Keys of the step's `with` table that it is likely about, the best first.
    #[serde(skip)]
    pub keys: &'static [&'static str],
    /// One sentence, with the values in it.
    pub message: String,
    /// What to do.
    pub fix: String,
}

/// IAM actions of the checks that ask AWS.
pub const ACTIONS: &[&str] = &[
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeInstanceTypeOfferings",
    "ec2:DescribeSubnets",
    "ec2:DescribeRouteTables",
    "ec2:DescribeVpcEndpoints",
    "ec2:DescribeInstances",
    "eks:DescribeCluster",
    "eks:DescribeClusterVersions",
    "iam:GetOpenIDConnectProvider",
    "servicequotas:GetServiceQuota",
    "servicequotas:GetAWSDefaultServiceQuota",
];

/// Checks a plan. With `aws`, asks it too: a failing question is an error, not a clean bill.
/// `all` includes resources that stay as they are.
pub async fn preflight(aws: Option<&Aws>, plan: &Plan, all: bool) -> Result<Vec<Finding>, OpError> {
    let view = View::new(plan, all);
    let mut findings = Vec::new();
    access::check(&view, &mut findings);
    addons::check(&view, &mut findings);
    network::check(&view, &mut findings);
    nodes::check(&view, &mut findings);
    trust::check(&view, &mut findings);
    versions::check(&view, &versions::today(), &mut findings);
    if let Some(aws) = aws {
        let zones = Zones::of(aws, &view).await?;
        network::ask(aws, &view, &mut findings).await?;
        nodes::ask(aws, &view, &zones, &mut findings).await?;
        access::ask(aws, &view, &mut findings).await?;
        trust::ask(aws, &view, &mut findings).await?;
        quotas::ask(aws, &view, &mut findings).await?;
        versions::ask(aws, &view, &mut findings).await?;
    }
    findings.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.address.cmp(&b.address)));
    findings.dedup();
    Ok(findings)
}

/// The declared resources of a plan, by kind.
pub(super) struct View<'a> {
    plan: &'a Plan,
    all: bool,
}

#[derive(Clone, Copy)]
pub(super) struct Declared<'a> {
    pub(super) address: &'a ResourceAddress,
    pub(super) spec: &'a Value,
    /// Whether this run makes or changes it.
    pub(super) is_checked: bool,
}

impl<'a> View<'a> {
    fn new(plan: &'a Plan, all: bool) -> Self {
        Self { plan, all }
    }

    /// Every declared resource of a kind.
    pub(super) fn of_kind(&self, kind: &'static str) -> impl Iterator<Item = Declared<'a>> + use<'a> {
        let all = self.all;
        let resources = self.plan.resources.iter();
        resources.filter(move |(address, planned)| address.kind() == kind && planned.action != Action::Delete).map(
            move |(address, planned)| Declared {
                address,
                spec: &planned.spec,
                is_checked: all || planned.action != Action::Keep,
            },
        )
    }

    /// Those that the check is about.
    pub(super) fn checked(&self, kind: &'static str) -> impl Iterator<Item = Declared<'a>> + use<'a> {
        self.of_kind(kind).filter(|declared| declared.is_checked)
    }

    /// The declared resource that a text stands for, where the text is its token.
    pub(super) fn behind(&self, text: &Value) -> Option<Declared<'a>> {
        let Some(Source::Output(address, _)) = unknown::whole(text.as_str()?) else { return None };
        let (address, planned) = self.plan.resources.get_key_value(&address)?;
        Some(Declared { address, spec: &planned.spec, is_checked: true })
    }
}

/// A text field of a spec.
pub(super) fn text<'a>(spec: &'a Value, field: &str) -> &'a str {
    spec[field].as_str().unwrap_or_default()
}

/// The texts of a list in a spec.
pub(super) fn texts<'a>(spec: &'a Value, field: &str) -> impl Iterator<Item = &'a str> {
    spec[field].as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// Names of zones behind the facts of a plan.
pub(super) struct Zones(BTreeMap<String, String>);

impl Zones {
    async fn of(aws: &Aws, view: &View<'_>) -> Result<Self, OpError> {
        let mut known = BTreeMap::new();
        for subnet in view.of_kind("ec2.subnet") {
            let zone = text(subnet.spec, "availability_zone");
            if let Some(Source::Fact(key)) = unknown::whole(zone)
                && let Some((_, index)) = key.split_once('/')
                && !known.contains_key(zone)
            {
                known.insert(zone.to_owned(), ec2::availability_zone(aws, index).await?);
            }
        }
        Ok(Self(known))
    }

    /// The zone's name.
    pub(super) fn name(&self, zone: &str) -> String {
        self.0.get(zone).cloned().unwrap_or_else(|| zone.to_owned())
    }
}
