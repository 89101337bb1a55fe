//! Changes in place: sizes, labels, taints; and versions, which roll the nodes.

use std::collections::HashMap;

use aws_sdk_eks::types::{NodeRepairConfig, UpdateLabelsPayload, UpdateTaintsPayload};
use llmhost_engine::kind::{OpError, Progress};

use super::super::{Operation, updated};
use super::NodeGroup;
use super::spec::{Spec, Taint};

impl NodeGroup {
    /// `desired` is the size to ask for.
    pub(super) async fn update_config(
        &self,
        spec: &Spec,
        there: &Spec,
        desired: i32,
        progress: &dyn Progress,
    ) -> Result<(), OpError> {
        let sizes = |spec: &Spec| (spec.min_size, spec.max_size, spec.desired_size);
        let same_sizes = sizes(spec) == sizes(there);
        let same = same_sizes
            && spec.labels == there.labels
            && spec.taints == there.taints
            && spec.max_unavailable == there.max_unavailable
            && spec.node_repair == there.node_repair;
        if same {
            return Ok(());
        }
        let mut request = self.0.eks().await.update_nodegroup_config().cluster_name(&spec.cluster_name);
        request = request.nodegroup_name(&spec.node_group_name).update_config(spec.update_config());
        // What is not said stays as it is.
        if !same_sizes {
            request = request.scaling_config(spec.scaling(desired));
        }
        if spec.labels != there.labels {
            let new = spec.labels.0.iter().filter(|(key, value)| there.labels.0.get(*key) != Some(value));
            let new: HashMap<_, _> = new.map(|(key, value)| (key.clone(), value.clone())).collect();
            let gone = there.labels.0.keys().filter(|key| !spec.labels.0.contains_key(*key)).cloned().collect();
            let labels = UpdateLabelsPayload::builder();
            request = request.labels(labels.set_add_or_update_labels(Some(new)).set_remove_labels(Some(gone)).build());
        }
        if spec.taints != there.taints {
            let new = spec.taints.iter().filter(|taint| !there.taints.contains(taint)).map(Taint::to_eks).collect();
            // A taint is told by key and effect: one with a new value is updated, not removed.
            let stays = |old: &&Taint| spec.taints.iter().any(|new| new.key == old.key && new.effect == old.effect);
            let gone = there.taints.iter().filter(|old| !stays(old)).map(Taint::to_eks).collect();
            let taints = UpdateTaintsPayload::builder();
            request = request.taints(taints.set_add_or_update_taints(Some(new)).set_remove_taints(Some(gone)).build());
        }
        if spec.node_repair != there.node_repair {
            request = request.node_repair_config(NodeRepairConfig::builder().enabled(spec.node_repair).build());
        }
        let answer = request.send().await.operation("eks:UpdateNodegroupConfig")?;
        let group = (spec.cluster_name.as_str(), Some(spec.node_group_name.as_str()));
        updated(&self.0, group, answer.update, spec.wait_minutes, progress).await
    }

    /// New nodes by a new version of Kubernetes or of the launch template, old ones drained.
    pub(super) async fn update_version(
        &self,
        spec: &Spec,
        there: &Spec,
        progress: &dyn Progress,
    ) -> Result<(), OpError> {
        if spec.version == there.version
            && spec.launch_template_version == there.launch_template_version
            && spec.release_version == there.release_version
        {
            return Ok(());
        }
        progress.report("replacing the nodes one after the other", 0, 0);
        let mut request = self.0.eks().await.update_nodegroup_version().cluster_name(&spec.cluster_name);
        request = request.nodegroup_name(&spec.node_group_name).set_version(spec.version.clone());
        request = request.set_release_version(spec.release_version.clone());
        if spec.launch_template_version != there.launch_template_version {
            request = request.launch_template(spec.template());
        }
        let answer = request.send().await.operation("eks:UpdateNodegroupVersion")?;
        let group = (spec.cluster_name.as_str(), Some(spec.node_group_name.as_str()));
        updated(&self.0, group, answer.update, spec.wait_minutes, progress).await
    }
}
