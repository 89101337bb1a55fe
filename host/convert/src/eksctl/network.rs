//! The network: made by a step, or looked up.

use toml::Value;

use super::{Work, list};
use crate::at::At;
use crate::document::{Step, literal};

/// Regions in which eksctl takes two zones, and not three.
const TWO_ZONES: [&str; 2] = ["us-east-1", "us-west-1"];
/// What nodes without a way out need.
const ENDPOINTS: [&str; 7] = ["ecr.api", "ecr.dkr", "ec2", "sts", "eks", "eks-auth", "logs"];

/// A network, as other steps refer to it.
pub(crate) enum Network {
    /// The step `network`, with these zones where they are stated.
    Made { zones: Vec<String> },
    /// Subnets that exist, each with its name, its zone's name or its id, and a reference.
    There { vpc: Option<String>, public: Vec<(Vec<String>, String)>, private: Vec<(Vec<String>, String)> },
}

impl Network {
    /// A reference to the VPC.
    pub(crate) fn vpc(&self) -> Option<String> {
        match self {
            Self::Made { .. } => Some("${network.vpc_id}".to_owned()),
            Self::There { vpc, .. } => vpc.clone(),
        }
    }

    /// The subnets of the control plane.
    pub(crate) fn all(&self) -> Value {
        match self {
            Self::Made { .. } => "${network.subnet_ids}".into(),
            Self::There { public, private, .. } => list(public.iter().chain(private).map(|(_, id)| id.clone())),
        }
    }

    /// Public or private subnets; where there are none of the kind, the others.
    pub(crate) fn subnets(&self, is_private: bool) -> Value {
        match self {
            Self::Made { .. } if is_private => "${network.private_subnet_ids}".into(),
            Self::Made { .. } => "${network.public_subnet_ids}".into(),
            Self::There { public, private, .. } => {
                let takes_private = if is_private { !private.is_empty() } else { public.is_empty() };
                let wanted = if takes_private { private } else { public };
                list(wanted.iter().map(|(_, id)| id.clone()))
            }
        }
    }

    /// The subnet of a zone, or with a name or an id.
    pub(crate) fn named(&self, name: &str, is_private: bool) -> Option<String> {
        match self {
            Self::Made { zones } => {
                let at = zones.iter().position(|zone| zone == name)?;
                let which = if is_private { "private" } else { "public" };
                Some(format!("${{network.{which}_subnet_ids[{at}]}}"))
            }
            Self::There { public, private, .. } => {
                let (first, second) = if is_private { (private, public) } else { (public, private) };
                let mut all = first.iter().chain(second);
                all.find(|(names, _)| names.iter().any(|one| one == name)).map(|(_, id)| id.clone())
            }
        }
    }
}

/// The network of the file.
pub(crate) fn network(work: &mut Work<'_>) -> Network {
    let vpc = work.at("vpc");
    let has_subnets =
        vpc.as_ref().is_some_and(|vpc| ["subnets", "controlPlaneSubnetIDs"].iter().any(|key| vpc.get(key).is_some()));
    match vpc {
        Some(vpc) if has_subnets || vpc.get("id").is_some() => there(work, &vpc),
        _ => made(work),
    }
}

fn there(work: &mut Work<'_>, at: &At<'_>) -> Network {
    let vpc = at.get("id").and_then(|id| {
        let text = id.text()?;
        work.same(&id, "[existing.vpc]");
        Some(work.document.existing("vpc", "vpc", &[("kind", "ec2.vpc"), ("id", text)], "id"))
    });
    if let Some(cidr) = at.get("cidr") {
        work.same(&cidr, "the range of the VPC, which is looked up");
    }
    let mut read = |which: &str| -> Vec<(Vec<String>, String)> {
        let Some(group) = at.find(&format!("subnets.{which}")) else { return Vec::new() };
        group.entries().iter().filter_map(|(name, subnet)| one(work, name, subnet)).collect()
    };
    let (public, private) = (read("public"), read("private"));
    let mut network = Network::There { vpc, public, private };
    // Where only the control plane's are stated, nodes are there too.
    let of_cluster = at.get("controlPlaneSubnetIDs").map(|at| at.items()).unwrap_or_default();
    if let Network::There { public, private, .. } = &mut network
        && public.is_empty()
        && private.is_empty()
    {
        for id in of_cluster.iter().filter_map(At::text) {
            let reference = work.document.existing(id, "subnet", &[("kind", "ec2.subnet"), ("id", id)], "id");
            private.push((vec![id.to_owned()], reference));
        }
    }
    network
}

/// A subnet that exists, by its id.
fn one(work: &mut Work<'_>, name: &str, at: &At<'_>) -> Option<(Vec<String>, String)> {
    let text = |key| at.get(key).and_then(|at| at.text());
    let mut names = vec![name.to_owned()];
    names.extend([text("id"), text("az")].into_iter().flatten().map(str::to_owned));
    if let Some(id) = text("id") {
        let reference = work.document.existing(name, "subnet", &[("kind", "ec2.subnet"), ("id", id)], "id");
        work.same(at, format!("{reference}, looked up by its id"));
        return Some((names, reference));
    }
    let filter = match (text("cidr"), text("az")) {
        (Some(cidr), _) => format!("Name=cidr-block,Values={cidr}"),
        (None, Some(zone)) => format!("Name=availability-zone,Values={zone}"),
        (None, None) => "Name=vpc-id,Values=VPC".to_owned(),
    };
    let todo = format!("Give its id: aws ec2 describe-subnets --filters {filter} shows it.");
    work.missing(at, "a subnet is looked up by its id, and this one has none", todo);
    None
}

fn made(work: &mut Work<'_>) -> Network {
    let mut step = Step::new("network", "vpc");
    step.comments.push("The network: public and private subnets in each zone.".to_owned());
    step.set("name", work.cluster.clone()).set("cluster", work.cluster.clone());
    if let Some(cidr) = work.text(work.at("vpc.cidr"), "steps.network.with.cidr") {
        step.set("cidr", cidr);
    } else {
        step.set_with("cidr", "192.168.0.0/16", "eksctl's default");
    }
    let zones = zones(work);
    match zones.is_empty() {
        false => step.set("zones", list(zones.clone())),
        true => {
            let count = if TWO_ZONES.contains(&work.document.region.as_str()) { 2 } else { 3 };
            step.set_with("azs", count, "eksctl's default")
        }
    };
    let is_closed = work.at("privateCluster.enabled").is_some_and(|at| at.flag() == Some(true));
    let nat = work.at("vpc.nat.gateway");
    let nat_name = nat.as_ref().and_then(At::text);
    let kind = match nat_name {
        None => "single",
        Some("HighlyAvailable") => "per-az",
        Some("Single") => "single",
        Some("Disable") => "none",
        Some(_) => {
            work.wrong(&nat.clone().expect("it has a name"), "HighlyAvailable, Single or Disable");
            "single"
        }
    };
    if let (Some(nat), Some("HighlyAvailable" | "Single" | "Disable")) = (&nat, nat_name) {
        work.same(nat, "steps.network.with.nat");
    }
    step.set("nat", if is_closed { "none" } else { kind });
    if let Some(private) = work.at("privateCluster.enabled") {
        work.same(&private, "steps.network.with.endpoints and steps.cluster.with.endpoint");
    }
    if is_closed {
        let more = work.texts(work.at("privateCluster.additionalEndpointServices"), "steps.network.with.endpoints");
        let mut endpoints: Vec<String> = ENDPOINTS.iter().map(|name| (*name).to_owned()).collect();
        endpoints.extend(more.into_iter().flatten().filter(|name| !ENDPOINTS.contains(&name.as_str())));
        step.set("endpoints", list(endpoints));
    }
    let ipv6 = work.at("kubernetesNetworkConfig.ipFamily").and_then(|at| at.text()) == Some("IPv6");
    let allocates = work.at("vpc.autoAllocateIPv6");
    if let Some(at) = &allocates {
        work.same(at, "steps.network.with.ipv6");
    }
    if ipv6 || allocates.and_then(|at| at.flag()) == Some(true) {
        step.set("ipv6", true);
    }
    if let Some(more) = work.texts(work.at("vpc.extraCIDRs"), "steps.network.with.secondary_cidrs") {
        step.set("secondary_cidrs", list(more)).set("pod_subnets", Value::Array(Vec::new()));
    }
    step.set_with("security_groups", Value::Table(toml::Table::new()), "the cluster makes its own");
    work.add(step);
    let mut sorted = zones;
    sorted.sort();
    Network::Made { zones: sorted }
}

/// The zones of the network: those that are stated for it, or else those that node groups name, and another one where
/// these are too few for a cluster.
fn zones(work: &mut Work<'_>) -> Vec<String> {
    if let Some(zones) = work.texts(work.at("availabilityZones"), "steps.network.with.zones") {
        return zones;
    }
    let mut zones: Vec<String> = Vec::new();
    for groups in ["nodeGroups", "managedNodeGroups"] {
        for group in work.at(groups).map(|at| at.items()).unwrap_or_default() {
            let named = group.get("availabilityZones").and_then(|at| at.texts()).unwrap_or_default();
            zones.extend(named.into_iter().map(literal));
        }
    }
    let mut kept: Vec<String> = Vec::new();
    for zone in zones {
        if !kept.contains(&zone) {
            kept.push(zone);
        }
    }
    if !kept.is_empty() {
        let more = ["a", "b", "c"].iter().map(|letter| format!("{}{letter}", work.document.region));
        let more: Vec<String> = more.filter(|zone| !kept.contains(zone)).collect();
        let few = 3usize.saturating_sub(kept.len());
        kept.extend(more.into_iter().take(few));
    }
    kept
}
