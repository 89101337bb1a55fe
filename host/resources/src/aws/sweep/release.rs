//! While the cluster still answers: lets it take back what it made.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_ec2::types::Tag;
use futures::FutureExt;
use futures::future::join_all;
use llmhost_engine::byproduct::Byproduct;
use llmhost_engine::kind::{OpError, Progress};

use super::Owner;
use super::find::{self, Fate};
use crate::aws::clients::Aws;
use crate::aws::errors::Operation;
use crate::aws::until;
use crate::kubernetes::made::{Balanced, Claimed, let_go, made};

/// How long controllers get to take their load balancers away. What they leave is for the sweep.
const PATIENCE: Duration = Duration::from_secs(300);

/// Deletes the services and ingresses that have load balancers, waits until these are gone, and marks
/// volumes with what becomes of them. What fails here is left to the sweep.
pub(in crate::aws) async fn release(aws: &Aws, owner: &Owner, progress: &dyn Progress) {
    let there = match made(aws, &owner.cluster).await {
        Ok(Some(there)) => there,
        Ok(None) => return,
        Err(error) => {
            progress.report(&format!("cannot ask the cluster what it created ({error})"), 0, 0);
            return;
        }
    };
    if let Err(error) = mark(aws, owner, &there.volumes).await {
        progress.report(&format!("volumes are kept, because they could not be tagged ({error})"), 0, 0);
    }
    if !there.balanced.is_empty() {
        progress.report("waiting for the cluster to delete its load balancers", 0, 0);
        let gone = join_all(there.balanced.iter().map(|object| let_go(aws, &owner.cluster, object))).await;
        for (object, _) in there.balanced.iter().zip(gone).filter(|(_, gone)| gone.is_ok()) {
            progress.byproduct(Byproduct::new(object.what(), object.id(), "the cluster deletes its load balancer"));
        }
        // That they are not gone in time is no failure: the sweep takes what is left.
        let _ = taken_back(aws, owner, &there.balanced).await;
    }
}

/// Waits until the objects are gone. Their finalizers hold them until their load balancers are.
async fn taken_back(aws: &Aws, owner: &Owner, objects: &[Balanced]) -> Result<(), OpError> {
    until("kube:delete services", PATIENCE.min(aws.settings.wait), || {
        async move {
            let left = made(aws, &owner.cluster).await?.unwrap_or_default().balanced;
            Ok((!objects.iter().any(|object| left.contains(object))).then_some(()))
        }
        .boxed()
    })
    .await
}

/// Writes down on each volume what its reclaim policy says: when the cluster is gone, nobody knows.
async fn mark(aws: &Aws, owner: &Owner, claims: &BTreeMap<String, Claimed>) -> Result<(), OpError> {
    let all = find::volumes(aws, owner, claims).await?;
    for (fate, word) in [(Fate::Goes, "delete"), (Fate::Retained, "retain")] {
        let ids: Vec<String> =
            all.iter().filter(|volume| volume.fate == fate).map(|volume| volume.id.clone()).collect();
        for batch in ids.chunks(500) {
            let tag = Tag::builder().key(owner.reclaim_tag()).value(word).build();
            let request = aws.ec2().await.create_tags().set_resources(Some(batch.to_vec())).tags(tag);
            request.send().await.operation("ec2:CreateTags")?;
        }
    }
    Ok(())
}
