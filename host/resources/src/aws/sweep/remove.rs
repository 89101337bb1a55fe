//! When the cluster is gone: removes what is left of what it made, users before what they use.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{NetworkInterface, NetworkInterfaceStatus, SecurityGroup, SecurityGroupRule};
use futures::FutureExt;
use futures::future::join_all;
use llmhost_engine::byproduct::Byproduct;
use llmhost_engine::kind::{ErrorClass, OpError, Progress};
use llmhost_engine::wait::is_interrupted;

use super::Owner;
use super::find::{self, Fate};
use crate::aws::clients::Aws;
use crate::aws::ec2::blockers::{self, Held};
use crate::aws::ec2::filter;
use crate::aws::elb;
use crate::aws::errors::{Operation, gone_is_none};
use crate::aws::wait::{blocked, until, until_done, unused};

/// Rules that the cluster's controllers put into groups of others say so in their description.
const BY_CONTROLLERS: [&str; 2] = ["elbv2.k8s.aws/", "kubernetes.io/rule/"];

/// Removes what a cluster made by itself. What fails keeps nothing else from going.
pub(in crate::aws) async fn sweep(aws: &Aws, owner: &Owner, progress: &dyn Progress) -> Result<(), OpError> {
    let mut failures = Vec::new();
    failures.extend(load_balancers(aws, owner, progress).await.err());
    failures.extend(target_groups(aws, owner, progress).await.err());
    match find::groups(aws, owner).await {
        Ok(groups) => {
            failures.extend(interfaces(aws, owner, &find::ids(&groups), progress).await.err());
            failures.extend(security_groups(aws, owner, &groups, progress).await.err());
        }
        Err(error) => failures.push(error),
    }
    failures.extend(volumes(aws, owner, progress).await.err());
    all_of(failures)
}

/// One error for several: the first, with the others in its words.
fn all_of(failures: Vec<OpError>) -> Result<(), OpError> {
    let mut failures = failures.into_iter();
    let Some(mut first) = failures.next() else { return Ok(()) };
    for other in failures {
        first.message = format!("{}\n{other}", first.message);
    }
    Err(first)
}

async fn load_balancers(aws: &Aws, owner: &Owner, progress: &dyn Progress) -> Result<(), OpError> {
    let all = find::balancers(aws, owner).await?;
    if all.is_empty() {
        return Ok(());
    }
    let deleted = join_all(all.iter().map(|found| elb::delete(aws, found))).await;
    let failed = said(progress, all.iter().map(find::balancer), deleted);
    // They are gone some time after they are said to be; their groups are in use until then.
    let ids: Vec<&str> = all.iter().map(|found| found.id.as_str()).collect();
    let ids = &ids;
    let gone = until("elasticloadbalancing:DescribeLoadBalancers", aws.settings.wait, || {
        async move {
            let left = find::balancers(aws, owner).await?;
            Ok((!left.iter().any(|found| ids.contains(&found.id.as_str()))).then_some(()))
        }
        .boxed()
    });
    // Waiting for those that could not be deleted would be in vain.
    if failed.is_empty() { gone.await } else { all_of(failed) }
}

async fn target_groups(aws: &Aws, owner: &Owner, progress: &dyn Progress) -> Result<(), OpError> {
    let all = find::target_groups(aws, owner).await?;
    let delete = |found| unused(aws.settings.wait, move || elb::delete(aws, found).boxed());
    let deleted = join_all(all.iter().map(delete)).await;
    all_of(said(progress, all.iter().map(find::balancer), deleted))
}

/// Deletes interfaces that are free, and waits for those that are still attached to something that is
/// going away.
async fn interfaces(aws: &Aws, owner: &Owner, groups: &[String], progress: &dyn Progress) -> Result<(), OpError> {
    let operation = "ec2:DeleteNetworkInterface";
    let waited = until_done(operation, aws.settings.wait, || {
        async move {
            let left = find::interfaces(aws, owner, groups).await?;
            let free = left.iter().filter(|found| found.status() == Some(&NetworkInterfaceStatus::Available));
            for found in free.clone() {
                let id = found.network_interface_id().unwrap_or_default();
                let request = aws.ec2().await.delete_network_interface().network_interface_id(id);
                match gone_is_none(request.send().await.operation(operation)) {
                    Ok(_) => progress.byproduct(find::interface(found)),
                    // It was taken into use meanwhile, or is being detached: the next round sees.
                    Err(error) if matches!(error.class, ErrorClass::Conflict | ErrorClass::Invalid) => return Ok(None),
                    Err(error) => return Err(error),
                }
            }
            Ok((free.count() == left.len()).then_some(()))
        }
        .boxed()
    });
    let Err(error) = waited.await else { return Ok(()) };
    if is_interrupted(&error) {
        return Err(error);
    }
    let left = find::interfaces(aws, owner, groups).await.unwrap_or_default();
    let by: Vec<String> = left.iter().map(in_use).collect();
    let advice = "The named instances still use them. When their owner has terminated these instances, run the same command again; it \
         continues from here.";
    Err(blocked(error, &by, advice))
}

fn in_use(found: &NetworkInterface) -> String {
    let id = found.network_interface_id().unwrap_or_default();
    let at = found.attachment().and_then(|attachment| attachment.instance_id());
    format!(
        "network interface {id}, in use by {}",
        at.map_or("nobody knows what".to_owned(), |id| format!("instance {id}"))
    )
}

async fn security_groups(
    aws: &Aws,
    owner: &Owner,
    groups: &[SecurityGroup],
    progress: &dyn Progress,
) -> Result<(), OpError> {
    let ids = find::ids(groups);
    let mut failures = Vec::new();
    failures.extend(revoke(aws, owner, &ids).await.err());
    let delete = |id: &'_ String| {
        let id = id.clone();
        async move {
            let (ec2, id) = (aws.ec2().await, id.as_str());
            blockers::delete(aws, Held::SecurityGroup(id), || {
                let request = ec2.delete_security_group().group_id(id);
                async move { request.send().await.operation("ec2:DeleteSecurityGroup").map(drop) }.boxed()
            })
            .await
        }
    };
    let deleted = join_all(ids.iter().map(delete)).await;
    failures.extend(said(progress, groups.iter().map(find::group), deleted));
    all_of(failures)
}

/// Takes away rules that refer to these groups and that the cluster made: in the groups themselves,
/// which use each other, and in groups of others where a controller put them.
async fn revoke(aws: &Aws, owner: &Owner, ids: &[String]) -> Result<(), OpError> {
    let (Some(vpc), false) = (&owner.vpc, ids.is_empty()) else { return Ok(()) };
    let ec2 = aws.ec2().await;
    let all = ec2.describe_security_groups().filters(filter("vpc-id", vpc)).into_paginator().items().send();
    let all = all.collect::<Result<Vec<_>, _>>().await.operation("ec2:DescribeSecurityGroups")?;
    let refers = |group: &SecurityGroup| {
        let rules = group.ip_permissions().iter().chain(group.ip_permissions_egress());
        rules
            .flat_map(|rule| rule.user_id_group_pairs())
            .any(|pair| pair.group_id().is_some_and(|id| ids.iter().any(|one| one == id)))
    };
    for group in all.iter().filter(|group| refers(group)).filter_map(|group| group.group_id()) {
        let rules =
            ec2.describe_security_group_rules().filters(filter("group-id", group)).into_paginator().items().send();
        let rules = rules.collect::<Result<Vec<_>, _>>().await.operation("ec2:DescribeSecurityGroupRules")?;
        let ours = ids.iter().any(|id| id == group);
        let made: Vec<&SecurityGroupRule> =
            rules.iter().filter(|rule| refers_to(rule, ids) && (ours || by_controller(rule))).collect();
        let (out, inward): (Vec<_>, Vec<_>) = made.into_iter().partition(|rule| rule.is_egress() == Some(true));
        let rule_ids = |rules: Vec<&SecurityGroupRule>| -> Vec<String> {
            rules.iter().filter_map(|rule| rule.security_group_rule_id().map(str::to_owned)).collect()
        };
        let (out, inward) = (rule_ids(out), rule_ids(inward));
        if !inward.is_empty() {
            let request = ec2.revoke_security_group_ingress().group_id(group).set_security_group_rule_ids(Some(inward));
            gone_is_none(request.send().await.operation("ec2:RevokeSecurityGroupIngress"))?;
        }
        if !out.is_empty() {
            let request = ec2.revoke_security_group_egress().group_id(group).set_security_group_rule_ids(Some(out));
            gone_is_none(request.send().await.operation("ec2:RevokeSecurityGroupEgress"))?;
        }
    }
    Ok(())
}

fn refers_to(rule: &SecurityGroupRule, ids: &[String]) -> bool {
    let id = rule.referenced_group_info().and_then(|group| group.group_id());
    id.is_some_and(|id| ids.iter().any(|one| one == id))
}

fn by_controller(rule: &SecurityGroupRule) -> bool {
    rule.description().is_some_and(|text| BY_CONTROLLERS.iter().any(|lead| text.starts_with(lead)))
}

async fn volumes(aws: &Aws, owner: &Owner, progress: &dyn Progress) -> Result<(), OpError> {
    let all = find::volumes(aws, owner, &BTreeMap::new()).await?;
    let (going, kept): (Vec<_>, Vec<_>) = all.iter().partition(|volume| volume.fate == Fate::Goes);
    kept.into_iter().for_each(|volume| progress.byproduct(volume.byproduct()));
    let delete = |id: &'_ str| {
        let id = id.to_owned();
        async move {
            let (ec2, id) = (aws.ec2().await, id.as_str());
            unused(aws.settings.wait, || {
                let request = ec2.delete_volume().volume_id(id);
                async move { request.send().await.operation("ec2:DeleteVolume").map(drop) }.boxed()
            })
            .await
        }
    };
    let deleted = join_all(going.iter().map(|volume| delete(&volume.id))).await;
    all_of(said(progress, going.iter().map(|volume| volume.byproduct()), deleted))
}

/// Says what is gone, and gives what went wrong, each with what it is about.
fn said(
    progress: &dyn Progress,
    all: impl Iterator<Item = Byproduct>,
    results: Vec<Result<(), OpError>>,
) -> Vec<OpError> {
    let mut failures = Vec::new();
    for (byproduct, result) in all.zip(results) {
        match result {
            Ok(()) => progress.byproduct(byproduct),
            Err(mut error) => {
                error.message = format!("{} {}: {}", byproduct.what, byproduct.id, error.message);
                failures.push(error);
            }
        }
    }
    failures
}
