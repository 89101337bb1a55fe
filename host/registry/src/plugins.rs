//! Finding and fetching plugins.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use llmhost_engine::pipeline::Trust;
use oci_client::manifest::OciDescriptor;
use tokio::sync::Mutex;

use crate::client::Registry;
use crate::error::{UNPINNED, mismatch};
use crate::manifest::Manifest;
use crate::store::MOST_BYTES;
use crate::{Address, Digest, HttpsAddress, OciAddress, RegistryError, Store, https, pipelines, signature};

/// Fetches plugins into the store.
pub struct Plugins {
    store: Store,
    trust: Trust,
    registries: Mutex<HashMap<String, Arc<Registry>>>,
}

/// A plugin of which is known what it is; its bytes may be elsewhere still.
#[derive(Debug, Clone)]
pub struct Found {
    source: Source,
    /// What pins it: the digest of its manifest in a registry, of the component otherwise.
    pub pin: Digest,
    /// Digest of the component.
    pub component: Digest,
    /// Why the tag could not be asked for, where the digest is the one of the lock file.
    pub not_asked: Option<RegistryError>,
}

#[derive(Debug, Clone)]
enum Source {
    Oci(OciAddress, Manifest),
    Https(HttpsAddress),
}

impl Plugins {
    /// Keeps what it fetches in the store of this cache folder.
    pub fn new(cache: Option<&Path>, trust: Trust) -> Self {
        Self { store: Store::in_cache(cache), trust, registries: Mutex::default() }
    }

    /// Finds out which digests a plugin has. A pinned one that is stored is found without the network. Where a tag
    /// cannot be asked for, the `locked` digest counts, if it is stored.
    pub async fn find(&self, address: &Address, locked: Option<Digest>) -> Result<Found, RegistryError> {
        let oci = match address {
            Address::Oci(oci) => oci,
            Address::Https(https) => {
                let (pin, source) = (https.digest, Source::Https(https.clone()));
                return Ok(Found { source, pin, component: pin, not_asked: None });
            }
        };
        if let Some(pin) = oci.digest {
            return self.pinned(oci, pin).await;
        }
        let asked = match self.registry(oci).await {
            Ok(registry) => registry.manifest(&oci.at_tag()).await,
            Err(error) => Err(error),
        };
        match asked {
            Ok((bytes, pin)) => {
                let found = found(oci, pin, &bytes)?;
                self.store.write(&pin, &bytes)?;
                Ok(found)
            }
            Err(error) => match locked.map(|pin| self.stored(oci, pin)).transpose()?.flatten() {
                Some(found) => Ok(Found { not_asked: Some(error), ..found }),
                None => Err(error),
            },
        }
    }

    /// The component and where it is stored, checked against its digest and against `[trust]`. Fetched where it is not
    /// stored.
    pub async fn component(&self, found: &Found) -> Result<(PathBuf, Vec<u8>), RegistryError> {
        let (path, bytes) = self.fetched(found).await?;
        if let Some(trusted) = self.trust.of(&found.name()) {
            let text = self.signature(found).await?;
            signature::check(&found.shown(), &trusted, text.as_deref(), &bytes)?;
        }
        Ok((path, bytes))
    }

    /// Where the component is stored, if nothing has to be read to trust it.
    pub fn stored_component(&self, found: &Found) -> Option<PathBuf> {
        let path = self.store.path(&found.component).ok()?;
        (self.trust.of(&found.name()).is_none() && path.exists()).then_some(path)
    }

    /// The fingerprint of the key that a component of a registry is signed with, whether it is trusted or not.
    pub fn signer(&self, found: &Found, component: &[u8]) -> Option<String> {
        match &found.source {
            Source::Oci(_, manifest) => signature::signer(manifest.signature.as_ref()?, component),
            Source::Https(_) => None,
        }
    }

    async fn fetched(&self, found: &Found) -> Result<(PathBuf, Vec<u8>), RegistryError> {
        let path = self.store.path(&found.component)?;
        if let Some(bytes) = self.store.read(&found.component)? {
            return Ok((path, bytes));
        }
        match &found.source {
            Source::Oci(oci, manifest) => {
                let at = oci.at(&found.pin);
                let draft = || self.store.draft();
                let draft = self.registry(oci).await?.blob(&at, &manifest.layer, MOST_BYTES, draft).await?;
                draft.finish(&found.shown(), &found.component)?;
            }
            Source::Https(https) => https::component(https, &self.store).await?,
        }
        let bytes = self.store.read(&found.component)?;
        let gone =
            || RegistryError::Store { path: path.clone(), reason: "the file that was written is missing".to_owned() };
        Ok((path.clone(), bytes.ok_or_else(gone)?))
    }

    async fn signature(&self, found: &Found) -> Result<Option<String>, RegistryError> {
        let https = match &found.source {
            Source::Oci(_, manifest) => return Ok(manifest.signature.clone()),
            Source::Https(https) => https,
        };
        let bytes = match self.store.read_beside(&found.component, "sig")? {
            Some(bytes) => Some(bytes),
            None => {
                let bytes = https::signature(https).await?;
                if let Some(bytes) = &bytes {
                    self.store.write_beside(&found.component, "sig", bytes)?;
                }
                bytes
            }
        };
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    async fn pinned(&self, oci: &OciAddress, pin: Digest) -> Result<Found, RegistryError> {
        found(oci, pin, &self.manifest(oci, &pin).await?)
    }

    /// The manifest of a digest. Fetched where it is not stored.
    pub(crate) async fn manifest(&self, oci: &OciAddress, pin: &Digest) -> Result<Vec<u8>, RegistryError> {
        if let Some(bytes) = self.store.read(pin)? {
            return Ok(bytes);
        }
        let (bytes, actual) = self.registry(oci).await?.manifest(&oci.at(pin)).await?;
        if actual != *pin {
            return Err(mismatch(oci.text(), pin, &actual));
        }
        self.store.write(pin, &bytes)?;
        Ok(bytes.to_vec())
    }

    /// The bytes of a blob of at most so many. Fetched where they are not stored.
    pub(crate) async fn blob(
        &self,
        oci: &OciAddress,
        pin: &Digest,
        blob: &OciDescriptor,
        digest: &Digest,
        most: u64,
    ) -> Result<Vec<u8>, RegistryError> {
        let name = oci.name();
        if let Some(bytes) = self.store.read(digest)? {
            return if bytes.len() as u64 > most { Err(RegistryError::TooLarge { name, most }) } else { Ok(bytes) };
        }
        let draft = self.registry(oci).await?.blob(&oci.at(pin), blob, most, || self.store.draft()).await?;
        draft.finish(&name, digest)?;
        let path = self.store.path(digest)?;
        let gone = || RegistryError::Store { path, reason: "the file that was written is missing".to_owned() };
        self.store.read(digest)?.ok_or_else(gone)
    }

    /// The digest that a tag has now.
    pub(crate) async fn digest_now(&self, oci: &OciAddress) -> Result<Digest, RegistryError> {
        Ok(self.registry(oci).await?.manifest(&oci.at_tag()).await?.1)
    }

    pub(crate) fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Whether the manifest of an address is stored, so that it is known what it is of.
    pub fn is_known(&self, oci: &OciAddress) -> bool {
        oci.digest.is_some_and(|pin| matches!(self.store.read(&pin), Ok(Some(_))))
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// A plugin that is stored with all that it needs.
    fn stored(&self, oci: &OciAddress, pin: Digest) -> Result<Option<Found>, RegistryError> {
        let Some(bytes) = self.store.read(&pin)? else { return Ok(None) };
        let found = found(oci, pin, &bytes)?;
        Ok(self.store.read(&found.component)?.map(|_| found))
    }

    async fn registry(&self, oci: &OciAddress) -> Result<Arc<Registry>, RegistryError> {
        let mut registries = self.registries.lock().await;
        if let Some(registry) = registries.get(oci.host()) {
            return Ok(Arc::clone(registry));
        }
        let registry = Arc::new(Registry::new(oci).await?);
        registries.insert(oci.host().to_owned(), Arc::clone(&registry));
        Ok(registry)
    }
}

fn found(oci: &OciAddress, pin: Digest, bytes: &[u8]) -> Result<Found, RegistryError> {
    if pipelines::is_pipeline(bytes) {
        let (name, pinned) = (oci.name(), oci.pinned(&pin));
        return Err(RegistryError::NotWasm { name, reason: format!("{UNPINNED}: uses = \"{pinned}\"") });
    }
    let manifest = Manifest::read(&oci.name(), bytes)?;
    let (component, source) = (manifest.component, Source::Oci(oci.clone(), manifest));
    Ok(Found { source, pin, component, not_asked: None })
}

impl Found {
    /// Host and name or path.
    fn name(&self) -> String {
        match &self.source {
            Source::Oci(oci, _) => oci.name(),
            Source::Https(https) => https.name(),
        }
    }

    /// For messages: with the tag.
    fn shown(&self) -> String {
        match &self.source {
            Source::Oci(oci, _) => {
                let tag = oci.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
                format!("{}{tag}", oci.name())
            }
            Source::Https(https) => https.name(),
        }
    }
}
