//! A bucket for logs, which go away by themselves.

use llmhost_plugin::{Failure, Options, Output, Outputs, Plugin, log, outputs, s3};

/// Where the logs go.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Name of the bucket.
    bucket: String,
    /// Days until a log is deleted.
    #[serde(default = "thirty")]
    #[schemars(range(min = 1))]
    keep_days: u32,
}

fn thirty() -> u32 {
    30
}

struct Logs;

impl Plugin for Logs {
    type Config = Config;
    const SUMMARY: &'static str = "A bucket for logs, which go away by themselves.";
    const OUTPUTS: &'static [Output] =
        &[Output::text("bucket", "Name of the bucket"), Output::text("arn", "ARN of the bucket")];

    fn run(config: Config) -> Result<Outputs, Failure> {
        let days = config.keep_days;
        let spec = s3::BucketSpec {
            bucket: config.bucket.clone(),
            block_public_access: true,
            encryption: s3::Encryption::S3Managed,
            versioning: false,
            lifecycle: vec![s3::LifecycleRule {
                id: "expire".to_owned(),
                prefix: String::new(),
                expire_after_days: Some(days),
                expire_noncurrent_after_days: None,
                abort_multipart_after_days: None,
            }],
            force_destroy: true,
            tags: vec![("made-with".to_owned(), "rust".to_owned())],
        };
        let bucket = s3::Bucket::declare("logs", &spec, &Options::default())?;
        log::write(log::Level::Info, &format!("logs go to {} and stay {days} days", config.bucket));
        Ok(outputs! { "bucket": bucket.bucket_name()?, "arn": bucket.arn()? })
    }
}

llmhost_plugin::export!(Logs);
