//! `ec2.security-group`

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_ec2::types::{ResourceType, SecurityGroup as Found};
use futures::FutureExt;
use llmhost_engine::kind::{Created, DeclareContext, Intent, Kind, Observed, OpError, Outputs, Progress};
use serde::{Deserialize, Serialize};

use super::blockers::{self, Held};
use super::{Operation, filter, made, made_by, observed, outputs, present, sync_tags, tagged, with_tags};
use crate::aws::clients::Aws;
use crate::aws::errors::gone_is_none;
use crate::aws::tags::Tags;

/// A security group.
pub(in crate::aws) struct SecurityGroup(pub(in crate::aws) Arc<Aws>);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::aws) struct Spec {
    vpc_id: String,
    group_name: String,
    description: String,
    tags: Tags,
}

#[async_trait]
impl Kind for SecurityGroup {
    type Spec = Spec;
    const NAME: &'static str = "ec2.security-group";
    const ACTIONS: &'static [&'static str] = &[
        "ec2:CreateSecurityGroup",
        "ec2:DescribeSecurityGroups",
        "ec2:DeleteSecurityGroup",
        "ec2:DescribeNetworkInterfaces",
        "ec2:CreateTags",
        "ec2:DeleteTags",
    ];
    const IMMUTABLE: &'static [&'static str] = &["vpc_id", "group_name", "description"];
    const UNIQUE: &'static [&'static str] = &["vpc_id", "group_name"];
    const IDENTITIES: &'static [&'static str] = &["id"];

    fn complete(&self, spec: &mut Spec, context: &DeclareContext<'_>) -> Result<(), String> {
        let (name, length) = (&spec.group_name, spec.group_name.chars().count());
        if name.starts_with("sg-") || name == "default" || !(1..=255).contains(&length) {
            return Err(format!(
                "group_name '{name}' is not allowed: 1 to 255 characters, not 'default', not starting with 'sg-'"
            ));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c);
        for (field, text) in [("group_name", name), ("description", &spec.description)] {
            if let Some(bad) = text.chars().find(|&c| !allowed(c)) {
                return Err(format!("{field} has the character '{bad}', which AWS does not allow there"));
            }
        }
        if !(1..=255).contains(&spec.description.chars().count()) {
            return Err("description must have 1 to 255 characters".to_owned());
        }
        spec.tags.complete(context)
    }

    async fn create(&self, spec: &Spec, intent: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
        let request = self.0.ec2_once().await.create_security_group().vpc_id(&spec.vpc_id);
        let request = request.group_name(&spec.group_name).description(&spec.description);
        let request = request.tag_specifications(tagged(ResourceType::SecurityGroup, &spec.tags, intent));
        let answer = request.send().await.operation("ec2:CreateSecurityGroup")?;
        Ok(made(present("ec2:CreateSecurityGroup", answer.group_id)?))
    }

    async fn configure(&self, id: &str, spec: &Spec, was: Option<&Spec>, _: &dyn Progress) -> Result<Outputs, OpError> {
        sync_tags(&self.0, id, was.map(|was| &was.tags), &spec.tags).await?;
        Ok(Outputs::new())
    }

    async fn read(&self, id: &str, _: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        let request = self.0.ec2().await.describe_security_groups().group_ids(id);
        let answer = gone_is_none(request.send().await.operation("ec2:DescribeSecurityGroups"))?;
        let observe = |group: Found| Observed {
            spec: Spec {
                vpc_id: group.vpc_id().unwrap_or_default().to_owned(),
                group_name: group.group_name().unwrap_or_default().to_owned(),
                description: group.description().unwrap_or_default().to_owned(),
                tags: observed(group.tags()),
            },
            outputs: outputs([("id", id)]),
        };
        Ok(answer.and_then(|answer| answer.security_groups?.pop()).map(observe))
    }

    async fn find(&self, _: &Spec, intent: &Intent) -> Result<Option<Created>, OpError> {
        let request = self.0.ec2().await.describe_security_groups().filters(made_by(intent));
        let answer = request.send().await.operation("ec2:DescribeSecurityGroups")?;
        Ok(answer.security_groups.and_then(|mut groups| groups.pop()?.group_id).map(made))
    }

    /// A group's name is unique in its VPC.
    async fn by_place(&self, spec: &Spec) -> Result<Option<Vec<String>>, OpError> {
        let filters = [filter("vpc-id", &spec.vpc_id), filter("group-name", &spec.group_name)];
        let request = self.0.ec2().await.describe_security_groups().set_filters(Some(filters.into()));
        let found = request.send().await.operation("ec2:DescribeSecurityGroups")?.security_groups.unwrap_or_default();
        Ok(Some(found.into_iter().filter_map(|group| group.group_id).collect()))
    }

    async fn by_tags(&self, tags: &BTreeMap<String, String>) -> Result<Option<Vec<String>>, OpError> {
        with_tags(&self.0, ResourceType::SecurityGroup, tags).await.map(Some)
    }

    async fn delete(&self, id: &str, _: &Spec, _: &dyn Progress) -> Result<(), OpError> {
        let ec2 = self.0.ec2().await;
        blockers::delete(&self.0, Held::SecurityGroup(id), || {
            async move {
                ec2.delete_security_group().group_id(id).send().await.operation("ec2:DeleteSecurityGroup").map(drop)
            }
            .boxed()
        })
        .await
    }
}
