//! What an object comes after, and so what it is deleted before.

use std::collections::BTreeSet;

use llmhost_engine::kind::Neighbours;
use llmhost_engine::names::ResourceAddress;
use llmhost_engine::unknown;
use serde_json::{Map, Value, json};

use super::super::manifest::{self, Identity};
use super::{Spec, Target, mark};

/// Kinds whose objects are a controller's pods, or what these need to do their work.
const OF_CONTROLLERS: [&str; 9] = [
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "Service",
    "ServiceAccount",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
];

/// Resources declared so far that the object comes after.
pub(super) fn after(spec: &Spec, declared: &dyn Neighbours) -> Vec<ResourceAddress> {
    let mut before = Vec::new();
    if let Target::Eks(cluster) = &spec.target {
        let of_cluster = |kind: &str| {
            let all = declared.of_kind(kind).into_iter();
            all.filter(|neighbour| neighbour.spec["cluster_name"] == *cluster).map(|neighbour| neighbour.address)
        };
        // Who is not let in can apply nothing; and what lets it in goes last.
        before.extend(of_cluster("eks.access-entry"));
        before.extend(entries_by_cloud_control(cluster, declared));
        // Pods need nodes, and end in order only while these are there.
        if manifest::has_pods(&spec.object) {
            before.extend(of_cluster("eks.node-group"));
            before.extend(of_cluster("eks.addon"));
            before.extend(of_cluster("eks.pod-identity-association"));
            // A pod gets its place on Fargate when it is created, or never.
            before.extend(of_cluster("eks.fargate-profile"));
        }
    }
    let needed = manifest::needed(&Value::Object(spec.manifest.clone()));
    let target = json!(spec.target);
    // What looks after custom objects is another step's, and there before it and after it: a controller takes their finalizers
    // off while they are deleted.
    let is_custom = is_custom(&spec.object.group);
    let own = mark(&json!(spec.manifest), manifest::ADDRESS).and_then(|address| address.parse().ok());
    let serves = |address: &ResourceAddress, of: &Identity| {
        own.as_ref().is_some_and(|own: &ResourceAddress| own.step() != address.step())
            && OF_CONTROLLERS.contains(&of.kind.as_str())
            && !self::is_custom(&of.group)
    };
    for other in declared.of_kind("kube.object").into_iter().filter(|other| other.spec["target"] == target) {
        let Ok(of) = serde_json::from_value::<Identity>(other.spec["object"].clone()) else { continue };
        let namespace_of = of.kind == "Namespace" && spec.object.namespace.as_ref() == Some(&of.name);
        let defines = of.kind == "CustomResourceDefinition"
            && other.spec["manifest"]["spec"]["group"] == *spec.object.group
            && other.spec["manifest"]["spec"]["names"]["kind"] == *spec.object.kind;
        let is_needed = needed.contains(&(kind_word(&of.kind), of.name.clone()))
            && (of.namespace.is_none() || of.namespace == spec.object.namespace);
        // The device plugin makes GPUs known to the scheduler.
        let makes_gpus = of.kind == "DaemonSet" && asks_for_gpu(&spec.manifest) && offers_gpu(&other.spec);
        if namespace_of || defines || is_needed || makes_gpus || (is_custom && serves(&other.address, &of)) {
            before.push(other.address);
        }
    }
    before
}

/// Access entries that are made as any resource of AWS is.
fn entries_by_cloud_control(cluster: &str, declared: &dyn Neighbours) -> Vec<ResourceAddress> {
    let all = declared.of_kind("cloud-control.entity").into_iter();
    let of_cluster = all.filter(|entity| {
        entity.spec["type_name"] == "AWS::EKS::AccessEntry" && entity.spec["properties"]["ClusterName"] == *cluster
    });
    of_cluster.map(|entity| entity.address).collect()
}

/// Whether a group of the API is none of Kubernetes' own.
fn is_custom(group: &str) -> bool {
    const OWN: [&str; 18] = [
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "certificates.k8s.io",
        "coordination.k8s.io",
        "discovery.k8s.io",
        "events.k8s.io",
        "flowcontrol.apiserver.k8s.io",
        "internal.apiserver.k8s.io",
        "networking.k8s.io",
        "node.k8s.io",
        "rbac.authorization.k8s.io",
        "resource.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
        "storagemigration.k8s.io",
    ];
    group.contains('.') && !OWN.contains(&group)
}

/// The kinds that [`manifest::needed`] names.
fn kind_word(kind: &str) -> &'static str {
    const KINDS: [&str; 8] = [
        "ServiceAccount",
        "PriorityClass",
        "PersistentVolume",
        "PersistentVolumeClaim",
        "ConfigMap",
        "Secret",
        "Deployment",
        "StatefulSet",
    ];
    KINDS.into_iter().find(|known| *known == kind).unwrap_or_default()
}

fn asks_for_gpu(manifest: &Map<String, Value>) -> bool {
    let text = Value::Object(manifest.clone()).to_string();
    // Whole ones, or parts of them by a name of their own.
    text.contains("nvidia.com/gpu\":") || text.contains("nvidia.com/mig-")
}

fn offers_gpu(spec: &Value) -> bool {
    let images: BTreeSet<&str> = spec
        .pointer("/manifest/spec/template/spec/containers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|container| container["image"].as_str())
        .collect();
    images.iter().any(|image| image.contains("k8s-device-plugin") && !unknown::is_unknown(image))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use llmhost_engine::kind::Neighbour;

    use super::*;

    struct Declared(Vec<(&'static str, Value)>);

    impl Neighbours for Declared {
        fn by_identity(&self, _: &str) -> Option<Neighbour> {
            None
        }

        fn of_kind(&self, kind: &str) -> Vec<Neighbour> {
            let all = self.0.iter().filter(|(address, _)| address.split('/').nth(1) == Some(kind));
            let one = |(address, spec): &(&str, Value)| Neighbour {
                address: address.parse().expect("an address"),
                spec: Arc::new(spec.clone()),
            };
            all.map(one).collect()
        }
    }

    fn object(address: &str, api: &str, kind: &str) -> Spec {
        let manifest = json!({
            "apiVersion": api, "kind": kind,
            "metadata": { "name": "a", "annotations": { manifest::ADDRESS: address } },
        });
        let identity = manifest::identity(manifest.as_object().expect("an object")).expect("it is whole");
        serde_json::from_value(json!({
            "target": { "eks": "c" }, "manifest": manifest, "object": identity, "adopt": false, "force_conflicts": false,
            "wait": false, "wait_minutes": 0,
        }))
        .expect("a spec")
    }

    #[test]
    fn custom_objects_come_after_the_controllers_of_other_steps() {
        let there = [
            ("karpenter/kube.object/pods", "apps/v1", "Deployment"),
            ("karpenter/kube.object/binding", "rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
            ("karpenter/kube.object/settings", "v1", "ConfigMap"),
            ("karpenter/kube.object/route", "serving.example.org/v1", "Service"),
            ("gpu/kube.object/plugin", "apps/v1", "DaemonSet"),
        ];
        let mut declared: Vec<_> =
            there.map(|(address, api, kind)| (address, json!(object(address, api, kind)))).into_iter().collect();
        let entry = |name: &str| json!({ "type_name": "AWS::EKS::AccessEntry", "properties": { "ClusterName": name } });
        declared.push(("entry/cloud-control.entity/main", entry("c")));
        declared.push(("other/cloud-control.entity/main", entry("d")));
        let declared = Declared(declared);
        let after = |api: &str, kind: &str| -> Vec<String> {
            let found = after(&object("gpu/kube.object/it", api, kind), &declared);
            found.iter().map(ToString::to_string).collect()
        };
        let entry = "entry/cloud-control.entity/main";
        assert_eq!(
            after("karpenter.sh/v1", "NodePool"),
            [entry, "karpenter/kube.object/pods", "karpenter/kube.object/binding"]
        );
        assert_eq!(after("networking.k8s.io/v1", "Ingress"), [entry]);
        assert_eq!(after("v1", "ConfigMap"), [entry]);
    }
}
