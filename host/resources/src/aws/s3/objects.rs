//! A bucket as models are fetched from it.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use llmhost_engine::kind::{ErrorClass, OpError};
use llmhost_models::{Object, Sink, Store, StoreError};

use crate::aws::clients::Aws;
use crate::aws::errors::Operation;

/// A bucket's objects.
pub(crate) struct Objects {
    pub(crate) aws: Arc<Aws>,
    pub(crate) bucket: String,
}

fn store_error(error: OpError) -> StoreError {
    StoreError {
        is_passing: matches!(error.class, ErrorClass::Throttled | ErrorClass::Service | ErrorClass::Unreachable),
        has_changed: error.code.as_deref() == Some("PreconditionFailed"),
        message: error.to_string(),
    }
}

#[async_trait]
impl Store for Objects {
    async fn list(&self, prefix: &str) -> Result<Vec<Object>, StoreError> {
        let request = self.aws.s3().await.list_objects_v2().bucket(&self.bucket).prefix(prefix);
        let mut pages = request.into_paginator().send();
        let mut all = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.operation("s3:ListObjectsV2").map_err(store_error)?;
            all.extend(page.contents.into_iter().flatten().filter_map(|object| {
                let size = u64::try_from(object.size?).ok()?;
                Some(Object { key: object.key?, size, etag: object.e_tag.unwrap_or_default() })
            }));
        }
        Ok(all)
    }

    async fn read(&self, object: &Object, range: Range<u64>, sink: &mut Sink<'_>) -> Result<(), StoreError> {
        if range.is_empty() {
            return Ok(());
        }
        let request = self.aws.s3().await.get_object().bucket(&self.bucket).key(&object.key).if_match(&object.etag);
        let request = request.range(format!("bytes={}-{}", range.start, range.end - 1));
        let mut body = request.send().await.operation("s3:GetObject").map_err(store_error)?.body;
        let broken = |message: String| StoreError { message, is_passing: true, has_changed: false };
        while let Some(piece) =
            body.try_next().await.map_err(|error| broken(format!("the response ended early: {error}")))?
        {
            sink(&piece).map_err(|error| StoreError { is_passing: false, ..broken(error.to_string()) })?;
        }
        Ok(())
    }
}
