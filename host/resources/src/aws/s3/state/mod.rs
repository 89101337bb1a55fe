//! A folder of a bucket as a state is kept in it. What is read is the newest, and what is written
//! is written on a condition: that is S3's own promise, and all that the engine asks for.

mod address;
mod clock;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use futures::{StreamExt, TryStreamExt};
use llmhost_engine::kind::{ErrorClass, OpError};
use llmhost_engine::state::{Answer, Bucket, BucketError, Object, Only};

use crate::aws::clients::Aws;
use crate::aws::errors::Operation;
pub use address::StateAddress;
use clock::Clock;

/// S3 deletes this many objects in one call.
const MOST_KEYS: usize = 1000;
/// An answer that breaks off in its middle is asked for again so often.
const READS: u32 = 3;
/// As is a write that met another one: S3 answers those with a conflict.
const WRITES: u32 = 6;
const PAUSE: Duration = Duration::from_millis(100);

/// A folder of a bucket.
pub(crate) struct StateBucket {
    aws: Arc<Aws>,
    address: StateAddress,
}

impl StateBucket {
    pub(crate) fn new(aws: Arc<Aws>, address: StateAddress) -> Self {
        Self { aws, address }
    }

    fn key(&self, key: &str) -> String {
        match self.address.prefix() {
            "" => key.to_owned(),
            prefix => format!("{prefix}/{key}"),
        }
    }

    fn error(&self, error: &OpError) -> BucketError {
        let bucket = self.address.bucket();
        let code = error.code.as_deref().unwrap_or_default();
        let advice = match code {
            "NoSuchBucket" => {
                format!(
                    "Create the bucket {bucket} first, private and encrypted, or choose another place with --state."
                )
            }
            "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" => format!(
                "The bucket is in another region than the pipeline; add the region: {}?region=REGION",
                self.address.without_region()
            ),
            "NotImplemented" => {
                "This store does not support conditional writes; a state needs S3, or a store that supports them."
                    .to_owned()
            }
            // A message that names an action has better advice, as has a call that was never sent.
            _ if is_bare_denial(error) => format!(
                "The state needs s3:GetObject, s3:PutObject and s3:DeleteObject on {}, and s3:ListBucket on {}: without the last \
                 one, S3 reports missing objects as 'denied'.",
                self.address.objects_arn(self.aws.partition()),
                self.address.bucket_arn(self.aws.partition()),
            ),
            _ => error.advice().to_owned(),
        };
        BucketError { message: error.to_string(), advice }
    }

    async fn whole(&self, output: GetObjectOutput, now: Option<std::time::SystemTime>) -> Result<Answer, OpError> {
        let etag = output.e_tag.clone().unwrap_or_default();
        let written = output.last_modified.and_then(|time| std::time::SystemTime::try_from(time).ok());
        let body = output.body.collect().await.map_err(|error| OpError {
            class: ErrorClass::Unreachable,
            ..OpError::local("s3:GetObject", format!("the response ended early: {error}"))
        })?;
        Ok(Answer { object: Some(Object { bytes: body.to_vec(), etag, written }), now })
    }
}

/// Whether S3 said 'denied' and not what is missing.
fn is_bare_denial(error: &OpError) -> bool {
    let named = error.message.contains("not authorized to perform");
    error.class == ErrorClass::Denied
        && (error.advice.is_none() || (error.code.as_deref() == Some("AccessDenied") && !named))
}

#[async_trait]
impl Bucket for StateBucket {
    fn address(&self, key: &str) -> String {
        match self.key(key).trim_end_matches('/') {
            "" => format!("s3://{}", self.address.bucket()),
            key => format!("s3://{}/{key}", self.address.bucket()),
        }
    }

    async fn get(&self, key: &str) -> Result<Answer, BucketError> {
        let mut reads = 0;
        loop {
            reads += 1;
            let clock = Clock::default();
            let request = self.aws.s3_small().await.get_object().bucket(self.address.bucket()).key(self.key(key));
            let answer = request.customize().interceptor(clock.clone()).send().await;
            if matches!(&answer, Err(SdkError::ServiceError(error)) if error.err().is_no_such_key()) {
                return Ok(Answer { object: None, now: clock.time() });
            }
            let output = answer.operation("s3:GetObject").map_err(|error| self.error(&error))?;
            match self.whole(output, clock.time()).await {
                Ok(answer) => return Ok(answer),
                Err(_) if reads < READS => tokio::time::sleep(PAUSE).await,
                Err(error) => return Err(self.error(&error)),
            }
        }
    }

    async fn put(&self, key: &str, bytes: &[u8], only: Only<'_>) -> Result<Option<String>, BucketError> {
        let mut writes = 0;
        loop {
            writes += 1;
            let request = self.aws.s3_small().await.put_object().bucket(self.address.bucket()).key(self.key(key));
            let request = request.content_type("application/json").body(ByteStream::from(bytes.to_vec()));
            let request = match only {
                Only::New => request.if_none_match("*"),
                Only::Over(etag) => request.if_match(etag),
            };
            let answer = request.send().await;
            match answer.as_ref().err().and_then(ProvideErrorMetadata::code) {
                // The last: there is nothing to write over.
                Some("PreconditionFailed" | "NoSuchKey") => return Ok(None),
                Some("ConditionalRequestConflict") if writes < WRITES => {
                    tokio::time::sleep(PAUSE * writes).await;
                    continue;
                }
                _ => {}
            }
            let output = answer.operation("s3:PutObject").map_err(|error| self.error(&error))?;
            return Ok(Some(output.e_tag.unwrap_or_default()));
        }
    }

    async fn keys(&self, start: &str) -> Result<Vec<String>, BucketError> {
        let (start, strip) = (self.key(start), self.key("").len());
        let request = self.aws.s3_small().await.list_objects_v2().bucket(self.address.bucket()).prefix(start);
        let mut pages = request.into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.operation("s3:ListObjectsV2").map_err(|error| self.error(&error))?;
            let found = page.contents.into_iter().flatten().filter_map(|object| object.key);
            keys.extend(found.filter_map(|key| key.get(strip..).map(str::to_owned)));
        }
        Ok(keys)
    }

    async fn delete(&self, keys: &[String]) -> Result<(), BucketError> {
        let calls: Vec<Vec<String>> = keys.chunks(MOST_KEYS).map(<[String]>::to_vec).collect();
        futures::stream::iter(calls).map(Ok).try_for_each(|keys| self.delete_some(keys)).await
    }
}

impl StateBucket {
    async fn delete_some(&self, keys: Vec<String>) -> Result<(), BucketError> {
        let wrong = |error: aws_smithy_types::error::operation::BuildError| {
            self.error(&OpError::local("s3:DeleteObjects", error.to_string()))
        };
        let objects = keys.iter().map(|key| ObjectIdentifier::builder().key(self.key(key)).build());
        let objects = objects.collect::<Result<Vec<_>, _>>().map_err(wrong)?;
        let delete = Delete::builder().set_objects(Some(objects)).quiet(true).build().map_err(wrong)?;
        let request = self.aws.s3_small().await.delete_objects().bucket(self.address.bucket()).delete(delete);
        let answer = request.send().await.operation("s3:DeleteObjects").map_err(|error| self.error(&error))?;
        match answer.errors().first() {
            None => Ok(()),
            Some(first) => {
                let message = first.message().unwrap_or("it does not say why").to_owned();
                let code = first.code().map(str::to_owned);
                Err(self.error(&OpError { code, ..OpError::local("s3:DeleteObjects", message) }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::clients::AwsSettings;

    #[test]
    fn a_denial_without_words_says_what_a_state_needs() {
        let settings = AwsSettings { region: "us-east-1".to_owned(), ..AwsSettings::default() };
        let address = "s3://states/a".parse().expect("an address");
        let bucket = StateBucket::new(Arc::new(Aws::new(settings)), address);
        let named = "User: u is not authorized to perform: s3:PutObject on resource: arn:aws:s3:::states/a";
        for (message, advice, part) in [
            ("Access Denied", Some("Allow s3:GetObject."), "s3:ListBucket on arn:aws:s3:::states"),
            ("HTTP status 403", None, "s3:ListBucket on arn:aws:s3:::states"),
            (named, Some("Allow s3:PutObject."), "Allow s3:PutObject."),
        ] {
            let error = OpError {
                class: ErrorClass::Denied,
                code: Some("AccessDenied".to_owned()),
                advice: advice.map(str::to_owned),
                ..OpError::local("s3:GetObject", message)
            };
            let said = bucket.error(&error).advice;
            assert!(said.contains(part), "{message}: {said}");
        }
    }
}
