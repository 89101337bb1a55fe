//! An OCI registry: tags, manifests and blobs.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use oci_client::client::{Client, ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::manifest::{OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE, OciDescriptor};
use oci_client::secrets::RegistryAuth;
use oci_client::{Reference, RegistryOperation};

use crate::error::{Asked, mismatch};
use crate::retry::patiently;
use crate::store::Draft;
use crate::{Digest, OciAddress, RegistryError, credentials};

/// How long a connection may take.
pub(crate) const CONNECT: Duration = Duration::from_secs(10);
/// How long a server may say nothing.
pub(crate) const SILENCE: Duration = Duration::from_secs(30);
/// How long a small question may take, all in all.
const QUESTION: Duration = Duration::from_secs(60);
/// How long a component may take, all in all.
pub(crate) const TRANSFER: Duration = Duration::from_secs(900);

/// One registry, with this user's credentials.
pub(crate) struct Registry {
    client: Client,
    auth: RegistryAuth,
    user: Option<String>,
}

impl Registry {
    /// Reads the credentials. Asks nothing yet.
    pub(crate) async fn new(address: &OciAddress) -> Result<Self, RegistryError> {
        let (auth, user) = credentials::of(address.host()).await?;
        Self::with(address, auth, user)
    }

    /// With credentials that were had elsewhere.
    pub(crate) fn with(address: &OciAddress, auth: RegistryAuth, user: Option<String>) -> Result<Self, RegistryError> {
        let protocol = if address.is_loopback() { ClientProtocol::Http } else { ClientProtocol::Https };
        let config = ClientConfig {
            protocol,
            connect_timeout: Some(CONNECT),
            read_timeout: Some(SILENCE),
            platform_resolver: None,
            user_agent: concat!("llmhost/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        let asked = Asked { host: address.host().to_owned(), name: address.name(), user: user.clone() };
        let client = Client::try_from(config).map_err(|error| asked.failed(error))?;
        Ok(Self { client, auth, user })
    }

    fn asked(&self, at: &Reference) -> Asked {
        let separator = if at.digest().is_some() { "@" } else { ":" };
        let version = at.digest().or(at.tag()).unwrap_or_default();
        let name = format!("{}/{}{separator}{version}", at.registry(), at.repository());
        Asked { host: at.registry().to_owned(), name, user: self.user.clone() }
    }

    /// Asks, with a time limit, and again where that may help.
    async fn ask<T, Answer: Future<Output = Result<T, OciDistributionError>>>(
        &self,
        at: &Reference,
        operation: RegistryOperation,
        limit: Duration,
        question: impl Fn() -> Answer,
    ) -> Result<T, RegistryError> {
        let asked = self.asked(at);
        let call = format!("registry {}", asked.host);
        patiently(&call, || async {
            let answer = async {
                // Otherwise the client goes on without credentials where they are refused.
                self.client.auth(at, &self.auth, operation).await?;
                question().await
            };
            match tokio::time::timeout(limit, answer).await {
                Ok(answer) => answer.map_err(|error| asked.failed(error)),
                Err(_) => Err(RegistryError::TimedOut { host: asked.host.clone(), seconds: limit.as_secs() }),
            }
        })
        .await
    }

    /// A manifest as it stands there, and its digest.
    pub(crate) async fn manifest(&self, at: &Reference) -> Result<(Bytes, Digest), RegistryError> {
        self.manifest_of(at, &[OCI_IMAGE_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE]).await
    }

    /// As [`manifest`](Self::manifest), of one of these types.
    pub(crate) async fn manifest_of(
        &self,
        at: &Reference,
        accepted: &[&str],
    ) -> Result<(Bytes, Digest), RegistryError> {
        let question = || self.client.pull_manifest_raw(at, &self.auth, accepted);
        let (bytes, _) = self.ask(at, RegistryOperation::Pull, QUESTION, question).await?;
        let digest = Digest::of(&bytes);
        match at.digest() {
            Some(expected) if expected != digest.to_string() => Err(RegistryError::WrongDigest {
                name: self.asked(at).name,
                expected: expected.to_owned(),
                actual: digest.to_string(),
            }),
            _ => Ok((bytes, digest)),
        }
    }

    /// Fetches a blob of at most so many bytes. The draft checks the digest.
    pub(crate) async fn blob(
        &self,
        at: &Reference,
        blob: &OciDescriptor,
        most: u64,
        to: impl Fn() -> Result<Draft, RegistryError>,
    ) -> Result<Draft, RegistryError> {
        let asked = self.asked(at);
        let late = || RegistryError::TimedOut { host: asked.host.clone(), seconds: TRANSFER.as_secs() };
        patiently(&format!("registry {}", asked.host), || async {
            let fetch = async {
                let question = || self.client.pull_blob_stream(at, blob);
                let mut stream = self.ask(at, RegistryOperation::Pull, QUESTION, question).await?.stream;
                let mut draft = to()?;
                while let Some(part) = stream.next().await {
                    let part = part.map_err(|error| asked.interrupted(error))?;
                    if draft.len() + part.len() as u64 > most {
                        return Err(RegistryError::TooLarge { name: asked.name.clone(), most });
                    }
                    draft.write(&part)?;
                }
                Ok(draft)
            };
            tokio::time::timeout(TRANSFER, fetch).await.unwrap_or_else(|_| Err(late()))
        })
        .await
    }

    /// A blob of at most so many bytes, checked against its digest.
    pub(crate) async fn blob_in_memory(
        &self,
        at: &Reference,
        blob: &OciDescriptor,
        most: u64,
    ) -> Result<Vec<u8>, RegistryError> {
        let asked = self.asked(at);
        let late = || RegistryError::TimedOut { host: asked.host.clone(), seconds: TRANSFER.as_secs() };
        let bytes = patiently(&format!("registry {}", asked.host), || async {
            let fetch = async {
                let question = || self.client.pull_blob_stream(at, blob);
                let mut stream = self.ask(at, RegistryOperation::Pull, QUESTION, question).await?.stream;
                let mut bytes = Vec::new();
                while let Some(part) = stream.next().await {
                    let part = part.map_err(|error| asked.interrupted(error))?;
                    if (bytes.len() + part.len()) as u64 > most {
                        return Err(RegistryError::TooLarge { name: asked.name.clone(), most });
                    }
                    bytes.extend_from_slice(&part);
                }
                Ok(bytes)
            };
            tokio::time::timeout(TRANSFER, fetch).await.unwrap_or_else(|_| Err(late()))
        })
        .await?;
        let digest = Digest::of(&bytes);
        match digest.to_string() == blob.digest {
            true => Ok(bytes),
            false => Err(RegistryError::WrongDigest {
                name: asked.name,
                expected: blob.digest.clone(),
                actual: digest.to_string(),
            }),
        }
    }

    /// Whether a blob is there already.
    pub(crate) async fn has_blob(&self, at: &Reference, digest: &str) -> Result<bool, RegistryError> {
        let question = || self.client.blob_exists(at, digest);
        self.ask(at, RegistryOperation::Push, QUESTION, question).await
    }

    /// Uploads a blob that is not there yet.
    pub(crate) async fn push_blob(&self, at: &Reference, bytes: &Bytes) -> Result<(), RegistryError> {
        let digest = Digest::of(bytes).to_string();
        let question = || async {
            if !self.client.blob_exists(at, &digest).await.unwrap_or(false) {
                self.client.push_blob(at, bytes.clone(), &digest).await?;
            }
            Ok(())
        };
        self.ask(at, RegistryOperation::Push, TRANSFER, question).await
    }

    /// Gives a manifest a tag.
    pub(crate) async fn push_manifest(&self, at: &Reference, manifest: &Bytes) -> Result<Digest, RegistryError> {
        let question = || async {
            let media_type = reqwest::header::HeaderValue::from_static(OCI_IMAGE_MEDIA_TYPE);
            self.client.push_manifest_raw(at, manifest.clone(), media_type).await
        };
        self.ask(at, RegistryOperation::Push, QUESTION, question).await?;
        // What stands there now, not what should.
        let (_, digest) = self.manifest(at).await?;
        let pushed = Digest::of(manifest);
        if digest == pushed { Ok(pushed) } else { Err(mismatch(&self.asked(at).name, &pushed, &digest)) }
    }
}
