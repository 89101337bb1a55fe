//! `iam.instance-profile`

use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use llmhost_engine::kind::{
    Created, DeclareContext, Intent, Kind, Observed, OpError, Outputs, Permission, Progress, Sampled, Scope,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Operation, changes, check_name, is_made_by, observed, tagged};
use crate::aws::blank;
use crate::aws::clients::Aws;
use crate::aws::errors::gone_is_none;
use crate::aws::outputs;
use crate::aws::policy::Arns;
use crate::aws::tags::Tags;
use crate::aws::wait::settled;

/// What gives instances a role.
pub(in crate::aws) struct InstanceProfile(pub(in crate::aws) Arc<Aws>);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::aws) struct Spec {
    profile_name: String,
    /// Empty while the role that it had is replaced.
    role_name: String,
    tags: Tags,
}

impl InstanceProfile {
    async fn look(&self, name: &str) -> Result<Option<aws_sdk_iam::types::InstanceProfile>, OpError> {
        let request = self.0.iam().await.get_instance_profile().instance_profile_name(name);
        let answer = gone_is_none(request.send().await.operation("iam:GetInstanceProfile"))?;
        Ok(answer.and_then(|answer| answer.instance_profile))
    }

    async fn remove(&self, name: &str, role: &str) -> Result<(), OpError> {
        let request = self.0.iam().await.remove_role_from_instance_profile();
        let request = request.instance_profile_name(name).role_name(role);
        gone_is_none(request.send().await.operation("iam:RemoveRoleFromInstanceProfile")).map(drop)
    }
}

fn made(name: &str, arn: &str) -> Created {
    Created { id: name.to_owned(), outputs: outputs([("arn", arn), ("profile_name", name)]) }
}

#[async_trait]
impl Kind for InstanceProfile {
    type Spec = Spec;
    const NAME: &'static str = "iam.instance-profile";
    const ACTIONS: &'static [&'static str] = &[
        "iam:CreateInstanceProfile",
        "iam:GetInstanceProfile",
        "iam:AddRoleToInstanceProfile",
        "iam:RemoveRoleFromInstanceProfile",
        "iam:TagInstanceProfile",
        "iam:UntagInstanceProfile",
        "iam:DeleteInstanceProfile",
    ];
    const IMMUTABLE: &'static [&'static str] = &["profile_name"];
    const UNIQUE: &'static [&'static str] = &["profile_name"];
    const IDENTITIES: &'static [&'static str] = &["arn", "profile_name"];

    fn complete(&self, spec: &mut Spec, context: &DeclareContext<'_>) -> Result<(), String> {
        check_name("instance profile name", &spec.profile_name, 128)?;
        spec.tags.complete(context)
    }

    fn foreknown(&self, spec: &Spec) -> Outputs {
        outputs([("profile_name", spec.profile_name.as_str())])
    }

    fn predicted(&self, spec: &Spec, scope: &Scope<'_>) -> Outputs {
        scope.predicted_iam("instance-profile", "/", &spec.profile_name)
    }

    fn without(&self, spec: &Spec, identities: &[String]) -> Option<Spec> {
        identities.contains(&spec.role_name).then(|| Spec { role_name: String::new(), ..spec.clone() })
    }

    fn permissions(&self, spec: &Spec, scope: &Scope<'_>) -> Vec<Permission> {
        vec![
            Permission::new(Self::ACTIONS, [scope.iam("instance-profile", "/", &spec.profile_name)]),
            // Whatever the role's path is.
            Permission::new(&["iam:PassRole"], ["/", "/*/"].map(|path| scope.iam("role", path, &spec.role_name))),
        ]
    }

    fn id_of(&self, spec: &Spec) -> Option<String> {
        Some(spec.profile_name.clone())
    }

    fn sample(&self, _: &str, _: &Spec, sampled: &Sampled<'_>) -> Option<serde_json::Value> {
        Some(sampled.scope.iam("instance-profile", "/", &format!("sample-{}", sampled.unique)).into())
    }

    async fn create(&self, spec: &Spec, intent: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
        let operation = "iam:CreateInstanceProfile";
        let request = self.0.iam_once().await.create_instance_profile().instance_profile_name(&spec.profile_name);
        let request = request.set_tags(Some(tagged(operation, &spec.tags, intent)?));
        let answer = request.send().await.operation(operation)?;
        Ok(made(&spec.profile_name, &answer.instance_profile.map(|profile| profile.arn).unwrap_or_default()))
    }

    async fn configure(&self, id: &str, spec: &Spec, was: Option<&Spec>, _: &dyn Progress) -> Result<Outputs, OpError> {
        let iam = self.0.iam().await;
        let found = settled(|| async move { self.look(id).await }.boxed()).await?;
        let roles: Vec<String> =
            found.into_iter().flat_map(|profile| profile.roles).map(|role| role.role_name).collect();
        // It holds one role at a time.
        for other in roles.iter().filter(|role| **role != spec.role_name) {
            self.remove(id, other).await?;
        }
        if !spec.role_name.is_empty() && !roles.contains(&spec.role_name) {
            let request = iam.add_role_to_instance_profile().instance_profile_name(id).role_name(&spec.role_name);
            request.send().await.operation("iam:AddRoleToInstanceProfile")?;
        }
        let (new, gone) = changes("iam:TagInstanceProfile", was.map(|was| &was.tags), &spec.tags)?;
        if !new.is_empty() {
            let request = iam.tag_instance_profile().instance_profile_name(id).set_tags(Some(new));
            request.send().await.operation("iam:TagInstanceProfile")?;
        }
        if !gone.is_empty() {
            let request = iam.untag_instance_profile().instance_profile_name(id).set_tag_keys(Some(gone));
            request.send().await.operation("iam:UntagInstanceProfile")?;
        }
        Ok(Outputs::new())
    }

    fn blank(&self, name: &str) -> Option<Spec> {
        blank(json!({ "profile_name": name, "role_name": "", "tags": {} }))
    }

    async fn read(&self, id: &str, _: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        let Some(profile) = self.look(id).await? else { return Ok(None) };
        let role = profile.roles().first().map(|role| role.role_name.clone());
        let spec =
            Spec { profile_name: id.to_owned(), role_name: role.unwrap_or_default(), tags: observed(profile.tags()) };
        Ok(Some(Observed { spec, outputs: made(id, profile.arn()).outputs }))
    }

    async fn find(&self, spec: &Spec, intent: &Intent) -> Result<Option<Created>, OpError> {
        let found = self.look(&spec.profile_name).await?.filter(|profile| is_made_by(profile.tags(), intent));
        Ok(found.map(|profile| made(&spec.profile_name, profile.arn())))
    }

    async fn delete(&self, id: &str, spec: &Spec, _: &dyn Progress) -> Result<(), OpError> {
        let Some(profile) = self.look(id).await? else { return Ok(()) };
        let there = observed(profile.tags());
        spec.tags.own(&there, "iam:DeleteInstanceProfile", &format!("instance profile '{id}'"))?;
        for role in profile.roles() {
            self.remove(id, &role.role_name).await?;
        }
        let request = self.0.iam().await.delete_instance_profile().instance_profile_name(id);
        gone_is_none(request.send().await.operation("iam:DeleteInstanceProfile")).map(drop)
    }
}
