//! The one place that makes AWS clients.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ec2::config::Credentials;
use tokio::sync::OnceCell;

use super::once::NotTwice;

/// How AWS is reached. Nothing is looked up before the first call.
#[derive(Clone)]
pub struct AwsSettings {
    /// Region of every call.
    pub region: String,
    /// Where calls go instead of to AWS.
    pub endpoint_url: Option<String>,
    /// Profile of the AWS configuration; the standard chain decides where it is absent.
    pub profile: Option<String>,
    /// An access key and its secret, for an emulator. Never those of a user.
    pub emulator_credentials: Option<(String, String)>,
    /// How long one attempt at a call may take. Uploads get ten times that.
    pub attempt_timeout: Duration,
    /// How long to wait for what AWS does in its own time: gateways that start, users of a
    /// resource that are still going away.
    pub wait: Duration,
}

impl Default for AwsSettings {
    fn default() -> Self {
        Self {
            region: String::new(),
            endpoint_url: None,
            profile: None,
            emulator_credentials: None,
            attempt_timeout: Duration::from_secs(30),
            wait: Duration::from_secs(600),
        }
    }
}

/// AWS clients, each made when it is first needed: a plan needs none.
pub struct Aws {
    pub(crate) settings: AwsSettings,
    shared: OnceCell<SdkConfig>,
    ec2: OnceCell<aws_sdk_ec2::Client>,
    ec2_once: OnceCell<aws_sdk_ec2::Client>,
    s3: OnceCell<aws_sdk_s3::Client>,
    sts: OnceCell<aws_sdk_sts::Client>,
}

impl Aws {
    /// Clients for these settings.
    pub fn new(settings: AwsSettings) -> Self {
        Self {
            settings,
            shared: OnceCell::new(),
            ec2: OnceCell::new(),
            ec2_once: OnceCell::new(),
            s3: OnceCell::new(),
            sts: OnceCell::new(),
        }
    }

    /// EC2.
    pub(crate) async fn ec2(&self) -> &aws_sdk_ec2::Client {
        self.ec2.get_or_init(|| async move { aws_sdk_ec2::Client::new(self.shared().await) }).await
    }

    /// EC2, for calls that make something and take no token: an attempt without an answer may have
    /// worked, and is not made again.
    pub(crate) async fn ec2_once(&self) -> &aws_sdk_ec2::Client {
        let make = || async move {
            let config = aws_sdk_ec2::config::Builder::from(self.shared().await).retry_classifier(NotTwice).build();
            aws_sdk_ec2::Client::from_conf(config)
        };
        self.ec2_once.get_or_init(make).await
    }

    /// S3.
    pub(crate) async fn s3(&self) -> &aws_sdk_s3::Client {
        let make = || async move {
            let timeouts = self.timeouts(self.settings.attempt_timeout * 10);
            let mut config = aws_sdk_s3::config::Builder::from(self.shared().await).timeout_config(timeouts);
            // A bucket's own host name means nothing to an emulator.
            config.set_force_path_style(self.settings.endpoint_url.as_ref().map(|_| true));
            aws_sdk_s3::Client::from_conf(config.build())
        };
        self.s3.get_or_init(make).await
    }

    /// STS.
    pub(crate) async fn sts(&self) -> &aws_sdk_sts::Client {
        self.sts.get_or_init(|| async move { aws_sdk_sts::Client::new(self.shared().await) }).await
    }

    async fn shared(&self) -> &SdkConfig {
        let load = || async move {
            let settings = &self.settings;
            let mut loader = aws_config::defaults(BehaviorVersion::latest())
                .region(Region::new(settings.region.clone()))
                .retry_config(RetryConfig::adaptive().with_max_attempts(5))
                .timeout_config(self.timeouts(settings.attempt_timeout));
            if let Some(url) = &settings.endpoint_url {
                loader = loader.endpoint_url(url);
            }
            if let Some(profile) = &settings.profile {
                loader = loader.profile_name(profile);
            }
            if let Some((key, secret)) = &settings.emulator_credentials {
                loader = loader.credentials_provider(Credentials::new(key, secret, None, None, "emulator"));
            }
            loader.load().await
        };
        self.shared.get_or_init(load).await
    }

    fn timeouts(&self, attempt: Duration) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5).min(attempt))
            .operation_attempt_timeout(attempt)
            .operation_timeout(attempt * 6)
            .build()
    }

    /// The partition of the region: `aws`, `aws-cn`, `aws-us-gov`.
    pub(crate) fn partition(&self) -> &'static str {
        match self.settings.region.as_str() {
            region if region.starts_with("cn-") => "aws-cn",
            region if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        }
    }
}
