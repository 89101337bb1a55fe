//! Which kinds belong to no namespace. Nobody can be asked: the cluster may not be there yet.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::object::Object;

/// Those of Kubernetes' own API groups, and wide-spread ones whose names do not say it.
const CLUSTER_WIDE: [&str; 37] = [
    "Namespace",
    "Node",
    "PersistentVolume",
    "ComponentStatus",
    "ClusterRole.rbac.authorization.k8s.io",
    "ClusterRoleBinding.rbac.authorization.k8s.io",
    "CustomResourceDefinition.apiextensions.k8s.io",
    "APIService.apiregistration.k8s.io",
    "MutatingWebhookConfiguration.admissionregistration.k8s.io",
    "ValidatingWebhookConfiguration.admissionregistration.k8s.io",
    "ValidatingAdmissionPolicy.admissionregistration.k8s.io",
    "ValidatingAdmissionPolicyBinding.admissionregistration.k8s.io",
    "MutatingAdmissionPolicy.admissionregistration.k8s.io",
    "MutatingAdmissionPolicyBinding.admissionregistration.k8s.io",
    "StorageClass.storage.k8s.io",
    "CSIDriver.storage.k8s.io",
    "CSINode.storage.k8s.io",
    "VolumeAttachment.storage.k8s.io",
    "VolumeAttributesClass.storage.k8s.io",
    "PriorityClass.scheduling.k8s.io",
    "RuntimeClass.node.k8s.io",
    "IngressClass.networking.k8s.io",
    "IPAddress.networking.k8s.io",
    "ServiceCIDR.networking.k8s.io",
    "FlowSchema.flowcontrol.apiserver.k8s.io",
    "PriorityLevelConfiguration.flowcontrol.apiserver.k8s.io",
    "CertificateSigningRequest.certificates.k8s.io",
    "ClusterTrustBundle.certificates.k8s.io",
    "DeviceClass.resource.k8s.io",
    "ResourceSlice.resource.k8s.io",
    "StorageVersionMigration.storagemigration.k8s.io",
    "GatewayClass.gateway.networking.k8s.io",
    "NodePool.karpenter.sh",
    "NodeClaim.karpenter.sh",
    "EC2NodeClass.karpenter.k8s.aws",
    "IngressClassParams.elbv2.k8s.aws",
    "ENIConfig.crd.k8s.amazonaws.com",
];

/// What is known of kinds.
pub(crate) struct Scopes(BTreeMap<String, bool>);

impl Scopes {
    /// From what the user says and from the definitions among the objects.
    pub(crate) fn of(cluster_wide: &[String], objects: &[Object]) -> Self {
        let mut wide = BTreeMap::new();
        for object in objects.iter().filter(|object| object.is_definition()) {
            let text = |pointer: &str| object.value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            wide.insert(
                format!("{}.{}", text("/spec/names/kind"), text("/spec/group")),
                text("/spec/scope") == "Cluster",
            );
        }
        wide.extend(cluster_wide.iter().map(|kind| (kind.clone(), true)));
        Self(wide)
    }

    /// Whether an object belongs to no namespace.
    pub(crate) fn is_wide(&self, object: &Object) -> bool {
        let name = match object.group() {
            "" => object.kind().to_owned(),
            group => format!("{}.{group}", object.kind()),
        };
        let of_name = || !object.is_built_in() && object.kind().starts_with("Cluster");
        self.0.get(&name).copied().unwrap_or_else(|| CLUSTER_WIDE.contains(&name.as_str()) || of_name())
    }
}
