//! Deleting what may still be in use, and naming what is in the way.

use std::time::Duration;

use aws_sdk_iam::types::Tag;
use futures::future::BoxFuture;
use llmhost_engine::kind::OpError;

use crate::aws::clients::Aws;
use crate::aws::codes::is_in_use;
use crate::aws::errors::Operation;
use crate::aws::tags::maker;
use crate::aws::wait::{blocked, unused};

/// Nothing of IAM takes long to go; it only takes a while until that is known everywhere.
const PATIENCE: Duration = Duration::from_secs(60);

/// What may hold something back.
#[derive(Debug, Clone, Copy)]
pub(super) enum Held<'a> {
    Role(&'a str),
    /// A policy, by its ARN.
    Policy(&'a str),
}

/// Deletes, and tries again while something that is going away still uses it. What stays in the way
/// is named.
pub(super) async fn delete<'a>(
    aws: &'a Aws,
    held: Held<'a>,
    call: impl FnMut() -> BoxFuture<'a, Result<(), OpError>> + Send,
) -> Result<(), OpError> {
    match unused(PATIENCE.min(aws.settings.wait), call).await {
        Err(error) if is_in_use(error.code.as_deref()) => {
            // Who may delete and not look gets the bare error.
            let by = in_the_way(aws, held).await.unwrap_or_default();
            let advice = match held {
                Held::Role(_) => {
                    "llmhost does not change these. Their owner must give them another role first. Then run the same \
                     command again; it continues from here."
                }
                Held::Policy(_) => {
                    "llmhost does not change these. Their owner must give them another policy first. Then run the same \
                     command again; it continues from here."
                }
            };
            Err(blocked(error, &by, advice))
        }
        other => other,
    }
}

async fn in_the_way(aws: &Aws, held: Held<'_>) -> Result<Vec<String>, OpError> {
    let (iam, mut all) = (aws.iam().await, Vec::new());
    match held {
        Held::Role(name) => {
            let profiles = iam.list_instance_profiles_for_role().role_name(name).send().await;
            let profiles = profiles.operation("iam:ListInstanceProfilesForRole")?;
            for profile in profiles.instance_profiles() {
                let name = profile.instance_profile_name();
                all.push(format!("instance profile {name}{}", note(profile.tags())));
            }
            let attached = iam.list_attached_role_policies().role_name(name).send().await;
            let attached = attached.operation("iam:ListAttachedRolePolicies")?;
            let arns = attached.attached_policies().iter().filter_map(|policy| policy.policy_arn());
            all.extend(arns.map(|arn| format!("attached policy {arn}")));
            let inline = iam.list_role_policies().role_name(name).send().await.operation("iam:ListRolePolicies")?;
            all.extend(inline.policy_names().iter().map(|name| format!("inline policy {name}")));
        }
        Held::Policy(arn) => {
            let users = iam.list_entities_for_policy().policy_arn(arn).send().await;
            let users = users.operation("iam:ListEntitiesForPolicy")?;
            for name in users.policy_roles().iter().filter_map(|one| one.role_name()) {
                // Who may not read it does not hear whose it is.
                let role = iam.get_role().role_name(name).send().await.ok().and_then(|answer| answer.role);
                let whose = role.map(|role| note(role.tags())).unwrap_or_default();
                all.push(format!("role {name}{whose}"));
            }
            all.extend(
                users.policy_users().iter().filter_map(|one| one.user_name()).map(|name| format!("user {name}")),
            );
            let groups = users.policy_groups().iter().filter_map(|one| one.group_name());
            all.extend(groups.map(|name| format!("group {name}")));
        }
    }
    Ok(all)
}

/// Whose it is, by its tags.
fn note(tags: &[Tag]) -> String {
    let tag = |key: &str| tags.iter().find(|tag| tag.key() == key).map(Tag::value);
    maker(tag).map(|maker| format!(" ({maker})")).unwrap_or_default()
}
