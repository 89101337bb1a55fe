//! Plugins from registries and servers.

use llmhost_engine::plugin::LoadError;
use llmhost_registry::{Address, Digest, RegistryError};

use super::{Bytes, Sources, Wasm};

pub(super) async fn find(
    uses: &str,
    locked: Option<Digest>,
    sources: &Sources,
    tell: impl Fn(&str),
) -> Result<Wasm, LoadError> {
    let found = sources.remote.find(&Address::parse(uses).map_err(unfetched)?, locked).await.map_err(unfetched)?;
    if let Some(error) = &found.not_asked {
        tell(&error.to_string());
    }
    let (digest, manifest) = (found.component, Some(found.pin));
    // What was compiled before was checked then, so its bytes need not be read again.
    let bytes = match sources.remote.stored_component(&found).filter(|_| sources.cache.has(&digest)) {
        Some(path) => Bytes::In(path),
        None => {
            let (path, bytes) = sources.remote.component(&found).await.map_err(unfetched)?;
            Bytes::Read(path, bytes)
        }
    };
    Ok(Wasm { bytes, digest, builtin: false, manifest })
}

fn unfetched(error: RegistryError) -> LoadError {
    LoadError::Unfetched { message: error.to_string(), help: error.advice().to_owned() }
}
