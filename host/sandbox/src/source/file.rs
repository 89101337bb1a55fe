//! Plugins in files of the user's.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use llmhost_engine::plugin::LoadError;
use sha2::{Digest, Sha256};

use super::Wasm;

/// The largest file taken for a plugin. JavaScript and Python make some 20 MB.
const MOST_BYTES: u64 = 256 << 20;

pub(super) async fn read(uses: &str, path: PathBuf) -> Result<Wasm, LoadError> {
    let uses = uses.to_owned();
    let unreadable = |reason: String| LoadError::Unreadable { path: uses, reason };
    // Reading and hashing 20 MB takes a while; the runtime's threads have better things to do.
    match tokio::task::spawn_blocking(move || read_now(&path)).await {
        Ok(read) => read.map_err(unreadable),
        Err(error) => Err(unreadable(format!("reading it was interrupted: {error}"))),
    }
}

fn read_now(path: &Path) -> Result<Wasm, String> {
    let metadata = std::fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
    // Before opening: opening a pipe would wait for its other end.
    if !metadata.is_file() {
        return Err("it is not a file".to_owned());
    }
    if metadata.len() > MOST_BYTES {
        let mib = metadata.len() >> 20;
        return Err(format!("it has {mib} MiB; a plugin may have {} MiB", MOST_BYTES >> 20));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    File::open(path)
        .and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes))
        .map_err(|error| format!("{}: {error}", path.display()))?;
    let digest = Sha256::digest(&bytes).into();
    Ok(Wasm { bytes: Cow::Owned(bytes), digest, builtin: false })
}
