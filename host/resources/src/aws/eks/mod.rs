//! EKS: clusters, add-ons, node groups, Fargate profiles, access entries, pod identities.

mod access_entry;
mod addon;
mod auto_mode;
mod capacity;
mod cluster;
mod fargate_profile;
mod gone;
mod labels;
mod look;
mod node_group;
mod pod_identity;
mod sample;
mod versions;

use std::collections::HashMap;

use aws_sdk_eks::types::{ErrorDetail, UpdateStatus};
use futures::FutureExt;
use futures::future::BoxFuture;
use llmhost_engine::kind::{ErrorClass, Intent, OpError, Progress};
use llmhost_engine::unknown;

use super::clients::Aws;
use super::errors::{Operation, gone_is_none};
use super::tags::{INTENT, Tags};
use super::wait::{self, settled, until};

pub(super) use access_entry::AccessEntry;
pub(super) use addon::Addon;
pub(super) use capacity::{offered, zones_of};
pub(super) use cluster::Cluster;
pub(super) use fargate_profile::FargateProfile;
pub(super) use look::{access_entry, addon, cluster, fargate_profile, node_group, pod_identity, status};
pub(super) use node_group::NodeGroup;
pub(super) use pod_identity::PodIdentityAssociation;
pub(super) use versions::{Offered, SAMPLE as SAMPLE_VERSION, day_of, newest_version, number, offered_versions};

/// Endpoint and certificate authority (base64) of a cluster; nothing where it is gone.
pub(super) async fn endpoint(aws: &Aws, name: &str) -> Result<Option<(String, String)>, OpError> {
    Ok(look(aws, name).await?.map(|cluster| {
        let authority = cluster.certificate_authority().and_then(|authority| authority.data()).unwrap_or_default();
        (cluster.endpoint().unwrap_or_default().to_owned(), authority.to_owned())
    }))
}

/// The OIDC issuer of a cluster; nothing where it is gone.
pub(super) async fn issuer(aws: &Aws, name: &str) -> Result<Option<String>, OpError> {
    let issuer = look(aws, name).await?.and_then(|cluster| cluster.identity?.oidc?.issuer);
    Ok(issuer)
}

/// The Kubernetes version of a cluster; nothing where it is gone.
pub(super) async fn version(aws: &Aws, name: &str) -> Result<Option<String>, OpError> {
    Ok(look(aws, name).await?.and_then(|cluster| cluster.version))
}

async fn look(aws: &Aws, name: &str) -> Result<Option<aws_sdk_eks::types::Cluster>, OpError> {
    let answer = aws.eks().await.describe_cluster().name(name).send().await.operation("eks:DescribeCluster");
    Ok(gone_is_none(answer)?.and_then(|answer| answer.cluster))
}

/// The tags of something that is being made, with the token to find it by.
fn tagged(tags: &Tags, intent: &Intent) -> HashMap<String, String> {
    let all = tags.0.iter().map(|(key, value)| (key.clone(), value.clone()));
    all.chain([(INTENT.to_owned(), intent.token.clone())]).collect()
}

fn observed(tags: Option<&HashMap<String, String>>) -> Tags {
    Tags::observed(tags.into_iter().flatten().map(|(key, value)| (Some(key.as_str()), Some(value.as_str()))))
}

/// Whether a create with this intent made what carries these tags.
fn is_made_by(tags: Option<&HashMap<String, String>>, intent: &Intent) -> bool {
    tags.and_then(|tags| tags.get(INTENT)).is_some_and(|token| *token == intent.token)
}

/// Brings the tags of an ARN in line with `now`, from what EKS says of them.
async fn sync_tags(aws: &Aws, arn: &str, there: &Tags, now: &Tags) -> Result<(), OpError> {
    let eks = aws.eks().await;
    let new: HashMap<String, String> = now
        .0
        .iter()
        .filter(|(key, value)| there.0.get(*key) != Some(value))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    if !new.is_empty() {
        let new = &new;
        let call = || {
            async move {
                let request = eks.tag_resource().resource_arn(arn).set_tags(Some(new.clone()));
                request.send().await.operation("eks:TagResource").map(drop)
            }
            .boxed()
        };
        settled(call).await?;
    }
    let gone: Vec<String> = there.0.keys().filter(|key| !now.0.contains_key(*key)).cloned().collect();
    if !gone.is_empty() {
        let request = eks.untag_resource().resource_arn(arn).set_tag_keys(Some(gone));
        request.send().await.operation("eks:UntagResource")?;
    }
    Ok(())
}

/// What was made and is to be changed. What is not seen in the moments after its making is gone.
async fn there<'a, T>(
    operation: &str,
    what: &str,
    name: &str,
    mut look: impl FnMut() -> BoxFuture<'a, Result<Option<T>, OpError>> + Send,
) -> Result<T, OpError> {
    let gone = || OpError {
        class: ErrorClass::NotFound,
        ..OpError::local(operation, format!("the {what} '{name}' no longer exists"))
    };
    settled(|| {
        let (looked, gone) = (look(), gone());
        async move { looked.await?.ok_or(gone) }.boxed()
    })
    .await
}

/// A role, a launch template or a security group that was made a moment ago is not known everywhere at once:
/// EKS calls it an invalid parameter.
async fn once_role_is_known<'a, T>(
    aws: &Aws,
    call: impl FnMut() -> BoxFuture<'a, Result<T, OpError>> + Send,
) -> Result<T, OpError> {
    wait::while_unknown(wait::ROLE_IS_KNOWN.min(aws.settings.wait), is_unknown_role, call).await
}

fn is_unknown_role(error: &OpError) -> bool {
    let message = error.message.to_lowercase();
    let code = error.code.as_deref();
    matches!(code, Some("InvalidParameterException" | "InvalidRequestException"))
        && ["role", "principal", "launch template", "security group"].iter().any(|what| message.contains(what))
        && ["not exist", "could not be assumed", "cannot be assumed", "not be found", "invalid"]
            .iter()
            .any(|w| message.contains(w))
}

/// Waits for an update of a cluster, or of a node group in it.
async fn updated(
    aws: &Aws,
    (cluster, node_group): (&str, Option<&str>),
    update: Option<aws_sdk_eks::types::Update>,
    minutes: u32,
    progress: &dyn Progress,
) -> Result<(), OpError> {
    let operation = "eks:DescribeUpdate";
    let Some(id) = update.and_then(|update| update.id) else { return Ok(()) };
    let (id, eks) = (&id, aws.eks().await);
    until(operation, wait::minutes(minutes), || {
        async move {
            let request = eks.describe_update().name(cluster).update_id(id);
            let request = request.set_nodegroup_name(node_group.map(str::to_owned));
            let Some(update) = request.send().await.operation(operation)?.update else { return Ok(Some(())) };
            match update.status() {
                Some(UpdateStatus::Successful) => Ok(Some(())),
                Some(UpdateStatus::Failed | UpdateStatus::Cancelled) => {
                    let kind = update.r#type().map_or("update", |kind| kind.as_str());
                    Err(refused(operation, &format!("the update ({kind}) failed"), update.errors()))
                }
                _ => {
                    progress.report("waiting for the update", 0, 0);
                    Ok(None)
                }
            }
        }
        .boxed()
    })
    .await
}

fn refused(operation: &str, what: &str, details: &[ErrorDetail]) -> OpError {
    let detail = |detail: &ErrorDetail| {
        let code = detail.error_code().map_or("", |code| code.as_str());
        format!("{code}: {}", detail.error_message().unwrap_or("no reason given"))
    };
    let details: Vec<String> = details.iter().map(detail).collect();
    let mut error = OpError::local(operation, format!("{what}: {}", details.join("; ")));
    error.class = ErrorClass::Invalid;
    error
}

/// The name of a cluster or a node group as EKS takes it.
fn check_name(what: &str, name: &str, most: usize) -> Result<(), String> {
    if unknown::is_unknown(name) {
        return Ok(());
    }
    let good = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if !good || name.is_empty() || name.len() > most || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err(format!(
            "the {what} '{name}' is not a valid name for EKS: 1 to {most} letters, digits, hyphens and underscores, \
             starting with a letter or digit"
        ));
    }
    Ok(())
}

/// An id made of parts that EKS looks a resource up by; none of them can hold a slash.
fn joined(parts: &[&str]) -> String {
    parts.join("/")
}
