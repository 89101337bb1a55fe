//! Finds what a cluster made by itself.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{NetworkInterface, NetworkInterfaceStatus, SecurityGroup, Volume};
use llmhost_engine::byproduct::Byproduct;
use llmhost_engine::kind::OpError;

use super::Owner;
use super::owner::{Tags, tags};
use crate::aws::clients::Aws;
use crate::aws::ec2::filter;
use crate::aws::elb;
use crate::aws::errors::Operation;
use crate::kubernetes::made::{Claimed, made};

/// What a cluster made, as it will be shown. Nothing is changed.
pub(in crate::aws) async fn foresee(aws: &Aws, owner: &Owner) -> Result<Vec<Byproduct>, OpError> {
    // Where the API server does not answer, only the reclaim policies of volumes are not known.
    let claims = made(aws, &owner.cluster).await.ok().flatten().map(|made| made.volumes).unwrap_or_default();
    let mut all = Vec::new();
    let groups = groups(aws, owner).await?;
    let ids = ids(&groups);
    all.extend(balancers(aws, owner).await?.iter().map(balancer));
    all.extend(target_groups(aws, owner).await?.iter().map(balancer));
    let left = interfaces(aws, owner, &ids).await?;
    let left = left.iter().filter(|found| found.status() == Some(&NetworkInterfaceStatus::Available));
    all.extend(left.map(interface));
    let own = groups.iter().filter(|group| !Owner::is_of_eks(&tags(group.tags())));
    all.extend(own.map(group));
    all.extend(volumes(aws, owner, &claims).await?.iter().map(Storage::byproduct));
    Ok(all)
}

/// Load balancers of the cluster.
pub(super) async fn balancers(aws: &Aws, owner: &Owner) -> Result<Vec<elb::Found>, OpError> {
    let Some(vpc) = &owner.vpc else { return Ok(Vec::new()) };
    let mut all = elb::load_balancers(aws, vpc).await?;
    all.retain(|found| owner.owns(&found.tags));
    Ok(all)
}

/// Target groups of the cluster.
pub(super) async fn target_groups(aws: &Aws, owner: &Owner) -> Result<Vec<elb::Found>, OpError> {
    let Some(vpc) = &owner.vpc else { return Ok(Vec::new()) };
    let mut all = elb::target_groups(aws, vpc).await?;
    all.retain(|found| owner.owns(&found.tags));
    Ok(all)
}

/// Network interfaces that the CNI made, in use or not.
pub(super) async fn interfaces(aws: &Aws, owner: &Owner, groups: &[String]) -> Result<Vec<NetworkInterface>, OpError> {
    let Some(vpc) = &owner.vpc else { return Ok(Vec::new()) };
    let request = aws.ec2().await.describe_network_interfaces().filters(filter("vpc-id", vpc));
    let pages = request.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
    let mut all = pages.operation("ec2:DescribeNetworkInterfaces")?;
    all.retain(|found| owner.owns_interface(found, groups));
    Ok(all)
}

/// Security groups of the cluster, those of EKS itself among them.
pub(super) async fn groups(aws: &Aws, owner: &Owner) -> Result<Vec<SecurityGroup>, OpError> {
    let Some(vpc) = &owner.vpc else { return Ok(Vec::new()) };
    let request = aws.ec2().await.describe_security_groups().filters(filter("vpc-id", vpc));
    let pages = request.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
    let mut all = pages.operation("ec2:DescribeSecurityGroups")?;
    all.retain(|found| owner.owns(&tags(found.tags())));
    Ok(all)
}

pub(super) fn ids(groups: &[SecurityGroup]) -> Vec<String> {
    groups.iter().filter_map(|group| group.group_id().map(str::to_owned)).collect()
}

/// A volume, and what becomes of it.
pub(super) struct Storage {
    pub(super) id: String,
    note: String,
    pub(super) fate: Fate,
}

/// What becomes of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Goes,
    Retained,
    /// Nobody can say what its reclaim policy was.
    Unknown,
}

impl Storage {
    pub(super) fn byproduct(&self) -> Byproduct {
        let byproduct = Byproduct::new("volume", &self.id, &self.note);
        let delete = format!("when nobody needs its data: aws ec2 delete-volume --volume-id {}", self.id);
        match self.fate {
            Fate::Goes => byproduct,
            Fate::Retained => byproduct.kept(format!("its reclaim policy is Retain; {delete}")),
            Fate::Unknown => byproduct.kept(format!("its reclaim policy is not known; {delete}")),
        }
    }
}

/// Volumes that the cluster's driver made: those tagged as owned, and those in `claims`, which objects
/// of the cluster have.
pub(super) async fn volumes(
    aws: &Aws,
    owner: &Owner,
    claims: &BTreeMap<String, Claimed>,
) -> Result<Vec<Storage>, OpError> {
    let mut found = BTreeMap::new();
    for (key, value) in [(format!("tag:{}", owner.tag()), "owned"), ("tag-key".to_owned(), &*owner.reclaim_tag())] {
        for volume in described(aws, &key, &[value]).await? {
            found.insert(volume.volume_id().unwrap_or_default().to_owned(), volume);
        }
    }
    let others: Vec<&str> = claims.keys().filter(|id| !found.contains_key(*id)).map(String::as_str).collect();
    for batch in others.chunks(200) {
        for volume in described(aws, "volume-id", batch).await? {
            found.insert(volume.volume_id().unwrap_or_default().to_owned(), volume);
        }
    }
    let storage = found.into_iter().filter_map(|(id, volume)| {
        let (tags, claim) = (tags(volume.tags()), claims.get(&id));
        let marked = tags.contains_key(&owner.reclaim_tag());
        if !(owner.owns(&tags) || ((claim.is_some() || marked) && owner.owns_claimed_volume(&tags))) {
            return None;
        }
        let fate = fate(owner, &tags, claim);
        Some(Storage { note: volume_note(&volume, &tags, claim), id, fate })
    });
    Ok(storage.collect())
}

/// What the API server says counts; then what it said while it was there.
fn fate(owner: &Owner, tags: &Tags, claim: Option<&Claimed>) -> Fate {
    match (claim, tags.get(&owner.reclaim_tag()).map(String::as_str)) {
        (Some(claim), _) if claim.goes => Fate::Goes,
        (Some(_), _) | (None, Some("retain")) => Fate::Retained,
        (None, Some("delete")) => Fate::Goes,
        (None, _) => Fate::Unknown,
    }
}

async fn described(aws: &Aws, key: &str, values: &[&str]) -> Result<Vec<Volume>, OpError> {
    let by = aws_sdk_ec2::types::Filter::builder().name(key);
    let by = values.iter().fold(by, |by, value| by.values(*value)).build();
    let request = aws.ec2().await.describe_volumes().filters(by);
    request.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.operation("ec2:DescribeVolumes")
}

fn volume_note(volume: &Volume, tags: &Tags, claim: Option<&Claimed>) -> String {
    let named = || {
        let tag = |key: &str| tags.get(&format!("kubernetes.io/created-for/pvc/{key}"));
        Some(format!("{}/{}", tag("namespace")?, tag("name")?))
    };
    let by = claim.and_then(|claim| claim.by.clone()).or_else(named).map(|by| format!(", claimed by {by}"));
    format!("{} GiB{}", volume.size().unwrap_or_default(), by.unwrap_or_default())
}

/// What a load balancer or target group is for, as its controller wrote it down.
pub(super) fn balancer(found: &elb::Found) -> Byproduct {
    let keys = ["kubernetes.io/service-name", "service.k8s.aws/stack", "ingress.k8s.aws/stack"];
    let for_it = keys.iter().find_map(|key| found.tags.get(*key)).map(|name| format!("for {name}"));
    Byproduct::new(&found.what, &found.name, for_it.unwrap_or_default())
}

pub(super) fn interface(found: &NetworkInterface) -> Byproduct {
    let id = found.network_interface_id().unwrap_or_default();
    Byproduct::new("network interface", id, found.description().unwrap_or_default())
}

pub(super) fn group(found: &SecurityGroup) -> Byproduct {
    Byproduct::new("security group", found.group_id().unwrap_or_default(), found.group_name().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_goes_only_where_somebody_who_knew_its_policy_says_so() {
        let owner = Owner { cluster: "llm".to_owned(), vpc: None };
        let claim = |goes| Claimed { by: None, goes };
        for (mark, claim, expected) in [
            (None, Some(claim(true)), Fate::Goes),
            (None, Some(claim(false)), Fate::Retained),
            (Some("delete"), Some(claim(false)), Fate::Retained),
            (Some("delete"), None, Fate::Goes),
            (Some("retain"), None, Fate::Retained),
            (Some("odd"), None, Fate::Unknown),
            (None, None, Fate::Unknown),
        ] {
            let tags = mark.map(|mark| (owner.reclaim_tag(), mark.to_owned())).into_iter().collect();
            assert_eq!(fate(&owner, &tags, claim.as_ref()), expected, "{mark:?} {claim:?}");
        }
    }
}
