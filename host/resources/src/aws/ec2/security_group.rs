//! `ec2.security-group`

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_ec2::types::{ResourceType, SecurityGroup as Found};
use futures::FutureExt;
use llmhost_engine::kind::{
    Created, DeclareContext, Intent, Kind, Neighbours, Observed, OpError, Outputs, Progress, Sampled,
};
use llmhost_engine::names::ResourceAddress;
use llmhost_engine::unknown;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::blockers::{self, Held};
use super::{Operation, filter, made, made_by, observed, outputs, present, sync_tags, tagged, with_tags};
use crate::aws::blank;
use crate::aws::clients::Aws;
use crate::aws::errors::gone_is_none;
use crate::aws::limits;
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

/// Checks the name or description of a group, or the description of a rule.
pub(super) fn check_text(field: &str, text: &str) -> Result<(), String> {
    if unknown::is_unknown(text) {
        return Ok(());
    }
    let length = text.chars().count();
    if !(1..=limits::GROUP_TEXT).contains(&length) {
        return Err(format!("{field} has {length} characters; EC2 allows 1 to {}", limits::GROUP_TEXT));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c);
    match text.chars().find(|&c| !allowed(c)) {
        Some(bad) => Err(format!("{field} has the character '{bad}', which EC2 does not allow there")),
        None => Ok(()),
    }
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
        let name = &spec.group_name;
        if name.starts_with("sg-") || name == "default" {
            return Err(format!("group_name '{name}' is not allowed: not 'default', not starting with 'sg-'"));
        }
        check_text("group_name", name)?;
        check_text("description", &spec.description)?;
        spec.tags.complete(context)
    }

    /// EC2 lets IPv6 out of a new group only where the VPC has a range of it by then.
    fn after(&self, spec: &Spec, declared: &dyn Neighbours) -> Vec<ResourceAddress> {
        let blocks = declared.of_kind("ec2.vpc-cidr-block").into_iter();
        let blocks = blocks.filter(|block| block.spec["vpc_id"] == spec.vpc_id.as_str());
        blocks.filter(|block| block.spec["range"].get("ipv4").is_none()).map(|block| block.address).collect()
    }

    fn sample(&self, _: &str, _: &Spec, sampled: &Sampled<'_>) -> Option<serde_json::Value> {
        Some(sampled.id("sg"))
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

    fn blank(&self, _: &str) -> Option<Spec> {
        blank(json!({ "vpc_id": "", "group_name": "", "description": "", "tags": {} }))
    }

    /// Names of groups are unique in a VPC alone.
    async fn called(&self, name: &str) -> Result<Option<Vec<String>>, OpError> {
        let request = self.0.ec2().await.describe_security_groups().filters(filter("group-name", name));
        let found = request.send().await.operation("ec2:DescribeSecurityGroups")?.security_groups.unwrap_or_default();
        let found = found.into_iter().filter(|group| group.group_name() == Some(name));
        Ok(Some(found.filter_map(|group| group.group_id).collect()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_groups_and_rules_have_255_characters_that_ec2_takes() {
        for (text, wrong) in [
            ("a".repeat(255), None),
            ("a".repeat(256), Some("256 characters; EC2 allows 1 to 255")),
            (String::new(), Some("0 characters")),
            ("from 10.0.0.0/8 (all) #1".to_owned(), None),
            ("a<b".to_owned(), Some("character '<'")),
            ("a|b".to_owned(), Some("character '|'")),
        ] {
            let found = check_text("description", &text);
            match wrong {
                None => assert_eq!(found, Ok(()), "{text}"),
                Some(words) => assert!(found.as_ref().is_err_and(|e| e.contains(words)), "{text}: {found:?}"),
            }
        }
    }
}
