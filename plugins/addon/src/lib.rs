//! The `addon` plugin: one add-on of a cluster, as a step of its own, so that its role can come from a step after the
//! cluster's.

use std::collections::BTreeMap;

use llmhost_plugin::{Failure, Options, Output, Outputs, Plugin, eks, invalid, name_of, outputs, written};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// Add-ons that run on every node, and so are there at once in a cluster without any. The others
/// need a node to get active.
const ON_EVERY_NODE: [&str; 3] = ["vpc-cni", "kube-proxy", "eks-pod-identity-agent"];

/// An add-on.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Name of the cluster.
    cluster: String,
    /// Name of the add-on, such as aws-ebs-csi-driver.
    name: String,
    /// Version; by default the one that EKS recommends for the cluster's version, also when that goes up.
    #[serde(default)]
    version: Option<String>,
    /// Settings, by the add-on's own schema.
    #[serde(default)]
    configuration: Option<Value>,
    /// ARN of the role of its service account, by IRSA.
    #[serde(default)]
    role_arn: Option<String>,
    /// Role of one of its service accounts, by EKS Pod Identity. The cluster needs the add-on eks-pod-identity-agent.
    #[serde(default)]
    pod_identity: Option<PodIdentity>,
    /// What EKS does where others have set what the add-on sets: refuse, take it over, or keep theirs in updates.
    #[serde(default)]
    resolve_conflicts: Conflicts,
    /// Wait until the add-on is active. By default only for those that run on every node; the others get active once there are nodes.
    #[serde(default)]
    wait: Option<bool>,
    /// How long to wait for the add-on.
    #[serde(default = "half_hour")]
    #[schemars(range(min = 1, max = 1440))]
    timeout_minutes: u32,
    /// Tags, on top of the pipeline's.
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

/// A service account and its role.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PodIdentity {
    /// Name of the service account, as the add-on has it: ebs-csi-controller-sa.
    service_account: String,
    /// ARN of its role, which must trust pods.eks.amazonaws.com.
    role_arn: String,
}

/// What happens to what others have set.
#[derive(Deserialize, JsonSchema, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Conflicts {
    None,
    #[default]
    Overwrite,
    Preserve,
}

fn half_hour() -> u32 {
    30
}

struct Addon;

impl Plugin for Addon {
    type Config = Config;
    const SUMMARY: &'static str = "An add-on of an EKS cluster, with its settings and a role by IRSA or Pod Identity.";
    const OUTPUTS: &'static [Output] = &[
        Output::text("name", "Name of the add-on"),
        Output::text("arn", "ARN of the add-on"),
        Output::text("version", "Version of the add-on"),
    ];

    fn run(config: Config) -> Result<Outputs, Failure> {
        if config.role_arn.is_some() && config.pod_identity.is_some() {
            return Err(invalid("role_arn is for IRSA, and pod_identity for Pod Identity; set one of them"));
        }
        if config.configuration.as_ref().is_some_and(|settings| !settings.is_object()) {
            return Err(invalid("configuration is not a table; write the add-on's settings by name"));
        }
        let pair = config.pod_identity.as_ref().map(|pair| eks::AddonPodIdentity {
            service_account: pair.service_account.clone(),
            role_arn: pair.role_arn.clone(),
        });
        let spec = eks::AddonSpec {
            cluster_name: config.cluster.clone(),
            addon_name: config.name.clone(),
            version: config.version.clone(),
            configuration: config.configuration.as_ref().map(ToString::to_string),
            service_account_role_arn: config.role_arn.clone(),
            pod_identity: pair.into_iter().collect(),
            overwrite: config.resolve_conflicts == Conflicts::Overwrite,
            preserve: config.resolve_conflicts == Conflicts::Preserve,
            wait: config.wait.unwrap_or(ON_EVERY_NODE.contains(&config.name.as_str())),
            wait_minutes: config.timeout_minutes,
            tags: config.tags.into_iter().collect(),
        };
        // As the eks plugin names it: an add-on that becomes a step of its own is no change.
        let address = name_of(&written("/name", &config.name));
        let addon = eks::Addon::declare(&address, &spec, &Options::default())?;
        Ok(outputs! { "name": config.name, "arn": addon.arn()?, "version": addon.version()? })
    }
}

llmhost_plugin::export!(Addon);
