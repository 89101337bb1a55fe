//! The `irsa` plugin: a role for the pods of one service account, with as little as they need.

mod config;
mod documents;

use config::{Config, Mode};
use llmhost_plugin::{
    Applier, Failure, How, Options, Output, Outputs, Plugin, eks, iam, invalid, is_known, kubernetes_name, outputs,
};
use serde_json::json;

struct PodRole;

impl Plugin for PodRole {
    type Config = Config;
    const SUMMARY: &'static str =
        "A role for the pods of one service account, with IRSA or EKS Pod Identity and least privilege.";
    const OUTPUTS: &'static [Output] = &[
        Output::text("role_arn", "ARN of the role"),
        Output::text("role_name", "Name of the role"),
        Output::text("namespace", "Namespace of the service account"),
        Output::text("service_account", "Name of the service account"),
        Output::text("association_id", "Id of the pod identity association, or null"),
    ];

    fn run(config: Config) -> Result<Outputs, Failure> {
        for (option, name) in [("namespace", &config.namespace), ("service_account", &config.service_account)] {
            kubernetes_name(option, name)?;
        }
        if config.role_only && (config.adopt || config.create_namespace == Some(true) || config.target.is_some()) {
            return Err(invalid(
                "role_only creates only the role, and adopt, create_namespace and target are for the service account; remove \
                 them",
            ));
        }
        let tags: Vec<_> = config.tags.clone().into_iter().collect();
        let (role, role_arn) = match config.given_role()? {
            Some(arn) => (None, arn.to_owned()),
            None => {
                let role = role(&config, &tags)?;
                let arn = role.arn()?;
                (Some(role), arn)
            }
        };
        if config.role_only {
            return Ok(outputs! {
                "role_arn": role_arn,
                "role_name": role_name(role.as_ref(), &role_arn)?,
                "namespace": config.namespace,
                "service_account": config.service_account,
                "association_id": serde_json::Value::Null,
            });
        }
        let applier = Applier::new(Some(&config.cluster), config.target.as_ref(), 5)?;
        if config.create_namespace.unwrap_or(!is_standard(&config.namespace)) {
            let manifest = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": config.namespace } });
            applier.apply("namespace", &manifest, How { adopt: config.adopt, wait: false })?;
        }
        let association = match config.mode {
            Mode::Irsa => None,
            Mode::PodIdentity => {
                let spec = eks::PodIdentityAssociationSpec {
                    cluster_name: config.cluster.clone(),
                    namespace: config.namespace.clone(),
                    service_account: config.service_account.clone(),
                    role_arn: role_arn.clone(),
                    tags,
                };
                Some(eks::PodIdentityAssociation::declare("pods", &spec, &Options::default())?)
            }
        };
        let mut metadata = json!({ "name": config.service_account, "namespace": config.namespace });
        if config.mode == Mode::Irsa {
            metadata["annotations"] = json!({ "eks.amazonaws.com/role-arn": role_arn });
        }
        let manifest = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata });
        let account = applier.apply("service-account", &manifest, How { adopt: config.adopt, wait: false })?;
        Ok(outputs! {
            "role_arn": role_arn,
            "role_name": role_name(role.as_ref(), &role_arn)?,
            "namespace": config.namespace,
            "service_account": account.name()?,
            "association_id": association.as_ref().map(eks::PodIdentityAssociation::id).transpose()?,
        })
    }
}

/// The role for the pods.
fn role(config: &Config, tags: &[(String, String)]) -> Result<iam::Role, Failure> {
    let own = format!("{}-{}-{}", config.cluster, config.namespace, config.service_account);
    let role_name = config.role_name.clone().unwrap_or(own);
    if role_name.len() > 64 && !role_name.contains("<<") {
        return Err(invalid(format!("the role name '{role_name}' has over 64 characters; set role_name")));
    }
    let spec = iam::RoleSpec {
        role_name,
        path: "/".to_owned(),
        description: format!("Pods of the service account {}/{}", config.namespace, config.service_account),
        assume_role_policy: documents::trust(config)?.to_string(),
        max_session_duration: 3600,
        managed_policy_arns: config.policies.clone(),
        inline_policies: documents::permissions(config)?
            .map(|document| ("access".to_owned(), document.to_string()))
            .into_iter()
            .collect(),
        permissions_boundary: config.permissions_boundary.clone(),
        tags: tags.to_vec(),
    };
    iam::Role::declare("pods", &spec, &Options::default())
}

/// The name of the role: the last part of its ARN, once that is known.
fn role_name(role: Option<&iam::Role>, arn: &str) -> Result<Option<String>, Failure> {
    match role {
        Some(role) => role.role_name().map(Some),
        None => Ok(is_known(arn).then(|| arn.rsplit('/').next().unwrap_or(arn).to_owned())),
    }
}

/// Namespaces that every cluster has.
fn is_standard(namespace: &str) -> bool {
    namespace == "default" || namespace.starts_with("kube-")
}

llmhost_plugin::export!(PodRole);
