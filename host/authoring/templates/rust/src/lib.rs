//! A bucket for logs, which are deleted after some days.

use llmhost_plugin::{Failure, Options, Output, Outputs, Plugin, log, outputs, s3};

/// What is in the step's `with` table. These comments become the descriptions that users see.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Name of the bucket.
    bucket: String,
    /// Days until a log is deleted.
    #[serde(default = "month")]
    #[schemars(range(min = 1))]
    keep_days: u32,
}

fn month() -> u32 {
    30
}

struct Logs;

impl Plugin for Logs {
    type Config = Config;
    const SUMMARY: &'static str = "A bucket for logs, which are deleted after some days.";
    const OUTPUTS: &'static [Output] =
        &[Output::text("name", "Name of the bucket"), Output::text("arn", "ARN of the bucket")];

    fn run(config: Config) -> Result<Outputs, Failure> {
        let expire = s3::LifecycleRule {
            id: "expire".to_owned(),
            prefix: String::new(),
            expire_after_days: Some(config.keep_days),
            expire_noncurrent_after_days: None,
            abort_multipart_after_days: None,
        };
        let spec = s3::BucketSpec {
            bucket: config.bucket,
            block_public_access: true,
            encryption: s3::Encryption::S3Managed,
            versioning: false,
            lifecycle: vec![expire],
            force_destroy: false,
            tags: vec![],
        };
        // Says what should exist, and returns at once; reading an output waits until it does.
        let bucket = s3::Bucket::declare("logs", &spec, &Options::default())?;
        log::write(log::Level::Info, &format!("logs stay {} days", config.keep_days));
        Ok(outputs! { "name": bucket.bucket_name()?, "arn": bucket.arn()? })
    }
}

llmhost_plugin::export!(Logs);
