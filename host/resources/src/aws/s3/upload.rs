//! Sends files: small ones in one call, large ones in parts, each with its SHA-256.

use std::io::SeekFrom;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use futures::stream::{self, StreamExt, TryStreamExt};
use llmhost_engine::kind::{OpError, Progress};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::files::{File, hex};
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
    for upload in &large {
        job.in_parts(upload).await?;
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

    async fn in_parts(&self, upload: &Upload) -> Result<(), OpError> {
        let s3 = self.aws.s3().await;
        let operation = "s3:CreateMultipartUpload";
        let request = s3.create_multipart_upload().bucket(self.bucket).key(&upload.key);
        let request = request.checksum_algorithm(ChecksumAlgorithm::Sha256).metadata(SUM, &upload.file.sha256);
        let answer = request.content_type(content_type(&upload.path)).send().await.operation(operation)?;
        let id = answer.upload_id.ok_or_else(|| OpError::local(operation, "the answer names no upload"))?;
        let result = self.parts(upload, &id).await;
        if result.is_err() {
            // Parts of an upload that never ends are paid for. What cannot be given up here, the
            // bucket's lifecycle rule does.
            let request = s3.abort_multipart_upload().bucket(self.bucket).key(&upload.key).upload_id(&id);
            if let Err(error) = request.send().await.operation("s3:AbortMultipartUpload") {
                tracing::warn!(%error, key = upload.key, "an unfinished upload stays");
            }
        }
        result
    }

    async fn parts(&self, upload: &Upload, id: &str) -> Result<(), OpError> {
        // The file as a whole is checked while its parts are under way.
        let path = upload.path.clone();
        let whole = tokio::task::spawn_blocking(move || super::files::list_one(&path));
        let size = part_size(upload.file.size);
        let count = upload.file.size.div_ceil(size);
        let sends = (0..count).map(|number| self.part(upload, id, number, size));
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

    async fn part(&self, upload: &Upload, id: &str, number: u64, size: u64) -> Result<CompletedPart, OpError> {
        let start = number * size;
        let length = size.min(upload.file.size - start);
        let bytes = part(&upload.path, start, length).await?;
        let sum = base64(&Sha256::digest(&bytes));
        let number = i32::try_from(number + 1).unwrap_or(i32::MAX);
        let request = self.aws.s3().await.upload_part().bucket(self.bucket).key(&upload.key).upload_id(id);
        let request = request.part_number(number).checksum_sha256(&sum).body(ByteStream::from(bytes));
        let answer = request.send().await.operation("s3:UploadPart")?;
        self.sent(&upload.key, length);
        Ok(CompletedPart::builder().part_number(number).set_e_tag(answer.e_tag).checksum_sha256(sum).build())
    }

    fn sent(&self, key: &str, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.progress.report(&format!("sending {key}"), done, self.total);
    }
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
    error.advice = Some("Let it come to rest, and run again.".to_owned());
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
