//! S3: buckets, and folders uploaded into them.

mod bucket;
mod empty;
mod files;
mod folder;
mod names;
mod upload;

pub(super) use bucket::Bucket;
pub(super) use folder::Folder;
