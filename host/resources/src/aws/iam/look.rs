//! What has a name in IAM: its id, and its tags.

use llmhost_engine::kind::OpError;

use super::{Operation, observed};
use crate::aws::clients::Aws;
use crate::aws::errors::gone_is_none;
use crate::aws::tags::Tags;

type Found = Result<Option<(String, Tags)>, OpError>;

/// The role of this name.
pub(in crate::aws) async fn role(aws: &Aws, name: &str) -> Found {
    let answer = aws.iam().await.get_role().role_name(name).send().await.operation("iam:GetRole");
    let found = gone_is_none(answer)?.and_then(|answer| answer.role);
    Ok(found.map(|role| (role.role_name.clone(), observed(role.tags()))))
}

/// The policy with this ARN.
pub(in crate::aws) async fn policy(aws: &Aws, arn: &str) -> Found {
    let answer = aws.iam().await.get_policy().policy_arn(arn).send().await.operation("iam:GetPolicy");
    let found = gone_is_none(answer)?.and_then(|answer| answer.policy);
    Ok(found.map(|policy| (arn.to_owned(), observed(policy.tags()))))
}

/// The instance profile of this name.
pub(in crate::aws) async fn profile(aws: &Aws, name: &str) -> Found {
    let answer = aws.iam().await.get_instance_profile().instance_profile_name(name).send().await;
    let found = gone_is_none(answer.operation("iam:GetInstanceProfile"))?.and_then(|answer| answer.instance_profile);
    Ok(found.map(|profile| (name.to_owned(), observed(profile.tags()))))
}

/// The OIDC provider with this ARN.
pub(in crate::aws) async fn oidc_provider(aws: &Aws, arn: &str) -> Found {
    let request = aws.iam().await.get_open_id_connect_provider().open_id_connect_provider_arn(arn);
    let found = gone_is_none(request.send().await.operation("iam:GetOpenIDConnectProvider"))?;
    Ok(found.map(|provider| (arn.to_owned(), observed(provider.tags()))))
}
