//! The resources that llmhost can make: one file a kind.
//!
//! A kind knows its spec and the calls behind it. It knows nothing of graphs, plans or plugins.

mod aws;

use std::sync::Arc;

use llmhost_engine::registry::Registry;

pub use aws::{Aws, AwsSettings};

/// Every kind there is, made with these clients.
pub fn registry(aws: Arc<Aws>) -> Registry {
    aws::register(aws)
}
