//! S3: buckets, folders uploaded into them, and models fetched from them.

mod bucket;
mod empty;
mod files;
mod folder;
mod names;
mod objects;
mod upload;

pub(super) use bucket::Bucket;
pub(super) use folder::Folder;
pub(crate) use objects::Objects;
