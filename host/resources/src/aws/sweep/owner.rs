//! Whose something is, by its tags.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{NetworkInterface, Tag};
use llmhost_engine::run::ADDRESS_TAG;

/// The CNI's network interfaces are described so.
const CNI: &str = "aws-K8S-";
/// The CNI tags its network interfaces so.
const CNI_CLUSTER: &str = "cluster.k8s.amazonaws.com/name";
/// EKS tags what it makes itself so; nobody else can.
const EKS_CLUSTER: &str = "aws:eks:cluster-name";
/// The driver of EBS volumes tags them so.
const CSI: &str = "ebs.csi.aws.com/cluster";

/// A cluster, and the network that it lives in.
#[derive(Debug, Clone)]
pub(in crate::aws) struct Owner {
    pub(in crate::aws) cluster: String,
    /// Absent where neither the cluster nor a subnet of it is there any more: then nothing of it can
    /// be there either, but volumes.
    pub(in crate::aws) vpc: Option<String>,
}

pub(super) type Tags = BTreeMap<String, String>;

/// Tags of EC2 by key.
pub(super) fn tags(all: &[Tag]) -> Tags {
    let known = all.iter().filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned())));
    known.collect()
}

impl Owner {
    /// `kubernetes.io/cluster/NAME`: what it is `owned` by, the cluster made; what it `shared`s, not.
    pub(super) fn tag(&self) -> String {
        format!("kubernetes.io/cluster/{}", self.cluster)
    }

    /// The tag that remembers what a volume's reclaim policy said.
    pub(super) fn reclaim_tag(&self) -> String {
        format!("llmhost:reclaim/{}", self.cluster)
    }

    /// Whether tags say that the cluster made something. What a pipeline declared is never such a
    /// thing, however it is tagged.
    pub(super) fn owns(&self, tags: &Tags) -> bool {
        let says = |key: &str, value: &str| tags.get(key).is_some_and(|found| found == value);
        if says(EKS_CLUSTER, &self.cluster) {
            return true;
        }
        let by_tag = says(&self.tag(), "owned")
            || says("elbv2.k8s.aws/cluster", &self.cluster)
            || says("eks:eks-cluster-name", &self.cluster)
            || says(CNI_CLUSTER, &self.cluster);
        by_tag && !tags.contains_key(ADDRESS_TAG)
    }

    /// Whether EKS itself made it, and deletes it with the cluster.
    pub(super) fn is_of_eks(tags: &Tags) -> bool {
        tags.contains_key(EKS_CLUSTER)
    }

    /// Whether a network interface is one that the CNI made for this cluster. Older ones name no
    /// cluster; those are known by a security group of the cluster.
    pub(super) fn owns_interface(&self, found: &NetworkInterface, groups: &[String]) -> bool {
        let tags = tags(found.tag_set());
        let of_cni = found.description().is_some_and(|text| text.starts_with(CNI))
            && !tags.contains_key(CNI_CLUSTER)
            && !tags.contains_key(ADDRESS_TAG);
        let mut ids = found.groups().iter().filter_map(|group| group.group_id());
        self.owns(&tags) || (of_cni && ids.any(|id| groups.iter().any(|known| known == id)))
    }

    /// Whether a volume, if an object of the cluster claims it, was made by the cluster's driver.
    pub(super) fn owns_claimed_volume(&self, tags: &Tags) -> bool {
        self.owns(tags) || (tags.get(CSI).is_some_and(|value| value == "true") && !tags.contains_key(ADDRESS_TAG))
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::GroupIdentifier;

    use super::*;

    fn owner() -> Owner {
        Owner { cluster: "llm".to_owned(), vpc: Some("vpc-1".to_owned()) }
    }

    fn of(pairs: &[(&str, &str)]) -> Tags {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn only_what_is_tagged_as_owned_by_this_cluster_and_declared_by_nobody_is_the_clusters() {
        for (tags, owned) in [
            (&[("kubernetes.io/cluster/llm", "owned")][..], true),
            (&[("elbv2.k8s.aws/cluster", "llm")], true),
            (&[("cluster.k8s.amazonaws.com/name", "llm")], true),
            (&[("eks:eks-cluster-name", "llm")], true),
            (&[("aws:eks:cluster-name", "llm"), (ADDRESS_TAG, "EKS copies tags")], true),
            (&[("kubernetes.io/cluster/llm", "shared")], false),
            (&[("kubernetes.io/cluster/llm2", "owned")], false),
            (&[("elbv2.k8s.aws/cluster", "other")], false),
            (&[("kubernetes.io/cluster/llm", "owned"), (ADDRESS_TAG, "network/ec2.security-group/nodes")], false),
            (&[("Name", "eks-cluster-sg-llm")], false),
            (&[], false),
        ] {
            assert_eq!(owner().owns(&of(tags)), owned, "{tags:?}");
        }
    }

    #[test]
    fn an_interface_without_a_clusters_name_is_known_by_a_group_of_the_cluster() {
        let interface = |description: &str, tag: Option<&str>, group: &str| {
            let tag = tag.map(|name| vec![Tag::builder().key(CNI_CLUSTER).value(name).build()]);
            let group = GroupIdentifier::builder().group_id(group).build();
            NetworkInterface::builder().description(description).set_tag_set(tag).groups(group).build()
        };
        let ours = ["sg-ours".to_owned()];
        for (found, owned) in [
            (interface("aws-K8S-i-1", Some("llm"), "sg-other"), true),
            (interface("aws-K8S-i-1", None, "sg-ours"), true),
            (interface("aws-K8S-i-1", None, "sg-other"), false),
            (interface("aws-K8S-i-1", Some("other"), "sg-ours"), false),
            (interface("somebody's", None, "sg-ours"), false),
        ] {
            assert_eq!(owner().owns_interface(&found, &ours), owned, "{found:?}");
        }
    }
}
