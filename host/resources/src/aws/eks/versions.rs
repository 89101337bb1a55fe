//! Which Kubernetes versions EKS offers.

use aws_sdk_eks::types::VersionStatus;
use llmhost_engine::kind::{ErrorClass, OpError};

use super::Operation;
use crate::aws::clients::Aws;

const OPERATION: &str = "eks:DescribeClusterVersions";

/// The newest version in standard support.
pub(in crate::aws) async fn newest_version(aws: &Aws) -> Result<String, OpError> {
    let offered = offered(aws, true).await?;
    offered
        .into_iter()
        .next_back()
        .ok_or_else(|| OpError::local(OPERATION, "EKS offers no version in standard support"))
}

/// Every version on offer, oldest first.
pub(in crate::aws) async fn offered_versions(aws: &Aws) -> Result<Vec<String>, OpError> {
    offered(aws, false).await
}

/// The versions on offer, oldest first.
async fn offered(aws: &Aws, standard_only: bool) -> Result<Vec<String>, OpError> {
    let pages = aws.eks().await.describe_cluster_versions().into_paginator().items().send();
    let all = pages.try_collect().await.operation(OPERATION)?;
    let wanted = all.into_iter().filter(|version| match version.version_status() {
        Some(VersionStatus::StandardSupport) => true,
        Some(VersionStatus::Unsupported) => false,
        _ => !standard_only,
    });
    let mut versions: Vec<String> = wanted.filter_map(|version| version.cluster_version).collect();
    versions.sort_by_key(|version| number(version));
    versions.dedup();
    Ok(versions)
}

/// `1.34` as numbers, for comparing.
pub(super) fn number(version: &str) -> Option<(u32, u32)> {
    let (major, minor) = version.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Says which versions there are, where EKS refuses one.
pub(super) async fn explain(aws: &Aws, mut error: OpError, version: &str) -> OpError {
    if error.class == ErrorClass::Invalid
        && error.message.to_lowercase().contains("version")
        && let Ok(offered) = offered(aws, false).await
        && !offered.iter().any(|known| known == version)
    {
        error.advice = Some(format!("EKS does not offer Kubernetes {version}; it offers {}.", offered.join(", ")));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert!(number("1.9") < number("1.34"));
        assert_eq!(number("latest"), None);
    }
}
