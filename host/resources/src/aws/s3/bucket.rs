//! `s3.bucket`

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration,
    ExpirationStatus, LifecycleExpiration, LifecycleRule as S3Rule, LifecycleRuleFilter, NoncurrentVersionExpiration,
    PublicAccessBlockConfiguration, ServerSideEncryption, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule, Tag, Tagging, VersioningConfiguration,
};
use aws_sdk_s3::types::{BucketLifecycleConfiguration, builders::LifecycleRuleBuilder};
use futures::FutureExt;
use llmhost_engine::byproduct::{Foreseen, Refusal};
use llmhost_engine::kind::{
    Created, DeclareContext, ErrorClass, Intent, Kind, Neighbours, Observed, OpError, Outputs, Permission, Progress,
    Scope,
};
use llmhost_engine::run::{ADDRESS_TAG, PIPELINE_TAG};
use llmhost_engine::unknown;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{empty, held, names};
use crate::aws::blank;
use crate::aws::clients::Aws;
use crate::aws::errors::{Operation, gone_is_none};
use crate::aws::limits;
use crate::aws::policy::Arns;
use crate::aws::tags::Tags;
use crate::aws::wait::{blocked, unused};

/// A bucket.
pub(in crate::aws) struct Bucket(pub(in crate::aws) Arc<Aws>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::aws) struct Spec {
    bucket: String,
    block_public_access: bool,
    encryption: Encryption,
    versioning: bool,
    lifecycle: Vec<LifecycleRule>,
    force_destroy: bool,
    tags: Tags,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Encryption {
    #[serde(alias = "S3Managed")]
    S3Managed,
    #[serde(alias = "Kms")]
    Kms(String),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct LifecycleRule {
    id: String,
    prefix: String,
    expire_after_days: Option<i32>,
    expire_noncurrent_after_days: Option<i32>,
    abort_multipart_after_days: Option<i32>,
}

impl LifecycleRule {
    fn check(&self) -> Result<(), String> {
        let days = [self.expire_after_days, self.expire_noncurrent_after_days, self.abort_multipart_after_days];
        if days.iter().all(Option::is_none) {
            return Err(format!("lifecycle rule '{}' does nothing; give it a number of days", self.id));
        }
        if days.iter().flatten().any(|&days| days < 1) {
            return Err(format!("lifecycle rule '{}' has a number of days below 1", self.id));
        }
        if !(1..=255).contains(&self.id.chars().count()) {
            return Err("a lifecycle rule's id must have 1 to 255 characters".to_owned());
        }
        if self.prefix.len() > limits::KEY_BYTES {
            let (bytes, most) = (self.prefix.len(), limits::KEY_BYTES);
            return Err(format!("lifecycle rule '{}' has a prefix of {bytes} bytes; S3 allows {most}", self.id));
        }
        Ok(())
    }

    fn to_s3(&self) -> Result<S3Rule, OpError> {
        let rule: LifecycleRuleBuilder = S3Rule::builder().id(&self.id).status(ExpirationStatus::Enabled);
        let expire = self.expire_after_days.map(|days| LifecycleExpiration::builder().days(days).build());
        let old = self.expire_noncurrent_after_days;
        let old = old.map(|days| NoncurrentVersionExpiration::builder().noncurrent_days(days).build());
        let abort = self.abort_multipart_after_days;
        let abort = abort.map(|days| AbortIncompleteMultipartUpload::builder().days_after_initiation(days).build());
        rule.filter(LifecycleRuleFilter::builder().prefix(&self.prefix).build())
            .set_expiration(expire)
            .set_noncurrent_version_expiration(old)
            .set_abort_incomplete_multipart_upload(abort)
            .build()
            .map_err(|error| OpError::local("s3:PutLifecycleConfiguration", error.to_string()))
    }

    fn from_s3(rule: &S3Rule) -> Self {
        #[allow(deprecated, reason = "rules made by older tools carry their prefix here")]
        let prefix = rule.filter().and_then(|filter| filter.prefix()).or(rule.prefix());
        Self {
            id: rule.id().unwrap_or_default().to_owned(),
            prefix: prefix.unwrap_or_default().to_owned(),
            expire_after_days: rule.expiration().and_then(LifecycleExpiration::days),
            expire_noncurrent_after_days: rule
                .noncurrent_version_expiration()
                .and_then(NoncurrentVersionExpiration::noncurrent_days),
            abort_multipart_after_days: rule
                .abort_incomplete_multipart_upload()
                .and_then(AbortIncompleteMultipartUpload::days_after_initiation),
        }
    }
}

impl Bucket {
    fn known(&self, name: &str) -> Outputs {
        let arn = format!("arn:{}:s3:::{name}", self.0.partition());
        [("bucket_name", name.to_owned()), ("arn", arn)]
            .map(|(key, value)| (key.to_owned(), Value::from(value)))
            .into_iter()
            .collect()
    }

    async fn all_tags(&self, bucket: &str) -> Result<Vec<Tag>, OpError> {
        let request = self.0.s3().await.get_bucket_tagging().bucket(bucket);
        let answer = gone_is_none(request.send().await.operation("s3:GetBucketTagging"))?;
        Ok(answer.map(|answer| answer.tag_set).unwrap_or_default())
    }

    async fn tags(&self, bucket: &str) -> Result<Tags, OpError> {
        let tags = self.all_tags(bucket).await?;
        Ok(Tags::observed(tags.iter().map(|tag| (Some(tag.key()), Some(tag.value())))))
    }

    /// Gives the bucket these tags instead of those that it had from here. S3 takes all of a bucket's tags at once, so
    /// those that others gave it, and AWS, are sent along.
    async fn put_tags(&self, bucket: &str, tags: &Tags, was: Option<&Tags>) -> Result<(), OpError> {
        let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
        let is_ours = |key: &str| tags.0.contains_key(key) || was.is_some_and(|was| was.0.contains_key(key));
        let others = self.all_tags(bucket).await?.into_iter().filter(|tag| !is_ours(tag.key())).map(Ok);
        let set = others.chain(tags.0.iter().map(tag)).collect::<Result<Vec<_>, _>>();
        let tagging = set.and_then(|set| Tagging::builder().set_tag_set(Some(set)).build());
        let tagging = tagging.map_err(|error| OpError::local("s3:PutBucketTagging", error.to_string()))?;
        let request = self.0.s3().await.put_bucket_tagging().bucket(bucket).tagging(tagging);
        request.send().await.operation("s3:PutBucketTagging").map(drop)
    }

    async fn put_public_access(&self, bucket: &str, block: bool) -> Result<(), OpError> {
        let s3 = self.0.s3().await;
        if !block {
            let request = s3.delete_public_access_block().bucket(bucket);
            return gone_is_none(request.send().await.operation("s3:DeletePublicAccessBlock")).map(drop);
        }
        let all = PublicAccessBlockConfiguration::builder().block_public_acls(true).ignore_public_acls(true);
        let all = all.block_public_policy(true).restrict_public_buckets(true).build();
        let request = s3.put_public_access_block().bucket(bucket).public_access_block_configuration(all);
        request.send().await.operation("s3:PutPublicAccessBlock").map(drop)
    }

    async fn put_encryption(&self, bucket: &str, encryption: &Encryption) -> Result<(), OpError> {
        let default = match encryption {
            Encryption::S3Managed => {
                ServerSideEncryptionByDefault::builder().sse_algorithm(ServerSideEncryption::Aes256)
            }
            Encryption::Kms(key) => ServerSideEncryptionByDefault::builder()
                .sse_algorithm(ServerSideEncryption::AwsKms)
                .kms_master_key_id(key),
        };
        let built = default.build().and_then(|default| {
            let kms = matches!(encryption, Encryption::Kms(_)).then_some(true);
            let rule = ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(default);
            ServerSideEncryptionConfiguration::builder().rules(rule.set_bucket_key_enabled(kms).build()).build()
        });
        let built = built.map_err(|error| OpError::local("s3:PutBucketEncryption", error.to_string()))?;
        let request = self.0.s3().await.put_bucket_encryption().bucket(bucket);
        let request = request.server_side_encryption_configuration(built);
        request.send().await.operation("s3:PutBucketEncryption").map(drop)
    }

    async fn put_versioning(&self, bucket: &str, on: bool) -> Result<(), OpError> {
        let status = if on { BucketVersioningStatus::Enabled } else { BucketVersioningStatus::Suspended };
        let request = self.0.s3().await.put_bucket_versioning().bucket(bucket);
        let request = request.versioning_configuration(VersioningConfiguration::builder().status(status).build());
        request.send().await.operation("s3:PutBucketVersioning").map(drop)
    }

    async fn put_lifecycle(&self, bucket: &str, rules: &[LifecycleRule]) -> Result<(), OpError> {
        let s3 = self.0.s3().await;
        if rules.is_empty() {
            let request = s3.delete_bucket_lifecycle().bucket(bucket);
            return gone_is_none(request.send().await.operation("s3:DeleteBucketLifecycle")).map(drop);
        }
        let rules = rules.iter().map(LifecycleRule::to_s3).collect::<Result<Vec<_>, _>>()?;
        let all = BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build();
        let all = all.map_err(|error| OpError::local("s3:PutLifecycleConfiguration", error.to_string()))?;
        let request = s3.put_bucket_lifecycle_configuration().bucket(bucket).lifecycle_configuration(all);
        request.send().await.operation("s3:PutLifecycleConfiguration").map(drop)
    }

    /// Whether nothing was ever done with it: neither tags nor objects.
    async fn is_bare(&self, bucket: &str, tags: &Tags) -> Result<bool, OpError> {
        if !tags.0.is_empty() {
            return Ok(false);
        }
        let request = self.0.s3().await.list_objects_v2().bucket(bucket).max_keys(1);
        Ok(request.send().await.operation("s3:ListBucket")?.contents().is_empty())
    }

    /// Why the bucket may not be deleted, where it is not this pipeline's any more. One that is bare is as
    /// its create left it.
    async fn foreign(&self, id: &str, spec: &Spec) -> Result<Option<OpError>, OpError> {
        if !self.exists(id).await? {
            return Ok(None);
        }
        let there = self.tags(id).await?;
        match spec.tags.own(&there, "s3:DeleteBucket", &format!("bucket '{id}'")) {
            Err(foreign) if !self.is_bare(id, &there).await? => Ok(Some(foreign)),
            _ => Ok(None),
        }
    }

    async fn exists(&self, bucket: &str) -> Result<bool, OpError> {
        let request = self.0.s3().await.head_bucket().bucket(bucket);
        Ok(gone_is_none(request.send().await.operation("s3:HeadBucket"))?.is_some())
    }

    /// Whether there is such a bucket and its owner is the caller, asked before it is made. Every
    /// other answer than that there is none keeps it from being made.
    async fn is_taken(&self, bucket: &str) -> Result<bool, OpError> {
        self.exists(bucket).await.map_err(|error| match error.class {
            // HEAD has no words: 403 is said of others' buckets, 301 and 400 of those in other regions.
            ErrorClass::Denied | ErrorClass::Invalid if error.code.is_none() && error.advice.is_none() => OpError {
                class: ErrorClass::Conflict,
                advice: Some(format!(
                    "S3 does not give a reason. The bucket {bucket} may exist in another account or region, or these \
                     credentials lack s3:ListBucket. Choose another name, or allow that action."
                )),
                ..error
            },
            // A question without an answer made nothing. These classes would leave that open.
            ErrorClass::Unreachable | ErrorClass::Service => {
                OpError { class: ErrorClass::Local, advice: Some(error.advice().to_owned()), ..error }
            }
            _ => error,
        })
    }
}

/// What S3 says of a bucket that is its caller's already, in most regions.
const OWNED: &str = "BucketAlreadyOwnedByYou";

/// A bucket of the user's own.
fn yours(bucket: &str) -> OpError {
    OpError {
        code: Some(OWNED.to_owned()),
        class: ErrorClass::Conflict,
        ..OpError::local("s3:CreateBucket", format!("the bucket {bucket} already exists in this account"))
    }
}

#[async_trait]
impl Kind for Bucket {
    type Spec = Spec;
    const NAME: &'static str = "s3.bucket";
    const ACTIONS: &'static [&'static str] = &[
        "s3:CreateBucket",
        "s3:ListBucket",
        "s3:GetBucketLocation",
        "s3:DeleteBucket",
        "s3:GetBucketTagging",
        "s3:PutBucketTagging",
        "s3:GetBucketPublicAccessBlock",
        "s3:PutBucketPublicAccessBlock",
        "s3:GetEncryptionConfiguration",
        "s3:PutEncryptionConfiguration",
        "s3:GetBucketVersioning",
        "s3:PutBucketVersioning",
        "s3:GetLifecycleConfiguration",
        "s3:PutLifecycleConfiguration",
        "s3:ListBucketVersions",
        "s3:ListBucketMultipartUploads",
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
        "s3:AbortMultipartUpload",
    ];
    const IMMUTABLE: &'static [&'static str] = &["bucket"];
    const UNIQUE: &'static [&'static str] = &["bucket"];
    const IDENTITIES: &'static [&'static str] = &["bucket_name", "arn"];

    fn permissions(&self, spec: &Spec, scope: &Scope<'_>) -> Vec<Permission> {
        let bucket = scope.bucket(&spec.bucket);
        let (objects, own): (Vec<&str>, Vec<&str>) =
            Self::ACTIONS.iter().partition(|action| action.contains("DeleteObject") || action.contains("Abort"));
        vec![Permission::new(&own, [bucket.clone()]), Permission::new(&objects, [format!("{bucket}/*")])]
    }

    fn complete(&self, spec: &mut Spec, context: &DeclareContext<'_>) -> Result<(), String> {
        if !unknown::is_unknown(&spec.bucket) {
            names::check(&spec.bucket)?;
        }
        spec.lifecycle.iter().try_for_each(LifecycleRule::check)?;
        if spec.lifecycle.len() > limits::LIFECYCLE_RULES {
            let (count, most) = (spec.lifecycle.len(), limits::LIFECYCLE_RULES);
            return Err(format!("the bucket has {count} lifecycle rules; S3 allows {most}"));
        }
        let ids: BTreeSet<&str> = spec.lifecycle.iter().map(|rule| rule.id.as_str()).collect();
        if ids.len() < spec.lifecycle.len() {
            return Err("two lifecycle rules have the same id".to_owned());
        }
        spec.lifecycle.sort_by(|one, other| one.id.cmp(&other.id));
        spec.tags.complete(context)
    }

    fn foreknown(&self, spec: &Spec) -> Outputs {
        if unknown::is_unknown(&spec.bucket) { Outputs::new() } else { self.known(&spec.bucket) }
    }

    fn id_of(&self, spec: &Spec) -> Option<String> {
        Some(spec.bucket.clone())
    }

    async fn create(&self, spec: &Spec, _: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
        // In us-east-1 S3 answers as if it had made a bucket that is its caller's already.
        if self.is_taken(&spec.bucket).await? {
            return Err(yours(&spec.bucket));
        }
        let region = &self.0.settings.region;
        // us-east-1 is where buckets are when nothing is said, and must not be said.
        let place = (region != "us-east-1").then(|| {
            let constraint = BucketLocationConstraint::from(region.as_str());
            CreateBucketConfiguration::builder().location_constraint(constraint).build()
        });
        let request = self.0.s3_once().await.create_bucket().bucket(&spec.bucket);
        request.set_create_bucket_configuration(place).send().await.operation("s3:CreateBucket")?;
        Ok(Created { id: spec.bucket.clone(), outputs: self.known(&spec.bucket) })
    }

    async fn configure(&self, id: &str, spec: &Spec, was: Option<&Spec>, _: &dyn Progress) -> Result<Outputs, OpError> {
        // Tags first: they say whose it is. Then the lock, before anything is put into it.
        if was.is_none_or(|was| was.tags != spec.tags) {
            self.put_tags(id, &spec.tags, was.map(|was| &was.tags)).await?;
        }
        if was.is_none_or(|was| was.block_public_access != spec.block_public_access) {
            self.put_public_access(id, spec.block_public_access).await?;
        }
        if was.is_none_or(|was| was.encryption != spec.encryption) {
            self.put_encryption(id, &spec.encryption).await?;
        }
        if was.map_or(spec.versioning, |was| was.versioning != spec.versioning) {
            self.put_versioning(id, spec.versioning).await?;
        }
        if was.map_or(!spec.lifecycle.is_empty(), |was| was.lifecycle != spec.lifecycle) {
            self.put_lifecycle(id, &spec.lifecycle).await?;
        }
        Ok(Outputs::new())
    }

    fn blank(&self, name: &str) -> Option<Spec> {
        blank(json!({
            "bucket": name, "block_public_access": false, "encryption": "S3Managed", "versioning": false, "lifecycle": [],
            "force_destroy": false, "tags": {},
        }))
    }

    async fn read(&self, id: &str, spec: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        if !self.exists(id).await? {
            return Ok(None);
        }
        let s3 = self.0.s3().await;
        let blocked = s3.get_public_access_block().bucket(id).send().await.operation("s3:GetPublicAccessBlock");
        let blocked = gone_is_none(blocked)?.and_then(|answer| answer.public_access_block_configuration);
        let blocked = blocked.is_some_and(|all| {
            [
                all.block_public_acls(),
                all.ignore_public_acls(),
                all.block_public_policy(),
                all.restrict_public_buckets(),
            ]
            .iter()
            .all(|part| *part == Some(true))
        });
        let encryption = s3.get_bucket_encryption().bucket(id).send().await.operation("s3:GetBucketEncryption");
        let encryption = gone_is_none(encryption)?.and_then(|answer| answer.server_side_encryption_configuration);
        let default = encryption.and_then(|all| all.rules.into_iter().next()?.apply_server_side_encryption_by_default);
        let encryption = match default {
            Some(by) if by.sse_algorithm() == &ServerSideEncryption::AwsKms => {
                Encryption::Kms(by.kms_master_key_id().unwrap_or_default().to_owned())
            }
            _ => Encryption::S3Managed,
        };
        let versioning = s3.get_bucket_versioning().bucket(id).send().await.operation("s3:GetBucketVersioning")?;
        let lifecycle = s3.get_bucket_lifecycle_configuration().bucket(id).send().await;
        let lifecycle = gone_is_none(lifecycle.operation("s3:GetLifecycleConfiguration"))?;
        let mut lifecycle = lifecycle.and_then(|answer| answer.rules).unwrap_or_default();
        lifecycle.sort_by(|one, other| one.id.cmp(&other.id));
        let seen = Spec {
            bucket: id.to_owned(),
            block_public_access: blocked,
            encryption,
            versioning: versioning.status() == Some(&BucketVersioningStatus::Enabled),
            lifecycle: lifecycle.iter().map(LifecycleRule::from_s3).collect(),
            force_destroy: spec.force_destroy,
            tags: self.tags(id).await?,
        };
        Ok(Some(Observed { spec: seen, outputs: self.known(id) }))
    }

    /// A bucket takes no token. It is this create's if its tags say so, or if it has no tags and
    /// nothing in it: then the create worked and nothing after it did.
    async fn find(&self, spec: &Spec, _: &Intent) -> Result<Option<Created>, OpError> {
        let name = &spec.bucket;
        let exists = match self.exists(name).await {
            // Somebody else's: their business.
            Err(error) if error.class == ErrorClass::Denied => return Ok(None),
            other => other?,
        };
        if !exists {
            return Ok(None);
        }
        let tags = self.tags(name).await?;
        let ours = [PIPELINE_TAG, ADDRESS_TAG].iter().all(|tag| tags.0.get(*tag) == spec.tags.0.get(*tag));
        let fresh = self.is_bare(name, &tags).await?;
        Ok((ours || fresh).then(|| Created { id: name.clone(), outputs: self.known(name) }))
    }

    async fn foresee(&self, id: &str, spec: &Spec, going: &dyn Neighbours) -> Result<Foreseen, OpError> {
        if let Some(foreign) = self.foreign(id, spec).await? {
            return Ok(Foreseen { refusal: Some(Refusal::Stays(foreign)), ..Foreseen::default() });
        }
        if spec.force_destroy {
            return Ok(Foreseen::default());
        }
        let held = held::held(&self.0, id, &held::of_folders(id, going)).await?;
        let refusal = (!held.is_nothing()).then(|| Refusal::Stays(held::refusal(id, held)));
        Ok(Foreseen { refusal, ..Foreseen::default() })
    }

    async fn delete(&self, id: &str, spec: &Spec, progress: &dyn Progress) -> Result<(), OpError> {
        if let Some(foreign) = self.foreign(id, spec).await? {
            return Err(foreign);
        }
        if spec.force_destroy {
            empty::empty(&self.0, id, progress).await?;
        }
        let s3 = self.0.s3().await;
        let deleted = unused(self.0.settings.wait, || {
            async move { s3.delete_bucket().bucket(id).send().await.operation("s3:DeleteBucket").map(drop) }.boxed()
        });
        match deleted.await {
            Err(error) if error.code.as_deref() == Some("BucketNotEmpty") => {
                let held = held::held(&self.0, id, &HashSet::new()).await.unwrap_or_default();
                Err(match (held.is_nothing(), spec.force_destroy) {
                    (true, _) => error,
                    (false, false) => held::refusal(id, held),
                    (false, true) => {
                        blocked(error, &[held.words()], "Another client writes to it: stop that client, and run again.")
                    }
                })
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifecycle_rule_has_what_s3_takes() {
        let rule = |id: usize, prefix: usize, days: Option<i32>| LifecycleRule {
            id: "i".repeat(id),
            prefix: "p".repeat(prefix),
            expire_after_days: days,
            expire_noncurrent_after_days: None,
            abort_multipart_after_days: None,
        };
        for (rule, wrong) in [
            (rule(255, 1024, Some(1)), None),
            (rule(256, 0, Some(1)), Some("1 to 255")),
            (rule(0, 0, Some(1)), Some("1 to 255")),
            (rule(1, 1025, Some(1)), Some("a prefix of 1025 bytes; S3 allows 1024")),
            (rule(1, 0, Some(0)), Some("below 1")),
            (rule(1, 0, None), Some("does nothing")),
        ] {
            let found = rule.check();
            match wrong {
                None => assert_eq!(found, Ok(()), "{rule:?}"),
                Some(words) => assert!(found.as_ref().is_err_and(|e| e.contains(words)), "{rule:?}: {found:?}"),
            }
        }
    }
}
