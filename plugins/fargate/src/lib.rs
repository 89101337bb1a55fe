//! The `fargate` plugin: a Fargate profile with its pod execution role.

use std::collections::BTreeMap;

use llmhost_plugin::{Failure, Options, Output, Outputs, Plugin, eks, iam, invalid, outputs, sts};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

/// A Fargate profile.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Name of the cluster.
    cluster: String,
    /// Name of the profile; by default the namespace of the first selector.
    #[serde(default)]
    name: Option<String>,
    /// Namespace whose pods run on Fargate, where one is enough: short for selectors.
    #[serde(default)]
    namespace: Option<String>,
    /// Labels that pods of the namespace need to have, all of them.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// Which pods run on Fargate: those that one of these matches; at most five.
    #[serde(default)]
    #[schemars(length(max = 5))]
    selectors: Vec<Selector>,
    /// Private subnets of the pods; by default the private ones of the cluster.
    #[serde(default)]
    subnet_ids: Vec<String>,
    /// ARN of the role that pulls images and writes logs for the pods. By default the step makes one.
    #[serde(default)]
    pod_execution_role_arn: Option<String>,
    /// Name of the role that the step makes; by default CLUSTER-fargate-NAME.
    #[serde(default)]
    role_name: Option<String>,
    /// ARN of the policy that bounds the role that the step makes.
    #[serde(default)]
    permissions_boundary: Option<String>,
    /// How long to wait for the profile, and for others of the cluster before it: EKS makes one at a time.
    #[serde(default = "half_hour")]
    #[schemars(range(min = 1, max = 1440))]
    timeout_minutes: u32,
    /// Tags for everything, on top of the pipeline's.
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

/// Pods of a namespace.
#[derive(Deserialize, JsonSchema, Clone)]
#[serde(deny_unknown_fields)]
struct Selector {
    /// Their namespace; * and ? stand for any characters and any one.
    namespace: String,
    /// Labels that they need to have, all of them; at most five.
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

fn half_hour() -> u32 {
    30
}

struct Fargate;

impl Plugin for Fargate {
    type Config = Config;
    const SUMMARY: &'static str = "A Fargate profile: runs pods of some namespaces without nodes.";
    const OUTPUTS: &'static [Output] = &[
        Output::text("name", "Name of the profile"),
        Output::text("arn", "ARN of the profile"),
        Output::text("pod_execution_role_arn", "ARN of the pod execution role"),
    ];

    fn run(config: Config) -> Result<Outputs, Failure> {
        let selectors = selectors(&config)?;
        let name = config.name.clone().unwrap_or_else(|| selectors[0].namespace.replace(['*', '?'], "_"));
        let role = match &config.pod_execution_role_arn {
            Some(arn) if config.role_name.is_none() && config.permissions_boundary.is_none() => arn.clone(),
            Some(_) => {
                return Err(invalid(
                    "pod_execution_role_arn is an existing role, and role_name and permissions_boundary are for a role that the step \
                     creates; remove the one or the others",
                ));
            }
            None => role(&config, &name)?.arn()?,
        };
        let selector = |selector: &Selector| eks::FargateSelector {
            namespace: selector.namespace.clone(),
            labels: selector.labels.clone().into_iter().collect(),
        };
        let spec = eks::FargateProfileSpec {
            cluster_name: config.cluster.clone(),
            profile_name: name,
            pod_execution_role_arn: role.clone(),
            subnet_ids: config.subnet_ids.clone(),
            selectors: selectors.iter().map(selector).collect(),
            wait_minutes: config.timeout_minutes,
            tags: config.tags.clone().into_iter().collect(),
        };
        let profile = eks::FargateProfile::declare("main", &spec, &Options::default())?;
        Ok(outputs! {
            "name": profile.profile_name()?,
            "arn": profile.arn()?,
            "pod_execution_role_arn": role,
        })
    }
}

/// The selectors, however they are written; at least one.
fn selectors(config: &Config) -> Result<Vec<Selector>, Failure> {
    match (&config.namespace, config.selectors.is_empty()) {
        (Some(namespace), true) => Ok(vec![Selector { namespace: namespace.clone(), labels: config.labels.clone() }]),
        (None, false) if config.labels.is_empty() => Ok(config.selectors.clone()),
        (None, false) => Err(invalid("labels belong to namespace; with selectors, set them in each selector")),
        (Some(_), false) => Err(invalid("namespace is short for selectors; set one of them")),
        (None, true) => Err(invalid("the pods for Fargate are missing: set namespace, or selectors")),
    }
}

/// The role by which Fargate pulls images and writes logs, for the profiles of this cluster alone.
fn role(config: &Config, profile: &str) -> Result<iam::Role, Failure> {
    let own = || format!("{}-fargate-{profile}", config.cluster);
    let role_name = config.role_name.clone().unwrap_or_else(own);
    if role_name.len() > 64 && !role_name.contains("<<") {
        return Err(invalid(format!("the role name '{role_name}' has over 64 characters; set role_name")));
    }
    let (partition, region, account) = (sts::partition(), sts::region(), sts::account_id()?);
    let profiles = format!("arn:{partition}:eks:{region}:{account}:fargateprofile/{}/*", config.cluster);
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": "eks-fargate-pods.amazonaws.com" },
            "Action": "sts:AssumeRole",
            "Condition": { "ArnLike": { "aws:SourceArn": profiles } },
        }],
    });
    let spec = iam::RoleSpec {
        role_name,
        path: "/".to_owned(),
        description: format!("Pods on Fargate in the cluster {}", config.cluster),
        assume_role_policy: trust.to_string(),
        max_session_duration: 3600,
        managed_policy_arns: vec![format!("arn:{partition}:iam::aws:policy/AmazonEKSFargatePodExecutionRolePolicy")],
        inline_policies: Vec::new(),
        permissions_boundary: config.permissions_boundary.clone(),
        tags: config.tags.clone().into_iter().collect(),
    };
    iam::Role::declare("pods", &spec, &Options::default())
}

llmhost_plugin::export!(Fargate);
