//! Sends files: small ones in one call, large ones in parts, each with its SHA-256. Parts that an interrupted run sent
//! are not sent again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::SeekFrom;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use futures::stream::{self, StreamExt, TryStreamExt};
use llmhost_engine::kind::{ErrorClass, OpError, Progress};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::files::{File, hex};
use super::unfinished::{self, Sent, Unfinished};
use crate::aws::clients::Aws;
use crate::aws::errors::Operation;

/// Metadata of an object: the SHA-256 of the whole file, hex. S3's own checksum of an object in
/// parts is one of the parts' checksums.
pub(super) const SUM: &str = "sha256";

/// Larger files are sent in parts.
const ONE_CALL: u64 = 8 << 20;
/// S3 takes no more parts than this.
const MOST_PARTS: u64 = 10_000;
/// Parts, or small files, under way at a time; each holds its bytes in memory.
const AT_A_TIME: usize = 4;

/// A file to send.
pub(super) struct Upload {
    pub(super) path: PathBuf,
    pub(super) key: String,
    pub(super) file: File,
}

/// Sends files to a bucket and says how far it is.
pub(super) async fn all(aws: &Aws, bucket: &str, uploads: Vec<Upload>, progress: &dyn Progress) -> Result<(), OpError> {
    let total = uploads.iter().map(|upload| upload.file.size).sum();
    let job = Job { aws, bucket, progress, total, done: AtomicU64::new(0) };
    let (large, small): (Vec<_>, Vec<_>) = uploads.into_iter().partition(|upload| upload.file.size > ONE_CALL);
    stream::iter(small.iter().map(Ok)).try_for_each_concurrent(AT_A_TIME, |upload| job.in_one_call(upload)).await?;
    let mut begun = job.begun(&large).await?;
    for upload in &large {
        job.in_parts(upload, begun.remove(&upload.key)).await?;
    }
    Ok(())
}

struct Job<'a> {
    aws: &'a Aws,
    bucket: &'a str,
    progress: &'a dyn Progress,
    total: u64,
    done: AtomicU64,
}

impl Job<'_> {
    async fn in_one_call(&self, upload: &Upload) -> Result<(), OpError> {
        let bytes = part(&upload.path, 0, upload.file.size).await?;
        let sum = Sha256::digest(&bytes);
        as_planned(upload, &hex(&sum))?;
        let request = self.aws.s3().await.put_object().bucket(self.bucket).key(&upload.key);
        let request = request.metadata(SUM, &upload.file.sha256).content_type(content_type(&upload.path));
        let request = request.checksum_sha256(base64(&sum)).body(ByteStream::from(bytes));
        request.send().await.operation("s3:PutObject")?;
        self.sent(&upload.key, upload.file.size);
        Ok(())
    }

    /// The upload that an interrupted run began, by key. Older ones are given up.
    async fn begun(&self, uploads: &[Upload]) -> Result<BTreeMap<String, Unfinished>, OpError> {
        let keys: BTreeSet<String> = uploads.iter().map(|upload| upload.key.clone()).collect();
        let mut begun = BTreeMap::new();
        if !keys.is_empty() {
            for upload in unfinished::of(self.aws, self.bucket, &keys).await? {
                if let Some(older) = begun.insert(upload.key.clone(), upload) {
                    unfinished::abort(self.aws, self.bucket, &older).await?;
                }
            }
        }
        Ok(begun)
    }

    async fn in_parts(&self, upload: &Upload, begun: Option<Unfinished>) -> Result<(), OpError> {
        if let Some(begun) = begun {
            if let Some(there) = self.usable(upload, &begun).await? {
                self.to_the_end(upload, &begun, &there).await?;
                // An upload's metadata shows only when it has ended: the file may have changed beyond the parts that were sent.
                let head = self.aws.s3().await.head_object().bucket(self.bucket).key(&upload.key);
                let object = head.send().await.operation("s3:HeadObject")?;
                if object.metadata().and_then(|all| all.get(SUM)) == Some(&upload.file.sha256) {
                    return Ok(());
                }
            } else {
                unfinished::abort(self.aws, self.bucket, &begun).await?;
            }
        }
        let operation = "s3:CreateMultipartUpload";
        let request = self.aws.s3().await.create_multipart_upload().bucket(self.bucket).key(&upload.key);
        let request = request.checksum_algorithm(ChecksumAlgorithm::Sha256).metadata(SUM, &upload.file.sha256);
        let answer = request.content_type(content_type(&upload.path)).send().await.operation(operation)?;
        let id = answer.upload_id.ok_or_else(|| OpError::local(operation, "the response has no upload id"))?;
        self.to_the_end(upload, &Unfinished::new(&upload.key, id), &BTreeMap::new()).await
    }

    /// The parts that were sent, where all of them are parts of the file as it is now.
    async fn usable(&self, upload: &Upload, begun: &Unfinished) -> Result<Option<BTreeMap<i32, Sent>>, OpError> {
        let Some(there) = unfinished::parts(self.aws, self.bucket, begun).await? else { return Ok(None) };
        let size = part_size(upload.file.size);
        if there.is_empty() {
            return Ok(None);
        }
        for (number, sent) in &there {
            let at = u64::from(number.unsigned_abs()).saturating_sub(1);
            let start = at * size;
            if start >= upload.file.size || sent.size != size.min(upload.file.size - start) {
                return Ok(None);
            }
            if base64(&Sha256::digest(&part(&upload.path, start, sent.size).await?)) != sent.sum {
                return Ok(None);
            }
        }
        Ok(Some(there))
    }

    /// Sends the parts that are missing and ends the upload, or gives it up where it can never end.
    async fn to_the_end(
        &self,
        upload: &Upload,
        begun: &Unfinished,
        there: &BTreeMap<i32, Sent>,
    ) -> Result<(), OpError> {
        let result = self.parts(upload, &begun.id, there).await;
        if let Err(error) = &result
            && !may_pass(error.class)
            && let Err(error) = unfinished::abort(self.aws, self.bucket, begun).await
        {
            // What cannot be given up here, the bucket's lifecycle rule does.
            tracing::warn!(%error, key = upload.key, "an unfinished upload is kept");
        }
        result
    }

    async fn parts(&self, upload: &Upload, id: &str, there: &BTreeMap<i32, Sent>) -> Result<(), OpError> {
        // The file as a whole is checked while its parts are under way.
        let path = upload.path.clone();
        let whole = tokio::task::spawn_blocking(move || super::files::list_one(&path));
        let size = part_size(upload.file.size);
        let count = upload.file.size.div_ceil(size);
        let sends = (0..count).map(|number| self.part(upload, id, number, size, there));
        let mut parts: Vec<CompletedPart> = stream::iter(sends).buffer_unordered(AT_A_TIME).try_collect().await?;
        parts.sort_by_key(|part| part.part_number);
        let whole = whole.await.unwrap_or_else(|_| Err("the file could not be read".to_owned()));
        let whole = whole.map_err(|reason| OpError::local("s3:UploadPart", reason))?;
        as_planned(upload, &whole.sha256)?;
        let all = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let request = self.aws.s3().await.complete_multipart_upload().bucket(self.bucket).key(&upload.key);
        let request = request.upload_id(id).multipart_upload(all);
        request.send().await.operation("s3:CompleteMultipartUpload").map(drop)
    }

    async fn part(
        &self,
        upload: &Upload,
        id: &str,
        number: u64,
        size: u64,
        there: &BTreeMap<i32, Sent>,
    ) -> Result<CompletedPart, OpError> {
        let start = number * size;
        let length = size.min(upload.file.size - start);
        let number = i32::try_from(number + 1).unwrap_or(i32::MAX);
        let done = CompletedPart::builder().part_number(number);
        if let Some(sent) = there.get(&number) {
            self.sent(&upload.key, length);
            return Ok(done.set_e_tag(sent.e_tag.clone()).checksum_sha256(&sent.sum).build());
        }
        let bytes = part(&upload.path, start, length).await?;
        let sum = base64(&Sha256::digest(&bytes));
        let request = self.aws.s3().await.upload_part().bucket(self.bucket).key(&upload.key).upload_id(id);
        let request = request.part_number(number).checksum_sha256(&sum).body(ByteStream::from(bytes));
        let answer = request.send().await.operation("s3:UploadPart")?;
        self.sent(&upload.key, length);
        Ok(done.set_e_tag(answer.e_tag).checksum_sha256(sum).build())
    }

    fn sent(&self, key: &str, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.progress.transferred(&format!("sending {key}"), done, self.total);
    }
}

/// Whether trouble of this kind may be over in the next run, which then goes on where this one stopped.
fn may_pass(class: ErrorClass) -> bool {
    use ErrorClass::{Expired, Service, Throttled, Unreachable};
    matches!(class, Expired | Service | Throttled | Unreachable)
}

/// 8 MiB, or as much more as keeps the number of parts within S3's limit.
fn part_size(size: u64) -> u64 {
    ONE_CALL.max(size.div_ceil(MOST_PARTS).next_multiple_of(1 << 20))
}

async fn part(path: &Path, start: u64, length: u64) -> Result<Vec<u8>, OpError> {
    let read = async {
        let mut file = tokio::fs::File::open(path).await?;
        file.seek(SeekFrom::Start(start)).await?;
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
        file.take(length).read_to_end(&mut bytes).await?;
        Ok::<_, std::io::Error>(bytes)
    };
    let bytes = read.await.map_err(|error| OpError::local("read", format!("{}: {error}", path.display())))?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err(changed(path)) }
}

fn as_planned(upload: &Upload, sum: &str) -> Result<(), OpError> {
    if sum == upload.file.sha256 { Ok(()) } else { Err(changed(&upload.path)) }
}

fn changed(path: &Path) -> OpError {
    let mut error = OpError::local("read", format!("{} changed after the plan was made", path.display()));
    error.advice = Some("Wait until it no longer changes, and run again.".to_owned());
    error
}

fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("json") => "application/json",
        Some("txt" | "md") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn base64(bytes: &[u8]) -> String {
    aws_smithy_types::base64::encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_of_8_mib_until_there_would_be_too_many() {
        for size in [ONE_CALL + 1, 100 << 20, 70 << 30, 500 << 30, 5 << 40] {
            let part = part_size(size);
            assert!(part >= ONE_CALL && size.div_ceil(part) <= MOST_PARTS, "{size}: {part}");
        }
        assert_eq!(part_size(100 << 20), ONE_CALL);
    }
}
