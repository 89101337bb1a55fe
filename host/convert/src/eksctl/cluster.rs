//! The cluster and its roles.

use toml::{Table, Value};

use super::network::Network;
use super::{Work, access, addons, list, table};
use crate::NODE_POLICIES;
use crate::at::At;
use crate::document::Step;

/// Older versions have left EKS's extended support: Amazon EKS User Guide, as of November 2026.
const OLDEST_VERSION: (u32, u32) = (1, 32);
/// What a control plane can write to CloudWatch.
const LOGS: [&str; 5] = ["api", "audit", "authenticator", "controllerManager", "scheduler"];

/// A reference to the nodes' role.
pub(crate) const NODE_ROLE: &str = "${roles.node_role_arn}";

/// The step with the roles of cluster and nodes.
pub(crate) fn roles(work: &mut Work<'_>) {
    let mut step = Step::new("roles", "iam");
    step.comments.push("The roles of the control plane and of the nodes.".to_owned());
    match work.at("iam.serviceRoleARN") {
        Some(at) if at.text().is_some() => step.set("cluster_role", false),
        _ => step.set("cluster_role", format!("{}-cluster", work.cluster)),
    };
    let is_auto = is_auto(work);
    if is_auto {
        step.set("auto_mode", true);
    }
    let groups = node_groups(work);
    let needs_role = groups.iter().any(|group| group.find("iam.instanceRoleARN").is_none());
    match needs_role {
        true => step.set("node_role", format!("{}-nodes", work.cluster)),
        false => step.set("node_role", false),
    };
    let policies = node_policies(work, &groups);
    if !policies.is_empty() && needs_role {
        step.set("node_role_policies", list(policies));
    }
    boundary(work, &mut step, &groups);
    let has_any =
        [step.get("cluster_role"), step.get("node_role")].iter().any(|value| value.is_some_and(Value::is_str));
    if has_any {
        work.add(step);
    }
}

pub(crate) fn is_auto(work: &Work<'_>) -> bool {
    work.at("autoModeConfig.enabled").is_some_and(|at| at.flag() == Some(true))
}

/// The node groups of both sorts.
pub(crate) fn node_groups<'a>(work: &Work<'a>) -> Vec<At<'a>> {
    let of = |key| work.at(key).map(|at| at.items()).unwrap_or_default();
    of("nodeGroups").into_iter().chain(of("managedNodeGroups")).collect()
}

/// Policies of the role that all node groups share.
fn node_policies(work: &mut Work<'_>, groups: &[At<'_>]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut add = |policy: String| {
        if !all.contains(&policy) {
            all.push(policy);
        }
    };
    let shared = "steps.roles.with.node_role_policies: all node groups share one role";
    for group in groups {
        for at in group.find("iam.attachPolicyARNs").map(|at| at.items()).unwrap_or_default() {
            if let Some(arn) = work.iam_arn(&at, "iam.policy") {
                work.same(&at, shared);
                // Those that every node needs are there anyway.
                if !NODE_POLICIES.iter().any(|name| arn.ends_with(name)) {
                    add(arn);
                }
            }
        }
        for (name, at) in group.find("iam.withAddonPolicies").map(|at| at.entries()).unwrap_or_default() {
            let is_wanted = at.flag() == Some(true);
            match super::policies::of_nodes(name) {
                _ if !is_wanted => work.same(&at, "nothing, as it is false"),
                Some(policy) => {
                    work.differs(&at, format!("{shared}, with {policy}"));
                    add(format!("arn:aws:iam::aws:policy/{policy}"));
                }
                // The node group says that.
                None if name == "autoScaler" => {}
                None => {
                    let why = "AWS has no managed policy for it, and a policy of the node role gives it to every pod";
                    let todo =
                        "Give the pods that need it a role of their own: a step of the plugin irsa, with statements.";
                    work.missing(&at, why, todo);
                }
            }
        }
        if let Some(at) = group.find("ssh.enableSsm") {
            match at.flag() {
                Some(true) => {
                    add("arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore".to_owned());
                    work.same(&at, "AmazonSSMManagedInstanceCore in steps.roles.with.node_role_policies");
                }
                _ => work.same(&at, "nothing, as it is false"),
            }
        }
    }
    all
}

/// The policy that bounds the roles.
fn boundary(work: &mut Work<'_>, step: &mut Step, groups: &[At<'_>]) {
    let of_cluster = work.at("iam.serviceRolePermissionsBoundary");
    let of_nodes = groups.iter().filter_map(|group| group.find("iam.instanceRolePermissionsBoundary"));
    for at in of_cluster.into_iter().chain(of_nodes).collect::<Vec<_>>() {
        let Some(arn) = work.iam_arn(&at, "iam.policy") else { continue };
        match step.get("permissions_boundary").and_then(Value::as_str) {
            Some(other) if other != arn => {
                let todo = "Make the role in a further step of the plugin iam, with its own permissions_boundary.";
                work.missing(&at, "the roles of the step share one boundary, and another one is set before", todo);
            }
            _ => {
                work.same(&at, "steps.roles.with.permissions_boundary");
                step.set("permissions_boundary", arn);
            }
        }
    }
}

/// The step with the cluster.
pub(crate) fn cluster(work: &mut Work<'_>, network: &Network) {
    let mut step = Step::new("cluster", "eks");
    step.comments.push("The cluster: its control plane, its add-ons, and who gets in.".to_owned());
    step.set("name", work.cluster.clone());
    version(work, &mut step);
    let role = work.at("iam.serviceRoleARN").and_then(|at| {
        let arn = work.iam_arn(&at, "iam.role")?;
        work.same(&at, "steps.cluster.with.role_arn");
        Some(arn)
    });
    step.set("role_arn", role.unwrap_or_else(|| "${roles.cluster_role_arn}".to_owned()));
    subnets(work, &mut step, network);
    endpoint(work, &mut step);
    logging(work, &mut step);
    if let Some(key) = work.text(work.at("secretsEncryption.keyARN"), "steps.cluster.with.secrets_key_arn") {
        step.set("secrets_key_arn", key);
    }
    if let Some(at) = work.at("kubernetesNetworkConfig.ipFamily") {
        work.same(&at, "steps.cluster.with.ip_family");
        if at.text() == Some("IPv6") {
            step.set("ip_family", "ipv6");
        }
    }
    if let Some(range) =
        work.text(work.at("kubernetesNetworkConfig.serviceIPv4CIDR"), "steps.cluster.with.service_cidr")
    {
        step.set("service_cidr", range);
    }
    auto_mode(work, &mut step);
    match work.at("upgradePolicy.supportType") {
        None => {
            let comment = "EKS's default; standard costs less, and EKS upgrades the cluster when it ends";
            step.set_with("support", "extended", comment);
        }
        Some(at) => match at.text().map(str::to_lowercase).as_deref() {
            Some(support @ ("standard" | "extended")) => {
                work.same(&at, "steps.cluster.with.support");
                step.set("support", support);
            }
            _ => work.wrong(&at, "STANDARD or EXTENDED"),
        },
    }
    if let Some(at) = work.at("deletionProtection") {
        match at.flag() {
            Some(flag) => {
                work.same(&at, "steps.cluster.with.deletion_protection");
                step.set("deletion_protection", flag);
            }
            None => work.wrong(&at, "true or false"),
        }
    }
    if let Some(at) = work.at("iam.withOIDC") {
        work.same(&at, "steps.cluster.with.oidc_provider, which is true by default");
    }
    addons::of_cluster(work, &mut step);
    access::access(work, &mut step);
    work.add(step);
}

fn version(work: &mut Work<'_>, step: &mut Step) {
    let Some(at) = work.at("metadata.version") else { return };
    let number = at.text().and_then(|text| {
        let (major, minor) = text.split_once('.')?;
        Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
    });
    match number {
        Some(number) if number >= OLDEST_VERSION => {
            work.same(&at, "steps.cluster.with.version");
            step.set("version", format!("{}.{}", number.0, number.1));
        }
        Some((major, minor)) => {
            let why =
                format!("EKS no longer offers Kubernetes {major}.{minor}; without a version it is the newest one");
            work.missing(
                &at,
                why,
                "Choose a version in steps.cluster.with.version, and check what your workloads need.",
            );
        }
        None => match at.text() {
            Some("auto" | "latest") => work.same(&at, "steps.cluster: without a version it is the newest one"),
            _ => work.wrong(&at, "a version such as \"1.34\""),
        },
    }
}

fn subnets(work: &mut Work<'_>, step: &mut Step, network: &Network) {
    let mut ids = network.all();
    if let Some(at) = work.at("vpc.controlPlaneSubnetIDs") {
        let named = work.subnets(&at, network, true, "steps.cluster.with.subnet_ids, looked up");
        if !named.is_empty() {
            ids = list(named);
        }
    }
    if ids.as_array().is_some_and(Vec::is_empty) {
        let at = work.at("vpc").expect("a network that exists is stated there");
        work.fields.push(crate::report::Field {
            path: at.path.clone() + ".subnets",
            line: at.node.line,
            fate: crate::report::Fate::Missing {
                why: "the VPC is set, and none of its subnets".to_owned(),
                todo: "Set vpc.subnets with ids, and convert again.".to_owned(),
                needed: true,
            },
        });
    }
    step.set("subnet_ids", ids);
    if let Some(at) = work.at("vpc.controlPlaneSecurityGroupIDs") {
        let groups: Vec<&str> = at.texts().unwrap_or_default();
        let keys = |id| [("kind", "ec2.security-group"), ("id", id)];
        let references =
            groups.into_iter().map(|id| work.document.existing(id, "group", &keys(id), "id")).collect::<Vec<_>>();
        work.same(&at, "steps.cluster.with.security_group_ids, looked up");
        step.set("security_group_ids", list(references));
    }
}

fn endpoint(work: &mut Work<'_>, step: &mut Step) {
    let flag = |work: &mut Work<'_>, key: &str, usual| match work.at(&format!("vpc.clusterEndpoints.{key}")) {
        Some(at) => match at.flag() {
            Some(flag) => {
                work.same(&at, "steps.cluster.with.endpoint");
                flag
            }
            None => {
                work.wrong(&at, "true or false");
                usual
            }
        },
        None => usual,
    };
    let is_closed = work.at("privateCluster.enabled").is_some_and(|at| at.flag() == Some(true));
    let (public, private) = (flag(work, "publicAccess", !is_closed), flag(work, "privateAccess", is_closed));
    step.set(
        "endpoint",
        match (public, private) {
            (true, true) => "public-and-private",
            (false, _) => "private",
            (true, false) => "public",
        },
    );
    if let Some(ranges) = work.texts(work.at("vpc.publicAccessCIDRs"), "steps.cluster.with.public_access_cidrs") {
        step.set("public_access_cidrs", list(ranges));
    }
}

fn logging(work: &mut Work<'_>, step: &mut Step) {
    let Some(at) = work.at("cloudWatch.clusterLogging.enableTypes") else {
        step.set_with("logging", Value::Array(Vec::new()), "eksctl's default; audit logs are worth their price");
        return;
    };
    let Some(named) = at.texts() else { return work.wrong(&at, "a list of strings") };
    let all = named.iter().any(|name| matches!(*name, "*" | "all"));
    let (known, unknown): (Vec<&str>, Vec<&str>) = named.iter().partition(|name| LOGS.contains(name) || all);
    for name in unknown {
        let item = at.items().into_iter().find(|item| item.text() == Some(name));
        work.missing(&item.expect("it was read there"), format!("a control plane has no log '{name}'"), "Remove it.");
    }
    work.same(&at, "steps.cluster.with.logging");
    let logs = if all { LOGS.to_vec() } else { known };
    step.set("logging", list(logs.into_iter().map(str::to_owned)));
}

fn auto_mode(work: &mut Work<'_>, step: &mut Step) {
    let Some(at) = work.at("autoModeConfig") else { return };
    if let Some(enabled) = at.get("enabled") {
        work.same(&enabled, "steps.cluster.with.auto_mode");
    }
    if !is_auto(work) {
        return;
    }
    let pools = work.texts(at.get("nodePools"), "steps.cluster.with.auto_mode.node_pools");
    let role = at.get("nodeRoleARN").and_then(|at| {
        let arn = work.iam_arn(&at, "iam.role")?;
        work.same(&at, "steps.cluster.with.auto_mode.node_role_arn");
        Some(arn)
    });
    let mut options = Table::new();
    options.extend(pools.map(|pools| ("node_pools".to_owned(), list(pools))));
    options.extend(role.map(|role| ("node_role_arn".to_owned(), Value::from(role))));
    step.set("auto_mode", if options.is_empty() { Value::from(true) } else { Value::Table(options) });
}

/// An empty table, for an add-on without options.
pub(crate) fn no_options() -> Value {
    table([])
}
