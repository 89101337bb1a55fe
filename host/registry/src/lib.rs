//! Plugins from OCI registries and HTTPS servers, pipelines and Helm charts from OCI registries.
//!
//! An [`Address`] says where a plugin is. [`Plugins`] finds out which digest it has now, fetches what
//! is not in the [`Store`] yet, and refuses what `[trust]` does not allow. [`push`](push::push) publishes one, in the
//! layout that wkg and other tools for WebAssembly components use; [`push_pipeline`] a pipeline with its files. Nothing is taken without its digest being
//! checked, and nothing that is pinned and stored needs the network.

mod address;
mod charts;
mod client;
mod credentials;
mod digest;
mod error;
mod https;
mod images;
mod manifest;
mod pipelines;
mod plugins;
mod push;
mod retry;
mod signature;
mod store;

pub use address::{Address, HttpsAddress, OciAddress};
pub use credentials::{Credentials, credentials};
pub use digest::Digest;
pub use error::RegistryError;
pub use images::{Addition, Image, Login, image, push_image};
pub use pipelines::{MOST_FILES, PipelinePackage, push_pipeline};
pub use plugins::{Found, Plugins};
pub use push::{Package, Pushed, push};
pub use store::{MOST_BYTES, Store};
