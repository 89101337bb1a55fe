//! The `s3` plugin: a locked bucket for models, and folders uploaded into it.

use std::collections::BTreeMap;

use llmhost_plugin::{Failure, Names, Output, Outputs, Plugin, Which, invalid, outputs, s3, written};
use schemars::JsonSchema;
use serde::Deserialize;

/// A bucket for models.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the bucket: 3 to 63 lower-case letters, digits, hyphens and dots, unique in all of AWS.
    bucket: String,
    /// The bucket exists and belongs to somebody else: upload into it, and neither change nor delete it. Only upload is applied.
    #[serde(default)]
    existing: bool,
    /// Refuse every kind of public access.
    #[serde(default = "yes")]
    block_public_access: bool,
    /// Keep old versions of objects.
    #[serde(default = "yes")]
    versioning: bool,
    /// Encryption of objects: "s3" for S3's own keys, or { kms = "key id, ARN or alias" }.
    #[serde(default)]
    encryption: Encryption,
    /// When objects and leftovers go away by themselves. By default, unfinished uploads after 7 days.
    #[serde(default = "abort_uploads")]
    lifecycle: Vec<Lifecycle>,
    /// Delete the objects too when the bucket is destroyed.
    #[serde(default)]
    force_destroy: bool,
    /// Local folders to upload, beside the pipeline file.
    #[serde(default)]
    upload: Vec<Upload>,
    /// Tags for the bucket, on top of the pipeline's.
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

/// Encryption of objects.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(rename_all = "lowercase")]
enum Encryption {
    /// S3's own keys.
    #[default]
    S3,
    /// A KMS key: id, ARN or alias.
    Kms(String),
}

/// When objects go away by themselves.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Lifecycle {
    /// Name of the rule, unique in the bucket.
    id: String,
    /// Objects whose key starts with this; all by default.
    #[serde(default)]
    prefix: String,
    /// Delete objects after this number of days.
    #[schemars(range(min = 1))]
    expire_after_days: Option<u32>,
    /// Delete old versions after this number of days.
    #[schemars(range(min = 1))]
    expire_noncurrent_after_days: Option<u32>,
    /// Give up on unfinished uploads after this number of days.
    #[schemars(range(min = 1))]
    abort_multipart_after_days: Option<u32>,
}

/// A local folder to upload.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Upload {
    /// The folder; a relative path starts at the folder of the pipeline file.
    source: String,
    /// Key prefix of its objects, without slashes at the ends; each upload has its own.
    prefix: String,
    /// Files and folders that are not uploaded: ["*.tmp", ".git", "cache/**"]. * matches any characters of a name, ** any folders. A pattern without a slash is compared with names at any depth.
    #[serde(default)]
    exclude: Vec<String>,
}

fn yes() -> bool {
    true
}

fn abort_uploads() -> Vec<Lifecycle> {
    vec![Lifecycle {
        id: "abort-uploads".to_owned(),
        prefix: String::new(),
        expire_after_days: None,
        expire_noncurrent_after_days: None,
        abort_multipart_after_days: Some(7),
    }]
}

/// The plugin.
pub struct ModelBucket;

impl Plugin for ModelBucket {
    type Config = Config;
    const SUMMARY: &'static str = "A locked bucket for models, and local folders uploaded into it.";
    const OUTPUTS: &'static [Output] = &[
        Output::text("bucket", "Name of the bucket"),
        Output::text("arn", "ARN of the bucket"),
        Output::object("uris", "s3:// address of each uploaded folder, by its prefix"),
    ];

    fn run(config: Config) -> Result<Outputs, Failure> {
        let rule = |rule: Lifecycle| s3::LifecycleRule {
            id: rule.id,
            prefix: rule.prefix,
            expire_after_days: rule.expire_after_days,
            expire_noncurrent_after_days: rule.expire_noncurrent_after_days,
            abort_multipart_after_days: rule.abort_multipart_after_days,
        };
        let mut tags = config.tags;
        tags.entry("Name".to_owned()).or_insert_with(|| config.bucket.clone());
        let spec = s3::BucketSpec {
            bucket: config.bucket,
            block_public_access: config.block_public_access,
            encryption: match config.encryption {
                Encryption::S3 => s3::Encryption::S3Managed,
                Encryption::Kms(key) => s3::Encryption::Kms(key),
            },
            versioning: config.versioning,
            lifecycle: config.lifecycle.into_iter().map(rule).collect(),
            force_destroy: config.force_destroy,
            tags: tags.into_iter().collect(),
        };
        let (name, arn) = match config.existing {
            true => {
                let which = Which { name: Some(spec.bucket.clone()), ..Which::default() };
                let arn = s3::existing("bucket", &which, "arn")?.remove(0);
                (spec.bucket, arn)
            }
            false => {
                let bucket = s3::Bucket::declare("main", &spec, &Default::default())?;
                (bucket.bucket_name()?, bucket.arn()?)
            }
        };
        let mut folders = Vec::new();
        for ((resource, prefix), Upload { source, exclude, .. }) in
            names(&config.upload)?.into_iter().zip(config.upload)
        {
            let spec = s3::FolderSpec { bucket: name.clone(), prefix: prefix.clone(), source, exclude };
            folders.push((s3::Folder::declare(&resource, &spec, &Default::default())?, prefix));
        }
        let mut uris = Outputs::new();
        for (folder, prefix) in folders {
            uris.insert(prefix, folder.uri()?.into());
        }
        Ok(outputs! { "bucket": name, "arn": arn, "uris": uris })
    }
}

/// The name of each upload as a resource, and its prefix.
fn names(uploads: &[Upload]) -> Result<Vec<(String, String)>, Failure> {
    let (mut names, mut prefixes) = (Names::new("upload"), BTreeMap::new());
    let mut all = Vec::new();
    for (at, Upload { source, prefix, .. }) in uploads.iter().enumerate() {
        if let Some(first) = prefixes.insert(prefix, source) {
            return Err(invalid(format!(
                "upload: the folders '{first}' and '{source}' have the same prefix '{prefix}'; give each a prefix of its own"
            )));
        }
        let written = written(&format!("/upload/{at}/prefix"), prefix);
        let identity = if written.is_empty() { "root" } else { &written };
        all.push((names.take(identity, &format!("upload[{at}] ('{source}')"))?, prefix.clone()));
    }
    Ok(all)
}

llmhost_plugin::export!(ModelBucket);
