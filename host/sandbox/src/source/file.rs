//! Plugins in files of the user's.

use std::fs::{File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use llmhost_engine::plugin::LoadError;
use llmhost_registry::{Digest, MOST_BYTES};

use super::{Bytes, Wasm};
use crate::cache::Cache;

pub(super) async fn read(uses: &str, path: PathBuf, cache: &Arc<Cache>) -> Result<Wasm, LoadError> {
    let unreadable = |reason: String| LoadError::Unreadable { path: uses.to_owned(), reason };
    let metadata = std::fs::metadata(&path).map_err(|error| unreadable(format!("{}: {error}", path.display())))?;
    check(&metadata).map_err(unreadable)?;
    // A file that nobody touched since it was last read has the digest that it had then, and
    // where its code is there too, the file need not be read at all.
    if let Some(digest) = cache.digest_of(&path, &metadata)
        && cache.has(&digest)
    {
        return Ok(Wasm { bytes: Bytes::In(path), digest, builtin: false, manifest: None });
    }
    let cache = cache.clone();
    // Reading and hashing 20 MB takes a while; the runtime's threads have better things to do.
    let hashed = tokio::task::spawn_blocking(move || {
        let bytes = read_now(&path)?;
        let digest = Digest::of(&bytes);
        cache.remember(&path, &metadata, &digest);
        Ok(Wasm { bytes: Bytes::Read(path, bytes), digest, builtin: false, manifest: None })
    });
    match hashed.await {
        Ok(wasm) => wasm.map_err(unreadable),
        Err(error) => Err(unreadable(format!("reading it was interrupted: {error}"))),
    }
}

/// Before opening, as opening a pipe would wait for its other end.
fn check(metadata: &Metadata) -> Result<(), String> {
    if !metadata.is_file() {
        return Err("it is not a file".to_owned());
    }
    if metadata.len() > MOST_BYTES {
        let mib = metadata.len() >> 20;
        return Err(format!("it has {mib} MiB; a plugin may have {} MiB", MOST_BYTES >> 20));
    }
    Ok(())
}

/// A plugin's whole file.
pub(crate) fn read_plugin(path: &Path) -> Result<Vec<u8>, String> {
    check(&std::fs::metadata(path).map_err(|error| error.to_string())?)?;
    read_now(path)
}

/// The whole file.
pub(super) fn read_now(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| {
        bytes.reserve(usize::try_from(file.metadata()?.len().min(MOST_BYTES)).unwrap_or(0));
        file.take(MOST_BYTES + 1).read_to_end(&mut bytes)
    });
    read.map_err(|error| format!("{}: {error}", path.display()))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!("it has more than {} MiB", MOST_BYTES >> 20));
    }
    Ok(bytes)
}
