//! EKS Auto Mode, and the role of its nodes.

use llmhost_plugin::{Failure, Options, eks, iam, invalid, sts};
use serde_json::json;

use crate::config::{AutoMode, Config, Pools, pools};

/// What the cluster's spec says of EKS Auto Mode; nothing where it is off.
pub(crate) fn of(config: &Config) -> Result<Option<eks::AutoMode>, Failure> {
    let both = Pools { node_pools: pools(), node_role_arn: None };
    let wanted = match &config.auto_mode {
        AutoMode::On(false) => return Ok(None),
        AutoMode::On(true) => &both,
        AutoMode::With(wanted) => wanted,
    };
    let node_role_arn = match (&wanted.node_role_arn, wanted.node_pools.is_empty()) {
        (Some(_), true) => {
            return Err(invalid(
                "auto_mode.node_role_arn is the role of the nodes in node_pools, and node_pools is empty; remove it",
            ));
        }
        (Some(arn), false) => Some(arn.clone()),
        (None, true) => None,
        (None, false) => Some(node_role(config)?.arn()?),
    };
    Ok(Some(eks::AutoMode { node_pools: wanted.node_pools.clone(), node_role_arn }))
}

/// The role of nodes that EKS makes, with as little as they need.
fn node_role(config: &Config) -> Result<iam::Role, Failure> {
    let role_name = format!("{}-auto-node", config.name);
    if role_name.len() > 64 && !role_name.contains("<<") {
        return Err(invalid(format!(
            "the role name '{role_name}' has over 64 characters; create the role in the iam step, and set \
             auto_mode.node_role_arn"
        )));
    }
    let aws = format!("arn:{}:iam::aws:policy", sts::partition());
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": sts::service_principal("ec2") },
            "Action": "sts:AssumeRole",
        }],
    });
    let policies = ["AmazonEKSWorkerNodeMinimalPolicy", "AmazonEC2ContainerRegistryPullOnly"];
    let spec = iam::RoleSpec {
        role_name,
        path: "/".to_owned(),
        description: format!("Nodes that EKS Auto Mode creates for the cluster {}", config.name),
        assume_role_policy: trust.to_string(),
        max_session_duration: 3600,
        managed_policy_arns: policies.map(|policy| format!("{aws}/{policy}")).to_vec(),
        inline_policies: Vec::new(),
        permissions_boundary: None,
        tags: config.tags.clone().into_iter().collect(),
    };
    iam::Role::declare("auto-node", &spec, &Options::default())
}
