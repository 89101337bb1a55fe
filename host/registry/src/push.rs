//! Publishing a plugin.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::Bytes;

use crate::client::Registry;
use crate::manifest::{self, Component, SIGNATURE};
use crate::{Digest, OciAddress, RegistryError, signature};

/// What is published.
#[derive(Debug, Clone)]
pub struct Package {
    /// The file.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What the component imports and exports; nothing of a core module.
    pub interfaces: Option<(Vec<String>, Vec<String>)>,
    /// What the plugin says of itself.
    pub summary: String,
    /// A private key of OpenSSH to sign it with.
    pub key: Option<PathBuf>,
}

/// What was published.
#[derive(Debug, Clone)]
pub struct Pushed {
    /// Digest of the manifest: what pins the plugin.
    pub digest: Digest,
    /// Digest of the component.
    pub component: Digest,
    /// Fingerprint of the key that signed it.
    pub signed_by: Option<String>,
}

/// Publishes a plugin under a tag. What is there under that tag moves away from it.
pub async fn push(address: &OciAddress, package: Package) -> Result<Pushed, RegistryError> {
    let refused = |reason: &str| RegistryError::Address { text: address.text().to_owned(), reason: reason.to_owned() };
    if address.digest.is_some() {
        return Err(refused("a push creates the digest; remove the digest"));
    }
    let at = address.at_tag();
    let signature = match &package.key {
        Some(key) => Some(signature::sign(key, &package.path).await?),
        None => None,
    };
    let component = Digest::of(&package.bytes);
    let signed_by = signature.as_ref().and_then(|text| signature::signer(text, &package.bytes));
    if let (Some(key), None) = (&package.key, &signed_by) {
        let reason = format!("{} changed while it was signed", package.path.display());
        return Err(RegistryError::Signing { key: key.clone(), reason });
    }
    let mut annotations: BTreeMap<String, String> = BTreeMap::new();
    annotations.extend(signature.map(|text| (SIGNATURE.to_owned(), text)));
    if !package.summary.is_empty() {
        annotations.insert("org.opencontainers.image.description".to_owned(), package.summary);
    }
    let interfaces = package.interfaces;
    let about = interfaces.map(|(imports, exports)| Component { exports, imports, target: None });
    let config = Bytes::from(manifest::config(&component, about));
    let manifest = manifest::write(&config, (&component, package.bytes.len() as u64), annotations);
    let registry = Registry::new(address).await?;
    registry.push_blob(&at, &Bytes::from(package.bytes)).await?;
    registry.push_blob(&at, &config).await?;
    let digest = registry.push_manifest(&at, &Bytes::from(manifest)).await?;
    Ok(Pushed { digest, component, signed_by })
}
