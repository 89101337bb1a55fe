//! What has a name in EKS: its id, and its tags.

use aws_sdk_eks::types::ClusterStatus;
use llmhost_engine::kind::OpError;

use super::{Operation, joined, look, observed};
use crate::aws::clients::Aws;
use crate::aws::errors::gone_is_none;
use crate::aws::tags::Tags;

type Found = Result<Option<(String, Tags)>, OpError>;

/// The status of a cluster; nothing where there is none.
pub(in crate::aws) async fn status(aws: &Aws, name: &str) -> Result<Option<ClusterStatus>, OpError> {
    Ok(look(aws, name).await?.map(|cluster| cluster.status.unwrap_or(ClusterStatus::Active)))
}

/// The cluster of this name.
pub(in crate::aws) async fn cluster(aws: &Aws, name: &str) -> Found {
    Ok(look(aws, name).await?.map(|cluster| (name.to_owned(), observed(cluster.tags()))))
}

/// A cluster's node group.
pub(in crate::aws) async fn node_group(aws: &Aws, cluster: &str, name: &str) -> Found {
    let request = aws.eks().await.describe_nodegroup().cluster_name(cluster).nodegroup_name(name);
    let answer = gone_is_none(request.send().await.operation("eks:DescribeNodegroup"))?;
    let found = answer.and_then(|answer| answer.nodegroup);
    Ok(found.map(|group| (joined(&[cluster, name]), observed(group.tags()))))
}

/// A cluster's Fargate profile.
pub(in crate::aws) async fn fargate_profile(aws: &Aws, cluster: &str, name: &str) -> Found {
    let request = aws.eks().await.describe_fargate_profile().cluster_name(cluster).fargate_profile_name(name);
    let answer = gone_is_none(request.send().await.operation("eks:DescribeFargateProfile"))?;
    let found = answer.and_then(|answer| answer.fargate_profile);
    Ok(found.map(|profile| (joined(&[cluster, name]), observed(profile.tags()))))
}

/// A cluster's add-on.
pub(in crate::aws) async fn addon(aws: &Aws, cluster: &str, name: &str) -> Found {
    let request = aws.eks().await.describe_addon().cluster_name(cluster).addon_name(name);
    let answer = gone_is_none(request.send().await.operation("eks:DescribeAddon"))?;
    Ok(answer.and_then(|answer| answer.addon).map(|addon| (joined(&[cluster, name]), observed(addon.tags()))))
}

/// The access entry of a role or user to a cluster.
pub(in crate::aws) async fn access_entry(aws: &Aws, cluster: &str, principal: &str) -> Found {
    let request = aws.eks().await.describe_access_entry().cluster_name(cluster).principal_arn(principal);
    let answer = gone_is_none(request.send().await.operation("eks:DescribeAccessEntry"))?;
    let found = answer.and_then(|answer| answer.access_entry);
    Ok(found.map(|entry| (joined(&[cluster, principal]), observed(entry.tags()))))
}

/// The pod identity association of a service account.
pub(in crate::aws) async fn pod_identity(aws: &Aws, cluster: &str, namespace: &str, account: &str) -> Found {
    let request = aws.eks().await.list_pod_identity_associations().cluster_name(cluster);
    let request = request.namespace(namespace).service_account(account);
    let answer = gone_is_none(request.send().await.operation("eks:ListPodIdentityAssociations"))?;
    let id = answer.and_then(|answer| answer.associations?.pop()?.association_id);
    let Some(id) = id else { return Ok(None) };
    let request = aws.eks().await.describe_pod_identity_association().cluster_name(cluster).association_id(&id);
    let answer = gone_is_none(request.send().await.operation("eks:DescribePodIdentityAssociation"))?;
    Ok(answer.and_then(|answer| answer.association).map(|found| (id, observed(found.tags()))))
}
