//! Tags by which the cluster autoscaler finds a group, and knows what its nodes would have while there are none.

use std::collections::BTreeMap;

use llmhost_plugin::Failure;

use crate::capacity;
use crate::config::{Config, Effect};
use crate::image;

/// What the autoscaler reads of a node that is not there.
const NODE: &str = "k8s.io/cluster-autoscaler/node-template";

/// The tags of the group: the pipeline file's count where they say the same.
pub(crate) fn tags(config: &Config, has_gpus: bool) -> Result<Vec<(String, String)>, Failure> {
    let mut tags: BTreeMap<String, String> = BTreeMap::new();
    if config.autoscaler {
        tags.insert("k8s.io/cluster-autoscaler/enabled".to_owned(), "true".to_owned());
        tags.insert(format!("k8s.io/cluster-autoscaler/{}", config.cluster), "owned".to_owned());
        if config.min == 0 {
            tags.extend(of_a_node(config, has_gpus)?);
        }
    }
    tags.extend(config.tags.clone());
    Ok(tags.into_iter().collect())
}

fn of_a_node(config: &Config, has_gpus: bool) -> Result<Vec<(String, String)>, Failure> {
    let mut tags = Vec::new();
    tags.extend(config.labels.iter().map(|(key, value)| (format!("{NODE}/label/{key}"), value.clone())));
    tags.extend(config.taints.iter().map(|taint| {
        let effect = match taint.effect {
            Effect::NoSchedule => "NoSchedule",
            Effect::PreferNoSchedule => "PreferNoSchedule",
            Effect::NoExecute => "NoExecute",
        };
        (format!("{NODE}/taint/{}", taint.key), format!("{}:{effect}", taint.value.as_deref().unwrap_or_default()))
    }));
    // A template that is there may say anything of the disk.
    if config.launch_template.is_none() && config.local_storage.is_none() {
        tags.push((format!("{NODE}/resources/ephemeral-storage"), format!("{}Gi", config.disk_gib)));
    }
    // Types with different numbers of GPUs leave it to the autoscaler's own table.
    let mut counts = config.instance_types.iter().map(|name| image::gpus(name));
    let first = counts.next().flatten();
    if let Some(count) = first.filter(|_| has_gpus && counts.all(|other| other == first)) {
        tags.push((format!("{NODE}/resources/nvidia.com/gpu"), count.to_string()));
    }
    if let Some(count) = capacity::efa_interfaces(config)? {
        tags.push((format!("{NODE}/resources/vpc.amazonaws.com/efa"), count.to_string()));
    }
    // EKS takes no longer keys; the autoscaler then finds out with the first node.
    tags.retain(|(key, _)| key.len() <= 128);
    Ok(tags)
}
