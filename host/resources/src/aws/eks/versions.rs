//! Which Kubernetes versions EKS offers.

use aws_sdk_eks::types::VersionStatus;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use llmhost_engine::kind::{ErrorClass, Neighbours, OpError};
use llmhost_engine::unknown;

use super::Operation;
use crate::aws::clients::Aws;

const OPERATION: &str = "eks:DescribeClusterVersions";

/// What stands for a version that is not known yet.
pub(in crate::aws) const SAMPLE: &str = "1.33";

/// A version that EKS offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::aws) struct Offered {
    /// `1.34`.
    pub(in crate::aws) version: String,
    /// Whether it is in standard support.
    pub(in crate::aws) is_standard: bool,
    /// The days when standard and extended support end, where EKS names them: `2026-12-02`.
    pub(in crate::aws) ends: Option<(String, String)>,
}

/// The newest version in standard support.
pub(in crate::aws) async fn newest_version(aws: &Aws) -> Result<String, OpError> {
    let newest = offered_versions(aws).await?.into_iter().rfind(|offered| offered.is_standard);
    let newest = newest.map(|offered| offered.version);
    newest.ok_or_else(|| OpError::local(OPERATION, "EKS offers no version in standard support"))
}

/// Every version on offer, oldest first.
pub(in crate::aws) async fn offered_versions(aws: &Aws) -> Result<Vec<Offered>, OpError> {
    let pages = aws.eks().await.describe_cluster_versions().into_paginator().items().send();
    let all = pages.try_collect().await.operation(OPERATION)?;
    let all = all.into_iter().filter(|found| found.version_status() != Some(&VersionStatus::Unsupported));
    let mut offered: Vec<Offered> = all
        .filter_map(|found| {
            let day = |time: Option<&DateTime>| Some(day_of(time?.secs()));
            Some(Offered {
                is_standard: found.version_status() == Some(&VersionStatus::StandardSupport),
                ends: day(found.end_of_standard_support_date()).zip(day(found.end_of_extended_support_date())),
                version: found.cluster_version?,
            })
        })
        .collect();
    offered.sort_by_key(|offered| number(&offered.version));
    offered.dedup_by(|one, other| one.version == other.version);
    Ok(offered)
}

/// The day of an instant, in seconds since 1970: `2026-12-02`.
pub(in crate::aws) fn day_of(seconds: i64) -> String {
    let text = DateTime::from_secs(seconds).fmt(Format::DateTime).unwrap_or_default();
    text.chars().take(10).collect()
}

/// `1.34` as numbers, for comparing.
pub(in crate::aws) fn number(version: &str) -> Option<(u32, u32)> {
    let (major, minor) = version.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Whether EKS upgrades a cluster from one version to another: to the next minor version, and never back.
pub(super) fn check_upgrade(from: &str, to: &str) -> Result<(), String> {
    let (Some(old), Some(new)) = (number(from), number(to)) else { return Ok(()) };
    if new < old {
        return Err(format!(
            "the cluster runs Kubernetes {from}, and EKS cannot go back to {to}; set version = \"{from}\" or a \
                newer one"
        ));
    }
    if old.0 == new.0 && new.1 > old.1 + 1 {
        let steps: Vec<String> = (old.1 + 1..=new.1).map(|minor| format!("{}.{minor}", old.0)).collect();
        return Err(format!(
            "the cluster runs Kubernetes {from}, and EKS upgrades one minor version at a time; run with version = \"{}\" \
             first, then with {}",
            steps[0],
            steps[1..].join(", then ")
        ));
    }
    Ok(())
}

/// Whether nodes of one version can be in a cluster of another: not newer, and not too far behind. Kubernetes' version
/// skew policy allows the kubelet to be three minor versions older than the API server, two before 1.28.
pub(super) fn check_skew(cluster: &str, nodes: &str) -> Result<(), String> {
    let (Some(control), Some(kubelet)) = (number(cluster), number(nodes)) else { return Ok(()) };
    let most = if control.1 >= 28 { 3 } else { 2 };
    if kubelet > control {
        return Err(format!(
            "the nodes' version {nodes} is newer than the cluster's, {cluster}; remove version, and the nodes follow \
             the cluster"
        ));
    }
    if control.0 == kubelet.0 && control.1 - kubelet.1 > most {
        return Err(format!(
            "the nodes' version {nodes} is {} minor versions behind the cluster's, {cluster}, and Kubernetes allows \
             {most}; remove version, and the nodes follow the cluster",
            control.1 - kubelet.1
        ));
    }
    Ok(())
}

/// Whether a release of EKS's images is one of a Kubernetes version: `1.34.1-20261101`. Bottlerocket counts its own
/// versions.
pub(super) fn check_release(release: &str, version: &str, ami_type: &str) -> Result<(), String> {
    let (Some(wanted), false) = (number(version), unknown::is_unknown(release)) else { return Ok(()) };
    if ami_type.starts_with("BOTTLEROCKET") {
        return Ok(());
    }
    let has = release.split_once('-').and_then(|(of, _)| of.rsplit_once('.')).and_then(|(minor, _)| number(minor));
    match has {
        Some(has) if has == wanted => Ok(()),
        Some((major, minor)) => Err(format!(
            "release_version {release} is of Kubernetes {major}.{minor}, and the nodes run {version}: set version = \
             \"{major}.{minor}\" to keep them there, or use a release of {version}"
        )),
        None => {
            Err(format!("release_version '{release}' is not a release of EKS's images such as {version}.1-20261101"))
        }
    }
}

/// The version of a declared cluster, by its name or what stands for it.
pub(super) fn of_cluster(name: &str, declared: &dyn Neighbours) -> Option<String> {
    let cluster = declared.by_identity(name).filter(|found| found.address.kind() == "eks.cluster")?;
    cluster.spec["version"].as_str().map(str::to_owned)
}

/// Whether a version of an add-on, such as `v1.20.4-eksbuild.1`, is newer than another.
pub(super) fn is_newer_addon(version: &str, than: &str) -> bool {
    let numbers = |text: &str| -> Vec<u64> {
        text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
    };
    numbers(version) > numbers(than)
}

/// Says which versions there are, where EKS refuses one.
pub(super) async fn explain(aws: &Aws, mut error: OpError, version: &str) -> OpError {
    if error.class == ErrorClass::Invalid
        && error.message.to_lowercase().contains("version")
        && let Ok(offered) = offered_versions(aws).await
        && !offered.iter().any(|known| known.version == version)
    {
        let offered: Vec<String> = offered.into_iter().map(|known| known.version).collect();
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

    #[test]
    fn a_cluster_goes_up_one_minor_version_at_a_time() {
        for (from, to, words) in [
            ("1.33", "1.33", None),
            ("1.33", "1.34", None),
            ("1.9", "1.10", None),
            ("1.33", "<<fact:eks.newest-version>>", None),
            ("1.34", "1.33", Some("cannot go back to 1.33; set version = \"1.34\"")),
            ("1.31", "1.34", Some("version = \"1.32\" first, then with 1.33, then 1.34")),
        ] {
            let checked = check_upgrade(from, to);
            match words {
                None => assert_eq!(checked, Ok(()), "{from} {to}"),
                Some(words) => assert!(checked.as_ref().is_err_and(|error| error.contains(words)), "{checked:?}"),
            }
        }
    }

    #[test]
    fn nodes_are_not_newer_than_their_cluster_and_not_too_old() {
        for (cluster, nodes, good) in [
            ("1.34", "1.34", true),
            ("1.34", "1.31", true),
            ("1.34", "1.30", false),
            ("1.34", "1.35", false),
            ("1.27", "1.25", true),
            ("1.27", "1.24", false),
            ("<<fact:eks.newest-version>>", "1.20", true),
        ] {
            assert_eq!(check_skew(cluster, nodes).is_ok(), good, "{cluster} {nodes}");
        }
    }

    #[test]
    fn a_release_is_of_the_version_of_its_nodes() {
        for (release, version, ami, words) in [
            ("1.34.1-20261101", "1.34", "AL2023_x86_64_STANDARD", None),
            ("1.33.4-20261101", "1.34", "AL2023_x86_64_STANDARD", Some("set version = \"1.33\" to keep them there")),
            ("latest", "1.34", "AL2023_x86_64_STANDARD", Some("is not a release")),
            ("1.50.0-abcdef01", "1.34", "BOTTLEROCKET_x86_64", None),
            ("1.34.1-20261101", "<<fact:eks.newest-version>>", "AL2023_x86_64_STANDARD", None),
        ] {
            let checked = check_release(release, version, ami);
            match words {
                None => assert_eq!(checked, Ok(()), "{release}"),
                Some(words) => assert!(checked.as_ref().is_err_and(|error| error.contains(words)), "{checked:?}"),
            }
        }
    }

    #[test]
    fn versions_of_addons_compare_by_number() {
        assert!(is_newer_addon("v1.20.10-eksbuild.1", "v1.20.9-eksbuild.3"));
        assert!(is_newer_addon("v1.20.4-eksbuild.12", "v1.20.4-eksbuild.2"));
        assert!(!is_newer_addon("v1.19.0-eksbuild.9", "v1.20.0-eksbuild.1"));
        assert!(!is_newer_addon("v1.20.4-eksbuild.1", "v1.20.4-eksbuild.1"));
    }
}
