//! Node groups.

use toml::{Table, Value};

use super::cluster::NODE_ROLE;
use super::network::Network;
use super::{Work, list, ssh, table, user_data};
use crate::at::At;
use crate::document::{Step, literal};

/// eksctl's default.
const INSTANCE_TYPE: &str = "m5.large";
/// eksctl's default size of a disk, in GiB.
const DISK_GIB: i64 = 80;
/// Tags by which the cluster autoscaler finds a group: the plugin writes them.
const AUTOSCALER_TAGS: &str = "k8s.io/cluster-autoscaler/";

/// Steps of the node groups.
pub(crate) fn node_groups(work: &mut Work<'_>, network: &Network, after: &[String]) {
    for key in ["nodeGroups", "managedNodeGroups"] {
        let Some(all) = work.at(key) else { continue };
        for at in all.items() {
            if let Some(mut step) = node_group(work, &at, network, key == "managedNodeGroups") {
                step.after.extend(after.iter().cloned());
                work.add(step);
            }
        }
    }
}

/// A node group, unless llmhost makes none like it.
fn node_group(work: &mut Work<'_>, at: &At<'_>, network: &Network, is_managed: bool) -> Option<Step> {
    let Some(name) = at.get("name").and_then(|at| at.text()) else {
        work.wrong(at, "a node group with a name");
        return None;
    };
    if let Some((why, todo)) = impossible(at) {
        work.missing(at, why, todo);
        return None;
    }
    let mut step = work.step(name, "ng", "nodegroup");
    let here = format!("steps.{}.with", step.name);
    if let Some(at) = at.get("name") {
        match is_managed {
            true => work.same(&at, here.clone()),
            false => {
                work.differs(&at, format!("steps.{}: a managed node group, as llmhost makes no others", step.name))
            }
        }
    }
    step.set("name", literal(name)).set("cluster", "${cluster.name}");
    let role = at.find("iam.instanceRoleARN").and_then(|at| {
        let arn = work.iam_arn(&at, "iam.role")?;
        work.same(&at, format!("{here}.role_arn, looked up"));
        Some(arn)
    });
    step.set("role_arn", role.unwrap_or_else(|| NODE_ROLE.to_owned()));
    subnets(work, at, &mut step, network, &here);
    machines(work, at, &mut step, &here);
    let is_bottlerocket = image(work, at, &mut step, &here);
    sizes(work, at, &mut step, &here);
    disk(work, at, &mut step, &here);
    meaning(work, at, &mut step, &here);
    ssh::access(work, at, &mut step, network, &here);
    life(work, at, &mut step, network, &here);
    user_data::user_data(work, at, &mut step, is_bottlerocket);
    Some(step)
}

/// Why there is no such group here, and what to do.
fn impossible(at: &At<'_>) -> Option<(&'static str, &'static str)> {
    let family = at.get("amiFamily").and_then(|at| at.text()).unwrap_or_default();
    if family.starts_with("Windows") {
        return Some(("nodes run Linux: there are no Windows images here", "Keep this group with another tool."));
    }
    if family.starts_with("Ubuntu") {
        return Some((
            "images are EKS's own: Amazon Linux 2023 and Bottlerocket",
            "Add a step of the plugin nodegroup with one of them, or with launch_template and ami_type = \"CUSTOM\".",
        ));
    }
    let has = |key| at.get(key).is_some();
    if has("instanceSelector") && !has("instanceType") && !has("instanceTypes") {
        return Some((
            "instance types are set by name here, not by what they have",
            "Set instanceTypes in the file: aws ec2 get-instance-types-from-instance-requirements lists those that match.",
        ));
    }
    if has("localZones") {
        return Some((
            "EKS has no managed node groups in Local Zones, and llmhost makes no others",
            "Leave these nodes out, or give the group zones of the region.",
        ));
    }
    has("outpostARN")
        .then_some(("EKS has no managed node groups on AWS Outposts", "Keep this group with another tool."))
}

fn subnets(work: &mut Work<'_>, at: &At<'_>, step: &mut Step, network: &Network, here: &str) {
    let is_private = at.get("privateNetworking").is_some_and(|at| at.flag() == Some(true));
    if let Some(at) = at.get("privateNetworking") {
        work.same(&at, format!("{here}.subnet_ids"));
    }
    let mut named = Vec::new();
    for key in ["subnets", "availabilityZones"] {
        let Some(all) = at.get(key) else { continue };
        named.extend(work.subnets(&all, network, is_private, &format!("{here}.subnet_ids")));
    }
    match named.is_empty() {
        true if !is_private && matches!(network, Network::Made { .. }) => {
            let comment = "eksctl's default; network.private_subnet_ids keeps nodes off the internet";
            step.set_with("subnet_ids", network.subnets(false), comment)
        }
        true => step.set("subnet_ids", network.subnets(is_private)),
        false => step.set("subnet_ids", list(named)),
    };
}

fn machines(work: &mut Work<'_>, at: &At<'_>, step: &mut Step, here: &str) {
    let to = format!("{here}.instance_types");
    let mut types = Vec::new();
    // "mixed" says that instancesDistribution has them.
    let single = at.get("instanceType").filter(|at| at.text() != Some("mixed"));
    types.extend(work.text(single, &to));
    for path in ["instanceTypes", "instancesDistribution.instanceTypes"] {
        types.extend(work.texts(at.find(path), &to).into_iter().flatten());
    }
    types.dedup();
    match types.is_empty() {
        true => step.set_with("instance_types", list([INSTANCE_TYPE.to_owned()]), "eksctl's default"),
        false => step.set("instance_types", list(types)),
    };
    if let Some(spot) = at.get("spot") {
        work.same(&spot, format!("{here}.spot"));
        if spot.flag() == Some(true) {
            step.set("spot", true);
        }
    }
    let Some(mix) = at.get("instancesDistribution") else { return };
    let number = |key, usual| mix.get(key).and_then(|at| at.number()).unwrap_or(usual);
    let (base, above) = (number("onDemandBaseCapacity", 0), number("onDemandPercentageAboveBaseCapacity", 100));
    let is_spot = base == 0 && above == 0;
    if is_spot {
        step.set("spot", true);
    }
    for key in ["onDemandBaseCapacity", "onDemandPercentageAboveBaseCapacity"] {
        let Some(at) = mix.get(key) else { continue };
        match is_spot || (key == "onDemandPercentageAboveBaseCapacity" && above == 100) || number(key, 0) == 0 {
            true => work.same(&at, format!("{here}.spot")),
            false => {
                let todo =
                    "Add a second step of the plugin nodegroup with spot = true, and divide the nodes between both.";
                work.missing(&at, "a managed group is either spot or on demand; this one is on demand", todo);
            }
        }
    }
}

/// The nodes' system; whether it is Bottlerocket.
fn image(work: &mut Work<'_>, at: &At<'_>, step: &mut Step, here: &str) -> bool {
    let family = at.get("amiFamily");
    let name = family.as_ref().and_then(At::text);
    let is_bottlerocket = name == Some("Bottlerocket");
    match (&family, name) {
        (Some(at), Some("Bottlerocket")) => {
            work.same(at, format!("{here}.os"));
            step.set("os", "bottlerocket");
        }
        (Some(at), Some("AmazonLinux2023")) => work.same(at, format!("{here}.os, which is al2023 by default")),
        (Some(at), Some("AmazonLinux2")) => {
            work.differs(at, "Amazon Linux 2023: EKS makes no new images of Amazon Linux 2");
        }
        (Some(at), _) => work.wrong(at, "AmazonLinux2023 or Bottlerocket"),
        (None, _) => {}
    }
    if let Some(own) = at.get("ami") {
        match own.text() {
            Some("auto" | "auto-ssm" | "static") => work.same(&own, "EKS's own image, chosen by the instance type"),
            _ => {
                let todo =
                    "Make a launch template with the image, and give it by launch_template and ami_type = \"CUSTOM\".";
                work.missing(&own, "the nodes get EKS's own image, chosen by the instance type", todo);
            }
        }
    }
    is_bottlerocket
}

fn sizes(work: &mut Work<'_>, at: &At<'_>, step: &mut Step, here: &str) {
    let desired = work.number(at.get("desiredCapacity"), &format!("{here}.desired"));
    let min = work.number(at.get("minSize"), &format!("{here}.min"));
    let max = work.number(at.get("maxSize"), &format!("{here}.max"));
    // As eksctl fills them in.
    let usual = if desired.is_none() && min.is_none() && max.is_none() { 2 } else { 1 };
    let min = min.or(desired).unwrap_or(usual.min(max.unwrap_or(usual)));
    let desired = desired.unwrap_or(min);
    // EKS takes no 0 for the most.
    let max = max.unwrap_or(desired.max(min)).max(1);
    step.set("min", min).set("max", max);
    if desired != min {
        step.set("desired", desired);
    }
}

fn disk(work: &mut Work<'_>, at: &At<'_>, step: &mut Step, here: &str) {
    match work.number(at.get("volumeSize"), &format!("{here}.disk_gib")) {
        Some(size) => step.set("disk_gib", size.max(20)),
        None => step.set_with("disk_gib", DISK_GIB, "eksctl's default"),
    };
    if let Some(at) = at.get("volumeType") {
        match at.text() {
            Some("gp3") => work.same(&at, "always so"),
            _ => work.differs(&at, "gp3: cheaper than gp2, with disk_iops and disk_throughput of its own"),
        }
    }
    for (key, option) in [("volumeIOPS", "disk_iops"), ("volumeThroughput", "disk_throughput")] {
        if let Some(number) = work.number(at.get(key), &format!("{here}.{option}")) {
            step.set(option, number);
        }
    }
    if let Some(at) = at.get("volumeEncrypted") {
        match at.flag() {
            Some(true) => work.same(&at, "always so"),
            _ => work.differs(&at, "disks are always encrypted"),
        }
    }
    if let Some(key) = work.text(at.get("volumeKmsKeyID"), &format!("{here}.disk_key")) {
        step.set("disk_key", key);
    }
}

/// Labels, taints, tags.
fn meaning(work: &mut Work<'_>, at: &At<'_>, step: &mut Step, here: &str) {
    if let Some(labels) = work.pairs(at.get("labels"), &format!("{here}.labels")) {
        step.set("labels", Value::Table(labels));
    }
    if let Some(all) = at.get("taints") {
        let taints: Vec<Option<Value>> = match all.is_list() {
            true => all.items().iter().map(taint).collect(),
            // The older form: key = "value:Effect".
            false => {
                let pairs = all.pairs().unwrap_or_default();
                pairs.into_iter().map(|(key, rest)| old_taint(key, rest)).collect()
            }
        };
        match taints.into_iter().collect::<Option<Vec<Value>>>() {
            Some(taints) => {
                work.same(&all, format!("{here}.taints"));
                step.set("taints", taints);
            }
            None => work.wrong(&all, "a list of taints with key and effect"),
        }
    }
    let autoscales = at.find("iam.withAddonPolicies.autoScaler");
    let mut is_scaled = autoscales.as_ref().is_some_and(|at| at.flag() == Some(true));
    let mut tags = Table::new();
    for (key, tag) in at.get("tags").map(|at| at.entries()).unwrap_or_default() {
        if key.starts_with(AUTOSCALER_TAGS) {
            is_scaled = true;
            work.same(&tag, format!("{here}.autoscaler, which writes these tags"));
        } else if let Some(value) = work.text(Some(tag), &format!("{here}.tags")) {
            tags.insert(literal(key), value.into());
        }
    }
    if let Some(name) = work.text(at.get("instanceName"), &format!("{here}.tags.Name")) {
        tags.insert("Name".into(), name.into());
    }
    if !tags.is_empty() {
        step.set("tags", Value::Table(tags));
    }
    if let Some(at) = autoscales.filter(|at| at.flag() == Some(true)) {
        let to = "the group's tags; the autoscaler's pods get their permissions by a role of their own";
        work.differs(&at, format!("{here}.autoscaler: {to}"));
    }
    if is_scaled {
        step.set("autoscaler", true);
    }
}

fn taint(at: &At<'_>) -> Option<Value> {
    let text = |key| at.get(key).and_then(|at| at.text());
    let (key, effect) = (text("key")?, text("effect")?);
    Some(match text("value") {
        Some(value) => {
            table([("key", literal(key).into()), ("value", literal(value).into()), ("effect", effect.into())])
        }
        None => table([("key", literal(key).into()), ("effect", effect.into())]),
    })
}

fn old_taint(key: &str, rest: &str) -> Option<Value> {
    let (value, effect) = rest.split_once(':')?;
    let mut entries = Table::new();
    entries.insert("key".into(), literal(key).into());
    if !value.is_empty() {
        entries.insert("value".into(), literal(value).into());
    }
    entries.insert("effect".into(), effect.into());
    Some(Value::Table(entries))
}

/// Versions, replacements, and where machines come from.
fn life(work: &mut Work<'_>, at: &At<'_>, step: &mut Step, network: &Network, here: &str) {
    if let Some(pods) = work.number(at.get("maxPodsPerNode"), &format!("{here}.max_pods")) {
        step.set("max_pods", pods);
    }
    if let Some(number) = work.number(at.find("updateConfig.maxUnavailable"), &format!("{here}.max_unavailable")) {
        step.set("max_unavailable", number);
    }
    let share = work.number(at.find("updateConfig.maxUnavailablePercentage"), &format!("{here}.max_unavailable"));
    if let Some(share) = share {
        step.set("max_unavailable", format!("{share}%"));
    }
    if let Some(at) = at.find("nodeRepairConfig.enabled") {
        work.same(&at, format!("{here}.node_repair"));
        step.set("node_repair", at.flag() == Some(true));
    }
    if let Some(release) = work.text(at.get("releaseVersion"), &format!("{here}.release_version")) {
        step.set("release_version", release);
    }
    if let Some(template) = at.get("launchTemplate") {
        launch_template(work, &template, step, here);
    }
    if let Some(at) = at.get("efaEnabled").filter(|at| at.flag() == Some(true)) {
        work.same(&at, format!("{here}.efa"));
        let group = ("cluster_security_group_id", Value::from("${cluster.security_group_id}"));
        match network.vpc() {
            Some(vpc) => step.set("efa", table([("vpc_id", vpc.into()), group])),
            None => step.set("efa", true),
        };
    }
    if let Some(group) = work.text(at.find("placement.groupName"), &format!("{here}.placement_group")) {
        step.set("placement_group", group);
    }
    let reservation = at.find("capacityReservation.capacityReservationTarget.capacityReservationID");
    if let Some(id) = work.text(reservation, &format!("{here}.capacity_reservation")) {
        step.set("capacity_reservation", id);
    }
    if let Some(market) = at.find("instanceMarketOptions.marketType") {
        match market.text() {
            Some("capacity-block") => {
                work.same(&market, format!("{here}.capacity_block"));
                step.set("capacity_block", true);
            }
            _ => work.wrong(&market, "capacity-block"),
        }
    }
    if let Some(at) = at.get("disableIMDSv1") {
        match at.flag() {
            Some(true) => work.same(&at, "always so"),
            _ => work.differs(&at, "instance metadata needs a token (IMDSv2), always"),
        }
    }
    if let Some(at) = at.get("disablePodIMDS") {
        work.same(&at, format!("{here}.metadata_hop_limit"));
        if at.flag() == Some(false) {
            step.set("metadata_hop_limit", 2);
        }
    }
}

fn launch_template(work: &mut Work<'_>, at: &At<'_>, step: &mut Step, here: &str) {
    let Some(id) = at.get("id").and_then(|at| at.text()) else { return };
    let reference = work.document.existing(id, "template", &[("kind", "ec2.launch-template"), ("id", id)], "id");
    let latest = reference.replace(".id}", ".version}");
    let version = match at.get("version").and_then(|at| at.text()) {
        Some(version) => literal(version),
        None => latest,
    };
    work.same(at, format!("{here}.launch_template, looked up"));
    step.set("launch_template", table([("id", reference.into()), ("version", version.into())]));
    // The template says these.
    step.with.retain(|entry| entry.key != "disk_gib");
}
