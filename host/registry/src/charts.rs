//! Helm charts in registries, as `helm push` publishes them: a config with what Chart.yaml says, and a layer that is the
//! packed chart.

use oci_client::manifest::OciDescriptor;

use crate::error::plain;
use crate::manifest::{SIGNATURE, image};
use crate::{Digest, OciAddress, Plugins, RegistryError, signature};

const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
const LAYER: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

/// What a manifest says.
struct Manifest {
    layer: OciDescriptor,
    chart: Digest,
    signature: Option<String>,
}

impl Plugins {
    /// The packed chart at an address with a digest, of at most so many bytes, checked against digest and `[trust]`. One
    /// that is stored needs no network.
    pub async fn chart(&self, address: &OciAddress, most: u64) -> Result<Vec<u8>, RegistryError> {
        let Some(pin) = address.digest else {
            // Whether somebody answers or not, the tag is refused.
            let pinned = self.digest_now(address).await.ok().map(|now| address.pinned(&now));
            return Err(RegistryError::Unpinned { name: address.text().to_owned(), pinned });
        };
        let name = address.name();
        let manifest = read(&name, &self.manifest(address, &pin).await?, most)?;
        let bytes = self.blob(address, &pin, &manifest.layer, &manifest.chart, most).await?;
        if let Some(trusted) = self.trust().of(&name) {
            signature::check(&name, &trusted, manifest.signature.as_deref(), &bytes)?;
        }
        Ok(bytes)
    }
}

/// Reads a manifest; an error where it is of something else than a chart.
fn read(name: &str, bytes: &[u8], most: u64) -> Result<Manifest, RegistryError> {
    let other = |reason: String| RegistryError::NotChart { name: name.to_owned(), reason };
    let manifest = image(bytes, CONFIG).map_err(other)?;
    // A signature of Helm's own (provenance) may be a layer beside it.
    let Some(layer) = manifest.layers.iter().find(|layer| layer.media_type == LAYER) else {
        let found: Vec<String> = manifest.layers.iter().take(3).map(|layer| plain(&layer.media_type)).collect();
        return Err(other(format!("it has no layer of type {LAYER}, but {}", plain(&found.join(", ")))));
    };
    if u64::try_from(layer.size).is_ok_and(|size| size > most) {
        return Err(RegistryError::TooLarge { name: name.to_owned(), most });
    }
    let chart = layer.digest.parse().map_err(|error: String| other(format!("its layer: {}", plain(&error))))?;
    let signature = manifest.annotations.as_ref().and_then(|all| all.get(SIGNATURE).cloned());
    Ok(Manifest { layer: layer.clone(), chart, signature })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_chart_says_what_it_is() {
        let digest = Digest::of(b"chart");
        let good = serde_json::json!({
            "schemaVersion": 2,
            "config": { "mediaType": CONFIG, "digest": Digest::of(b"{}").to_string(), "size": 2 },
            "layers": [
                { "mediaType": "application/vnd.cncf.helm.chart.provenance.v1.prov", "digest": digest.to_string(), "size": 9 },
                { "mediaType": LAYER, "digest": digest.to_string(), "size": 5 },
            ],
        });
        let good = good.to_string();
        let read = |text: &str| read("host/x", text.as_bytes(), 1 << 20);
        assert_eq!(read(&good).expect("Helm writes it so").chart, digest);
        for (text, part) in [
            ("{".to_owned(), "not JSON"),
            ("{\"schemaVersion\":2,\"manifests\":[]}".to_owned(), "index of images"),
            (good.replace(CONFIG, "application/vnd.wasm.config.v0+json"), "config is of type application/vnd.wasm"),
            (
                good.replace(LAYER, "application/x-tar"),
                "but application/vnd.cncf.helm.chart.provenance.v1.prov, application/x-tar",
            ),
            (good.replace("\"size\":5", "\"size\":1048577"), "larger than the limit of 1 MiB"),
            (good.replace(&digest.to_string(), "sha256:../../x"), "not a digest"),
        ] {
            let error = read(&text).err().expect(part).to_string();
            assert!(error.contains(part) && error.contains("host/x"), "{error}");
        }
    }
}
