//! Empties a bucket: every object, every version, every delete marker, every unfinished upload.

use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use llmhost_engine::kind::{OpError, Progress};

use crate::aws::clients::Aws;
use crate::aws::errors::{Operation, gone_is_none};

/// Deletes everything in a bucket. Of a bucket that is gone nothing is left.
pub(super) async fn empty(aws: &Aws, bucket: &str, progress: &dyn Progress) -> Result<(), OpError> {
    let s3 = aws.s3().await;
    let mut deleted = 0;
    loop {
        // From the start each time: what was listed is gone.
        let request = s3.list_object_versions().bucket(bucket).max_keys(1000);
        let Some(page) = gone_is_none(request.send().await.operation("s3:ListBucketVersions"))? else { return Ok(()) };
        let versions = page.versions().iter().map(|version| (version.key(), version.version_id()));
        let markers = page.delete_markers().iter().map(|marker| (marker.key(), marker.version_id()));
        let objects: Vec<_> = versions.chain(markers).filter_map(|(key, version)| identifier(key?, version)).collect();
        if objects.is_empty() {
            break;
        }
        deleted += objects.len() as u64;
        delete(aws, bucket, objects).await?;
        progress.report(&format!("{deleted} objects deleted"), 0, 0);
    }
    let uploads = s3.list_multipart_uploads().bucket(bucket).send().await.operation("s3:ListBucketMultipartUploads")?;
    for upload in uploads.uploads() {
        let request = s3.abort_multipart_upload().bucket(bucket).set_key(upload.key().map(str::to_owned));
        let request = request.set_upload_id(upload.upload_id().map(str::to_owned));
        gone_is_none(request.send().await.operation("s3:AbortMultipartUpload"))?;
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
            let key = error.key().unwrap_or_default();
            let mut failure = OpError::local(operation, format!("{key}: {}", error.message().unwrap_or_default()));
            failure.code = error.code().map(str::to_owned);
            failure.class = llmhost_engine::kind::ErrorClass::Denied;
            Err(failure)
        }
    }
}

/// Names an object, or one version of it.
pub(super) fn identifier(key: &str, version: Option<&str>) -> Option<ObjectIdentifier> {
    ObjectIdentifier::builder().key(key).set_version_id(version.map(str::to_owned)).build().ok()
}
