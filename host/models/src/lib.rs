//! Where models come from: a folder on this machine, or an `s3://` address that is fetched into a
//! cache of verified files.
//!
//! Files are kept by the SHA-256 of their content, so two models that share a tokenizer share the
//! file, and a fetch that was cut off goes on where it ended. Several processes may fetch the same
//! model at the same time: one does, the others wait for it.

mod address;
mod cache;
mod download;
mod error;
mod fetch;
mod manifest;
mod store;

pub use address::Address;
pub use cache::free as free_space;
pub use error::ModelError;
pub use fetch::{Fetch, Fetched, Progress};
pub use manifest::{MANIFEST, Manifest, ManifestFile};
pub use store::{Object, Sink, Store, StoreError};
