//! The step's `with` table.

use std::collections::BTreeMap;

use llmhost_plugin::{Elsewhere, Failure, invalid};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// A role for the pods of one service account.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the cluster.
    pub(crate) cluster: String,
    /// Namespace of the service account.
    #[serde(default = "default_namespace")]
    pub(crate) namespace: String,
    /// Name of the service account.
    pub(crate) service_account: String,
    /// How pods get the role: by the cluster's OIDC provider (irsa), or by EKS Pod Identity.
    #[serde(default)]
    pub(crate) mode: Mode,
    /// ARN of the cluster's OIDC provider. Needed for irsa.
    #[serde(default)]
    pub(crate) oidc_provider_arn: Option<String>,
    /// The cluster's OIDC issuer. Needed for irsa.
    #[serde(default)]
    pub(crate) oidc_issuer: Option<String>,
    /// ARN of a role that exists and belongs to somebody else: the pods get it, and it is neither changed nor deleted. It must trust them itself.
    #[serde(default)]
    pub(crate) role_arn: Option<String>,
    /// Name of the role; by default CLUSTER-NAMESPACE-SERVICE_ACCOUNT.
    #[serde(default)]
    pub(crate) role_name: Option<String>,
    /// Make the role alone, and neither a service account nor a namespace or pod identity association: for an add-on, which brings its own service account.
    #[serde(default)]
    pub(crate) role_only: bool,
    /// ARNs of policies of the role, such as arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy.
    #[serde(default)]
    pub(crate) policies: Vec<String>,
    /// ARN of the policy that bounds the role.
    #[serde(default)]
    pub(crate) permissions_boundary: Option<String>,
    /// Bucket that the pods may read.
    #[serde(default)]
    pub(crate) bucket: Option<String>,
    /// Key prefix in the bucket that the pods may read; by default all of it.
    #[serde(default)]
    pub(crate) prefix: String,
    /// ARN of the KMS key that the bucket is encrypted with.
    #[serde(default)]
    pub(crate) bucket_key_arn: Option<String>,
    /// Let the pods write metrics, and logs to groups that start with this name.
    #[serde(default)]
    pub(crate) cloudwatch_log_group: Option<String>,
    /// DynamoDB tables that the pods may read and write, by name.
    #[serde(default)]
    pub(crate) dynamodb_tables: Vec<String>,
    /// Further statements of the role's policy.
    #[serde(default)]
    pub(crate) statements: Vec<Value>,
    /// Manage a service account that is there already.
    #[serde(default)]
    pub(crate) adopt: bool,
    /// Make the namespace. By default, unless it is "default" or one of Kubernetes' own.
    #[serde(default)]
    pub(crate) create_namespace: Option<bool>,
    /// Where the service account goes, where it is not the cluster itself.
    #[serde(default)]
    pub(crate) target: Option<Elsewhere>,
    /// Tags for everything, on top of the pipeline's.
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
}

impl Config {
    /// The options that say something of a role that this step makes.
    fn of_role(&self) -> [(&'static str, bool); 11] {
        [
            ("role_name", self.role_name.is_some()),
            ("role_only", self.role_only),
            ("policies", !self.policies.is_empty()),
            ("permissions_boundary", self.permissions_boundary.is_some()),
            ("bucket", self.bucket.is_some()),
            ("prefix", !self.prefix.is_empty()),
            ("bucket_key_arn", self.bucket_key_arn.is_some()),
            ("cloudwatch_log_group", self.cloudwatch_log_group.is_some()),
            ("dynamodb_tables", !self.dynamodb_tables.is_empty()),
            ("statements", !self.statements.is_empty()),
            ("oidc_provider_arn", self.oidc_provider_arn.is_some()),
        ]
    }

    /// The ARN of the role that is given, where one is.
    pub(crate) fn given_role(&self) -> Result<Option<&str>, Failure> {
        let Some(arn) = &self.role_arn else { return Ok(None) };
        match self.of_role().iter().find(|(_, is_stated)| *is_stated) {
            None => Ok(Some(arn)),
            Some((option, _)) => Err(invalid(format!(
                "role_arn is a role that this step does not change, and {option} would change it: remove one of them"
            ))),
        }
    }
}

/// How pods get a role.
#[derive(Deserialize, JsonSchema, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    #[default]
    Irsa,
    PodIdentity,
}

fn default_namespace() -> String {
    "default".to_owned()
}
