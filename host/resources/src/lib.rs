//! The resources that llmhost can make: one file a kind.
//!
//! A kind knows its spec and the calls behind it. It knows nothing of graphs, plans or plugins.

mod aws;
mod kubernetes;

use std::sync::Arc;

use llmhost_engine::registry::Registry;

pub use aws::policy::{document as policy_document, is_for_destroy};
pub use aws::preflight::{ACTIONS as PREFLIGHT_ACTIONS, Finding, Severity, preflight};
pub use aws::{Aws, AwsSettings};

/// Every kind there is, made with these clients.
pub fn registry(aws: Arc<Aws>) -> Registry {
    aws::register(aws)
}
