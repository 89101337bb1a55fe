//! What a bucket holds that keeps it from being deleted.

use std::collections::HashSet;

use llmhost_engine::kind::{ErrorClass, Neighbours, OpError};

use crate::aws::clients::Aws;
use crate::aws::errors::{Operation, gone_is_none};

/// Beyond this many pages of 1,000, "more than" is as good as the number.
const PAGES: usize = 10;

/// What a bucket holds.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    objects: usize,
    older_versions: usize,
    delete_markers: usize,
    uploads: usize,
    /// Whether there is more than was counted.
    more: bool,
}

impl Held {
    pub(super) fn is_nothing(self) -> bool {
        // Unfinished uploads keep no bucket.
        self.objects + self.older_versions + self.delete_markers == 0
    }

    /// `3 objects, 2 older versions`
    pub(super) fn words(self) -> String {
        let count = |number: usize, one: &str, many: &str| match number {
            0 => None,
            1 => Some(format!("1 {one}")),
            _ => Some(format!("{number} {many}")),
        };
        let parts = [
            count(self.objects, "object", "objects"),
            count(self.older_versions, "older version", "older versions"),
            count(self.delete_markers, "delete marker", "delete markers"),
            count(self.uploads, "unfinished upload", "unfinished uploads"),
        ];
        let words = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
        if self.more { format!("more than {words}") } else { words }
    }
}

/// Counts what a bucket holds, `apart` from these keys where they have no older versions.
pub(super) async fn held(aws: &Aws, bucket: &str, apart: &HashSet<String>) -> Result<Held, OpError> {
    let s3 = aws.s3().await;
    let (mut held, mut key, mut version) = (Held::default(), None, None);
    for page in 0.. {
        let request = s3.list_object_versions().bucket(bucket).max_keys(1000);
        let request = request.set_key_marker(key).set_version_id_marker(version);
        let Some(found) = gone_is_none(request.send().await.operation("s3:ListBucketVersions"))? else {
            return Ok(Held::default());
        };
        for one in found.versions() {
            // A bucket that never had versions calls its only one null.
            let plain = matches!(one.version_id(), None | Some("null"));
            match one.is_latest() {
                Some(true) if plain && one.key().is_some_and(|key| apart.contains(key)) => {}
                Some(true) => held.objects += 1,
                _ => held.older_versions += 1,
            }
        }
        held.delete_markers += found.delete_markers().len();
        if found.is_truncated() != Some(true) || found.next_key_marker().is_none() {
            break;
        }
        if page + 1 == PAGES {
            held.more = true;
            break;
        }
        (key, version) = (found.next_key_marker, found.next_version_id_marker);
    }
    if !held.is_nothing() {
        let uploads = s3.list_multipart_uploads().bucket(bucket).send().await;
        held.uploads = uploads.map(|found| found.uploads().len()).unwrap_or_default();
    }
    Ok(held)
}

/// Keys that folders of the same pipeline put into a bucket, and take away before it goes.
pub(super) fn of_folders(bucket: &str, going: &dyn Neighbours) -> HashSet<String> {
    let folders = going.of_kind("s3.folder").into_iter().filter(|folder| folder.spec["bucket"] == bucket);
    let keys = folders.flat_map(|folder| {
        let prefix = folder.spec["prefix"].as_str().unwrap_or_default().to_owned();
        let files = folder.spec["files"].as_object().cloned().unwrap_or_default();
        files.into_iter().map(move |(name, _)| if prefix.is_empty() { name } else { format!("{prefix}/{name}") })
    });
    keys.collect()
}

/// The refusal of a bucket that is not empty.
pub(super) fn refusal(bucket: &str, held: Held) -> OpError {
    let words = held.words();
    OpError {
        operation: "s3:DeleteBucket".to_owned(),
        code: Some("BucketNotEmpty".to_owned()),
        message: format!("the bucket {bucket} contains {words}, and force_destroy is off"),
        request_id: None,
        class: ErrorClass::Conflict,
        advice: Some(format!(
            "Nothing in it was deleted. To delete all of it, set force_destroy = true, run, and destroy again; or empty it \
             yourself (versions as well): aws s3api list-object-versions --bucket {bucket}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_bucket_holds_is_said_in_words() {
        let held = Held { objects: 1, older_versions: 2, ..Held::default() };
        assert_eq!(held.words(), "1 object, 2 older versions");
        assert_eq!(Held { objects: 10_000, more: true, ..Held::default() }.words(), "more than 10000 objects");
        assert!(Held { uploads: 3, ..Held::default() }.is_nothing());
        let said = refusal("models", held);
        assert!(
            said.to_string().contains("BucketNotEmpty: the bucket models contains 1 object, 2 older versions"),
            "{said}"
        );
    }
}
