//! The cluster, its roles, its nodes and who gets in.

use toml::{Table, Value};

use super::network::Network;
use super::{Resource, Work};
use crate::NODE_POLICIES;
use crate::document::{Step, literal};

/// The policy that the plugin `iam` gives to the cluster's role.
const CLUSTER_POLICY: &str = "/AmazonEKSClusterPolicy";

/// Steps of the first cluster.
pub(super) fn cluster(work: &mut Work, network: &Network) {
    let clusters = work.of("aws_eks_cluster");
    let Some(cluster) = clusters.first() else { return };
    for more in &clusters[1..] {
        work.missing(
            more,
            "a pipeline of this conversion has one cluster",
            "Convert the state of each module on its own.",
        );
    }
    let role_arn = cluster.text("/role_arn").unwrap_or_default().to_owned();
    let role = role(work, &role_arn, "cluster-role", false);
    let mut step = Step::new("cluster", "eks");
    step.comments.push("The cluster, with its add-ons and who gets in.".to_owned());
    step.set("name", literal(cluster.text("/name").unwrap_or_default()));
    if let Some(version) = cluster.text("/version") {
        step.set("version", literal(version));
    }
    step.set("role_arn", role);
    let subnets = subnets(work, network, &cluster.texts("/vpc_config/0/subnet_ids"));
    step.set("subnet_ids", subnets);
    let groups = cluster.texts("/vpc_config/0/security_group_ids");
    if !groups.is_empty() {
        let groups: Vec<Value> =
            groups.iter().map(|id| work.existing("ec2.security-group", id, "group").into()).collect();
        step.set("security_group_ids", groups);
    }
    let flag = |pointer: &str| cluster.values.pointer(pointer).and_then(serde_json::Value::as_bool).unwrap_or(false);
    let (public, private) =
        (flag("/vpc_config/0/endpoint_public_access"), flag("/vpc_config/0/endpoint_private_access"));
    step.set(
        "endpoint",
        match (public, private) {
            (true, true) => "public-and-private",
            (true, false) => "public",
            (false, _) => "private",
        },
    );
    let ranges = cluster.texts("/vpc_config/0/public_access_cidrs");
    if public && !ranges.is_empty() && ranges != ["0.0.0.0/0"] {
        step.set("public_access_cidrs", values(&ranges));
    }
    step.set("logging", values(&cluster.texts("/enabled_cluster_log_types")));
    if let Some(key) = cluster.text("/encryption_config/0/provider/0/key_arn") {
        step.set("secrets_key_arn", literal(key));
    }
    if cluster.text("/kubernetes_network_config/0/ip_family") == Some("ipv6") {
        step.set("ip_family", "ipv6");
    }
    // EKS's default, which costs more once a version's standard support has ended.
    if cluster.text("/upgrade_policy/0/support_type") != Some("STANDARD") {
        step.set("support", "extended");
    }
    if flag("/deletion_protection") {
        step.set("deletion_protection", true);
    }
    let providers = work.of("aws_iam_openid_connect_provider");
    let issuer = cluster.text("/identity/0/oidc/0/issuer").unwrap_or("none").trim_start_matches("https://").to_owned();
    let provider = providers
        .iter()
        .find(|provider| provider.text("/url").is_some_and(|url| url.trim_start_matches("https://") == issuer));
    match provider {
        Some(provider) => work.same(provider, "cluster/iam.oidc-provider/main, found by its issuer"),
        None => _ = step.set("oidc_provider", false),
    }
    addons(work, &mut step);
    access(work, &mut step);
    work.same(cluster, "cluster/eks.cluster/main, found by its name");
    work.document.steps.push(step);
    node_groups(work, network);
    profiles(work, network);
}

fn values(texts: &[String]) -> Value {
    Value::from(texts.iter().map(|text| Value::from(literal(text))).collect::<Vec<_>>())
}

/// Subnets of the network, or looked up.
fn subnets(work: &mut Work, network: &Network, ids: &[String]) -> Value {
    let references = match network.references(ids) {
        Some(references) => references,
        None => ids.iter().map(|id| work.existing("ec2.subnet", id, "subnet")).collect(),
    };
    let mut references = references;
    references.sort();
    Value::from(references.into_iter().map(Value::from).collect::<Vec<_>>())
}

/// A step for a role of the state; a reference to it, or the ARN of one that is elsewhere.
fn role(work: &mut Work, arn: &str, wanted: &str, is_node: bool) -> String {
    let roles = work.of("aws_iam_role");
    let Some(role) = roles.iter().find(|role| role.text("/arn") == Some(arn)) else { return literal(arn) };
    let (own, other) = if is_node { ("node_role", "cluster_role") } else { ("cluster_role", "node_role") };
    let name = role.text("/name").unwrap_or_default().to_owned();
    let known =
        work.document.steps.iter().find(|step| step.uses == "iam" && step.get(own) == Some(&literal(&name).into()));
    if let Some(known) = known {
        return format!("${{{}.{own}_arn}}", known.name);
    }
    let mut step = Step::new(work.document.free_name(wanted, "role"), "iam");
    step.set(own, literal(&name)).set(other, false);
    if let Some(path) = role.text("/path").filter(|path| *path != "/") {
        step.set("path", literal(path));
    }
    if let Some(boundary) = role.text("/permissions_boundary") {
        step.set("permissions_boundary", literal(boundary));
    }
    let mut policies = Vec::new();
    for attachment in work.of("aws_iam_role_policy_attachment") {
        if attachment.text("/role") != Some(&name) {
            continue;
        }
        let policy = attachment.text("/policy_arn").unwrap_or_default().to_owned();
        let is_own = policy.ends_with(CLUSTER_POLICY) || NODE_POLICIES.iter().any(|own| policy.ends_with(own));
        if is_own || is_node {
            work.same(&attachment, format!("steps.{}", step.name));
        } else {
            let todo = "Attach it outside of the pipeline, or make the role by roles of the plugin iam.";
            work.missing(&attachment, "the plugin iam gives the cluster's role the policy of EKS alone", todo);
        }
        if is_node && !is_own {
            policies.push(policy);
        }
    }
    if !policies.is_empty() {
        step.set("node_role_policies", values(&policies));
    }
    work.differs(
        role,
        format!(
            "{}/iam.role/{}, found by its name; its description and trust policy become llmhost's",
            step.name,
            &own[..own.len() - 5]
        ),
    );
    let reference = format!("${{{}.{own}_arn}}", step.name);
    work.document.steps.push(step);
    reference
}

fn addons(work: &mut Work, step: &mut Step) {
    let mut addons = Table::new();
    for addon in work.of("aws_eks_addon") {
        let name = addon.text("/addon_name").unwrap_or_default().to_owned();
        let (mut options, mut is_same) = (Table::new(), true);
        if let Some(version) = addon.text("/addon_version") {
            options.insert("version".into(), literal(version).into());
        }
        if let Some(role) = addon.text("/service_account_role_arn") {
            options.insert("role_arn".into(), literal(role).into());
        }
        if let Some(text) = addon.text("/configuration_values") {
            match serde_json::from_str::<Value>(text) {
                Ok(value @ Value::Table(_)) => _ = options.insert("configuration".into(), value),
                _ => {
                    is_same = false;
                    work.differs(&addon, "its configuration is not JSON: state it in steps.cluster.with.addons");
                }
            }
        }
        if is_same {
            work.same(&addon, format!("cluster/eks.addon/{name}, found by its name"));
        }
        addons.insert(name, Value::Table(options));
    }
    step.set("addons", Value::Table(addons));
}

fn access(work: &mut Work, step: &mut Step) {
    let policies = work.of("aws_eks_access_policy_association");
    let mut entries = Table::new();
    for (number, entry) in work.of("aws_eks_access_entry").iter().enumerate() {
        if entry.text("/type").is_some_and(|kind| kind != "STANDARD") {
            work.missing(entry, "EKS makes the entries of nodes itself", "Keep it in Terraform.");
            continue;
        }
        let principal = entry.text("/principal_arn").unwrap_or_default();
        let mut one = Table::new();
        one.insert("principal_arn".into(), literal(principal).into());
        let groups = entry.texts("/kubernetes_groups");
        if !groups.is_empty() {
            one.insert("groups".into(), values(&groups));
        }
        let mut of_entry = policies.iter().filter(|policy| policy.text("/principal_arn") == Some(principal));
        if let Some(policy) = of_entry.next() {
            one.insert("policy".into(), literal(policy.text("/policy_arn").unwrap_or_default()).into());
            let namespaces = policy.texts("/access_scope/0/namespaces");
            if !namespaces.is_empty() {
                one.insert("namespaces".into(), values(&namespaces));
            }
            work.same(policy, format!("steps.cluster.with.access.entry-{number}"));
        }
        for more in of_entry {
            work.missing(more, "an access entry has one policy here", "Bind a role in Kubernetes instead.");
        }
        if one.len() == 1 {
            work.missing(entry, "it allows nothing, and llmhost refuses that", "Give it a policy or a group.");
            continue;
        }
        work.same(entry, format!("steps.cluster.with.access.entry-{number}, found by its principal"));
        entries.insert(format!("entry-{number}"), Value::Table(one));
    }
    if !entries.is_empty() {
        step.set("access", Value::Table(entries));
    }
}

fn node_groups(work: &mut Work, network: &Network) {
    for group in work.of("aws_eks_node_group") {
        let name = group.text("/node_group_name").unwrap_or_default().to_owned();
        let role = role(work, group.text("/node_role_arn").unwrap_or_default(), &format!("{name}-role"), true);
        let mut step = Step::new(work.document.free_name(&name, "ng"), "nodegroup");
        step.set("name", literal(&name)).set("cluster", "${cluster.name}").set("role_arn", role);
        let subnets = subnets(work, network, &group.texts("/subnet_ids"));
        step.set("subnet_ids", subnets);
        step.set("instance_types", values(&group.texts("/instance_types")));
        if let Some(ami) = group.text("/ami_type") {
            step.set("ami_type", literal(ami));
        }
        for (option, pointer) in [("min", "min_size"), ("max", "max_size"), ("desired", "desired_size")] {
            let number = group.values.pointer(&format!("/scaling_config/0/{pointer}"));
            if let Some(number) = number.and_then(serde_json::Value::as_i64) {
                step.set(option, number);
            }
        }
        if group.text("/capacity_type") == Some("SPOT") {
            step.set("spot", true);
        }
        let labels: Table = group.values["labels"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((literal(key), literal(value.as_str()?).into())))
            .collect();
        if !labels.is_empty() {
            step.set("labels", Value::Table(labels));
        }
        taints(&group, &mut step);
        if let (Some(id), Some(version)) =
            (group.text("/launch_template/0/id"), group.text("/launch_template/0/version"))
        {
            let reference = work.existing("ec2.launch-template", id, "template");
            let mut template = Table::new();
            template.insert("id".into(), reference.into());
            template.insert("version".into(), literal(version).into());
            step.set("launch_template", Value::Table(template));
        }
        work.same(&group, format!("{}/eks.node-group/main, found by its name", step.name));
        work.document.steps.push(step);
    }
}

fn taints(group: &Resource, step: &mut Step) {
    let effect = |text: &str| match text {
        "NO_SCHEDULE" => Some("NoSchedule"),
        "NO_EXECUTE" => Some("NoExecute"),
        "PREFER_NO_SCHEDULE" => Some("PreferNoSchedule"),
        _ => None,
    };
    let taints: Vec<Value> = group.values["taint"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|taint| {
            let mut one = Table::new();
            one.insert("key".into(), literal(taint["key"].as_str()?).into());
            if let Some(value) = taint["value"].as_str().filter(|value| !value.is_empty()) {
                one.insert("value".into(), literal(value).into());
            }
            one.insert("effect".into(), effect(taint["effect"].as_str()?)?.into());
            Some(Value::Table(one))
        })
        .collect();
    if !taints.is_empty() {
        step.set("taints", taints);
    }
}

fn profiles(work: &mut Work, network: &Network) {
    for profile in work.of("aws_eks_fargate_profile") {
        let name = profile.text("/fargate_profile_name").unwrap_or_default().to_owned();
        let mut step = Step::new(work.document.free_name(&name, "fargate"), "fargate");
        step.set("cluster", "${cluster.name}").set("name", literal(&name));
        let subnets = subnets(work, network, &profile.texts("/subnet_ids"));
        step.set("subnet_ids", subnets);
        step.set("pod_execution_role_arn", literal(profile.text("/pod_execution_role_arn").unwrap_or_default()));
        let selectors: Vec<Value> = profile.values["selector"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|selector| {
                let mut one = Table::new();
                one.insert("namespace".into(), literal(selector["namespace"].as_str()?).into());
                let labels = selector["labels"].as_object().into_iter().flatten();
                let labels: Table =
                    labels.filter_map(|(key, value)| Some((literal(key), literal(value.as_str()?).into()))).collect();
                if !labels.is_empty() {
                    one.insert("labels".into(), Value::Table(labels));
                }
                Some(Value::Table(one))
            })
            .collect();
        step.set("selectors", selectors);
        work.same(&profile, format!("{}/eks.fargate-profile/main, found by its name", step.name));
        work.document.steps.push(step);
    }
}
