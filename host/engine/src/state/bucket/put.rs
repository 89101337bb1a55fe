//! Conditional writes whose outcome is known.

use super::{Bucket, BucketError, Object, Only};
use crate::state::StateError;

/// How a write ended.
pub(super) enum Put {
    /// It is there, with this ETag.
    Done(String),
    /// Somebody else came before, with this; nothing where theirs is gone already.
    Refused(Option<Object>),
}

/// Writes an object on a condition. Where that fails over the very bytes that were to be written,
/// an earlier attempt at this write has worked, whose answer was lost: every object that is
/// written so holds something that only its writer can have written.
pub(super) async fn put(bucket: &dyn Bucket, key: &str, bytes: &[u8], only: Only<'_>) -> Result<Put, StateError> {
    if let Some(etag) = bucket.put(key, bytes, only).await.map_err(failed(bucket, "write", key))? {
        return Ok(Put::Done(etag));
    }
    match get(bucket, key).await? {
        Some(object) if object.bytes == bytes => Ok(Put::Done(object.etag)),
        other => Ok(Put::Refused(other)),
    }
}

/// An object, where there is one.
pub(super) async fn get(bucket: &dyn Bucket, key: &str) -> Result<Option<Object>, StateError> {
    Ok(bucket.get(key).await.map_err(failed(bucket, "read", key))?.object)
}

/// Names what was asked of the bucket.
pub(super) fn failed(bucket: &dyn Bucket, doing: &'static str, key: &str) -> impl FnOnce(BucketError) -> StateError {
    let path = bucket.address(key);
    move |error| StateError::Bucket { doing, path, error }
}
