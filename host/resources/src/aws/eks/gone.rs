//! Deleting a cluster: what it meets, and what is in the way.

use std::time::Duration;

use aws_sdk_eks::types::ClusterStatus;
use futures::FutureExt;
use llmhost_engine::byproduct::{Foreseen, Refusal};
use llmhost_engine::kind::{ErrorClass, OpError, Progress};

use super::{Operation, look};
use crate::aws::clients::Aws;
use crate::aws::sweep::{self, Owner};
use crate::aws::tags::maker;
use crate::aws::wait::{self, blocked, until, unused};

/// How long a cluster may be busy with something else. Node groups that are still there then are
/// somebody's who keeps them.
const BUSY: Duration = Duration::from_secs(60);

/// The cluster with its network, found by the cluster, or by its subnets where it is gone.
pub(super) async fn owner(aws: &Aws, name: &str, subnets: &[String]) -> Result<Owner, OpError> {
    let found = look(aws, name).await?;
    let mut vpc = found.and_then(|cluster| cluster.resources_vpc_config?.vpc_id);
    if vpc.is_none() {
        // By a filter: asking for an id that is gone is an error.
        let by = aws_sdk_ec2::types::Filter::builder().name("subnet-id");
        let by = subnets.iter().fold(by, |by, id| by.values(id)).build();
        let answer = aws.ec2().await.describe_subnets().filters(by).send().await.operation("ec2:DescribeSubnets")?;
        vpc = answer.subnets().iter().find_map(|subnet| subnet.vpc_id().map(str::to_owned));
    }
    Ok(Owner { cluster: name.to_owned(), vpc })
}

/// What deleting the cluster would meet.
pub(super) async fn foresee(aws: &Aws, name: &str, subnets: &[String]) -> Result<Foreseen, OpError> {
    let protected = look(aws, name).await?.is_some_and(|cluster| cluster.deletion_protection() == Some(true));
    let refusal = protected.then(|| {
        let mut error = OpError::local("eks:DeleteCluster", format!("the cluster {name} is protected from deletion"));
        error.class = ErrorClass::Conflict;
        error.advice = Some("Set deletion_protection = false, run, and then destroy.".to_owned());
        Refusal::Protected(error)
    });
    let byproducts = sweep::foresee(aws, &owner(aws, name, subnets).await?).await?;
    Ok(Foreseen { byproducts, refusal })
}

/// Lets a cluster that will be deleted take back what it made.
pub(super) async fn release(aws: &Aws, name: &str, subnets: &[String], progress: &dyn Progress) {
    // A cluster that stays keeps its load balancers.
    let Ok(Some(cluster)) = look(aws, name).await else { return };
    if cluster.deletion_protection() == Some(true) {
        return;
    }
    aws.kubernetes.goes(name);
    if cluster.status() == Some(&ClusterStatus::Deleting) {
        return;
    }
    if let Ok(owner) = owner(aws, name, subnets).await {
        sweep::release(aws, &owner, progress).await;
    }
}

/// Deletes the cluster, waits until it is gone, and removes what it made by itself.
pub(super) async fn delete(
    aws: &Aws,
    name: &str,
    subnets: &[String],
    minutes: u32,
    progress: &dyn Progress,
) -> Result<(), OpError> {
    let owner = owner(aws, name, subnets).await?;
    let eks = aws.eks().await;
    let deleted = unused(BUSY.min(aws.settings.wait), || {
        async move {
            match eks.delete_cluster().name(name).send().await.operation("eks:DeleteCluster").map(drop) {
                // Somebody is deleting it already: wait for that.
                Err(error) if error.class == ErrorClass::Conflict => {
                    let status = look(aws, name).await?.and_then(|cluster| cluster.status);
                    if status == Some(ClusterStatus::Deleting) { Ok(()) } else { Err(error) }
                }
                other => other,
            }
        }
        .boxed()
    });
    if let Err(error) = deleted.await {
        return Err(in_the_way(aws, name, error).await);
    }
    until("eks:DescribeCluster", wait::minutes(minutes), || {
        async move {
            progress.report("waiting for the cluster to be deleted", 0, 0);
            Ok(look(aws, name).await?.is_none().then_some(()))
        }
        .boxed()
    })
    .await?;
    progress.report("deleting resources that the cluster created itself", 0, 0);
    sweep::sweep(aws, &owner, progress).await.map_err(|mut error| {
        error.message =
            format!("the cluster is deleted, but some resources that it created itself are not: {}", error.message);
        error
    })
}

/// Names the node groups and Fargate profiles that hold a cluster.
async fn in_the_way(aws: &Aws, name: &str, error: OpError) -> OpError {
    if error.class != ErrorClass::Conflict {
        return error;
    }
    let answer = aws.eks().await.list_nodegroups().cluster_name(name).send().await;
    // Who may delete and not look gets the bare error.
    let groups = answer.map(|answer| answer.nodegroups.unwrap_or_default()).unwrap_or_default();
    let mut by = Vec::new();
    for group in &groups {
        // Who may not read it does not hear whose it is.
        let found = aws.eks().await.describe_nodegroup().cluster_name(name).nodegroup_name(group).send().await;
        let found = found.ok().and_then(|answer| answer.nodegroup);
        let tag = |key: &str| found.as_ref()?.tags()?.get(key).map(String::as_str);
        let whose = maker(tag).map(|maker| format!(" ({maker})")).unwrap_or_default();
        by.push(format!("node group {group}{whose}"));
    }
    let answer = aws.eks().await.list_fargate_profiles().cluster_name(name).send().await;
    let profiles = answer.map(|answer| answer.fargate_profile_names.unwrap_or_default()).unwrap_or_default();
    by.extend(profiles.into_iter().map(|profile| format!("Fargate profile {profile}")));
    let advice = "llmhost does not change these. Import those with the tags of this pipeline with 'llmhost import FILE \
                  --all'; destroy then deletes them with the cluster. For the others, ask their owner. Then run the same command again; it continues from here.";
    blocked(error, &by, advice)
}
