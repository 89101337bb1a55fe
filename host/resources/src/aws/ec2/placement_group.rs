//! `ec2.placement-group`

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_ec2::types::{PlacementGroup as Found, PlacementGroupState, PlacementStrategy, ResourceType};
use futures::FutureExt;
use llmhost_engine::kind::{
    Created, DeclareContext, Intent, Kind, Observed, OpError, Outputs, Permission, Progress, Sampled, Scope,
};
use llmhost_engine::unknown;
use serde::{Deserialize, Serialize};

use super::{Operation, made_by, observed, outputs, sync_tags, tagged, there};
use crate::aws::clients::Aws;
use crate::aws::errors::gone_is_none;
use crate::aws::policy::Arns;
use crate::aws::tags::Tags;
use crate::aws::wait::unused;

/// Where EC2 starts instances: near each other, or apart.
pub(in crate::aws) struct PlacementGroup(pub(in crate::aws) Arc<Aws>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::aws) struct Spec {
    group_name: String,
    strategy: String,
    /// Of the strategy `partition`.
    partition_count: Option<i32>,
    tags: Tags,
}

/// Partitions of a group in a zone.
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/placement-strategies.html>
const PARTITIONS: std::ops::RangeInclusive<i32> = 1..=7;

impl PlacementGroup {
    async fn look(&self, name: &str) -> Result<Option<Found>, OpError> {
        let request = self.0.ec2().await.describe_placement_groups().group_names(name);
        let answer = gone_is_none(request.send().await.operation("ec2:DescribePlacementGroups"))?;
        let found = answer.and_then(|answer| answer.placement_groups?.pop());
        Ok(found.filter(|group| group.state() != Some(&PlacementGroupState::Deleted)))
    }
}

fn known(found: &Found) -> Outputs {
    outputs([("group_name", found.group_name().unwrap_or_default()), ("id", found.group_id().unwrap_or_default())])
}

#[async_trait]
impl Kind for PlacementGroup {
    type Spec = Spec;
    const NAME: &'static str = "ec2.placement-group";
    const ACTIONS: &'static [&'static str] = &[
        "ec2:CreatePlacementGroup",
        "ec2:DescribePlacementGroups",
        "ec2:DeletePlacementGroup",
        "ec2:CreateTags",
        "ec2:DeleteTags",
    ];
    const IMMUTABLE: &'static [&'static str] = &["group_name", "strategy", "partition_count"];
    const UNIQUE: &'static [&'static str] = &["group_name"];
    const IDENTITIES: &'static [&'static str] = &["group_name", "id"];

    fn complete(&self, spec: &mut Spec, context: &DeclareContext<'_>) -> Result<(), String> {
        let name = &spec.group_name;
        if !(unknown::is_unknown(name) || (1..=255).contains(&name.len()) && name.is_ascii()) {
            return Err(format!("the placement group name '{name}' must have 1 to 255 ASCII characters"));
        }
        if !PlacementStrategy::values().contains(&spec.strategy.as_str()) {
            let all = PlacementStrategy::values().join(", ");
            return Err(format!("the strategy '{}' is not one of {all}", spec.strategy));
        }
        match spec.partition_count {
            Some(_) if spec.strategy != "partition" => {
                return Err(format!("partition_count is for the strategy partition, and this is {}", spec.strategy));
            }
            Some(count) if !PARTITIONS.contains(&count) => {
                return Err(format!("partition_count is {count}; EC2 allows 1 to 7"));
            }
            _ => {}
        }
        spec.tags.complete(context)
    }

    fn foreknown(&self, spec: &Spec) -> Outputs {
        outputs([("group_name", spec.group_name.as_str())])
    }

    fn permissions(&self, spec: &Spec, scope: &Scope<'_>) -> Vec<Permission> {
        let group = scope.arn("ec2", &format!("placement-group/{}", spec.group_name));
        let change = ["ec2:CreatePlacementGroup", "ec2:DeletePlacementGroup"];
        // Tags are put on the group by its id.
        let tagged = scope.arn("ec2", "placement-group/*");
        vec![
            Permission::new(&change, [group]),
            Permission::new(&["ec2:CreateTags", "ec2:DeleteTags"], [tagged]),
            Permission::new(&["ec2:DescribePlacementGroups"], ["*".to_owned()]),
        ]
    }

    fn id_of(&self, spec: &Spec) -> Option<String> {
        Some(spec.group_name.clone())
    }

    fn sample(&self, output: &str, _: &Spec, sampled: &Sampled<'_>) -> Option<serde_json::Value> {
        Some(match output {
            "group_name" => format!("sample-{}", sampled.unique).into(),
            _ => sampled.id("pg"),
        })
    }

    async fn create(&self, spec: &Spec, intent: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
        let operation = "ec2:CreatePlacementGroup";
        let request = self.0.ec2_once().await.create_placement_group().group_name(&spec.group_name);
        let request = request.strategy(PlacementStrategy::from(spec.strategy.as_str()));
        let request = request.set_partition_count(spec.partition_count);
        let request = request.tag_specifications(tagged(ResourceType::PlacementGroup, &spec.tags, intent));
        let answer = request.send().await.operation(operation)?;
        let outputs = answer.placement_group.as_ref().map(known).unwrap_or_default();
        Ok(Created { id: spec.group_name.clone(), outputs })
    }

    async fn configure(&self, id: &str, spec: &Spec, was: Option<&Spec>, _: &dyn Progress) -> Result<Outputs, OpError> {
        let found = there("ec2:DescribePlacementGroups", id, self.look(id).await?)?;
        let by_id = found.group_id().unwrap_or_default();
        sync_tags(&self.0, by_id, was.map(|was| &was.tags), &spec.tags).await?;
        Ok(known(&found))
    }

    async fn read(&self, id: &str, spec: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        let observe = |found: Found| Observed {
            spec: Spec {
                group_name: found.group_name().unwrap_or_default().to_owned(),
                strategy: found.strategy().map(|strategy| strategy.as_str().to_owned()).unwrap_or_default(),
                // EC2 chooses where none is stated.
                partition_count: spec.partition_count.and_then(|_| found.partition_count()),
                tags: observed(found.tags()),
            },
            outputs: known(&found),
        };
        Ok(self.look(id).await?.map(observe))
    }

    async fn find(&self, spec: &Spec, intent: &Intent) -> Result<Option<Created>, OpError> {
        let request = self.0.ec2().await.describe_placement_groups().filters(made_by(intent));
        let answer = request.send().await.operation("ec2:DescribePlacementGroups")?;
        let found = answer.placement_groups().iter().find(|group| group.group_name() == Some(&spec.group_name));
        Ok(found.map(|group| Created { id: spec.group_name.clone(), outputs: known(group) }))
    }

    async fn delete(&self, id: &str, spec: &Spec, _: &dyn Progress) -> Result<(), OpError> {
        let Some(there) = self.look(id).await? else { return Ok(()) };
        spec.tags.own(&observed(there.tags()), "ec2:DeletePlacementGroup", &format!("placement group '{id}'"))?;
        let ec2 = self.0.ec2().await;
        // Instances that end are in it for a while.
        unused(self.0.settings.wait, || {
            async move {
                let request = ec2.delete_placement_group().group_name(id);
                request.send().await.operation("ec2:DeletePlacementGroup").map(drop)
            }
            .boxed()
        })
        .await
    }
}
