//! Container images in registries: what one is, before a cluster is made that shall run it, and publishing one that
//! puts a layer on top of another.

use std::collections::BTreeMap;

use bytes::Bytes;
use oci_client::Reference;
use oci_client::manifest::{
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE,
    OciDescriptor,
};
use oci_client::secrets::RegistryAuth;
use serde_json::{Value, json};

use crate::client::Registry;
use crate::error::plain;
use crate::{Digest, OciAddress, RegistryError};

/// Longest configuration of an image.
const MOST_CONFIG: u64 = 8 << 20;
/// Largest layer: the CUDA libraries take some 2 GB.
const MOST_LAYER: u64 = 16 << 30;
/// The system that every image here is for.
const SYSTEM: &str = "linux";

/// What the types of an image's parts are called: OCI's names, and Docker's.
const MANIFESTS: [&str; 4] =
    [OCI_IMAGE_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, IMAGE_MANIFEST_LIST_MEDIA_TYPE];
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// An image, as its registry has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Architectures of Linux that it is there for, by Docker's names: `amd64`, `arm64`.
    pub architectures: Vec<String>,
    /// What it starts: entrypoint and command of the first of them.
    pub command: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// A user of a registry and the password.
pub struct Login {
    /// The user's name.
    pub user: String,
    /// The password, or a token that stands for one.
    pub password: String,
}

/// Asks an image's registry what the image is. Without a login, docker's configuration is asked for one.
pub async fn image(address: &OciAddress, login: Option<Login>) -> Result<Image, RegistryError> {
    let registry = registry(address, login).await?;
    let at = address.reference();
    let all = variants(&registry, &at, address).await?;
    let first = all.first().ok_or_else(|| other(address, "it is an index without an image for Linux".to_owned()))?;
    let config = &first.config["config"];
    let texts = |field: &str| -> Vec<String> {
        config[field].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let labels = config["Labels"].as_object().into_iter().flatten();
    Ok(Image {
        architectures: all.iter().map(|one| one.architecture.clone()).collect(),
        command: [texts("Entrypoint"), texts("Cmd")].concat(),
        labels: labels.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect(),
    })
}

async fn registry(address: &OciAddress, login: Option<Login>) -> Result<Registry, RegistryError> {
    match login {
        Some(login) => {
            Registry::with(address, RegistryAuth::Basic(login.user.clone(), login.password), Some(login.user))
        }
        None => Registry::new(address).await,
    }
}

/// The image for one machine.
struct Variant {
    architecture: String,
    manifest: Value,
    config: Value,
}

/// The images for Linux behind an address.
async fn variants(registry: &Registry, at: &Reference, address: &OciAddress) -> Result<Vec<Variant>, RegistryError> {
    let top = manifest(registry, at, address).await?;
    let Some(entries) = top["manifests"].as_array() else {
        return Ok(vec![variant(registry, at, address, top).await?]);
    };
    let mut all = Vec::new();
    for entry in entries {
        let platform = &entry["platform"];
        let digest = entry["digest"].as_str().unwrap_or_default();
        // Attestations lie in the same list, for an unknown system.
        if platform["os"] != SYSTEM {
            continue;
        }
        let of = Reference::with_digest(at.registry().to_owned(), at.repository().to_owned(), digest.to_owned());
        let manifest = manifest(registry, &of, address).await?;
        all.push(variant(registry, &of, address, manifest).await?);
    }
    Ok(all)
}

async fn variant(
    registry: &Registry,
    at: &Reference,
    address: &OciAddress,
    manifest: Value,
) -> Result<Variant, RegistryError> {
    let descriptor: OciDescriptor = serde_json::from_value(manifest["config"].clone())
        .map_err(|error| other(address, format!("its manifest names no config: {error}")))?;
    let bytes = registry.blob_in_memory(at, &descriptor, MOST_CONFIG).await?;
    let config: Value =
        serde_json::from_slice(&bytes).map_err(|error| other(address, format!("its config is not JSON: {error}")))?;
    let architecture = config["architecture"].as_str().unwrap_or("unknown").to_owned();
    Ok(Variant { architecture, manifest, config })
}

async fn manifest(registry: &Registry, at: &Reference, address: &OciAddress) -> Result<Value, RegistryError> {
    let (bytes, _) = registry.manifest_of(at, &MANIFESTS).await?;
    serde_json::from_slice(&bytes).map_err(|error| other(address, format!("its manifest is not JSON: {error}")))
}

fn other(address: &OciAddress, reason: String) -> RegistryError {
    RegistryError::NotImage { name: address.name(), reason: plain(&reason) }
}

/// What an image gets on top of another one.
pub struct Addition {
    /// The layer: a tar archive.
    pub tar: Vec<u8>,
    /// The same, compressed by gzip.
    pub gzip: Vec<u8>,
    /// The architecture, by Docker's name.
    pub architecture: String,
    /// What it starts.
    pub entrypoint: Vec<String>,
    /// Variables of its environment; of those in the base, these take the place.
    pub env: BTreeMap<String, String>,
    /// Who it runs as: numbers of user and group.
    pub user: String,
    /// A port that it listens at.
    pub port: u16,
    /// Labels, beside those of the base.
    pub labels: BTreeMap<String, String>,
}

/// Publishes an image that is another one and a layer. Layers of the base that the registry has already are not sent.
/// `tell` is told of each layer that is.
pub async fn push_image(
    address: &OciAddress,
    base: &OciAddress,
    addition: Addition,
    login: Option<Login>,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<Digest, RegistryError> {
    if address.digest.is_some() {
        let reason = "a push creates the digest; remove the digest".to_owned();
        return Err(RegistryError::Address { text: address.text().to_owned(), reason });
    }
    let (from, to) = (base.reference(), address.reference());
    let source = Registry::new(base).await?;
    let found = variants(&source, &from, base).await?;
    let known: Vec<String> = found.iter().map(|one| one.architecture.clone()).collect();
    let below = found.into_iter().find(|one| one.architecture == addition.architecture).ok_or_else(|| {
        other(base, format!("it is there for {}, and not for {}", known.join(", "), addition.architecture))
    })?;
    let target = registry(address, login).await?;
    let mut layers: Vec<Value> = below.manifest["layers"].as_array().cloned().unwrap_or_default();
    for layer in &mut layers {
        let descriptor: OciDescriptor = serde_json::from_value(layer.clone())
            .map_err(|error| other(base, format!("a layer cannot be read: {error}")))?;
        let size = u64::try_from(descriptor.size).unwrap_or(0);
        if size > MOST_LAYER {
            return Err(RegistryError::TooLarge { name: base.name(), most: MOST_LAYER });
        }
        if !target.has_blob(&to, &descriptor.digest).await? {
            tell(&format!("Copying a layer of {} ({} MiB)", base.text(), size >> 20));
            let bytes = source.blob_in_memory(&from, &descriptor, size).await?;
            target.push_blob(&to, &Bytes::from(bytes)).await?;
        }
        // Docker's names for what OCI has under its own: the bytes are the same.
        if descriptor.media_type.ends_with("tar.gzip") {
            layer["mediaType"] = json!(LAYER);
        }
    }
    let (diff_id, digest) = (Digest::of(&addition.tar), Digest::of(&addition.gzip));
    let size = addition.gzip.len();
    tell(&format!("Sending llmhost and ONNX Runtime ({} MiB)", size >> 20));
    layers.push(json!({ "mediaType": LAYER, "digest": digest.to_string(), "size": size }));
    let config = configured(below.config, &addition, &diff_id).to_string().into_bytes();
    target.push_blob(&to, &Bytes::from(addition.gzip)).await?;
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_IMAGE_MEDIA_TYPE, "layers": layers,
        "config": { "mediaType": CONFIG, "digest": Digest::of(&config).to_string(), "size": config.len() },
    });
    target.push_blob(&to, &Bytes::from(config)).await?;
    target.push_manifest(&to, &Bytes::from(manifest.to_string())).await
}

/// The base's configuration, with what is added.
fn configured(mut config: Value, addition: &Addition, layer: &Digest) -> Value {
    let base = config["config"]["Env"].as_array().cloned().unwrap_or_default();
    let is_kept = |entry: &&Value| {
        let name = entry.as_str().and_then(|entry| entry.split_once('=')).map(|(name, _)| name);
        name.is_some_and(|name| !addition.env.contains_key(name))
    };
    let mut env: Vec<Value> = base.iter().filter(is_kept).cloned().collect();
    env.extend(addition.env.iter().map(|(name, value)| json!(format!("{name}={value}"))));
    let mut labels = config["config"]["Labels"].as_object().cloned().unwrap_or_default();
    labels.extend(addition.labels.iter().map(|(name, value)| (name.clone(), json!(value))));
    config["config"]["Env"] = json!(env);
    config["config"]["Labels"] = json!(labels);
    config["config"]["Entrypoint"] = json!(addition.entrypoint);
    config["config"]["Cmd"] = json!([]);
    config["config"]["User"] = json!(addition.user);
    config["config"]["ExposedPorts"] = json!({ format!("{}/tcp", addition.port): {} });
    let mut layers = config["rootfs"]["diff_ids"].as_array().cloned().unwrap_or_default();
    layers.push(json!(layer.to_string()));
    config["rootfs"] = json!({ "type": "layers", "diff_ids": layers });
    let mut history = config["history"].as_array().cloned().unwrap_or_default();
    history.push(json!({ "created_by": "llmhost image" }));
    config["history"] = json!(history);
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_base_says_is_kept_where_nothing_else_is_said() {
        let base = json!({
            "architecture": "amd64", "rootfs": { "type": "layers", "diff_ids": ["sha256:a"] },
            "config": { "Env": ["PATH=/bin", "LD_LIBRARY_PATH=/cuda"], "Labels": { "maintainer": "x" }, "Cmd": ["bash"] },
        });
        let addition = Addition {
            tar: Vec::new(),
            gzip: Vec::new(),
            architecture: "amd64".to_owned(),
            entrypoint: vec!["llmhost".to_owned()],
            env: [("LD_LIBRARY_PATH".to_owned(), "/ort".to_owned())].into(),
            user: "10001:10001".to_owned(),
            port: 8000,
            labels: [("l".to_owned(), "1".to_owned())].into(),
        };
        let config = configured(base, &addition, &Digest::of(b"layer"));
        assert_eq!(config["config"]["Env"], json!(["PATH=/bin", "LD_LIBRARY_PATH=/ort"]));
        assert_eq!(config["config"]["Labels"], json!({ "maintainer": "x", "l": "1" }));
        assert_eq!((&config["config"]["Cmd"], &config["config"]["Entrypoint"]), (&json!([]), &json!(["llmhost"])));
        assert_eq!(config["rootfs"]["diff_ids"].as_array().map(Vec::len), Some(2));
    }
}
