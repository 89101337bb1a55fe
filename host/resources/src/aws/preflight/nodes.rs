//! Whether a node group's machines exist, are offered where it wants them, fit their image, and hold
//! the model.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{ArchitectureType, InstanceType};
use llmhost_engine::kind::OpError;

use super::instances::{Machine, machine};
use super::{Declared, Finding, Severity, View, Zones, text, texts};
use crate::aws::clients::Aws;
use crate::aws::ec2::is_unknown_type;
use crate::aws::eks::{offered, zones_of};
use crate::aws::errors::Operation;

/// What a node holds beside images and models: system, logs, the kubelet's own images; and the
/// driver with its libraries on a GPU's.
const SYSTEM_GIB: u64 = 6;
const GPU_SYSTEM_GIB: u64 = 10;
/// An unpacked image of the model server, with CUDA and cuDNN and without.
const CUDA_IMAGE_GIB: u64 = 12;
const PLAIN_IMAGE_GIB: u64 = 3;

pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for group in view.checked("eks.node-group") {
        let ami = text(group.spec, "ami_type");
        for kind in texts(group.spec, "instance_types") {
            if let Some(machine) = machine(kind) {
                findings.extend(wrong_image(&group, kind, machine, ami));
            }
        }
        findings.extend(small_disk(view, &group));
    }
}

/// Whether the image of a group fits a machine.
fn wrong_image(group: &Declared<'_>, kind: &str, machine: Machine, ami: &str) -> Option<Finding> {
    if ami == "CUSTOM" {
        return None;
    }
    let (is_arm, has_driver) = (ami.contains("ARM_64"), ami.contains("NVIDIA") || ami == "AL2_x86_64_GPU");
    let finding = |severity, message: String, fix: &str| Finding {
        severity,
        code: "ami-type",
        address: group.address.clone(),
        keys: &["ami_type", "instance_types"],
        message,
        fix: fix.to_owned(),
    };
    let leave = "Remove ami_type; it is then chosen from the instance type.";
    if machine.arm != is_arm {
        let (has, wants) = if machine.arm { ("an ARM", "x86") } else { ("an x86", "ARM") };
        return Some(finding(
            Severity::Error,
            format!("{kind} has {has} processor, and {ami} is an image for {wants}"),
            leave,
        ));
    }
    if machine.nvidia && !has_driver {
        return Some(finding(
            Severity::Error,
            format!("{kind} has an NVIDIA GPU, and {ami} has no driver for it"),
            leave,
        ));
    }
    if !machine.nvidia && has_driver {
        return Some(finding(Severity::Warning, format!("{kind} has no GPU, and {ami} is made for one"), leave));
    }
    None
}

/// Whether image and model fit the disk.
fn small_disk(view: &View<'_>, group: &Declared<'_>) -> Option<Finding> {
    let template = view.behind(&group.spec["launch_template_id"])?;
    let disk = template.spec["root_volume"]["size_gib"].as_u64()?;
    let size = |folder: Declared<'_>| -> u64 {
        let files = folder.spec["files"].as_object();
        files.into_iter().flat_map(|files| files.values()).filter_map(|file| file["size"].as_u64()).sum()
    };
    let model = view.of_kind("s3.folder").map(size).max().unwrap_or(0).div_ceil(1 << 30);
    let (system, image) = match text(group.spec, "ami_type").contains("NVIDIA") {
        true => (GPU_SYSTEM_GIB, CUDA_IMAGE_GIB),
        false => (SYSTEM_GIB, PLAIN_IMAGE_GIB),
    };
    let wanted = system + image + model;
    (disk < wanted).then(|| Finding {
        severity: Severity::Warning,
        code: "small-disk",
        address: group.address.clone(),
        keys: &["disk_gib", "disk"],
        message: format!(
            "the nodes' disk has {disk} GiB; the system ({system}), the server's image ({image}) and the model ({model}) \
             need {wanted} or more"
        ),
        fix: format!("Set disk_gib = {} or more.", wanted.next_multiple_of(10)),
    })
}

/// What AWS says of types and zones.
pub(super) async fn ask(aws: &Aws, view: &View<'_>, zones: &Zones, findings: &mut Vec<Finding>) -> Result<(), OpError> {
    for group in view.checked("eks.node-group") {
        let types: BTreeSet<String> = texts(group.spec, "instance_types").map(str::to_owned).collect();
        let offered = offered(aws, &types).await?;
        let mut places = BTreeSet::new();
        for id in group.spec["subnet_ids"].as_array().into_iter().flatten() {
            match view.behind(id) {
                Some(subnet) => drop(places.insert(zones.name(text(subnet.spec, "availability_zone")))),
                None => places
                    .extend(zones_of(aws, &[id.as_str().unwrap_or_default().to_owned()]).await.unwrap_or_default()),
            }
        }
        for kind in &types {
            let finding = |severity, code, message: String, fix: String| Finding {
                severity,
                code,
                address: group.address.clone(),
                keys: &["instance_types"],
                message,
                fix,
            };
            let Some(at) = offered.get(kind) else {
                let region = &aws.settings.region;
                let message = format!("there is no instance type {kind} in {region}");
                let fix = "Check its spelling, or choose another type or region.".to_owned();
                findings.push(finding(Severity::Error, "unknown-instance-type", message, fix));
                continue;
            };
            let lacking: Vec<&str> = places.difference(at).map(String::as_str).collect();
            if lacking.is_empty() {
                continue;
            }
            let severity = if lacking.len() == places.len() { Severity::Error } else { Severity::Warning };
            let all: Vec<&str> = at.iter().map(String::as_str).collect();
            let message = format!("{kind} is not offered in {}", lacking.join(", "));
            let fix = format!("It is offered in {}: choose subnets there, or another type.", all.join(", "));
            findings.push(finding(severity, "not-offered", message, fix));
        }
        check_processor(aws, &group, &offered.into_keys().collect(), findings).await?;
    }
    Ok(())
}

/// The processor that EC2 itself names, for types whose name misleads.
async fn check_processor(
    aws: &Aws,
    group: &Declared<'_>,
    types: &BTreeSet<String>,
    findings: &mut Vec<Finding>,
) -> Result<(), OpError> {
    if types.is_empty() {
        return Ok(());
    }
    let wanted = types.iter().map(|kind| InstanceType::from(kind.as_str())).collect();
    let answer = aws.ec2().await.describe_instance_types().set_instance_types(Some(wanted)).send().await;
    let answer = match answer.operation("ec2:DescribeInstanceTypes") {
        Err(error) if is_unknown_type(&error) => return Ok(()),
        other => other?,
    };
    for info in answer.instance_types() {
        let Some(kind) = info.instance_type().map(|kind| kind.as_str()) else { continue };
        let processors = info.processor_info().map(|info| info.supported_architectures()).unwrap_or_default();
        let gpus = info.gpu_info().map(|info| info.gpus()).unwrap_or_default();
        let told = Machine {
            nvidia: gpus.iter().any(|gpu| gpu.manufacturer().is_some_and(|maker| maker.eq_ignore_ascii_case("nvidia"))),
            neuron: info.neuron_info().is_some(),
            arm: processors.contains(&ArchitectureType::Arm64),
        };
        if machine(kind) != Some(told) && !processors.is_empty() {
            findings.retain(|finding| !(finding.code == "ami-type" && finding.message.starts_with(kind)));
            findings.extend(wrong_image(group, kind, told, text(group.spec, "ami_type")));
        }
    }
    Ok(())
}
