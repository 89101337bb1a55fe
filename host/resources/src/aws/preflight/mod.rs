//! What would go wrong, said before anything is made.
//!
//! Offline, from the plan alone; online, with what AWS says of quotas, offerings, networks, and of the names
//! that the plan takes and mentions.

mod access;
mod addons;
mod capacity;
mod clusters;
mod counts;
mod definitions;
mod fargate;
pub(crate) mod images;
mod instances;
mod missing;
mod models;
mod names;
mod network;
mod nodes;
mod places;
mod quotas;
mod rules;
mod taken;
#[cfg(test)]
mod testing;
mod trust;
mod versions;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use llmhost_engine::kind::{OpError, ReplaceOrder};
use llmhost_engine::names::ResourceAddress;
use llmhost_engine::placement::{Placement, parts_of_key};
use llmhost_engine::plan::{Action, Plan};
use llmhost_engine::state::State;
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
    "ec2:DescribeAddresses",
    "ec2:DescribeAvailabilityZones",
    "ec2:DescribeCapacityReservations",
    "ec2:DescribeEgressOnlyInternetGateways",
    "ec2:DescribeInternetGateways",
    "ec2:DescribeLaunchTemplates",
    "ec2:DescribeManagedPrefixLists",
    "ec2:DescribeNatGateways",
    "ec2:DescribePlacementGroups",
    "ec2:DescribeSecurityGroupRules",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeRouteTables",
    "ec2:DescribeVpcAttribute",
    "ec2:DescribeVpcEndpointServices",
    "ec2:DescribeVpcEndpoints",
    "ec2:DescribeVpcs",
    "ec2:DescribeInstances",
    "ecr:BatchGetImage",
    "ecr:GetAuthorizationToken",
    "ecr:GetDownloadUrlForLayer",
    "eks:DescribeAddonConfiguration",
    "eks:DescribeAddonVersions",
    "eks:DescribeCluster",
    "eks:DescribeClusterVersions",
    "eks:ListClusters",
    "eks:ListNodegroups",
    "iam:GetAccountSummary",
    "iam:GetOpenIDConnectProvider",
    "servicequotas:GetServiceQuota",
    "servicequotas:GetAWSDefaultServiceQuota",
];

/// How many questions are asked at a time.
const AT_A_TIME: usize = 8;

/// Checks a plan that was made from `state`. With `aws`, asks it too: a failing question is an error, not a clean
/// bill. `all` includes resources that stay as they are. What steps make elsewhere is checked there.
pub async fn preflight(aws: Option<&Arc<Aws>>, plan: &Plan, state: &State, all: bool) -> Result<Vec<Finding>, OpError> {
    let placed: HashMap<_, _> = plan.steps.iter().map(|step| (&step.name, &step.placement)).collect();
    let placements: BTreeSet<&Placement> = placed.values().copied().filter(|placement| !placement.is_own()).collect();
    if placements.is_empty() {
        return check(aws.map(Arc::as_ref), plan, state, all).await;
    }
    let mut findings = Vec::new();
    for placement in std::iter::once(&Placement::OWN).chain(placements) {
        let mut part = plan.clone();
        part.resources.retain(|address, _| *placed.get(address.step()).unwrap_or(&&Placement::OWN) == placement);
        let there = aws.map(|aws| if placement.is_own() { Arc::clone(aws) } else { Arc::new(aws.at(placement)) });
        findings.extend(check(there.as_deref(), &part, state, all).await?);
    }
    Ok(sorted(findings))
}

async fn check(aws: Option<&Aws>, plan: &Plan, state: &State, all: bool) -> Result<Vec<Finding>, OpError> {
    let view = View::new(plan, state, all);
    let mut findings = Vec::new();
    access::check(&view, &mut findings);
    addons::check(&view, &mut findings);
    capacity::check(&view, &mut findings);
    clusters::check(&view, &mut findings);
    definitions::check(&view, &mut findings);
    images::check(&view, &mut findings);
    models::check(&view, &mut findings);
    fargate::check(&view, &mut findings);
    names::check(&view, &mut findings);
    places::check(&view, &mut findings);
    network::check(&view, &mut findings);
    nodes::check(&view, &mut findings);
    rules::check(&view, &mut findings);
    trust::check(&view, &mut findings);
    versions::check(&view, &versions::today(), &mut findings);
    let Some(aws) = aws else {
        counts::check(&view, &mut findings);
        return Ok(sorted(findings));
    };
    let zones = Zones::of(aws, &view).await?;
    clusters::ask(aws, &view, &zones, &mut findings).await?;
    definitions::ask(aws, &view, &mut findings).await;
    network::ask(aws, &view, &mut findings).await?;
    nodes::ask(aws, &view, &zones, &mut findings).await?;
    images::ask(aws, &view, &mut findings).await;
    models::ask(aws, &view, &mut findings).await?;
    access::ask(aws, &view, &mut findings).await?;
    addons::ask(aws, &view, &mut findings).await?;
    capacity::ask(aws, &view, &zones, &mut findings).await?;
    fargate::ask(aws, &view, &mut findings).await?;
    trust::ask(aws, &view, &mut findings).await?;
    quotas::ask(aws, &view, &mut findings).await?;
    versions::ask(aws, &view, &mut findings).await?;
    findings.extend(counts::ask(aws, &view, &zones).await?);
    places::ask(aws, &view, &zones, &mut findings).await?;
    findings.extend(missing::ask(aws, &view).await?);
    findings.extend(taken::ask(aws, &view).await?);
    Ok(sorted(findings))
}

fn sorted(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.address.cmp(&b.address)));
    findings.dedup();
    findings
}

/// Asks several questions, a few at a time.
async fn together<T>(
    questions: impl Iterator<Item = impl Future<Output = Result<T, OpError>>>,
) -> Result<Vec<T>, OpError> {
    stream::iter(questions).buffer_unordered(AT_A_TIME).try_collect().await
}

/// The declared resources of a plan, by kind.
pub(super) struct View<'a> {
    plan: &'a Plan,
    /// Kind and id of everything that the state holds.
    own: HashSet<(&'a str, &'a str)>,
    /// Kind and name of everything that was begun, and may have been made without the state knowing its id.
    begun: HashSet<(&'a str, String)>,
    /// What the state holds now, by its id.
    by_id: HashMap<&'a str, &'a ResourceAddress>,
    all: bool,
}

#[derive(Clone, Copy)]
pub(super) struct Declared<'a> {
    pub(super) address: &'a ResourceAddress,
    pub(super) spec: &'a Value,
    pub(super) action: Action,
    /// Whether this run makes or changes it.
    pub(super) is_checked: bool,
}

impl Declared<'_> {
    /// Whether a name of its own has to be free.
    pub(super) fn is_made(&self) -> bool {
        matches!(self.action, Action::Create | Action::Replace { .. })
    }

    /// Whether there is one more for a while, or for good.
    pub(super) fn adds_one(&self) -> bool {
        matches!(self.action, Action::Create | Action::Replace { order: ReplaceOrder::CreateFirst })
    }
}

impl<'a> View<'a> {
    fn new(plan: &'a Plan, state: &'a State, all: bool) -> Self {
        let ids = state.resources.iter().flat_map(|(address, record)| {
            let made = record.current.iter().chain(&record.deposed);
            made.map(|instance| (address.kind(), instance.id.as_str()))
        });
        let begun = state.resources.iter().filter_map(|(address, record)| {
            let named = names::unique(address.kind(), &record.pending.as_ref()?.spec)?;
            Some((address.kind(), named.name))
        });
        let current = state.instances().map(|(address, instance)| (instance.id.as_str(), address));
        Self { plan, own: ids.collect(), begun: begun.collect(), by_id: current.collect(), all }
    }

    /// Whether the state holds it.
    pub(super) fn is_own(&self, kind: &str, id: &str) -> bool {
        self.own.contains(&(kind, id))
    }

    /// Whether what has this name can be what an interrupted run of this pipeline made: the run looks for that first.
    pub(super) fn may_have_begun(&self, kind: &str, name: &str) -> bool {
        self.begun.iter().any(|(of, begun)| *of == kind && begun == name)
    }

    /// Every declared resource of a kind.
    pub(super) fn of_kind(&self, kind: &'static str) -> impl Iterator<Item = Declared<'a>> + use<'a> {
        let all = self.all;
        let resources = self.plan.resources.iter();
        resources.filter(move |(address, planned)| address.kind() == kind && planned.action != Action::Delete).map(
            move |(address, planned)| Declared {
                address,
                spec: &planned.spec,
                action: planned.action,
                is_checked: all || planned.action != Action::Keep,
            },
        )
    }

    /// Those that the check is about, of all kinds of a service: `ec2.`.
    pub(super) fn checked_below(&self, service: &'static str) -> impl Iterator<Item = Declared<'a>> + use<'a> {
        let all = self.all;
        let resources = self.plan.resources.iter().filter(move |(address, _)| address.kind().starts_with(service));
        let declared = resources.filter(|(_, planned)| planned.action != Action::Delete);
        let declared = declared.map(move |(address, planned)| {
            let is_checked = all || planned.action != Action::Keep;
            Declared { address, spec: &planned.spec, action: planned.action, is_checked }
        });
        declared.filter(|declared| declared.is_checked)
    }

    /// Those that the check is about.
    pub(super) fn checked(&self, kind: &'static str) -> impl Iterator<Item = Declared<'a>> + use<'a> {
        self.of_kind(kind).filter(|declared| declared.is_checked)
    }

    /// As [`behind`](Self::behind), and where the text is the id of one that is there already.
    pub(super) fn behind_id(&self, text: &Value) -> Option<Declared<'a>> {
        self.behind(text).or_else(|| {
            let (address, planned) = self.plan.resources.get_key_value(*self.by_id.get(text.as_str()?)?)?;
            let is_declared = planned.action != Action::Delete;
            is_declared.then_some(Declared { address, spec: &planned.spec, action: planned.action, is_checked: true })
        })
    }

    /// The declared resource that a text stands for, where the text is its token.
    pub(super) fn behind(&self, text: &Value) -> Option<Declared<'a>> {
        let Some(Source::Output(address, _)) = unknown::whole(text.as_str()?) else { return None };
        let (address, planned) = self.plan.resources.get_key_value(&address)?;
        Some(Declared { address, spec: &planned.spec, action: planned.action, is_checked: true })
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
        let zones = view.of_kind("ec2.subnet").map(|subnet| text(subnet.spec, "availability_zone"));
        // A zone that is known for one number is not given for another.
        let mut chosen: BTreeSet<String> = zones.filter(|zone| !unknown::is_unknown(zone)).map(str::to_owned).collect();
        for subnet in view.of_kind("ec2.subnet") {
            let zone = text(subnet.spec, "availability_zone");
            if let Some(Source::Fact(key)) = unknown::whole(zone)
                && let Some((fact, asked)) = parts_of_key(key).0.split_once('/')
                && !known.contains_key(zone)
            {
                let name = match fact {
                    "ec2.zone-name" => ec2::zone_name(aws, asked).await?,
                    _ => ec2::availability_zone(aws, asked, &chosen).await?,
                };
                chosen.insert(name.clone());
                known.insert(zone.to_owned(), name);
            }
        }
        Ok(Self(known))
    }

    /// The zone's name.
    pub(super) fn name(&self, zone: &str) -> String {
        self.0.get(zone).cloned().unwrap_or_else(|| zone.to_owned())
    }
}
