//! Why fields of eksctl have no counterpart, and what to do.

/// Why, and what to do.
pub(crate) struct Reason {
    pub(crate) why: &'static str,
    pub(crate) todo: &'static str,
    /// Whether the cluster itself cannot be made without it.
    pub(crate) needed: bool,
}

/// Paths without their numbers, `nodeGroups` for both sorts; the longest that a path begins with counts.
const REASONS: [(&str, &str, &str); 38] = [
    ("accessConfig.authenticationMode", "who gets in is decided by access entries alone", ""),
    (
        "cloudWatch.clusterLogging.logRetentionInDays",
        "the log group belongs to EKS, which keeps logs for ever",
        "Add a step of the plugin aws with AWS::Logs::LogGroup named /aws/eks/CLUSTER/cluster before the cluster.",
    ),
    ("addons", "llmhost's add-ons have no option for it", "See llmhost explain addon."),
    ("argoCD", "EKS capabilities have no kind of resource yet", "Install it by a step of the plugin helm."),
    ("capabilities", "EKS capabilities have no kind of resource yet", "Install it by a step of the plugin helm."),
    (
        "controlPlaneScalingConfig",
        "there is no option for the tier of the control plane",
        "Set it by aws eks update-cluster-config after the run.",
    ),
    (
        "gitops",
        "bootstrapping Flux writes to a Git repository, and no plugin does",
        "Run flux bootstrap after the first run, with the kubeconfig of llmhost kubeconfig.",
    ),
    (
        "git",
        "bootstrapping Flux writes to a Git repository, and no plugin does",
        "Run flux bootstrap after the first run, with the kubeconfig of llmhost kubeconfig.",
    ),
    (
        "iam.podIdentityAssociations.targetRoleARN",
        "an association has no second role in another account",
        "Let the pods assume that role by themselves: sts:AssumeRole in statements.",
    ),
    ("iam.podIdentityAssociations.disableSessionTags", "an association here has session tags", ""),
    (
        "iam.serviceAccounts.metadata.labels",
        "service accounts get no labels",
        "Label it by kubectl, or by a step of the plugin manifests.",
    ),
    (
        "iam.serviceAccounts.metadata.annotations",
        "service accounts get no annotations of yours",
        "Annotate it by kubectl, or by a step of the plugin manifests.",
    ),
    (
        "iam.vpcResourceControllerPolicy",
        "the cluster's role has the policy of EKS alone",
        "Attach AmazonEKSVPCResourceController by a further role of the plugin iam, where security groups for pods are used.",
    ),
    (
        "identityProviders",
        "users of an identity provider (OIDC) other than IAM are not let into the cluster",
        "Associate it by aws eks associate-identity-provider-config after the run.",
    ),
    (
        "karpenter",
        "Karpenter comes as a Helm chart",
        "Add a step of the plugin helm, as pipelines/karpenter does; or use EKS Auto Mode: auto_mode = true.",
    ),
    ("localZones", "subnets are in the zones of a region", "Remove it."),
    ("nodeGroups.additionalVolumes", "nodes have one disk", "Use a launch template of your own: launch_template."),
    (
        "nodeGroups.asgMetricsCollection",
        "the auto scaling group of a managed group is EKS's",
        "Enable the metrics by aws autoscaling enable-metrics-collection.",
    ),
    ("nodeGroups.asgSuspendProcesses", "the auto scaling group of a managed group is EKS's", ""),
    (
        "nodeGroups.classicLoadBalancerNames",
        "the auto scaling group of a managed group is EKS's",
        "Use a Kubernetes Service of type LoadBalancer.",
    ),
    (
        "nodeGroups.connectionTracking",
        "timeouts of connection tracking are set in a launch template",
        "Use a launch template of your own: launch_template.",
    ),
    (
        "nodeGroups.targetGroupARNs",
        "the auto scaling group of a managed group is EKS's",
        "Bind the target group in Kubernetes: a TargetGroupBinding of the AWS Load Balancer Controller.",
    ),
    ("nodeGroups.containerRuntime", "nodes run containerd", ""),
    (
        "nodeGroups.iam.withAddonPolicies",
        "AWS has no managed policy for it",
        "Make a step of the plugin irsa with statements.",
    ),
    ("nodeGroups.instanceSelector", "instance types are set by name, not by what they have", ""),
    (
        "nodeGroups.instancesDistribution.maxPrice",
        "a managed group has no highest price: it pays the current one, up to that on demand",
        "",
    ),
    (
        "nodeGroups.instancesDistribution.spotAllocationStrategy",
        "EKS chooses the strategy of managed groups: price-capacity-optimized",
        "",
    ),
    ("nodeGroups.instancesDistribution.spotInstancePools", "EKS chooses the pools of managed groups", ""),
    ("nodeGroups.nodeRepairConfig", "node repair is on or off, with EKS's own thresholds", ""),
    (
        "nodeGroups.overrideBootstrapCommand",
        "nodes run Amazon Linux 2023, which has no bootstrap.sh: nodeadm joins them",
        "Put settings of the kubelet into kubelet, and scripts into user_data.",
    ),
    (
        "nodeGroups.securityGroups.attachIDs",
        "nodes have the cluster's security group",
        "Use a launch template of your own with the groups: launch_template.",
    ),
    ("nodeGroups", "the plugin nodegroup has no option for it", "See llmhost explain nodegroup."),
    ("outpost", "the control plane is in the region, and not on AWS Outposts", "Keep this cluster with another tool."),
    (
        "remoteNetworkConfig",
        "there are no options for networks and nodes outside of AWS",
        "Keep hybrid nodes with another tool.",
    ),
    ("vpc.hostnameType", "nodes are named by their addresses (ip-name)", ""),
    ("vpc", "the plugin vpc has no option for it", "See llmhost explain vpc."),
    (
        "zonalShiftConfig",
        "there is no option for zonal shift",
        "Set it by aws eks update-cluster-config --zonal-shift-config after the run.",
    ),
    (
        "",
        "llmhost does not know this field: it is new in eksctl, or misspelt",
        "Check it with eksctl's documentation of the file.",
    ),
];

/// Without these there is no such cluster.
const NEEDED: [&str; 1] = ["outpost"];

/// The reason for a path.
pub(crate) fn of(path: &str) -> Reason {
    let mut plain = String::new();
    let mut is_number = false;
    for c in path.chars() {
        match c {
            '[' => is_number = true,
            ']' => is_number = false,
            _ if is_number => {}
            _ => plain.push(c),
        }
    }
    if let Some(rest) = plain.strip_prefix("managedNodeGroups") {
        plain = format!("nodeGroups{rest}");
    }
    let begins = |with: &str| {
        plain.strip_prefix(with).is_some_and(|rest| with.is_empty() || rest.is_empty() || rest.starts_with('.'))
    };
    let best = REASONS.iter().filter(|(path, ..)| begins(path)).max_by_key(|(path, ..)| path.len());
    let (key, why, todo) = best.expect("the empty path begins every one");
    Reason { why, todo, needed: NEEDED.contains(key) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_path_counts_and_numbers_do_not() {
        assert!(of("managedNodeGroups[3].iam.withAddonPolicies.externalDNS").why.contains("managed policy"));
        assert!(of("nodeGroups[0].news").why.contains("the plugin nodegroup"));
        assert!(of("outpost.controlPlaneOutpostARN").needed);
        assert!(of("outposts").why.contains("does not know"));
    }
}
