//! The state in a bucket that a team shares, kept by conditional writes alone.
//!
//! | key | what |
//! |---|---|
//! | `state.json` | the snapshot, replaced only over the one that was read |
//! | `journal/SERIAL-NUMBER.jsonl` | segments of the journal, each made only where there is none |
//! | `lease.json` | who may begin anything, renewed only over the one that was written |
//! | `history/SERIAL.json` | the last snapshots before this one |
//!
//! A write that somebody else came before is refused by the bucket, so nothing is ever overwritten.
//! The lease keeps two runs from working at the same time; it says nothing about writes that are
//! late. Those are fenced: whoever takes a state over that was not given back puts a segment of
//! their own next into the journal, and then a new snapshot. From then on every write of the one
//! before them is refused: of a segment, because its number is taken, of a snapshot, because it is
//! not the one that they read. Such a fence is never removed: nobody knows how late a write can be.
//!
//! What the bucket is, this does not know: [`Bucket`] is a trait.

mod adopt;
mod clock;
mod contents;
mod keeper;
mod lease;
mod put;
mod segments;
mod store;
mod take;

use std::time::SystemTime;

use async_trait::async_trait;

use lease::Lease;
pub use lease::Shown;
pub use store::{BucketStore, LeaseSettings};

/// A folder of a bucket: keys are below it.
#[async_trait]
pub trait Bucket: Send + Sync + 'static {
    /// How a key is called when something is said of it: `s3://bucket/prefix/state.json`. Of the
    /// empty key, the folder itself.
    fn address(&self, key: &str) -> String;

    /// An object, whole and as of now.
    async fn get(&self, key: &str) -> Result<Answer, BucketError>;

    /// Writes an object where the condition holds, durably, and gives its ETag; nothing where the
    /// condition does not hold. After an attempt that was not answered another may be made, so a
    /// condition may fail because of what this very call wrote.
    async fn put(&self, key: &str, bytes: &[u8], only: Only<'_>) -> Result<Option<String>, BucketError>;

    /// Every key that begins so, as of now.
    async fn keys(&self, start: &str) -> Result<Vec<String>, BucketError>;

    /// Deletes objects; it does not mind those that are gone.
    async fn delete(&self, keys: &[String]) -> Result<(), BucketError>;
}

/// What a bucket answers.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// The object, where there is one.
    pub object: Option<Object>,
    /// What time the server has.
    pub now: Option<SystemTime>,
}

/// An object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// All of it.
    pub bytes: Vec<u8>,
    /// Its ETag, as the bucket writes it.
    pub etag: String,
    /// When it was written, by the server's time.
    pub written: Option<SystemTime>,
}

/// On which condition an object is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Only<'a> {
    /// There is none.
    New,
    /// The one that is there has this ETag.
    Over(&'a str),
}

/// What a bucket says when it does not do as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BucketError {
    /// What went wrong.
    pub message: String,
    /// What to do about it.
    pub advice: String,
}
