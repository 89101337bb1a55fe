//! Where plugins come from, one file for each kind of place.

mod builtin;
mod file;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use llmhost_engine::plugin::LoadError;

use crate::cache::{Cache, WasmDigest, hex, sha256};

pub use builtin::Builtin;

/// A plugin that was found.
pub(crate) struct Wasm {
    pub(crate) bytes: Bytes,
    pub(crate) digest: WasmDigest,
    /// Comes with the host, and so with its trust.
    pub(crate) builtin: bool,
}

/// Where a plugin's bytes are.
pub(crate) enum Bytes {
    Static(&'static [u8]),
    /// In a file that was read.
    Read(PathBuf, Vec<u8>),
    /// In a file that was not read: its code should be in the cache.
    In(PathBuf),
}

impl Wasm {
    /// Where to find the bytes again.
    pub(crate) fn origin(&self) -> Origin {
        match &self.bytes {
            Bytes::Static(bytes) => Origin::Static(bytes),
            Bytes::Read(path, _) | Bytes::In(path) => Origin::File(path.clone()),
        }
    }

    /// The bytes that `digest` is of.
    pub(crate) fn bytes(&self) -> Result<Cow<'_, [u8]>, String> {
        match &self.bytes {
            Bytes::Static(bytes) => Ok(Cow::Borrowed(bytes)),
            Bytes::Read(_, bytes) => Ok(Cow::Borrowed(bytes)),
            Bytes::In(path) => match file::read_now(path)? {
                bytes if sha256(&bytes) == self.digest => Ok(Cow::Owned(bytes)),
                _ => Err("it changed while it was being loaded; run again".to_owned()),
            },
        }
    }
}

/// Where a plugin's bytes are, when it is loaded and they are no longer at hand.
pub(crate) enum Origin {
    Static(&'static [u8]),
    File(PathBuf),
}

impl Origin {
    /// The bytes, if they are still those of the digest.
    pub(crate) fn bytes(&self, digest: &str) -> Option<Cow<'_, [u8]>> {
        match self {
            Self::Static(bytes) => Some(Cow::Borrowed(bytes)),
            Self::File(path) => {
                let bytes = file::read_now(path).ok()?;
                (hex(&sha256(&bytes)) == digest).then_some(Cow::Owned(bytes))
            }
        }
    }
}

/// Finds what `uses` names: a built-in plugin by its bare name, a file by a path with a slash or
/// the ending `.wasm`.
pub(crate) async fn find(uses: &str, base: &Path, builtins: &[Builtin], cache: &Arc<Cache>) -> Result<Wasm, LoadError> {
    if let Some((scheme, _)) = uses.split_once("://") {
        let reason = match scheme {
            "oci" => "this version of llmhost does not fetch plugins from OCI registries yet; \
                      download the component and name its file, ./NAME.wasm"
                .to_owned(),
            _ => format!("plugins do not come from '{scheme}://'; name a built-in plugin or a file, ./NAME.wasm"),
        };
        return Err(LoadError::Unreadable { path: uses.to_owned(), reason });
    }
    if uses.contains('/') || Path::new(uses).extension().is_some_and(|ending| ending.eq_ignore_ascii_case("wasm")) {
        return file::read(uses, base.join(uses), cache).await;
    }
    builtin::find(uses, builtins)
}
