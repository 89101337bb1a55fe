//! `ec2.route-table` and `ec2.route-table-association`

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_ec2::types::{ResourceType, RouteTable as Found};
use futures::FutureExt;
use llmhost_engine::kind::{
    Created, DeclareContext, ErrorClass, Intent, Kind, Neighbours, Observed, OpError, Outputs, Progress, Sampled,
};
use llmhost_engine::names::ResourceAddress;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Operation, filter, made, made_by, observed, outputs, present, sync_tags, tagged, with_tags};
use crate::aws::blank;
use crate::aws::clients::Aws;
use crate::aws::errors::gone_is_none;
use crate::aws::tags::Tags;
use crate::aws::wait::{settled, unused};

/// The route table with this id.
pub(super) async fn look(aws: &Aws, id: &str) -> Result<Option<Found>, OpError> {
    let request = aws.ec2().await.describe_route_tables().route_table_ids(id);
    let answer = gone_is_none(request.send().await.operation("ec2:DescribeRouteTables"))?;
    Ok(answer.and_then(|answer| answer.route_tables?.pop()))
}

/// A route table.
pub(in crate::aws) struct RouteTable(pub(in crate::aws) Arc<Aws>);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::aws) struct Spec {
    vpc_id: String,
    tags: Tags,
}

#[async_trait]
impl Kind for RouteTable {
    type Spec = Spec;
    const NAME: &'static str = "ec2.route-table";
    const ACTIONS: &'static [&'static str] = &[
        "ec2:CreateRouteTable",
        "ec2:DescribeRouteTables",
        "ec2:DeleteRouteTable",
        "ec2:CreateTags",
        "ec2:DeleteTags",
    ];
    const IMMUTABLE: &'static [&'static str] = &["vpc_id"];
    const IDENTITIES: &'static [&'static str] = &["id"];

    fn complete(&self, spec: &mut Spec, context: &DeclareContext<'_>) -> Result<(), String> {
        spec.tags.complete(context)
    }

    fn sample(&self, _: &str, _: &Spec, sampled: &Sampled<'_>) -> Option<serde_json::Value> {
        Some(sampled.id("rtb"))
    }

    async fn create(&self, spec: &Spec, intent: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
        let request = self.0.ec2_once().await.create_route_table().vpc_id(&spec.vpc_id).client_token(&intent.token);
        let request = request.tag_specifications(tagged(ResourceType::RouteTable, &spec.tags, intent));
        let answer = request.send().await.operation("ec2:CreateRouteTable")?;
        let id = answer.route_table.and_then(|table| table.route_table_id);
        Ok(made(present("ec2:CreateRouteTable", id)?))
    }

    async fn configure(&self, id: &str, spec: &Spec, was: Option<&Spec>, _: &dyn Progress) -> Result<Outputs, OpError> {
        sync_tags(&self.0, id, was.map(|was| &was.tags), &spec.tags).await?;
        Ok(Outputs::new())
    }

    fn blank(&self, _: &str) -> Option<Spec> {
        blank(json!({ "vpc_id": "", "tags": {} }))
    }

    async fn read(&self, id: &str, _: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        let observe = |table: Found| Observed {
            spec: Spec { vpc_id: table.vpc_id().unwrap_or_default().to_owned(), tags: observed(table.tags()) },
            outputs: outputs([("id", id)]),
        };
        Ok(look(&self.0, id).await?.map(observe))
    }

    async fn find(&self, _: &Spec, intent: &Intent) -> Result<Option<Created>, OpError> {
        let request = self.0.ec2().await.describe_route_tables().filters(made_by(intent));
        let answer = request.send().await.operation("ec2:DescribeRouteTables")?;
        Ok(answer.route_tables.and_then(|mut tables| tables.pop()?.route_table_id).map(made))
    }

    async fn by_tags(&self, tags: &BTreeMap<String, String>) -> Result<Option<Vec<String>>, OpError> {
        with_tags(&self.0, ResourceType::RouteTable, tags).await.map(Some)
    }

    async fn delete(&self, id: &str, _: &Spec, _: &dyn Progress) -> Result<(), OpError> {
        let ec2 = self.0.ec2().await;
        unused(self.0.settings.wait, || {
            async move {
                ec2.delete_route_table().route_table_id(id).send().await.operation("ec2:DeleteRouteTable").map(drop)
            }
            .boxed()
        })
        .await
    }
}

/// Makes a subnet use a route table.
pub(in crate::aws) struct RouteTableAssociation(pub(in crate::aws) Arc<Aws>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::aws) struct AssociationSpec {
    route_table_id: String,
    subnet_id: String,
}

impl RouteTableAssociation {
    async fn by(&self, name: &str, value: &str) -> Result<Option<(String, AssociationSpec)>, OpError> {
        let request = self.0.ec2().await.describe_route_tables().filters(filter(name, value));
        let answer = request.send().await.operation("ec2:DescribeRouteTables")?;
        let all = answer.route_tables().iter().flat_map(|table| table.associations());
        let mut all = all.filter_map(|found| {
            let id = found.route_table_association_id()?.to_owned();
            let (table, subnet) = (found.route_table_id()?.to_owned(), found.subnet_id()?.to_owned());
            Some((id, AssociationSpec { route_table_id: table, subnet_id: subnet }))
        });
        Ok(all.find(|(id, spec)| id == value || spec.subnet_id == value))
    }
}

#[async_trait]
impl Kind for RouteTableAssociation {
    type Spec = AssociationSpec;
    const NAME: &'static str = "ec2.route-table-association";
    const ACTIONS: &'static [&'static str] =
        &["ec2:AssociateRouteTable", "ec2:DescribeRouteTables", "ec2:DisassociateRouteTable"];
    const IMMUTABLE: &'static [&'static str] = &["route_table_id", "subnet_id"];
    /// A subnet uses one table.
    const UNIQUE: &'static [&'static str] = &["subnet_id"];
    const IDENTITIES: &'static [&'static str] = &["id"];

    fn complete(&self, _: &mut AssociationSpec, _: &DeclareContext<'_>) -> Result<(), String> {
        Ok(())
    }

    fn check(&self, at: &ResourceAddress, spec: &AssociationSpec, declared: &dyn Neighbours) -> Result<(), String> {
        let mut others = declared.of_kind(Self::NAME).into_iter().filter(|other| other.address < *at);
        match others.find(|other| other.spec["subnet_id"] == spec.subnet_id.as_str()) {
            Some(other) => Err(format!("its subnet already has a route table, by {}", other.address)),
            None => Ok(()),
        }
    }

    fn sample(&self, _: &str, _: &AssociationSpec, sampled: &Sampled<'_>) -> Option<serde_json::Value> {
        Some(sampled.id("rtbassoc"))
    }

    async fn create(&self, spec: &AssociationSpec, _: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
        let ec2 = self.0.ec2().await;
        let call = || {
            async move {
                let request =
                    ec2.associate_route_table().route_table_id(&spec.route_table_id).subnet_id(&spec.subnet_id);
                request.send().await.operation("ec2:AssociateRouteTable")
            }
            .boxed()
        };
        let answer = settled(call).await?;
        Ok(made(present("ec2:AssociateRouteTable", answer.association_id)?))
    }

    async fn configure(
        &self,
        _: &str,
        _: &AssociationSpec,
        _: Option<&AssociationSpec>,
        _: &dyn Progress,
    ) -> Result<Outputs, OpError> {
        Ok(Outputs::new())
    }

    async fn read(&self, id: &str, _: &AssociationSpec) -> Result<Option<Observed<AssociationSpec>>, OpError> {
        let found = self.by("association.route-table-association-id", id).await?;
        Ok(found.map(|(_, spec)| Observed { spec, outputs: outputs([("id", id)]) }))
    }

    async fn find(&self, spec: &AssociationSpec, _: &Intent) -> Result<Option<Created>, OpError> {
        let found = self.by("association.subnet-id", &spec.subnet_id).await?;
        Ok(found.filter(|(_, found)| found == spec).map(|(id, _)| made(id)))
    }

    /// A subnet uses one table.
    async fn by_place(&self, spec: &AssociationSpec) -> Result<Option<Vec<String>>, OpError> {
        let found = self.by("association.subnet-id", &spec.subnet_id).await?;
        Ok(Some(found.into_iter().map(|(id, _)| id).collect()))
    }

    async fn delete(&self, id: &str, _: &AssociationSpec, _: &dyn Progress) -> Result<(), OpError> {
        let request = self.0.ec2().await.disassociate_route_table().association_id(id);
        match request.send().await.operation("ec2:DisassociateRouteTable") {
            Err(error) if error.class != ErrorClass::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
