//! Whether the machines of a node group start where they are meant to: reservations, placement groups, EFA, local disks.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{CapacityReservationState, InstanceType, InstanceTypeInfo};
use llmhost_engine::kind::OpError;
use llmhost_engine::unknown;

use super::{Declared, Finding, Severity, View, Zones, text, texts};
use crate::aws::clients::Aws;
use crate::aws::ec2::{filter_any, is_unknown_type};
use crate::aws::eks::zones_of;
use crate::aws::errors::{Operation, gone_is_none};

pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for group in view.checked("eks.node-group") {
        let Some(template) = view.behind_id(&group.spec["launch_template_id"]) else { continue };
        if template.spec["efa_interfaces"].as_u64().is_some()
            && template.spec["security_group_ids"].as_array().is_none_or(Vec::is_empty)
        {
            findings.push(finding(
                &group,
                Severity::Warning,
                "efa-security-group",
                &["efa"],
                "the network interfaces for EFA name no security group; EFA needs one that allows all inbound and outbound \
                 traffic within itself"
                .to_owned(),
                "Set efa = { vpc_id = …, cluster_security_group_id = … }; the step then creates that group.".to_owned(),
            ));
        }
        let near =
            view.behind_id(&template.spec["placement_group"]).is_some_and(|found| found.spec["strategy"] == "cluster");
        let subnets = group.spec["subnet_ids"].as_array().into_iter().flatten().filter_map(|id| view.behind_id(id));
        let zones: BTreeSet<&str> = subnets.map(|subnet| text(subnet.spec, "availability_zone")).collect();
        if near && zones.len() > 1 {
            findings.push(several_zones(&group, zones.len()));
        }
    }
}

fn several_zones(group: &Declared<'_>, count: usize) -> Finding {
    finding(
        group,
        Severity::Error,
        "placement-zones",
        &["subnet_ids", "placement_group", "efa"],
        format!("a cluster placement group is in one availability zone, and the group's subnets are in {count}"),
        "Give the node group one subnet, or remove the placement group (placement_group = false).".to_owned(),
    )
}

fn finding(
    group: &Declared<'_>,
    severity: Severity,
    code: &'static str,
    keys: &'static [&'static str],
    message: String,
    fix: String,
) -> Finding {
    Finding { severity, code, address: group.address.clone(), keys, message, fix }
}

/// What EC2 says of types, reservations and placement groups.
pub(super) async fn ask(aws: &Aws, view: &View<'_>, zones: &Zones, findings: &mut Vec<Finding>) -> Result<(), OpError> {
    for group in view.checked("eks.node-group") {
        let Some(template) = view.behind_id(&group.spec["launch_template_id"]) else { continue };
        let efa = template.spec["efa_interfaces"].as_i64();
        // The user data says so; nothing else does.
        let data = text(template.spec, "user_data_text");
        let local = data.contains("localStorage") || data.contains("ephemeral-storage");
        if efa.is_some() || local {
            for info in types(aws, &group).await? {
                findings.extend(lacks(&group, &info, efa, local));
            }
        }
        let reservation = text(template.spec, "capacity_reservation_id");
        if !reservation.is_empty() && !unknown::is_unknown(reservation) {
            reserved(aws, view, zones, &group, reservation, findings).await?;
        }
        let placement = text(template.spec, "placement_group");
        let is_own = view.of_kind("ec2.placement-group").any(|own| text(own.spec, "group_name") == placement);
        if !placement.is_empty() && !is_own && !unknown::is_unknown(placement) {
            let request = aws.ec2().await.describe_placement_groups().filters(filter_any("group-name", &[placement]));
            let there = request.send().await.operation("ec2:DescribePlacementGroups")?;
            if !there.placement_groups().iter().any(|found| found.group_name() == Some(placement)) {
                let message = format!("there is no placement group '{placement}' in {}", aws.settings.region);
                let fix = "Correct its name, or let the step create one: placement_group = { strategy = \"cluster\" }.";
                findings.push(finding(
                    &group,
                    Severity::Error,
                    "not-there",
                    &["placement_group"],
                    message,
                    fix.to_owned(),
                ));
            }
        }
    }
    Ok(())
}

pub(super) async fn types(aws: &Aws, group: &Declared<'_>) -> Result<Vec<InstanceTypeInfo>, OpError> {
    let wanted = texts(group.spec, "instance_types").map(InstanceType::from).collect();
    let answer = aws.ec2().await.describe_instance_types().set_instance_types(Some(wanted)).send().await;
    match answer.operation("ec2:DescribeInstanceTypes") {
        // Said by others.
        Err(error) if is_unknown_type(&error) => Ok(Vec::new()),
        other => Ok(other?.instance_types.unwrap_or_default()),
    }
}

fn lacks(group: &Declared<'_>, info: &InstanceTypeInfo, efa: Option<i64>, local: bool) -> Option<Finding> {
    let kind = info.instance_type().map(|kind| kind.as_str()).unwrap_or_default();
    let network = info.network_info();
    let cards = network.and_then(|network| network.efa_info()?.maximum_efa_interfaces()).unwrap_or(0);
    let error = |code, keys, message: String, fix: &str| {
        Some(finding(group, Severity::Error, code, keys, message, fix.to_owned()))
    };
    match efa {
        Some(_) if network.and_then(|network| network.efa_supported()) != Some(true) => error(
            "no-efa",
            &["efa", "instance_types"][..],
            format!("{kind} has no Elastic Fabric Adapter"),
            "Choose an instance type with EFA, usually a large one, or remove efa.",
        ),
        Some(wanted) if wanted > i64::from(cards) => error(
            "no-efa",
            &["efa", "instance_types"],
            format!("{kind} supports {cards} EFA interfaces, and the launch template has {wanted}"),
            "Set efa = { interfaces = … } to a number that the type supports.",
        ),
        _ if local && info.instance_storage_supported() == Some(false) => error(
            "no-local-disks",
            &["local_storage", "instance_types"],
            format!("{kind} has no local disks for local_storage"),
            "Choose an instance type with local NVMe disks (a 'd' in its name, and most with GPUs), or remove \
                local_storage.",
        ),
        _ => None,
    }
}

/// Whether a reservation is there, is of the group's type, in one of its zones, and large enough.
async fn reserved(
    aws: &Aws,
    view: &View<'_>,
    zones: &Zones,
    group: &Declared<'_>,
    id: &str,
    findings: &mut Vec<Finding>,
) -> Result<(), OpError> {
    let keys: &'static [&'static str] = &["capacity_reservation", "capacity_block"];
    let request = aws.ec2().await.describe_capacity_reservations().capacity_reservation_ids(id);
    let answer = gone_is_none(request.send().await.operation("ec2:DescribeCapacityReservations"))?;
    let Some(found) = answer.and_then(|answer| answer.capacity_reservations?.pop()) else {
        let message = format!("there is no capacity reservation {id} in {}", aws.settings.region);
        let fix = "Correct its id, the region or the account.".to_owned();
        findings.push(finding(group, Severity::Error, "not-there", keys, message, fix));
        return Ok(());
    };
    let kind = found.instance_type().unwrap_or_default();
    if !texts(group.spec, "instance_types").any(|wanted| wanted == kind) {
        let message = format!("the capacity reservation {id} is for {kind}, which is not among the group's types");
        let fix = format!("Set instance_types = [\"{kind}\"], or use another reservation.");
        findings.push(finding(group, Severity::Error, "reservation-type", keys, message, fix));
    }
    use CapacityReservationState::{Active, Pending, Scheduled};
    if !matches!(found.state(), Some(Active | Pending | Scheduled)) {
        let state = found.state().map_or("gone", |state| state.as_str());
        let message = format!("the capacity reservation {id} is {state}");
        findings.push(finding(
            group,
            Severity::Error,
            "reservation-over",
            keys,
            message,
            "Name another one.".to_owned(),
        ));
    }
    let mut places = BTreeSet::new();
    for subnet in group.spec["subnet_ids"].as_array().into_iter().flatten() {
        match view.behind_id(subnet) {
            Some(subnet) => drop(places.insert(zones.name(text(subnet.spec, "availability_zone")))),
            None => places
                .extend(zones_of(aws, &[subnet.as_str().unwrap_or_default().to_owned()]).await.unwrap_or_default()),
        }
    }
    let zone = found.availability_zone().unwrap_or_default();
    if !places.is_empty() && !places.contains(zone) && !zone.is_empty() {
        let all: Vec<&str> = places.iter().map(String::as_str).collect();
        let message =
            format!("the capacity reservation {id} is in {zone}, and the group's subnets are in {}", all.join(", "));
        let fix = format!("Give the node group a subnet in {zone}.");
        findings.push(finding(group, Severity::Error, "reservation-zone", keys, message, fix));
    }
    let (desired, count) =
        (group.spec["desired_size"].as_i64(), i64::from(found.total_instance_count().unwrap_or(i32::MAX)));
    if desired.is_some_and(|desired| desired > count) {
        let message = format!(
            "the capacity reservation {id} has {count} instances, and the group starts with {}",
            desired.unwrap_or(0)
        );
        let fix = format!("Set desired to {count} or fewer, or use a larger reservation.");
        findings.push(finding(group, Severity::Warning, "reservation-size", keys, message, fix));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{found, plan, says, token};
    use super::*;

    #[test]
    fn a_cluster_placement_group_is_in_one_zone() {
        for (zones, wanted) in [(&["a"][..], None), (&["a", "b"], Some(("placement-zones", "are in 2")))] {
            let ids: Vec<String> = zones.iter().map(|zone| token(&format!("n/ec2.subnet/{zone}"), "id")).collect();
            let mut all: Vec<(String, serde_json::Value)> = zones
                .iter()
                .map(|zone| (format!("n/ec2.subnet/{zone}"), json!({ "availability_zone": zone })))
                .collect();
            let template = json!({ "placement_group": token("g/ec2.placement-group/main", "id"), "efa_interfaces": 4,
                "security_group_ids": ["sg-1"] });
            all.push(("g/ec2.placement-group/main".to_owned(), json!({ "group_name": "g", "strategy": "cluster" })));
            all.push(("g/ec2.launch-template/main".to_owned(), template));
            let group = json!({ "subnet_ids": ids, "launch_template_id": token("g/ec2.launch-template/main", "id") });
            all.push(("g/eks.node-group/main".to_owned(), group));
            says(&found(&plan(all), check), wanted);
        }
    }
}
