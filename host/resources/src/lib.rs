//! The resources that llmhost can make: one file a kind.
//!
//! A kind knows its spec and the calls behind it. It knows nothing of graphs, plans or plugins.

mod aws;
mod inference;
mod kubernetes;
mod model_server;
mod prices;
mod secrets;
mod stand_ins;
mod usual;

use std::sync::Arc;

use llmhost_engine::registry::Registry;

pub use aws::ecr::{ecr_login, ecr_region};
pub use aws::limits::MANAGED_POLICY;
pub use aws::policy::{document as policy_document, is_for_destroy};
pub use aws::preflight::images::LABEL as IMAGE_LABEL;
pub use aws::preflight::{ACTIONS as PREFLIGHT_ACTIONS, Finding, Severity, preflight};
pub use aws::region::unknown as unknown_region;
pub use aws::s3::StateAddress;
pub use aws::{Aws, AwsSettings, call as aws_call, cluster_endpoint};
pub use kubernetes::{ClusterToken, cluster_token};
pub use model_server::ModelServer;
pub use prices::PriceList;
pub use secrets::{check as check_secrets, secret_value};
pub use stand_ins::StandIns;
pub use usual::{is_billed, usually};

/// A bucket as the store that models are fetched from.
pub fn model_store(aws: Arc<Aws>, bucket: &str) -> Arc<dyn llmhost_models::Store> {
    Arc::new(aws::s3::Objects { aws, bucket: bucket.to_owned() })
}

/// A folder of a bucket as a state is kept in it.
pub fn state_bucket(aws: Arc<Aws>, address: StateAddress) -> Arc<dyn llmhost_engine::state::Bucket> {
    Arc::new(aws::s3::StateBucket::new(aws, address))
}

/// The clusters of EKS that a resource's recorded spec or id names: a cluster itself, or what is in one.
pub fn cluster_of(kind: &str, id: &str, spec: &serde_json::Value) -> Option<String> {
    let name = match kind {
        "eks.cluster" => Some(id),
        "kube.object" => spec.pointer("/target/eks").and_then(serde_json::Value::as_str),
        _ => None,
    };
    name.map(str::to_owned)
}

/// Every kind there is, made with these clients; for steps of a placement of their own, with others.
pub fn registry(aws: Arc<Aws>) -> Registry {
    let home = Arc::clone(&aws);
    kinds(aws).with_elsewhere(move |placement| kinds(Arc::new(home.at(placement))))
}

fn kinds(aws: Arc<Aws>) -> Registry {
    inference::register(aws::register(Arc::clone(&aws)), &aws)
}
