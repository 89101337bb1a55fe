//! Published pipelines: a pipeline file and the files that it uses.
//!
//! The layout is that of files in a registry, as ORAS has it: a layer for each file, whose title is its path. The
//! config lists the files with their digests and says which of them is the pipeline; it is what a signature is of. So
//! a pipeline can be looked at, copied and fetched with other tools.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use llmhost_engine::pipeline::Trust;
use oci_client::manifest::{OCI_IMAGE_MEDIA_TYPE, OciDescriptor, OciImageManifest};
use serde::{Deserialize, Serialize};

use crate::client::Registry;
use crate::error::plain;
use crate::manifest::SIGNATURE;
use crate::push::Pushed;
use crate::store::MOST_BYTES;
use crate::{Digest, OciAddress, Plugins, RegistryError, signature};

const CONFIG: &str = "application/vnd.llmhost.pipeline.v1+json";
const LAYER: &str = "application/octet-stream";
const TITLE: &str = "org.opencontainers.image.title";

/// More files are a mistake, and slow to fetch one by one.
pub const MOST_FILES: usize = 1000;

/// What is published.
#[derive(Debug, Clone)]
pub struct PipelinePackage {
    /// The pipeline among the files.
    pub file: String,
    /// Every file by its path, with `/` between the parts.
    pub files: BTreeMap<String, Vec<u8>>,
    /// A private key of OpenSSH to sign it with.
    pub key: Option<PathBuf>,
}

/// What its config says.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Config {
    file: String,
    /// The digest of each file.
    files: BTreeMap<String, String>,
}

/// Publishes a pipeline under a tag. What is there under that tag moves away from it.
pub async fn push_pipeline(address: &OciAddress, package: PipelinePackage) -> Result<Pushed, RegistryError> {
    if address.digest.is_some() {
        let (text, reason) = (address.text().to_owned(), "a push creates the digest; remove the digest".to_owned());
        return Err(RegistryError::Address { text, reason });
    }
    let digests = package.files.iter().map(|(path, bytes)| (path.clone(), Digest::of(bytes).to_string()));
    let config = Config { file: package.file, files: digests.collect() };
    let config = Bytes::from(serde_json::to_vec(&config).expect("plain data"));
    let mut annotations = BTreeMap::new();
    let mut signed_by = None;
    if let Some(key) = &package.key {
        let text = sign(key, &config).await?;
        signed_by = signature::signer(&text, &config);
        annotations.insert(SIGNATURE.to_owned(), text);
    }
    let layers = package.files.iter().map(|(path, bytes)| OciDescriptor {
        annotations: Some(BTreeMap::from([(TITLE.to_owned(), path.clone())])),
        ..descriptor(LAYER, bytes)
    });
    let manifest = OciImageManifest {
        media_type: Some(OCI_IMAGE_MEDIA_TYPE.to_owned()),
        artifact_type: Some(CONFIG.to_owned()),
        config: descriptor(CONFIG, &config),
        layers: layers.collect(),
        annotations: Some(annotations).filter(|all| !all.is_empty()),
        ..OciImageManifest::default()
    };
    let manifest = Bytes::from(serde_json::to_vec(&manifest).expect("plain data"));
    let (at, registry) = (address.at_tag(), Registry::new(address).await?);
    for bytes in package.files.into_values() {
        registry.push_blob(&at, &Bytes::from(bytes)).await?;
    }
    registry.push_blob(&at, &config).await?;
    let digest = registry.push_manifest(&at, &manifest).await?;
    Ok(Pushed { digest, component: Digest::of(&config), signed_by })
}

async fn sign(key: &Path, config: &[u8]) -> Result<String, RegistryError> {
    let failed = |error: std::io::Error| RegistryError::Signing { key: key.to_owned(), reason: error.to_string() };
    let folder = tempfile::tempdir().map_err(failed)?;
    let file = folder.path().join("pipeline.json");
    fs::write(&file, config).map_err(failed)?;
    signature::sign(key, &file).await
}

fn descriptor(media_type: &str, bytes: &[u8]) -> OciDescriptor {
    OciDescriptor {
        media_type: media_type.to_owned(),
        digest: Digest::of(bytes).to_string(),
        size: i64::try_from(bytes.len()).expect("it is in memory"),
        ..OciDescriptor::default()
    }
}

fn digest_of(name: &str, blob: &OciDescriptor) -> Result<Digest, RegistryError> {
    let bad = |reason: String| RegistryError::NotPipeline { name: name.to_owned(), reason: plain(&reason) };
    blob.digest.parse().map_err(bad)
}

/// Whether a manifest is one of a pipeline.
pub(crate) fn is_pipeline(manifest: &[u8]) -> bool {
    serde_json::from_slice::<OciImageManifest>(manifest).is_ok_and(|manifest| manifest.config.media_type == CONFIG)
}

impl Plugins {
    /// The pipeline file of a published pipeline, unpacked below the cache folder, checked against digest and
    /// `[trust]`. Nothing where the address is of a plugin. One that is stored needs no network.
    pub async fn pipeline(&self, address: &OciAddress, trust: &Trust) -> Result<Option<PathBuf>, RegistryError> {
        let Some(pin) = address.digest else { return Ok(None) };
        let bytes = self.manifest(address, &pin).await?;
        if !is_pipeline(&bytes) {
            return Ok(None);
        }
        let name = address.name();
        let other = |reason: String| RegistryError::NotPipeline { name: name.clone(), reason };
        let manifest: OciImageManifest =
            serde_json::from_slice(&bytes).map_err(|error| other(format!("its manifest cannot be read: {error}")))?;
        let signature = manifest.annotations.as_ref().and_then(|all| all.get(SIGNATURE));
        let config =
            self.blob(address, &pin, &manifest.config, &digest_of(&name, &manifest.config)?, MOST_BYTES).await?;
        if let Some(trusted) = trust.of(&name) {
            signature::check(&name, &trusted, signature.map(String::as_str), &config)?;
        }
        let config: Config =
            serde_json::from_slice(&config).map_err(|error| other(format!("its config cannot be read: {error}")))?;
        if config.files.len() > MOST_FILES {
            return Err(other(format!("it has {} files; at most {MOST_FILES} are fetched", config.files.len())));
        }
        if !config.files.contains_key(&config.file) {
            return Err(other(format!("it has no file {}", plain(&config.file))));
        }
        let total: i64 = manifest.layers.iter().map(|layer| layer.size.max(0)).fold(0, i64::saturating_add);
        if u64::try_from(total).is_ok_and(|total| total > MOST_BYTES) {
            return Err(RegistryError::TooLarge { name: name.clone(), most: MOST_BYTES });
        }
        let mut files = BTreeMap::new();
        for (path, digest) in &config.files {
            if !is_below(path) {
                return Err(other(format!("its file {} is outside of its folder", plain(path))));
            }
            let layer = manifest.layers.iter().find(|layer| layer.digest == *digest);
            let layer = layer.ok_or_else(|| other(format!("its file {} is missing", plain(path))))?;
            let bytes = self.blob(address, &pin, layer, &digest_of(&name, layer)?, MOST_BYTES).await?;
            files.insert(path.clone(), bytes);
        }
        let folder = self.unpacked(&pin, &files)?;
        Ok(Some(folder.join(&config.file)))
    }

    /// The folder that holds these files and nothing else.
    fn unpacked(&self, pin: &Digest, files: &BTreeMap<String, Vec<u8>>) -> Result<PathBuf, RegistryError> {
        let folder = self.store().pipeline(pin)?;
        if is_as_published(&folder, files) {
            return Ok(folder);
        }
        let unusable = |error: std::io::Error| RegistryError::Store { path: folder.clone(), reason: error.to_string() };
        let parent = folder.parent().expect("it is in the cache folder");
        fs::create_dir_all(parent).map_err(unusable)?;
        let draft = tempfile::Builder::new().prefix(".part-").tempdir_in(parent).map_err(unusable)?;
        for (path, bytes) in files {
            let path = draft.path().join(path);
            fs::create_dir_all(path.parent().expect("it is in the folder")).map_err(unusable)?;
            fs::write(&path, bytes).map_err(unusable)?;
        }
        // What is there was damaged.
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(unusable(error)),
            _ => {}
        }
        match fs::rename(draft.path(), &folder) {
            // Another process was faster.
            Err(_) if is_as_published(&folder, files) => Ok(folder),
            renamed => renamed.map(|()| folder.clone()).map_err(unusable),
        }
    }
}

/// Whether a path leads to something below the folder that it starts at.
fn is_below(path: &str) -> bool {
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    !path.is_empty()
        && !path.contains('\\')
        && Path::new(path).components().all(is_plain)
        && path.split('/').all(|part| !part.is_empty() && part != ".")
}

/// Whether a folder has these files, with these bytes, and no others.
fn is_as_published(folder: &Path, files: &BTreeMap<String, Vec<u8>>) -> bool {
    let (mut folders, mut found) = (vec![folder.to_owned()], 0);
    while let Some(here) = folders.pop() {
        let Ok(entries) = fs::read_dir(&here) else { return false };
        for entry in entries {
            let Ok(entry) = entry else { return false };
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => found += 1,
                _ => return false,
            }
        }
    }
    let is_same = |(path, bytes): (&String, &Vec<u8>)| fs::read(folder.join(path)).is_ok_and(|found| found == *bytes);
    found == files.len() && files.iter().all(is_same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_stand_below_their_folder() {
        for (path, is_good) in [
            ("network.toml", true),
            ("parts/a.toml", true),
            ("a b/ä.txt", true),
            ("..", false),
            ("../x", false),
            ("a/../../x", false),
            ("/etc/passwd", false),
            ("a//b", false),
            ("./a", false),
            ("a/", false),
            ("a\\..\\b", false),
            ("", false),
        ] {
            assert_eq!(is_below(path), is_good, "{path}");
        }
    }

    #[test]
    fn what_was_changed_in_the_cache_is_unpacked_again() {
        let cache = tempfile::tempdir().expect("a folder");
        let plugins = Plugins::new(Some(cache.path()), Trust::default());
        let files = BTreeMap::from([("a.toml".to_owned(), b"a".to_vec()), ("b/c.txt".to_owned(), b"c".to_vec())]);
        let folder = plugins.unpacked(&Digest::of(b"x"), &files).expect("unpacked");
        for spoil in [
            &(|folder: &Path| fs::write(folder.join("a.toml"), "evil")) as &dyn Fn(&Path) -> std::io::Result<()>,
            &|folder| fs::write(folder.join("more"), ""),
            &|folder| fs::remove_file(folder.join("b/c.txt")),
        ] {
            spoil(&folder).expect("ours");
            assert!(!is_as_published(&folder, &files));
            assert_eq!(plugins.unpacked(&Digest::of(b"x"), &files).expect("unpacked"), folder);
            assert!(is_as_published(&folder, &files));
        }
        let left = fs::read_dir(folder.parent().expect("a folder")).expect("a folder").count();
        assert_eq!(left, 1, "no draft is left");
    }
}
