//! What a node group is declared as, and how EKS tells it.

use std::collections::BTreeSet;

use aws_sdk_eks::types::{
    CapacityTypes, LaunchTemplateSpecification, Nodegroup as Found, NodegroupScalingConfig, NodegroupUpdateConfig,
    Taint as EksTaint, TaintEffect,
};
use serde::{Deserialize, Serialize};

use super::super::observed;
use crate::aws::tags::{Pairs, Tags};

/// Who has this tag lets the cluster autoscaler choose the size.
pub(super) const AUTOSCALED: &str = "k8s.io/cluster-autoscaler/enabled";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::aws) struct Spec {
    pub(super) cluster_name: String,
    pub(super) node_group_name: String,
    pub(super) role_arn: String,
    #[serde(deserialize_with = "crate::aws::set::read")]
    pub(super) subnet_ids: Vec<String>,
    pub(super) instance_types: Vec<String>,
    pub(super) ami_type: String,
    pub(super) spot: bool,
    pub(super) min_size: i32,
    pub(super) max_size: i32,
    pub(super) desired_size: i32,
    pub(super) labels: Pairs,
    pub(super) taints: Vec<Taint>,
    pub(super) max_unavailable: Share,
    pub(super) launch_template_id: String,
    pub(super) launch_template_version: String,
    /// The template states the instance type; `instance_types` says which.
    #[serde(default)]
    pub(super) instance_type_in_template: bool,
    #[serde(default)]
    pub(super) capacity_block: bool,
    /// None: the newest whenever the nodes are rolled.
    #[serde(default)]
    pub(super) release_version: Option<String>,
    /// None: what the cluster has when it is made, where the pipeline does not declare the cluster.
    pub(super) version: Option<String>,
    pub(super) node_repair: bool,
    pub(super) wait_minutes: u32,
    /// How long pods may take to move away before the group is deleted; 0 leaves draining to EKS.
    #[serde(default = "quarter")]
    pub(super) drain_timeout_minutes: u32,
    /// Whether the group is deleted all the same when that time is over.
    #[serde(default)]
    pub(super) drain_force: bool,
    pub(super) tags: Tags,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::aws) struct Taint {
    pub(in crate::aws) key: String,
    pub(in crate::aws) value: Option<String>,
    pub(in crate::aws) effect: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Share {
    #[serde(alias = "Count")]
    Count(i32),
    #[serde(alias = "Percentage")]
    Percentage(i32),
}

/// What EKS's own documentation gives an update of a node group.
fn quarter() -> u32 {
    15
}

impl Taint {
    pub(super) fn to_eks(&self) -> EksTaint {
        let taint = EksTaint::builder().key(&self.key).set_value(self.value.clone());
        taint.effect(TaintEffect::from(self.effect.as_str())).build()
    }

    pub(super) fn observe(taint: &EksTaint) -> Self {
        Self {
            key: taint.key().unwrap_or_default().to_owned(),
            value: taint.value().filter(|value| !value.is_empty()).map(str::to_owned),
            effect: taint.effect().map(|effect| effect.as_str().to_owned()).unwrap_or_default(),
        }
    }
}

impl Spec {
    pub(super) fn scaling(&self, desired: i32) -> NodegroupScalingConfig {
        let sizes = NodegroupScalingConfig::builder().min_size(self.min_size).max_size(self.max_size);
        sizes.desired_size(desired).build()
    }

    /// The size that an update asks for where there are `running` nodes: the autoscaler's, inside
    /// the bounds, unless the pipeline states another one than before.
    pub(super) fn desired(&self, was: Option<&Self>, running: Option<i32>) -> i32 {
        let is_new = was.is_some_and(|was| was.desired_size != self.desired_size);
        match running.filter(|_| self.tags.0.contains_key(AUTOSCALED) && !is_new) {
            Some(running) => running.clamp(self.min_size, self.max_size),
            None => self.desired_size,
        }
    }

    pub(super) fn update_config(&self) -> NodegroupUpdateConfig {
        match self.max_unavailable {
            Share::Count(count) => NodegroupUpdateConfig::builder().max_unavailable(count),
            Share::Percentage(share) => NodegroupUpdateConfig::builder().max_unavailable_percentage(share),
        }
        .build()
    }

    pub(super) fn capacity(&self) -> CapacityTypes {
        match (self.spot, self.capacity_block) {
            (true, _) => CapacityTypes::Spot,
            (false, true) => CapacityTypes::CapacityBlock,
            (false, false) => CapacityTypes::OnDemand,
        }
    }

    /// Who brings an image of their own brings its version.
    pub(super) fn has_own_image(&self) -> bool {
        self.ami_type == "CUSTOM"
    }

    pub(super) fn template(&self) -> LaunchTemplateSpecification {
        let template = LaunchTemplateSpecification::builder().id(&self.launch_template_id);
        template.version(&self.launch_template_version).build()
    }

    pub(super) fn observe(found: &Found, spec: &Self) -> Self {
        let sizes = found.scaling_config();
        let size = |size: Option<i32>| size.unwrap_or_default();
        let share = found.update_config();
        let same = |ours: &[String], theirs: &[String]| {
            let set = |ids: &[String]| ids.iter().cloned().collect::<BTreeSet<_>>();
            if set(ours) == set(theirs) { ours.to_vec() } else { theirs.to_vec() }
        };
        let tags = observed(found.tags());
        let desired = size(sizes.and_then(|sizes| sizes.desired_size()));
        let mut taints: Vec<Taint> = found.taints().iter().map(Taint::observe).collect();
        taints.sort();
        let template = found.launch_template();
        Self {
            cluster_name: found.cluster_name().unwrap_or_default().to_owned(),
            node_group_name: found.nodegroup_name().unwrap_or_default().to_owned(),
            role_arn: found.node_role().unwrap_or_default().to_owned(),
            subnet_ids: same(&spec.subnet_ids, found.subnets()),
            instance_types: match spec.instance_type_in_template {
                // EKS does not repeat what the template says.
                true => spec.instance_types.clone(),
                false => same(&spec.instance_types, found.instance_types()),
            },
            ami_type: found.ami_type().map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
            spot: found.capacity_type() == Some(&CapacityTypes::Spot),
            min_size: size(sizes.and_then(|sizes| sizes.min_size())),
            max_size: size(sizes.and_then(|sizes| sizes.max_size())),
            // The autoscaler moves it all the time; that is its business.
            desired_size: if tags.0.contains_key(AUTOSCALED) { spec.desired_size } else { desired },
            labels: Pairs(found.labels().into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect()),
            taints,
            max_unavailable: match share.and_then(|share| share.max_unavailable_percentage()) {
                Some(percentage) => Share::Percentage(percentage),
                None => Share::Count(share.and_then(|share| share.max_unavailable()).unwrap_or(1)),
            },
            launch_template_id: template.and_then(|template| template.id()).unwrap_or_default().to_owned(),
            launch_template_version: template.and_then(|template| template.version()).unwrap_or_default().to_owned(),
            instance_type_in_template: spec.instance_type_in_template,
            capacity_block: found.capacity_type() == Some(&CapacityTypes::CapacityBlock),
            release_version: spec.release_version.as_ref().and_then(|_| found.release_version().map(str::to_owned)),
            version: spec.version.as_ref().and_then(|_| found.version().map(str::to_owned)),
            node_repair: found.node_repair_config().and_then(|repair| repair.enabled()).unwrap_or(false),
            wait_minutes: spec.wait_minutes,
            drain_timeout_minutes: spec.drain_timeout_minutes,
            drain_force: spec.drain_force,
            tags,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    pub(in super::super) fn spec(desired: i32, max: i32, autoscaled: bool) -> Spec {
        let tags = if autoscaled { json!([[AUTOSCALED, "true"]]) } else { json!([]) };
        let spec = json!({ "cluster_name": "c", "node_group_name": "n", "role_arn": "r", "subnet_ids": [], "instance_types": [],
            "ami_type": "a", "spot": false, "min_size": 1, "max_size": max, "desired_size": desired, "labels": [], "taints": [],
            "max_unavailable": { "count": 1 }, "launch_template_id": "l", "launch_template_version": "1", "version": null,
            "node_repair": true, "wait_minutes": 1, "tags": tags });
        serde_json::from_value(spec).expect("a spec")
    }

    #[test]
    fn an_update_leaves_the_size_that_the_autoscaler_chose() {
        let old = spec(2, 9, true);
        for (new, running, desired) in [
            (spec(2, 9, true), Some(5), 5),
            // Other bounds, and the size inside them.
            (spec(2, 4, true), Some(5), 4),
            // Another size is meant.
            (spec(3, 9, true), Some(5), 3),
            (spec(2, 9, false), Some(5), 2),
            (spec(2, 9, true), None, 2),
        ] {
            assert_eq!(new.desired(Some(&old), running), desired, "{new:?}");
        }
        assert_eq!(old.desired(None, Some(5)), 5, "a run that goes on");
    }
}
