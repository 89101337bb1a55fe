//! Kubernetes: objects, applied on the server's side, in EKS clusters, any other cluster, or as
//! manifests in a folder.

mod clusters;
mod errors;
mod folder;
pub(crate) mod made;
mod manifest;
pub(crate) mod names;
mod object;
mod rollout;
mod token;

pub(crate) use clusters::Clusters;
pub(crate) use object::Object;
