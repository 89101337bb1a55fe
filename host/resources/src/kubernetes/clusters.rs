//! Clients of clusters, each made when it is first needed, and anew before its token ends.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use base64::Engine;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::discovery::{ApiCapabilities, ApiResource};
use kube::core::gvk::GroupVersionKind;
use kube::discovery::pinned_kind;
use kube::{Client, Config};
use llmhost_engine::kind::{ErrorClass, OpError};
use tokio::sync::Mutex;

use super::errors::Described;
use super::object::Target;
use super::retries::patient;
use super::token::token;
use crate::aws::{Aws, cluster_endpoint};

/// EKS's tokens live for fifteen minutes.
const FRESH: Duration = Duration::from_secs(10 * 60);

/// Every cluster that was spoken to.
#[derive(Default)]
pub(crate) struct Clusters {
    known: Mutex<HashMap<Target, Known>>,
    /// Clusters of EKS that are being deleted in this run, with all that is in them.
    going: std::sync::Mutex<HashSet<String>>,
}

struct Known {
    client: Client,
    since: Instant,
    kinds: HashMap<GroupVersionKind, (ApiResource, ApiCapabilities)>,
}

impl Clusters {
    /// A client for a cluster; nothing where the cluster is gone.
    pub(super) async fn client(&self, aws: &Aws, target: &Target) -> Result<Option<Client>, OpError> {
        let mut known = self.known.lock().await;
        if let Some(known) = known.get(target).filter(|known| known.since.elapsed() < FRESH) {
            return Ok(Some(known.client.clone()));
        }
        let Some(config) = config(aws, target).await? else {
            known.remove(target);
            return Ok(None);
        };
        let client = patient(Client::try_from(config).described("kube:connect")?);
        let kinds = known.remove(target).map(|old| old.kinds).unwrap_or_default();
        known.insert(target.clone(), Known { client: client.clone(), since: Instant::now(), kinds });
        Ok(Some(client))
    }

    /// Notes that a cluster of EKS goes, and all that is in it.
    pub(crate) fn goes(&self, name: &str) {
        self.going.lock().expect("no panic under this lock").insert(name.to_owned());
    }

    /// Whether a cluster of EKS goes in this run.
    pub(crate) fn is_going(&self, name: &str) -> bool {
        self.going.lock().expect("no panic under this lock").contains(name)
    }

    /// Forgets what is known of a cluster of EKS: another one gets its name.
    pub(crate) async fn forget(&self, name: &str) {
        self.known.lock().await.remove(&Target::Eks(name.to_owned()));
        self.going.lock().expect("no panic under this lock").remove(name);
    }

    /// What the cluster calls a kind of object, asked once.
    pub(super) async fn kind(
        &self,
        client: &Client,
        target: &Target,
        gvk: &GroupVersionKind,
    ) -> Result<(ApiResource, ApiCapabilities), OpError> {
        if let Some(found) = self.known.lock().await.get(target).and_then(|known| known.kinds.get(gvk)) {
            return Ok(found.clone());
        }
        let found = pinned_kind(client, gvk).await;
        let found = found.described("kube:discover").map_err(|error| unknown_kind(error, gvk))?;
        if let Some(known) = self.known.lock().await.get_mut(target) {
            known.kinds.insert(gvk.clone(), found.clone());
        }
        Ok(found)
    }
}

/// How the message begins where a cluster has no such kind.
const NO_KIND: &str = "the cluster has no ";

/// Whether an error says that the cluster has no such kind.
pub(super) fn is_unknown_kind(error: &OpError) -> bool {
    error.class == ErrorClass::Invalid && error.message.starts_with(NO_KIND)
}

/// Which kind it is that the cluster has not, and what would help.
fn unknown_kind(mut error: OpError, gvk: &GroupVersionKind) -> OpError {
    if matches!(error.class, ErrorClass::NotFound | ErrorClass::Local) || error.message.contains("Missing") {
        error.class = ErrorClass::Invalid;
        error.code = None;
        error.message = format!("{NO_KIND}{} of {}", gvk.kind, gvk.api_version());
        error.advice = Some(
            "Check apiVersion and kind. If it is a custom resource, declare its CustomResourceDefinition before \
             it."
            .to_owned(),
        );
    }
    error
}

async fn config(aws: &Aws, target: &Target) -> Result<Option<Config>, OpError> {
    let mut config = match target {
        Target::Eks(name) => eks(aws, name).await,
        Target::Kubeconfig(file) => kubeconfig(file.path.as_ref(), &file.context).await.map(Some),
        Target::Folder(_) => Err(OpError::local("kube:connect", "a folder is not a cluster")),
    };
    // The crate's own retries say nothing, and may last for hours.
    if let Ok(Some(config)) = &mut config {
        config.default_retry = false;
    }
    config
}

async fn eks(aws: &Aws, name: &str) -> Result<Option<Config>, OpError> {
    let operation = "kube:connect";
    let Some((endpoint, authority)) = cluster_endpoint(aws, name).await? else { return Ok(None) };
    let url = endpoint.parse::<http::Uri>();
    let url =
        url.map_err(|_| OpError::local(operation, format!("the cluster's endpoint '{endpoint}' is not an address")))?;
    // Without TLS the token would be anybody's.
    if url.scheme_str() != Some("https") {
        return Err(OpError::local(operation, format!("the cluster's endpoint '{endpoint}' is not https")));
    }
    let pem = base64::engine::general_purpose::STANDARD.decode(authority);
    let pem = pem.map_err(|_| OpError::local(operation, "the cluster's certificate authority is not base64"))?;
    let mut config = Config::new(url);
    config.root_cert = Some(certificates(&pem));
    config.auth_info.token = Some(token(aws, name).await?.into());
    config.connect_timeout = Some(Duration::from_secs(10));
    config.read_timeout = Some(aws.settings.attempt_timeout);
    config.write_timeout = Some(aws.settings.attempt_timeout);
    Ok(Some(config))
}

async fn kubeconfig(path: Option<&String>, context: &str) -> Result<Config, OpError> {
    let operation = "kube:connect";
    let wrong = |error: &dyn std::error::Error| {
        let mut error = OpError::local(operation, format!("cannot use the kubeconfig: {error}"));
        error.advice = Some("Check its path and the name of its context (kubectl config get-contexts).".to_owned());
        error
    };
    let file = match path {
        Some(path) => Kubeconfig::read_from(PathBuf::from(path)),
        None => Kubeconfig::read(),
    };
    let file = file.map_err(|error| wrong(&error))?;
    let options = KubeConfigOptions { context: Some(context.to_owned()), ..KubeConfigOptions::default() };
    Config::from_custom_kubeconfig(file, &options).await.map_err(|error| wrong(&error))
}

/// The certificates of a PEM file, in DER.
fn certificates(pem: &[u8]) -> Vec<Vec<u8>> {
    let text = String::from_utf8_lossy(pem);
    let blocks = text.split("-----BEGIN CERTIFICATE-----").skip(1);
    let bodies = blocks.filter_map(|block| block.split("-----END CERTIFICATE-----").next());
    let bare = bodies.map(|body| body.chars().filter(|c| !c.is_whitespace()).collect::<String>());
    bare.filter_map(|body| base64::engine::general_purpose::STANDARD.decode(body).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_that_the_cluster_does_not_have_is_known_by_its_error() {
        let gvk = GroupVersionKind::gvk("karpenter.sh", "v1", "NodePool");
        let error = unknown_kind(OpError::local("kube:discover", "Missing api group"), &gvk);
        assert!(is_unknown_kind(&error), "{error:?}");
        assert_eq!(error.message, "the cluster has no NodePool of karpenter.sh/v1");
        assert!(!is_unknown_kind(&OpError::local("kube:discover", "the cluster does not answer")));
    }
}
