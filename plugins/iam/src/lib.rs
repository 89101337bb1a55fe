//! The `iam` plugin: the roles that a cluster and its nodes need, and any others.

use std::collections::BTreeMap;

use llmhost_plugin::{Failure, Names, Options, Output, Outputs, Plugin, iam, invalid, outputs, pointer, sts, written};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// Roles and policies.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Name of the cluster's role, or false for none.
    #[serde(default = "cluster_role")]
    cluster_role: Wanted,
    /// Give the cluster's role what EKS Auto Mode needs: policies for nodes, volumes, load balancers and networks, and sessions with tags.
    #[serde(default)]
    auto_mode: bool,
    /// Name of the nodes' role, or false for none.
    #[serde(default = "node_role")]
    node_role: Wanted,
    /// ARNs of policies for the nodes' role, on top of those that every node needs. arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore lets Session Manager in.
    #[serde(default)]
    node_role_policies: Vec<String>,
    /// Further roles, by the name that the output role_arns has for them.
    #[serde(default)]
    roles: BTreeMap<String, Role>,
    /// Further policies, by the name that the output policy_arns has for them.
    #[serde(default)]
    policies: BTreeMap<String, Policy>,
    /// Path of all of them.
    #[serde(default = "root")]
    path: String,
    /// ARN of the policy that bounds all roles.
    #[serde(default)]
    permissions_boundary: Option<String>,
    /// Tags for everything, on top of the pipeline's.
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

/// A name, or false.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Wanted {
    Name(String),
    Not(bool),
}

/// A role.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Role {
    /// The role's name; by default its key.
    #[serde(default)]
    name: Option<String>,
    /// What it is for.
    #[serde(default)]
    description: String,
    /// Services that may assume it: ec2.amazonaws.com (ec2.amazonaws.com.cn in China).
    #[serde(default)]
    services: Vec<String>,
    /// ARNs of accounts, roles or users that may assume it.
    #[serde(default)]
    principals: Vec<String>,
    /// The trust policy, where services and principals do not say enough.
    #[serde(default)]
    trust: Option<Value>,
    /// ARNs of policies. A policy of this step is named by its key.
    #[serde(default)]
    policies: Vec<String>,
    /// Policy documents that are part of the role, by their names.
    #[serde(default)]
    inline: BTreeMap<String, Value>,
    /// Longest session in seconds.
    #[serde(default = "hour")]
    #[schemars(range(min = 3600, max = 43200))]
    max_session_seconds: u32,
    /// Make an instance profile of the same name for EC2 instances.
    #[serde(default)]
    instance_profile: bool,
}

/// A policy of the account's own.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Policy {
    /// The policy's name; by default its key.
    #[serde(default)]
    name: Option<String>,
    /// What it allows.
    #[serde(default)]
    description: String,
    /// The policy document.
    document: Value,
}

fn cluster_role() -> Wanted {
    Wanted::Name("EKSClusterRole".to_owned())
}

fn node_role() -> Wanted {
    Wanted::Name("EKSNodeRole".to_owned())
}

fn root() -> String {
    "/".to_owned()
}

fn hour() -> u32 {
    3600
}

impl Wanted {
    fn name(&self, option: &str) -> Result<Option<&str>, Failure> {
        match self {
            Self::Name(name) => Ok(Some(name)),
            Self::Not(false) => Ok(None),
            Self::Not(true) => Err(invalid(format!("{option} is true; set a name, or false"))),
        }
    }
}

/// What EKS Auto Mode needs of the cluster's role beside the policy of every cluster.
const AUTO_MODE: [&str; 4] = [
    "AmazonEKSComputePolicy",
    "AmazonEKSBlockStoragePolicy",
    "AmazonEKSLoadBalancingPolicy",
    "AmazonEKSNetworkingPolicy",
];

struct Roles;

impl Plugin for Roles {
    type Config = Config;
    const SUMMARY: &'static str =
        "The roles that an EKS cluster and its nodes need, and further roles, policies and instance profiles.";
    const OUTPUTS: &'static [Output] = &[
        Output::text("cluster_role_arn", "ARN of the cluster's role, or null"),
        Output::text("cluster_role_name", "Name of the cluster's role, or null"),
        Output::text("node_role_arn", "ARN of the nodes' role, or null"),
        Output::text("node_role_name", "Name of the nodes' role, or null"),
        Output::object("role_arns", "ARN of each further role, by its key"),
        Output::object("policy_arns", "ARN of each further policy, by its key"),
        Output::object("instance_profile_arns", "ARN of each instance profile, by its role's key"),
    ];

    fn run(config: Config) -> Result<Outputs, Failure> {
        refuse_twice("node_role_policies", "/node_role_policies", &config.node_role_policies)?;
        let aws = format!("arn:{}:iam::aws:policy", sts::partition());
        let cluster = match config.cluster_role.name("cluster_role")? {
            Some(name) => {
                let more = if config.auto_mode { &AUTO_MODE[..] } else { &[] };
                let policies = ["AmazonEKSClusterPolicy"].iter().chain(more);
                let policies = policies.map(|policy| format!("{aws}/{policy}")).collect();
                let mut trust = trust(&[sts::service_principal("eks")], &[]);
                if config.auto_mode {
                    trust["Statement"][0]["Action"] = json!(["sts:AssumeRole", "sts:TagSession"]);
                }
                let description = "Lets EKS run the control plane of a cluster";
                Some(role(&config, "cluster", name, description, &trust, policies)?)
            }
            None if config.auto_mode => {
                return Err(invalid(
                    "auto_mode is for the cluster's role, and cluster_role is false; remove one of them",
                ));
            }
            None => None,
        };
        let node = match config.node_role.name("node_role")? {
            Some(name) => {
                let needed =
                    ["AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryReadOnly", "AmazonEKS_CNI_Policy"];
                let policies = needed.iter().map(|policy| format!("{aws}/{policy}"));
                let policies = policies.chain(config.node_role_policies.iter().cloned()).collect();
                let description = "Lets the nodes of an EKS cluster join it and pull images";
                Some(role(&config, "node", name, description, &trust(&[sts::service_principal("ec2")], &[]), policies)?)
            }
            None => None,
        };
        let mut policies = BTreeMap::new();
        for (key, policy) in &config.policies {
            let spec = iam::PolicySpec {
                policy_name: policy.name.clone().unwrap_or_else(|| key.clone()),
                path: config.path.clone(),
                description: policy.description.clone(),
                document: policy.document.to_string(),
                tags: tags(&config),
            };
            policies.insert(key.clone(), iam::Policy::declare(key, &spec, &Options::default())?);
        }
        let mut policy_arns = BTreeMap::new();
        for (key, policy) in &policies {
            policy_arns.insert(key.clone(), policy.arn()?);
        }
        let (further, profiles) = further(&config, &policy_arns)?;
        let mut role_arns = BTreeMap::new();
        for (key, role) in &further {
            role_arns.insert(key.clone(), role.arn()?);
        }
        let mut profile_arns = BTreeMap::new();
        for (key, profile) in &profiles {
            profile_arns.insert(key.clone(), profile.arn()?);
        }
        let arn = |role: &Option<iam::Role>| role.as_ref().map(iam::Role::arn).transpose();
        let name = |role: &Option<iam::Role>| role.as_ref().map(iam::Role::role_name).transpose();
        Ok(outputs! {
            "cluster_role_arn": arn(&cluster)?,
            "cluster_role_name": name(&cluster)?,
            "node_role_arn": arn(&node)?,
            "node_role_name": name(&node)?,
            "role_arns": role_arns,
            "policy_arns": policy_arns,
            "instance_profile_arns": profile_arns,
        })
    }
}

type Declared = (BTreeMap<String, iam::Role>, BTreeMap<String, iam::InstanceProfile>);

fn further(config: &Config, policy_arns: &BTreeMap<String, String>) -> Result<Declared, Failure> {
    let (mut roles, mut profiles) = (BTreeMap::new(), BTreeMap::new());
    for (key, wanted) in &config.roles {
        let trust = match &wanted.trust {
            Some(document) if wanted.services.is_empty() && wanted.principals.is_empty() => document.clone(),
            Some(_) => {
                return Err(invalid(format!("the role '{key}' has a trust policy; remove services and principals")));
            }
            None if wanted.services.is_empty() && wanted.principals.is_empty() => {
                return Err(invalid(format!("the role '{key}' cannot be assumed; set services, principals or trust")));
            }
            None => {
                if let Some(service) = wanted.services.iter().find(|service| !service.contains(['.', '<'])) {
                    return Err(invalid(format!(
                        "services of the role '{key}': '{service}' is not a service name in IAM; write \
                            {service}.amazonaws.com"
                    )));
                }
                trust(&wanted.services, &wanted.principals)
            }
        };
        refuse_twice(&format!("roles.{key}.policies"), &pointer(&[&"roles", key, &"policies"]), &wanted.policies)?;
        let arn = |policy: &String| policy_arns.get(policy).unwrap_or(policy).clone();
        let spec = iam::RoleSpec {
            role_name: wanted.name.clone().unwrap_or_else(|| key.clone()),
            path: config.path.clone(),
            description: wanted.description.clone(),
            assume_role_policy: trust.to_string(),
            max_session_duration: wanted.max_session_seconds,
            managed_policy_arns: wanted.policies.iter().map(arn).collect(),
            inline_policies: wanted
                .inline
                .iter()
                .map(|(name, document)| (name.clone(), document.to_string()))
                .collect(),
            permissions_boundary: config.permissions_boundary.clone(),
            tags: tags(config),
        };
        roles.insert(key.clone(), iam::Role::declare(key, &spec, &Options::default())?);
    }
    for key in config.roles.iter().filter(|(_, wanted)| wanted.instance_profile).map(|(key, _)| key) {
        let role_name = roles[key].role_name()?;
        let spec = iam::InstanceProfileSpec { profile_name: role_name.clone(), role_name, tags: tags(config) };
        let options = Options { after: vec![roles[key].address()] };
        profiles.insert(key.clone(), iam::InstanceProfile::declare(key, &spec, &options)?);
    }
    Ok((roles, profiles))
}

/// A role has each policy once; their order means nothing.
fn refuse_twice(place: &str, pointer: &str, policies: &[String]) -> Result<(), Failure> {
    let mut names = Names::new("policy");
    for (at, policy) in policies.iter().enumerate() {
        names.take(&written(&format!("{pointer}/{at}"), policy), &format!("{place}[{at}]"))?;
    }
    Ok(())
}

fn role(
    config: &Config,
    key: &str,
    name: &str,
    description: &str,
    trust: &Value,
    managed_policy_arns: Vec<String>,
) -> Result<iam::Role, Failure> {
    if config.roles.contains_key(key) {
        return Err(invalid(format!("roles.{key} is the name of the {key} role; choose another key")));
    }
    let spec = iam::RoleSpec {
        role_name: name.to_owned(),
        path: config.path.clone(),
        description: description.to_owned(),
        assume_role_policy: trust.to_string(),
        max_session_duration: hour(),
        managed_policy_arns,
        inline_policies: Vec::new(),
        permissions_boundary: config.permissions_boundary.clone(),
        tags: tags(config),
    };
    iam::Role::declare(key, &spec, &Options::default())
}

fn trust(services: &[String], principals: &[String]) -> Value {
    let mut who = serde_json::Map::new();
    for (kind, names) in [("Service", services), ("AWS", principals)] {
        if !names.is_empty() {
            who.insert(kind.to_owned(), json!(names));
        }
    }
    // Pod Identity tags its sessions, and takes no role that forbids it.
    let actions = match services.iter().any(|service| service == "pods.eks.amazonaws.com") {
        true => json!(["sts:AssumeRole", "sts:TagSession"]),
        false => json!(["sts:AssumeRole"]),
    };
    json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Principal": who, "Action": actions }],
    })
}

fn tags(config: &Config) -> Vec<(String, String)> {
    config.tags.clone().into_iter().collect()
}

llmhost_plugin::export!(Roles);
