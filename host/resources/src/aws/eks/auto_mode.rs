//! EKS Auto Mode of a cluster: EKS makes nodes, volumes and load balancers by itself. It has three parts, which are
//! turned on and off together.

use aws_sdk_eks::types::{
    BlockStorage, Cluster as Found, ComputeConfigRequest, ElasticLoadBalancing, KubernetesNetworkConfigRequest,
    StorageConfigRequest,
};
use llmhost_engine::unknown;
use serde::{Deserialize, Serialize};

use crate::aws::forms;

/// The node pools that EKS brings.
const POOLS: [&str; 2] = ["general-purpose", "system"];

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct AutoMode {
    #[serde(deserialize_with = "crate::aws::set::read")]
    node_pools: Vec<String>,
    pub(super) node_role_arn: Option<String>,
}

impl AutoMode {
    pub(super) fn check(&self) -> Result<(), String> {
        if let Some(other) = self.node_pools.iter().find(|pool| !POOLS.contains(&pool.as_str())) {
            return Err(format!(
                "node_pools has '{other}'; EKS provides {}. Create others as NodePool objects in the cluster",
                POOLS.join(" and ")
            ));
        }
        match (&self.node_role_arn, self.node_pools.is_empty()) {
            (Some(role), false) => forms::role("node_role_arn", role),
            (None, true) => Ok(()),
            (None, false) => Err("node_pools need node_role_arn, the role of their nodes".to_owned()),
            (Some(_), true) => {
                Err("node_role_arn is set without node_pools, and EKS accepts it only with them".to_owned())
            }
        }
    }

    /// Why one cannot become the other in place.
    pub(super) fn check_change(old: Option<&Self>, new: Option<&Self>) -> Result<(), String> {
        let role = |mode: Option<&Self>| mode.and_then(|mode| mode.node_role_arn.clone());
        match (role(old), role(new)) {
            (Some(was), Some(now)) if was != now && !unknown::is_unknown(&now) => Err(format!(
                "EKS cannot change the node role of Auto Mode while it has one; set node_role_arn = \"{was}\" again, or \
                 turn node_pools off first, run, and turn them on with the new role"
            )),
            _ => Ok(()),
        }
    }

    pub(super) fn observe(found: &Found) -> Option<Self> {
        let compute = found.compute_config().filter(|compute| compute.enabled() == Some(true))?;
        let mut node_pools = compute.node_pools().to_vec();
        node_pools.sort();
        let node_role_arn = compute.node_role_arn().filter(|arn| !arn.is_empty()).map(str::to_owned);
        Some(Self { node_pools, node_role_arn })
    }
}

/// Nodes: EKS takes a role only together with pools.
pub(super) fn compute(mode: Option<&AutoMode>) -> ComputeConfigRequest {
    let compute = ComputeConfigRequest::builder().enabled(mode.is_some());
    match mode {
        Some(mode) => {
            compute.set_node_pools(Some(mode.node_pools.clone())).set_node_role_arn(mode.node_role_arn.clone()).build()
        }
        None => compute.build(),
    }
}

/// Volumes.
pub(super) fn storage(mode: Option<&AutoMode>) -> StorageConfigRequest {
    let blocks = BlockStorage::builder().enabled(mode.is_some()).build();
    StorageConfigRequest::builder().block_storage(blocks).build()
}

/// Load balancers, in the part of the cluster's network that can be changed.
pub(super) fn balancing(
    mode: Option<&AutoMode>,
) -> aws_sdk_eks::types::builders::KubernetesNetworkConfigRequestBuilder {
    let balancing = ElasticLoadBalancing::builder().enabled(mode.is_some()).build();
    KubernetesNetworkConfigRequest::builder().elastic_load_balancing(balancing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(pools: &[&str], role: Option<&str>) -> AutoMode {
        let node_pools = pools.iter().map(|pool| (*pool).to_owned()).collect();
        AutoMode { node_pools, node_role_arn: role.map(str::to_owned) }
    }

    #[test]
    fn pools_are_eks_own_and_come_with_their_nodes_role() {
        let role = Some("arn:aws:iam::123456789012:role/auto");
        for (mode, words) in [
            (mode(&["general-purpose", "system"], role), None),
            (mode(&[], None), None),
            (mode(&["gpu"], role), Some("EKS provides general-purpose and system")),
            (mode(&["system"], None), Some("need node_role_arn")),
            (mode(&[], role), Some("without node_pools")),
        ] {
            let found = mode.check();
            match words {
                None => assert_eq!(found, Ok(()), "{mode:?}"),
                Some(words) => assert!(found.as_ref().is_err_and(|error| error.contains(words)), "{found:?}"),
            }
        }
        let (a, b) = (mode(&["system"], Some("a")), mode(&["system"], Some("b")));
        assert!(AutoMode::check_change(Some(&a), Some(&b)).is_err());
        assert_eq!(AutoMode::check_change(Some(&a), None), Ok(()));
    }
}
