//! AWS: clients, errors, tags, and the kinds of resources of each service.

mod clients;
mod ec2;
mod errors;
mod once;
mod s3;
mod sts;
mod tags;
mod wait;

use std::sync::Arc;

use async_trait::async_trait;
use llmhost_engine::kind::{Facts, OpError};
use llmhost_engine::registry::Registry;

pub use clients::{Aws, AwsSettings};

/// Adding a kind is one line here.
pub(crate) fn register(aws: Arc<Aws>) -> Registry {
    let registry = Registry::new(Arc::new(AwsFacts(Arc::clone(&aws))));
    registry
        .with(ec2::Vpc(Arc::clone(&aws)))
        .with(ec2::Subnet(Arc::clone(&aws)))
        .with(ec2::InternetGateway(Arc::clone(&aws)))
        .with(ec2::ElasticIp(Arc::clone(&aws)))
        .with(ec2::NatGateway(Arc::clone(&aws)))
        .with(ec2::RouteTable(Arc::clone(&aws)))
        .with(ec2::Route(Arc::clone(&aws)))
        .with(ec2::RouteTableAssociation(Arc::clone(&aws)))
        .with(ec2::GatewayEndpoint(Arc::clone(&aws)))
        .with(ec2::SecurityGroup(Arc::clone(&aws)))
        .with(ec2::SecurityGroupRule(Arc::clone(&aws)))
        .with(s3::Bucket(Arc::clone(&aws)))
        .with(s3::Folder(aws))
}

/// What only AWS can tell.
struct AwsFacts(Arc<Aws>);

#[async_trait]
impl Facts for AwsFacts {
    async fn look_up(&self, key: &str) -> Result<String, OpError> {
        match key.split_once('/') {
            Some(("ec2.availability-zone", index)) => ec2::availability_zone(&self.0, index).await,
            None if key == "sts.account-id" => sts::account_id(&self.0).await,
            _ => Err(OpError::local("look up", format!("this llmhost knows nothing of '{key}'"))),
        }
    }
}
