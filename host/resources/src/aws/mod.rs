//! AWS: clients, errors, tags, and the kinds of resources of each service.

mod budget;
mod clients;
mod cloud_control;
mod codes;
mod ec2;
pub(crate) mod ecr;
mod eks;
mod elb;
mod errors;
mod forms;
mod iam;
pub(crate) mod limits;
mod once;
pub(crate) mod policy;
pub(crate) mod preflight;
pub(crate) mod region;
mod request;
mod retries;
pub(crate) mod s3;
mod set;
pub(crate) mod signed;
mod sts;
mod sweep;
pub(crate) mod tags;
mod wait;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use llmhost_engine::kind::{Facts, OpError, Outputs, Sampled};
use llmhost_engine::registry::Registry;
use llmhost_engine::state::State;
use llmhost_engine::world::{Hints, World};
use serde_json::Value;

pub(crate) use budget::jittered;
pub use clients::{Aws, AwsSettings};
pub use request::call;
pub(crate) use wait::{is_passing, until};

/// Outputs, all of them text.
pub(crate) fn outputs<'a>(all: impl IntoIterator<Item = (&'a str, &'a str)>) -> Outputs {
    all.into_iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect()
}

/// A spec that says nothing but which resource is meant ([`llmhost_engine::kind::Kind::blank`]).
pub(crate) fn blank<S: serde::de::DeserializeOwned>(spec: Value) -> Option<S> {
    serde_json::from_value(spec).ok()
}

/// Endpoint and certificate authority (base64) of a cluster; nothing where it is gone.
pub async fn cluster_endpoint(aws: &Aws, name: &str) -> Result<Option<(String, String)>, OpError> {
    eks::endpoint(aws, name).await
}

/// Adding a kind is one line here.
pub(crate) fn register(aws: Arc<Aws>) -> Registry {
    let registry = Registry::new(Arc::new(AwsFacts(Arc::clone(&aws))));
    registry
        .with_check("aws-resource-types", cloud_control::ResourceTypes)
        .with(ec2::Vpc(Arc::clone(&aws)))
        .with(ec2::VpcCidrBlock(Arc::clone(&aws)))
        .with(ec2::Subnet(Arc::clone(&aws)))
        .with(ec2::InternetGateway(Arc::clone(&aws)))
        .with(ec2::EgressOnlyInternetGateway(Arc::clone(&aws)))
        .with(ec2::ElasticIp(Arc::clone(&aws)))
        .with(ec2::NatGateway(Arc::clone(&aws)))
        .with(ec2::RouteTable(Arc::clone(&aws)))
        .with(ec2::Route(Arc::clone(&aws)))
        .with(ec2::RouteTableAssociation(Arc::clone(&aws)))
        .with(ec2::GatewayEndpoint(Arc::clone(&aws)))
        .with(ec2::InterfaceEndpoint(Arc::clone(&aws)))
        .with(ec2::SecurityGroup(Arc::clone(&aws)))
        .with(ec2::SecurityGroupRule(Arc::clone(&aws)))
        .with(ec2::LaunchTemplate(Arc::clone(&aws)))
        .with(ec2::PlacementGroup(Arc::clone(&aws)))
        .with(s3::Bucket(Arc::clone(&aws)))
        .with(s3::Folder(Arc::clone(&aws)))
        .with(iam::Role(Arc::clone(&aws)))
        .with(iam::Policy(Arc::clone(&aws)))
        .with(iam::InstanceProfile(Arc::clone(&aws)))
        .with(iam::OidcProvider(Arc::clone(&aws)))
        .with(eks::Cluster(Arc::clone(&aws)))
        .with(eks::AccessEntry(Arc::clone(&aws)))
        .with(eks::Addon(Arc::clone(&aws)))
        .with(eks::NodeGroup(Arc::clone(&aws)))
        .with(eks::FargateProfile(Arc::clone(&aws)))
        .with(eks::PodIdentityAssociation(Arc::clone(&aws)))
        .with(cloud_control::Entity(Arc::clone(&aws)))
        .with(request::Call(Arc::clone(&aws)))
        .with(crate::kubernetes::Object(aws))
}

/// What only AWS can tell.
struct AwsFacts(Arc<Aws>);

#[async_trait]
impl Facts for AwsFacts {
    async fn look_up(&self, key: &str) -> Result<String, OpError> {
        self.look_up_beside(key, &BTreeSet::new()).await
    }

    async fn look_up_beside(&self, key: &str, others: &BTreeSet<String>) -> Result<String, OpError> {
        match key.split_once('/') {
            Some(("ec2.availability-zone", index)) => ec2::availability_zone(&self.0, index, others).await,
            Some(("ec2.zone-name", id)) => ec2::zone_name(&self.0, id).await,
            None if key == "eks.newest-version" => eks::newest_version(&self.0).await,
            None if key == "sts.account-id" => sts::account_id(&self.0).await,
            _ => Err(OpError::local("look up", format!("this llmhost does not know '{key}'"))),
        }
    }

    async fn world(&self) -> World {
        World {
            account: None,
            partition: self.0.partition().to_owned(),
            region: self.0.settings.region.clone(),
            endpoint: self.0.endpoint().await,
        }
    }

    fn told_by(&self, state: &State) -> Hints {
        region::told_by(state)
    }

    fn is_locked(&self, key: &str) -> bool {
        key == "eks.newest-version"
    }

    fn sample(&self, key: &str, sampled: &Sampled<'_>) -> Option<String> {
        match key.split_once('/') {
            Some(("ec2.availability-zone", index)) => {
                let letter =
                    index.parse().ok().and_then(|index: u8| b'a'.checked_add(index)).filter(u8::is_ascii_lowercase);
                Some(format!("{}{}", sampled.scope.region, char::from(letter?)))
            }
            Some(("ec2.zone-name", id)) => {
                let number = id.bytes().last().filter(u8::is_ascii_digit).map_or(0, |digit| digit - b'0');
                Some(format!("{}{}", sampled.scope.region, char::from(b'a' + number.saturating_sub(1))))
            }
            None if key == "eks.newest-version" => Some(eks::SAMPLE_VERSION.to_owned()),
            None if key == "sts.account-id" => Some(sampled.scope.account.to_owned()),
            _ => None,
        }
    }

    fn actions(&self, key: &str) -> &'static [&'static str] {
        match key.split_once('/').map_or(key, |(fact, _)| fact) {
            "ec2.availability-zone" | "ec2.zone-name" => &["ec2:DescribeAvailabilityZones"],
            "eks.newest-version" => &["eks:DescribeClusterVersions"],
            _ => &[],
        }
    }
}
