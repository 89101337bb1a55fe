//! Uploads in parts that did not end: found, gone on with, or given up.
//!
//! The parts of an upload that never ends are paid for and not seen. An upload belongs to a folder where its key is
//! that of one of the folder's files and its parts carry SHA-256 sums, as this host's do. Others are left alone.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{ChecksumAlgorithm, Part};
use llmhost_engine::kind::OpError;

use crate::aws::clients::Aws;
use crate::aws::errors::{Operation, gone_is_none};

/// An upload in parts that did not end.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Unfinished {
    pub(super) key: String,
    pub(super) id: String,
    initiated: Option<DateTime>,
}

impl Unfinished {
    /// One that was begun just now.
    pub(super) fn new(key: &str, id: String) -> Self {
        Self { key: key.to_owned(), id, initiated: None }
    }
}

/// A part that S3 has.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sent {
    pub(super) size: u64,
    pub(super) e_tag: Option<String>,
    /// SHA-256, base64.
    pub(super) sum: String,
}

/// Unfinished uploads with these keys, the newest of each key last. None of a bucket that is gone.
pub(super) async fn of(aws: &Aws, bucket: &str, keys: &BTreeSet<String>) -> Result<Vec<Unfinished>, OpError> {
    let operation = "s3:ListBucketMultipartUploads";
    let (mut found, mut key, mut id) = (Vec::new(), None, None);
    let prefix = common_prefix(keys);
    loop {
        let request = aws.s3().await.list_multipart_uploads().bucket(bucket).prefix(&prefix);
        let request = request.set_key_marker(key).set_upload_id_marker(id);
        let Some(page) = gone_is_none(request.send().await.operation(operation))? else { return Ok(Vec::new()) };
        for upload in page.uploads() {
            let (Some(key), Some(id)) = (upload.key(), upload.upload_id()) else { continue };
            let ours = matches!(upload.checksum_algorithm(), None | Some(ChecksumAlgorithm::Sha256));
            if ours && keys.contains(key) {
                let (key, id) = (key.to_owned(), id.to_owned());
                found.push(Unfinished { key, id, initiated: upload.initiated().copied() });
            }
        }
        if page.is_truncated() != Some(true) || page.next_key_marker().is_none() {
            break;
        }
        (key, id) = (page.next_key_marker, page.next_upload_id_marker);
    }
    let when = |upload: &Unfinished| upload.initiated.map(|time| (time.secs(), time.subsec_nanos()));
    found.sort_by(|one, other| (&one.key, when(one)).cmp(&(&other.key, when(other))));
    Ok(found)
}

/// Gives up an upload: S3 forgets its parts. One that is gone already is given up.
pub(super) async fn abort(aws: &Aws, bucket: &str, upload: &Unfinished) -> Result<(), OpError> {
    let request = aws.s3().await.abort_multipart_upload().bucket(bucket).key(&upload.key).upload_id(&upload.id);
    gone_is_none(request.send().await.operation("s3:AbortMultipartUpload")).map(drop)
}

/// Gives up all unfinished uploads with these keys.
pub(super) async fn abort_all(aws: &Aws, bucket: &str, keys: &BTreeSet<String>) -> Result<(), OpError> {
    if keys.is_empty() {
        return Ok(());
    }
    for upload in of(aws, bucket, keys).await? {
        abort(aws, bucket, &upload).await?;
    }
    Ok(())
}

/// The parts that S3 has of an upload, by number; nothing where the upload is gone, or where a part has no sum.
pub(super) async fn parts(
    aws: &Aws,
    bucket: &str,
    upload: &Unfinished,
) -> Result<Option<BTreeMap<i32, Sent>>, OpError> {
    let (mut all, mut marker) = (BTreeMap::new(), None);
    loop {
        let request = aws.s3().await.list_parts().bucket(bucket).key(&upload.key).upload_id(&upload.id);
        let answer = request.set_part_number_marker(marker).send().await.operation("s3:ListMultipartUploadParts");
        let Some(page) = gone_is_none(answer)? else { return Ok(None) };
        for part in page.parts() {
            let Some((number, sent)) = sent(part) else { return Ok(None) };
            all.insert(number, sent);
        }
        if page.is_truncated() != Some(true) || page.next_part_number_marker().is_none() {
            return Ok(Some(all));
        }
        marker = page.next_part_number_marker;
    }
}

fn sent(part: &Part) -> Option<(i32, Sent)> {
    let sum = part.checksum_sha256()?.to_owned();
    let size = part.size()?.unsigned_abs();
    Some((part.part_number()?, Sent { size, e_tag: part.e_tag().map(str::to_owned), sum }))
}

/// What all keys begin with.
fn common_prefix(keys: &BTreeSet<String>) -> String {
    let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return String::new() };
    // In a sorted set, what the first and the last have in common, all have.
    first.chars().zip(last.chars()).take_while(|(one, other)| one == other).map(|(one, _)| one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_keys_have_in_common_is_listed() {
        for (keys, prefix) in [
            (&["m/a", "m/b"][..], "m/"),
            (&["m/a"], "m/a"),
            (&["a", "b"], ""),
            (&[], ""),
            (&["é/a", "é/b", "é/aa"], "é/"),
        ] {
            let keys = keys.iter().map(|key| (*key).to_owned()).collect();
            assert_eq!(common_prefix(&keys), prefix, "{keys:?}");
        }
    }
}
