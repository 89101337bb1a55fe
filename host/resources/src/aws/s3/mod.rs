//! S3: buckets, folders uploaded into them, models fetched from them, and states kept in them.

mod bucket;
mod empty;
mod files;
mod folder;
mod globs;
mod held;
mod names;
mod objects;
mod state;
mod unfinished;
mod upload;

pub(super) use bucket::Bucket;
pub(super) use folder::Folder;
pub(crate) use objects::Objects;
pub use state::StateAddress;
pub(crate) use state::StateBucket;
