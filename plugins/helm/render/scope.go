package render

import "strings"

// clusterWide are the kinds of Kubernetes' own API groups that belong to no namespace.
var clusterWide = map[string]bool{
	"Namespace": true, "Node": true, "PersistentVolume": true, "ComponentStatus": true,
	"ClusterRole.rbac.authorization.k8s.io": true, "ClusterRoleBinding.rbac.authorization.k8s.io": true,
	"CustomResourceDefinition.apiextensions.k8s.io": true, "APIService.apiregistration.k8s.io": true,
	"MutatingWebhookConfiguration.admissionregistration.k8s.io":     true,
	"ValidatingWebhookConfiguration.admissionregistration.k8s.io":   true,
	"ValidatingAdmissionPolicy.admissionregistration.k8s.io":        true,
	"ValidatingAdmissionPolicyBinding.admissionregistration.k8s.io": true,
	"MutatingAdmissionPolicy.admissionregistration.k8s.io":          true,
	"MutatingAdmissionPolicyBinding.admissionregistration.k8s.io":   true,
	"StorageClass.storage.k8s.io":                                   true, "CSIDriver.storage.k8s.io": true, "CSINode.storage.k8s.io": true,
	"VolumeAttachment.storage.k8s.io": true, "VolumeAttributesClass.storage.k8s.io": true,
	"PriorityClass.scheduling.k8s.io": true, "RuntimeClass.node.k8s.io": true,
	"IngressClass.networking.k8s.io": true, "IPAddress.networking.k8s.io": true, "ServiceCIDR.networking.k8s.io": true,
	"FlowSchema.flowcontrol.apiserver.k8s.io": true, "PriorityLevelConfiguration.flowcontrol.apiserver.k8s.io": true,
	"CertificateSigningRequest.certificates.k8s.io": true, "ClusterTrustBundle.certificates.k8s.io": true,
	"DeviceClass.resource.k8s.io": true, "ResourceSlice.resource.k8s.io": true,
	"StorageVersionMigration.storagemigration.k8s.io": true, "StorageVersion.internal.apiserver.k8s.io": true,
	"PodSecurityPolicy.policy": true, "SelfSubjectReview.authentication.k8s.io": true, "TokenReview.authentication.k8s.io": true,
	"SubjectAccessReview.authorization.k8s.io": true, "SelfSubjectAccessReview.authorization.k8s.io": true,
	"SelfSubjectRulesReview.authorization.k8s.io": true,
	// Wide-spread ones that others define, and whose names do not say it.
	"GatewayClass.gateway.networking.k8s.io": true, "NodePool.karpenter.sh": true, "NodeClaim.karpenter.sh": true,
	"EC2NodeClass.karpenter.k8s.aws": true, "IngressClassParams.elbv2.k8s.aws": true, "ENIConfig.crd.k8s.amazonaws.com": true,
}

// scopes knows which kinds belong to a namespace. Nobody can be asked: the cluster may not be there yet.
type scopes struct{ wide map[string]bool }

// kindOf is `Certificate.cert-manager.io`, and `Service` of the core group.
func kindOf(apiVersion, kind string) string {
	group, _, grouped := strings.Cut(apiVersion, "/")
	if !grouped {
		return kind
	}
	return kind + "." + group
}

// isWide says whether objects of a kind belong to no namespace: what the user says, what a definition of the chart says, what
// Kubernetes has, and what the name of a kind that others define says (ClusterIssuer).
func (s scopes) isWide(apiVersion, kind string) bool {
	name := kindOf(apiVersion, kind)
	if wide, known := s.wide[name]; known {
		return wide
	}
	_, group, _ := strings.Cut(name, ".")
	isOwn := group == "" || !strings.Contains(group, ".") || strings.HasSuffix(group, ".k8s.io")
	return clusterWide[name] || (!isOwn && strings.HasPrefix(kind, "Cluster"))
}

// learn reads the scope out of a definition.
func (s scopes) learn(object map[string]any) {
	if object["kind"] != "CustomResourceDefinition" {
		return
	}
	spec, _ := object["spec"].(map[string]any)
	names, _ := spec["names"].(map[string]any)
	kind, _ := names["kind"].(string)
	group, _ := spec["group"].(string)
	if _, said := s.wide[kind+"."+group]; !said {
		s.wide[kind+"."+group] = spec["scope"] == "Cluster"
	}
}
