//! Who the host acts as.

use llmhost_engine::kind::OpError;

use super::clients::Aws;
use super::errors::Operation;

/// The twelve digits of the account that the credentials belong to.
pub(super) async fn account_id(aws: &Aws) -> Result<String, OpError> {
    let identity = aws.sts().await.get_caller_identity().send().await.operation("sts:GetCallerIdentity")?;
    identity.account.ok_or_else(|| OpError::local("sts:GetCallerIdentity", "the response has no account"))
}
