//! Whether the account may start so many machines.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{Filter, InstanceType};
use llmhost_engine::kind::{ErrorClass, OpError};
use llmhost_engine::names::ResourceAddress;

use super::instances::quota;
use super::{Finding, Severity, View, texts};
use crate::aws::clients::Aws;
use crate::aws::ec2::is_unknown_type;
use crate::aws::errors::Operation;

/// vCPUs that the groups under one quota ask for.
struct Demand {
    name: &'static str,
    address: ResourceAddress,
    desired: u64,
    most: u64,
}

pub(super) async fn ask(aws: &Aws, view: &View<'_>, findings: &mut Vec<Finding>) -> Result<(), OpError> {
    let mut demands: BTreeMap<&'static str, Demand> = BTreeMap::new();
    for group in view.checked("eks.node-group") {
        let spot = group.spec["spot"] == true;
        let size = |field: &str| group.spec[field].as_u64().unwrap_or(0);
        let kinds: Vec<&str> = texts(group.spec, "instance_types").collect();
        let vcpus = vcpus(aws, &kinds).await?;
        // EKS takes any of the types: the largest is the safe guess.
        let Some((&largest, &each)) = kinds.iter().zip(&vcpus).max_by_key(|(_, vcpus)| **vcpus) else { continue };
        let Some((code, name)) = quota(largest, spot) else { continue };
        let demand = demands.entry(code);
        let demand = demand.or_insert(Demand { name, address: group.address.clone(), desired: 0, most: 0 });
        demand.desired += each * size("desired_size");
        demand.most += each * size("max_size");
    }
    for (code, demand) in demands {
        let Some(allowed) = allowed(aws, "ec2", code).await? else { continue };
        let used = used(aws, code).await?;
        let free = allowed.saturating_sub(used);
        let severity = match (demand.desired > free, demand.most > free) {
            (true, _) => Severity::Error,
            (false, true) => Severity::Warning,
            (false, false) => continue,
        };
        let (desired, most, name) = (demand.desired, demand.most, demand.name);
        findings.push(Finding {
            severity,
            code: "quota",
            address: demand.address,
            keys: &["instance_types", "max", "desired"],
            message: format!(
                "the quota '{name}' ({code}) allows {allowed} vCPUs, {used} of them in use; the node groups need {desired} at \
                 first and {most} at most"
            ),
            fix: format!(
                "Ask for {} in Service Quotas (aws service-quotas request-service-quota-increase --service-code ec2 \
                 --quota-code {code} --desired-value {}), or use fewer or smaller instances.",
                used + most,
                used + most
            ),
        });
    }
    Ok(())
}

/// vCPUs of each type; 0 for one that EC2 does not know.
async fn vcpus(aws: &Aws, kinds: &[&str]) -> Result<Vec<u64>, OpError> {
    let wanted = kinds.iter().map(|kind| InstanceType::from(*kind)).collect();
    let answer = aws.ec2().await.describe_instance_types().set_instance_types(Some(wanted)).send().await;
    let answer = match answer.operation("ec2:DescribeInstanceTypes") {
        Err(error) if is_unknown_type(&error) => return Ok(vec![0; kinds.len()]),
        other => other?,
    };
    let of = |kind: &&str| {
        let found =
            answer.instance_types().iter().find(|info| info.instance_type().is_some_and(|t| t.as_str() == *kind));
        found.and_then(|info| info.v_cpu_info()?.default_v_cpus()).unwrap_or(0).max(0) as u64
    };
    Ok(kinds.iter().map(of).collect())
}

/// The account's quota, or the default; nothing where the region has no such quota.
pub(super) async fn allowed(aws: &Aws, service: &str, code: &str) -> Result<Option<u64>, OpError> {
    let quotas = aws.quotas().await;
    let own = quotas.get_service_quota().service_code(service).quota_code(code).send().await;
    let value = match own.operation("servicequotas:GetServiceQuota") {
        Ok(answer) => answer.quota.and_then(|quota| quota.value),
        Err(error) if error.class == ErrorClass::NotFound => {
            let default = quotas.get_aws_default_service_quota().service_code(service).quota_code(code).send().await;
            match default.operation("servicequotas:GetAWSDefaultServiceQuota") {
                Ok(answer) => answer.quota.and_then(|quota| quota.value),
                Err(error) if error.class == ErrorClass::NotFound => None,
                Err(error) => return Err(error),
            }
        }
        Err(error) => return Err(error),
    };
    Ok(value.map(|value| value.max(0.0) as u64))
}

/// vCPUs of the machines that run and count against a quota.
async fn used(aws: &Aws, code: &str) -> Result<u64, OpError> {
    let running = Filter::builder().name("instance-state-name").values("pending").values("running").build();
    let pages = aws.ec2().await.describe_instances().filters(running).into_paginator().send();
    let mut sum = 0;
    let mut pages = pages;
    while let Some(page) = pages.next().await {
        let page = page.operation("ec2:DescribeInstances")?;
        let all = page.reservations().iter().flat_map(|reservation| reservation.instances());
        for instance in all {
            let kind = instance.instance_type().map(|kind| kind.as_str()).unwrap_or_default();
            let spot = instance.instance_lifecycle().is_some_and(|cycle| cycle.as_str() == "spot");
            if quota(kind, spot).is_some_and(|(counted, _)| counted == code) {
                let options = instance.cpu_options();
                let cores = options.and_then(|options| options.core_count()).unwrap_or(0);
                let threads = options.and_then(|options| options.threads_per_core()).unwrap_or(1);
                sum += (cores * threads).max(0) as u64;
            }
        }
    }
    Ok(sum)
}
