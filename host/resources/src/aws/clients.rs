//! The one place that makes AWS clients.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use llmhost_engine::kind::{ErrorClass, OpError};
use llmhost_engine::placement::Placement;
use llmhost_engine::secret::Secret;
use tokio::sync::{Mutex, OnceCell};

use super::once::{AfterOthers, NotTwice};
use super::policy::partition_of;
use super::retries::SayRetries;
use crate::kubernetes::Clusters;

/// How AWS is reached. Nothing is looked up before the first call.
#[derive(Clone)]
pub struct AwsSettings {
    /// Region of every call.
    pub region: String,
    /// Where calls go instead of to AWS.
    pub endpoint_url: Option<String>,
    /// Profile of the AWS configuration; the standard chain decides where it is absent.
    pub profile: Option<String>,
    /// The ARN of the role that is assumed with these credentials.
    pub assume_role: Option<String>,
    /// An access key and its secret in place of the standard chain of credentials.
    pub access_key: Option<(String, String)>,
    /// How long one attempt at a call may take. Uploads get ten times that.
    pub attempt_timeout: Duration,
    /// How long to wait for what AWS does in its own time: gateways that start, users of a
    /// resource that are still going away.
    pub wait: Duration,
    /// The longest that pods are waited for, whatever their step says: for a place where they start at
    /// once or never.
    pub rollout_wait: Option<Duration>,
    /// The pipeline's secrets, by name.
    pub secrets: BTreeMap<String, Secret>,
    /// Whether each secret has `emulated-NAME` for its value, and is not read: for a place that the
    /// real values are not meant for.
    pub placeholder_secrets: bool,
}

impl Default for AwsSettings {
    fn default() -> Self {
        Self {
            region: String::new(),
            endpoint_url: None,
            profile: None,
            assume_role: None,
            access_key: None,
            attempt_timeout: Duration::from_secs(30),
            wait: Duration::from_secs(600),
            rollout_wait: None,
            secrets: BTreeMap::new(),
            placeholder_secrets: false,
        }
    }
}

impl AwsSettings {
    /// The same for what a step makes elsewhere.
    #[must_use]
    pub fn at(&self, placement: &Placement) -> Self {
        let Placement { region, profile, assume_role } = placement;
        Self {
            region: region.clone().unwrap_or_else(|| self.region.clone()),
            profile: profile.clone().or_else(|| self.profile.clone()),
            assume_role: assume_role.clone().or_else(|| self.assume_role.clone()),
            ..self.clone()
        }
    }
}

/// What roles are assumed as: CloudTrail shows it.
const SESSION: &str = "llmhost";

/// The configuration of a service's clients: retries are said, and classified by what is given.
macro_rules! builder {
    ($service:ident, $shared:expr $(, $classifier:expr)*) => {
        $service::config::Builder::from($shared).interceptor(SayRetries)$(.retry_classifier($classifier))*
    };
}

/// A client with that configuration.
macro_rules! client {
    ($service:ident, $shared:expr $(, $classifier:expr)*) => {
        $service::Client::from_conf(builder!($service, $shared $(, $classifier)*).build())
    };
}

/// AWS clients, each made when it is first needed: a plan needs none.
pub struct Aws {
    pub(crate) settings: AwsSettings,
    shared: OnceCell<SdkConfig>,
    ec2: OnceCell<aws_sdk_ec2::Client>,
    ec2_once: OnceCell<aws_sdk_ec2::Client>,
    s3: OnceCell<aws_sdk_s3::Client>,
    s3_small: OnceCell<aws_sdk_s3::Client>,
    s3_once: OnceCell<aws_sdk_s3::Client>,
    sts: OnceCell<aws_sdk_sts::Client>,
    iam: OnceCell<aws_sdk_iam::Client>,
    iam_once: OnceCell<aws_sdk_iam::Client>,
    eks: OnceCell<aws_sdk_eks::Client>,
    eks_once: OnceCell<aws_sdk_eks::Client>,
    cloud_control: OnceCell<aws_sdk_cloudcontrol::Client>,
    quotas: OnceCell<aws_sdk_servicequotas::Client>,
    pub(crate) kubernetes: Clusters,
    /// Values of secrets that were read.
    pub(crate) secrets: Mutex<HashMap<String, String>>,
    /// The clients of the pipeline, where these are of a step's own placement.
    home: Option<Arc<Aws>>,
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
            s3_small: OnceCell::new(),
            s3_once: OnceCell::new(),
            sts: OnceCell::new(),
            iam: OnceCell::new(),
            iam_once: OnceCell::new(),
            eks: OnceCell::new(),
            eks_once: OnceCell::new(),
            cloud_control: OnceCell::new(),
            quotas: OnceCell::new(),
            kubernetes: Clusters::default(),
            secrets: Mutex::default(),
            home: None,
        }
    }

    /// Clients for what a step makes elsewhere.
    pub(crate) fn at(self: &Arc<Self>, placement: &Placement) -> Self {
        Self { home: Some(Arc::clone(self)), ..Self::new(self.settings.at(placement)) }
    }

    /// The clients of the pipeline: secrets are read with its credentials, wherever they are sent to.
    pub(crate) fn home(&self) -> &Self {
        self.home.as_deref().unwrap_or(self)
    }

    /// EC2.
    pub(crate) async fn ec2(&self) -> &aws_sdk_ec2::Client {
        self.ec2.get_or_init(|| async move { client!(aws_sdk_ec2, self.shared().await) }).await
    }

    /// EC2, for calls that make something and take no token: an attempt without an answer may have
    /// worked, and is not made again.
    pub(crate) async fn ec2_once(&self) -> &aws_sdk_ec2::Client {
        let make = || async move { client!(aws_sdk_ec2, self.shared().await, NotTwice) };
        self.ec2_once.get_or_init(make).await
    }

    /// S3, for objects of any size.
    pub(crate) async fn s3(&self) -> &aws_sdk_s3::Client {
        let make = || async move {
            aws_sdk_s3::Client::from_conf(self.s3_within(self.settings.attempt_timeout * 10).await.build())
        };
        self.s3.get_or_init(make).await
    }

    /// S3, for objects that are small.
    pub(crate) async fn s3_small(&self) -> &aws_sdk_s3::Client {
        let make = || async move {
            aws_sdk_s3::Client::from_conf(self.s3_within(self.settings.attempt_timeout).await.build())
        };
        self.s3_small.get_or_init(make).await
    }

    /// S3, for calls that make a bucket: as [`ec2_once`](Self::ec2_once).
    pub(crate) async fn s3_once(&self) -> &aws_sdk_s3::Client {
        let make = || async move {
            let config = self.s3_within(self.settings.attempt_timeout).await.retry_classifier(NotTwice);
            aws_sdk_s3::Client::from_conf(config.build())
        };
        self.s3_once.get_or_init(make).await
    }

    async fn s3_within(&self, attempt: Duration) -> aws_sdk_s3::config::Builder {
        let timeouts = self.timeouts(attempt);
        let mut config = builder!(aws_sdk_s3, self.shared().await).timeout_config(timeouts);
        // Only AWS itself has a host name for each bucket.
        config.set_force_path_style(self.endpoint().await.map(|_| true));
        config
    }

    /// STS.
    pub(crate) async fn sts(&self) -> &aws_sdk_sts::Client {
        self.sts.get_or_init(|| async move { client!(aws_sdk_sts, self.shared().await) }).await
    }

    /// IAM.
    pub(crate) async fn iam(&self) -> &aws_sdk_iam::Client {
        let make = || async move { client!(aws_sdk_iam, self.shared().await, AfterOthers) };
        self.iam.get_or_init(make).await
    }

    /// IAM, for calls that make something: as [`ec2_once`](Self::ec2_once).
    pub(crate) async fn iam_once(&self) -> &aws_sdk_iam::Client {
        let make = || async move { client!(aws_sdk_iam, self.shared().await, AfterOthers, NotTwice) };
        self.iam_once.get_or_init(make).await
    }

    /// EKS.
    pub(crate) async fn eks(&self) -> &aws_sdk_eks::Client {
        self.eks.get_or_init(|| async move { client!(aws_sdk_eks, self.shared().await) }).await
    }

    /// EKS, for calls that make something: as [`ec2_once`](Self::ec2_once).
    pub(crate) async fn eks_once(&self) -> &aws_sdk_eks::Client {
        let make = || async move { client!(aws_sdk_eks, self.shared().await, NotTwice) };
        self.eks_once.get_or_init(make).await
    }

    /// Cloud Control.
    pub(crate) async fn cloud_control(&self) -> &aws_sdk_cloudcontrol::Client {
        let make = || async move { client!(aws_sdk_cloudcontrol, self.shared().await) };
        self.cloud_control.get_or_init(make).await
    }

    /// Service Quotas.
    pub(crate) async fn quotas(&self) -> &aws_sdk_servicequotas::Client {
        self.quotas.get_or_init(|| async move { client!(aws_sdk_servicequotas, self.shared().await) }).await
    }

    /// Credentials for signing a request that no client makes.
    pub(crate) async fn credentials(&self, operation: &str) -> Result<Credentials, OpError> {
        let provider = self.shared().await.credentials_provider();
        let missing = |message: String| {
            let mut error = OpError::local(operation, message);
            error.class = ErrorClass::Denied;
            error
        };
        let provider = provider.ok_or_else(|| missing("there are no credentials".to_owned()))?;
        provider.provide_credentials().await.map_err(|error| {
            let message = super::errors::no_credentials(&error).unwrap_or_else(|| error.to_string());
            missing(message)
        })
    }

    /// Whether there are credentials; asks whoever gives them.
    pub async fn has_credentials(&self) -> bool {
        self.credentials("look for credentials").await.is_ok()
    }

    /// How long to wait for pods that may take so many minutes.
    pub(crate) fn rollout_patience(&self, minutes: u32) -> Duration {
        let patience = super::wait::minutes(minutes);
        self.settings.rollout_wait.map_or(patience, |longest| longest.min(patience))
    }

    async fn shared(&self) -> &SdkConfig {
        let load = || async move {
            let settings = &self.settings;
            let mut loader = aws_config::defaults(BehaviorVersion::latest())
                .region(Region::new(settings.region.clone()))
                // Adaptive: where a service throttles, all clients of it slow down together, and retries
                // are paid for out of one budget. More operations at a time are no more load then.
                .retry_config(RetryConfig::adaptive().with_max_attempts(6))
                .timeout_config(self.timeouts(settings.attempt_timeout));
            if let Some(url) = &settings.endpoint_url {
                loader = loader.endpoint_url(url);
            }
            if let Some(profile) = &settings.profile {
                loader = loader.profile_name(profile);
            }
            if let Some((key, secret)) = &settings.access_key {
                loader = loader.credentials_provider(Credentials::new(key, secret, None, None, "settings"));
            }
            let config = loader.load().await;
            let Some(role) = &settings.assume_role else { return config };
            let region = Region::new(settings.region.clone());
            let provider = AssumeRoleProvider::builder(role).session_name(SESSION).region(region).configure(&config);
            let provider = SharedCredentialsProvider::new(provider.build().await);
            config.into_builder().credentials_provider(provider).build()
        };
        self.shared.get_or_init(load).await
    }

    /// The address that calls go to where it is not the region's own: of the settings, or of the environment
    /// or the profile. The same address is always written the same.
    pub(crate) async fn endpoint(&self) -> Option<String> {
        let url = match &self.settings.endpoint_url {
            Some(url) => url.clone(),
            None => self.shared().await.endpoint_url()?.to_owned(),
        };
        Some(canonical(&url))
    }

    fn timeouts(&self, attempt: Duration) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5).min(attempt))
            .operation_attempt_timeout(attempt)
            .operation_timeout(attempt * 6)
            .build()
    }

    /// The partition of the region, as ARNs have it.
    pub(crate) fn partition(&self) -> &'static str {
        partition_of(&self.settings.region)
    }
}

/// Schemes and hosts are the same in any case, and a path that is empty is none.
fn canonical(url: &str) -> String {
    let url = url.trim().trim_end_matches('/');
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let (scheme, host) = (scheme.to_lowercase(), host.to_lowercase());
    let usual = if scheme == "https" { ":443" } else { ":80" };
    format!("{scheme}://{}{path}", host.strip_suffix(usual).unwrap_or(&host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_same_however_it_is_written() {
        for (one, other) in [
            ("http://127.0.0.1:9/", "http://127.0.0.1:9"),
            ("HTTPS://VPCE-1.example.com:443/", "https://vpce-1.example.com"),
            ("http://proxy:80/Aws", "http://proxy/Aws"),
        ] {
            assert_eq!(canonical(one), canonical(other));
        }
        assert_ne!(canonical("http://a:1"), canonical("http://a:2"));
        assert_ne!(canonical("http://a/Aws"), canonical("http://a/aws"));
    }
}
