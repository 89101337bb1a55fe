//! Empties a bucket: every object, every version, every delete marker, every unfinished upload.

use aws_sdk_s3::types::{Delete, MultipartUpload, ObjectIdentifier};
use futures::stream::{self, FuturesUnordered, StreamExt, TryStreamExt};
use futures::{FutureExt, TryFutureExt};
use llmhost_engine::kind::{ErrorClass, OpError, Progress};

use crate::aws::clients::Aws;
use crate::aws::codes::{advice, by_code};
use crate::aws::errors::{Operation, gone_is_none};

/// How many batches of 1,000 objects are deleted at a time.
const AT_ONCE: usize = 8;
/// Who writes faster than this deletes is not to be outrun.
const ROUNDS: usize = 10;

/// Deletes everything in a bucket. Of a bucket that is gone nothing is left.
pub(super) async fn empty(aws: &Aws, bucket: &str, progress: &dyn Progress) -> Result<(), OpError> {
    let mut deleted = 0;
    // Once more from the start each time: who wrote meanwhile is found then.
    for _ in 0..ROUNDS {
        let (before, mut running, mut at) = (deleted, FuturesUnordered::new(), Some((None, None)));
        loop {
            // Listing goes on while batches are being deleted, and no further ahead than these.
            if running.len() < AT_ONCE
                && let Some(place) = at.take()
            {
                let Some((objects, next)) = gone_is_none(page(aws, bucket, place).await)? else { return Ok(()) };
                at = next;
                if !objects.is_empty() {
                    let count = objects.len() as u64;
                    running.push(delete(aws, bucket, objects).map_ok(move |()| count).boxed());
                }
            } else if let Some(count) = running.try_next().await? {
                deleted += count;
                progress.report(&format!("{deleted} objects deleted"), 0, 0);
            } else {
                break;
            }
        }
        if deleted == before {
            break;
        }
    }
    abort_uploads(aws, bucket).await
}

type Place = (Option<String>, Option<String>);

/// A page of versions and delete markers, and where the next one begins.
async fn page(
    aws: &Aws,
    bucket: &str,
    (key, version): Place,
) -> Result<(Vec<ObjectIdentifier>, Option<Place>), OpError> {
    let request = aws.s3().await.list_object_versions().bucket(bucket).max_keys(1000);
    let request = request.set_key_marker(key).set_version_id_marker(version);
    let page = request.send().await.operation("s3:ListBucketVersions")?;
    let versions = page.versions().iter().map(|version| (version.key(), version.version_id()));
    let markers = page.delete_markers().iter().map(|marker| (marker.key(), marker.version_id()));
    let objects = versions.chain(markers).filter_map(|(key, version)| identifier(key?, version)).collect();
    let more = page.is_truncated() == Some(true) && page.next_key_marker().is_some();
    let next = (page.next_key_marker().map(str::to_owned), page.next_version_id_marker().map(str::to_owned));
    Ok((objects, more.then_some(next)))
}

async fn abort_uploads(aws: &Aws, bucket: &str) -> Result<(), OpError> {
    let s3 = aws.s3().await;
    for _ in 0..ROUNDS {
        let listed = s3.list_multipart_uploads().bucket(bucket).send().await.operation("s3:ListBucketMultipartUploads");
        let Some(listed) = gone_is_none(listed)? else { return Ok(()) };
        let abort = |upload: MultipartUpload| async move {
            let request =
                s3.abort_multipart_upload().bucket(bucket).set_key(upload.key).set_upload_id(upload.upload_id);
            gone_is_none(request.send().await.operation("s3:AbortMultipartUpload")).map(drop)
        };
        let more = listed.is_truncated() == Some(true);
        let uploads = listed.uploads.unwrap_or_default();
        stream::iter(uploads).map(abort).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        if !more {
            return Ok(());
        }
    }
    Ok(())
}

/// Deletes up to 1,000 objects in one call.
pub(super) async fn delete(aws: &Aws, bucket: &str, objects: Vec<ObjectIdentifier>) -> Result<(), OpError> {
    let operation = "s3:DeleteObjects";
    let all = Delete::builder().set_objects(Some(objects)).quiet(true).build();
    let all = all.map_err(|error| OpError::local(operation, error.to_string()))?;
    let answer = aws.s3().await.delete_objects().bucket(bucket).delete(all).send().await.operation(operation)?;
    match answer.errors().first() {
        None => Ok(()),
        Some(error) => {
            let (key, code) = (error.key().unwrap_or_default(), error.code());
            let message = error.message().unwrap_or_default();
            let class = code.map_or(ErrorClass::Denied, |code| by_code(code, None));
            let mut failure = OpError::local(operation, format!("{key}: {message}"));
            failure.advice = advice(code, class, "s3:DeleteObject", message);
            failure.code = code.map(str::to_owned);
            failure.class = class;
            Err(failure)
        }
    }
}

/// Names an object, or one version of it.
pub(super) fn identifier(key: &str, version: Option<&str>) -> Option<ObjectIdentifier> {
    ObjectIdentifier::builder().key(key).set_version_id(version.map(str::to_owned)).build().ok()
}
