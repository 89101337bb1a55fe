//! Kubernetes: objects, applied on the server's side, in EKS clusters, any other cluster, or as
//! manifests in a folder.

mod clusters;
mod definitions;
pub(crate) mod drain;
mod errors;
mod folder;
mod interrupts;
pub(crate) mod made;
mod manifest;
pub(crate) mod names;
mod object;
mod quantities;
mod retries;
mod rollout;
mod token;
mod trouble;

pub(crate) use clusters::Clusters;
pub(crate) use definitions::lacks;
pub(crate) use object::Object;
pub use token::{ClusterToken, cluster_token};
