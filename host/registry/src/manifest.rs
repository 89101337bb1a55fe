//! The layout of a WebAssembly artifact in a registry, as wkg and the CNCF's TAG Runtime have it: a config of type
//! `application/vnd.wasm.config.v0+json`, and one layer of type `application/wasm`, the component.

use std::collections::BTreeMap;

use oci_client::manifest::{OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE, OciDescriptor, OciImageManifest};
use serde::Serialize;

use crate::error::plain;
use crate::store::MOST_BYTES;
use crate::{Digest, RegistryError};

const CONFIG: &str = "application/vnd.wasm.config.v0+json";
const LAYER: &str = "application/wasm";

/// The annotation that holds a signature, in OpenSSH's armour.
pub(crate) const SIGNATURE: &str = "dev.llmhost.signature";

/// Registries keep the time at which something was made. That of plugins is always this one, so that the same
/// component has the same digest whenever it is pushed.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// What a manifest says.
#[derive(Debug, Clone)]
pub(crate) struct Manifest {
    pub(crate) layer: OciDescriptor,
    pub(crate) component: Digest,
    pub(crate) signature: Option<String>,
}

/// Reads the manifest of one artifact whose config is of this type; otherwise says why it is none.
pub(crate) fn image(bytes: &[u8], config: &str) -> Result<OciImageManifest, String> {
    let value: serde_json::Value =
        serde_json::from_slice(bytes).map_err(|error| format!("its manifest is not JSON: {error}"))?;
    let media_type = value["mediaType"].as_str().unwrap_or(OCI_IMAGE_MEDIA_TYPE);
    if media_type == OCI_IMAGE_INDEX_MEDIA_TYPE || value.get("manifests").is_some() {
        return Err("it is an index of images for several machines".to_owned());
    }
    let manifest: OciImageManifest =
        serde_json::from_value(value).map_err(|error| format!("its manifest cannot be read: {error}"))?;
    match manifest.config.media_type == config {
        true => Ok(manifest),
        false => Err(format!("its config is of type {}, and not {config}", plain(&manifest.config.media_type))),
    }
}

impl Manifest {
    /// Reads one; an error where it is of something else than a component.
    pub(crate) fn read(name: &str, bytes: &[u8]) -> Result<Self, RegistryError> {
        let other = |reason: String| RegistryError::NotWasm { name: name.to_owned(), reason };
        let manifest = image(bytes, CONFIG).map_err(other)?;
        let [layer] = &manifest.layers[..] else {
            return Err(other(format!("it has {} layers, and not one", manifest.layers.len())));
        };
        if layer.media_type != LAYER {
            return Err(other(format!("its layer is of type {}, and not {LAYER}", plain(&layer.media_type))));
        }
        if u64::try_from(layer.size).is_ok_and(|size| size > MOST_BYTES) {
            return Err(RegistryError::TooLarge { name: name.to_owned(), most: MOST_BYTES });
        }
        let component = layer.digest.parse().map_err(|error: String| other(format!("its layer: {}", plain(&error))))?;
        let signature = manifest.annotations.and_then(|mut all| all.remove(SIGNATURE));
        Ok(Self { layer: layer.clone(), component, signature })
    }
}

/// What a component is, for those who look into a registry.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Component {
    pub(crate) exports: Vec<String>,
    pub(crate) imports: Vec<String>,
    pub(crate) target: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    created: &'static str,
    author: Option<String>,
    architecture: &'static str,
    os: &'static str,
    layer_digests: Vec<String>,
    component: Option<Component>,
}

/// The config of a component, or of a core module.
pub(crate) fn config(digest: &Digest, component: Option<Component>) -> Vec<u8> {
    let os = if component.is_some() { "wasip2" } else { "wasip1" };
    let layer_digests = vec![digest.to_string()];
    let config = Config { created: CREATED, author: None, architecture: "wasm", os, layer_digests, component };
    serde_json::to_vec(&config).expect("plain data")
}

/// The manifest of a component.
pub(crate) fn write(config: &[u8], component: (&Digest, u64), annotations: BTreeMap<String, String>) -> Vec<u8> {
    let descriptor = |media_type: &str, digest: &Digest, size: u64| OciDescriptor {
        media_type: media_type.to_owned(),
        digest: digest.to_string(),
        size: i64::try_from(size).expect("at most 256 MiB"),
        ..OciDescriptor::default()
    };
    let manifest = OciImageManifest {
        media_type: Some(OCI_IMAGE_MEDIA_TYPE.to_owned()),
        config: descriptor(CONFIG, &Digest::of(config), config.len() as u64),
        layers: vec![descriptor(LAYER, component.0, component.1)],
        annotations: Some(annotations).filter(|all| !all.is_empty()),
        ..OciImageManifest::default()
    };
    serde_json::to_vec(&manifest).expect("plain data")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_read_as_it_is_written_and_always_the_same() {
        let digest = Digest::of(b"wasm");
        let config = config(&digest, Some(Component::default()));
        let annotations = BTreeMap::from([(SIGNATURE.to_owned(), "armour".to_owned())]);
        let bytes = write(&config, (&digest, 4), annotations.clone());
        assert_eq!(bytes, write(&config, (&digest, 4), annotations));
        let manifest = Manifest::read("x", &bytes).expect("ours");
        assert_eq!((manifest.component, manifest.signature.as_deref()), (digest, Some("armour")));
    }

    #[test]
    fn what_is_no_component_says_what_it_is() {
        let digest = Digest::of(b"wasm");
        let good = String::from_utf8(write(&config(&digest, None), (&digest, 4), BTreeMap::new())).expect("JSON");
        for (text, part) in [
            ("{".to_owned(), "not JSON"),
            ("{\"schemaVersion\":2,\"manifests\":[]}".to_owned(), "index of images"),
            (good.replace(CONFIG, "application/vnd.oci.image.config.v1+json"), "config is of type application/vnd.oci"),
            (good.replace(LAYER, "application/x-tar"), "layer is of type application/x-tar"),
            (good.replace("\"size\":4", "\"size\":999999999"), "larger than the limit of 256 MiB"),
            (good.replace(&digest.to_string(), "sha256:../../x"), "not a digest"),
        ] {
            let error = Manifest::read("host/x:1", text.as_bytes()).expect_err(part).to_string();
            assert!(error.contains(part) && error.contains("host/x:1"), "{error}");
        }
    }
}
