//! Where plugins come from, one file for each kind of place.

mod builtin;
mod file;
mod remote;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use llmhost_engine::plugin::LoadError;
use llmhost_registry::{Digest, Plugins};

use crate::cache::Cache;

pub use builtin::Builtin;
pub(crate) use file::read_plugin;

/// A plugin that was found.
pub(crate) struct Wasm {
    pub(crate) bytes: Bytes,
    /// Of its bytes.
    pub(crate) digest: Digest,
    /// Comes with the host, and so with its trust.
    pub(crate) builtin: bool,
    /// Digest of its manifest, where it is from a registry.
    pub(crate) manifest: Option<Digest>,
}

/// Where a plugin's bytes are.
pub(crate) enum Bytes {
    Static(&'static [u8]),
    /// In this program, compressed: unpacked where its code is not in the cache.
    Packed(&'static [u8]),
    /// In a file that was read.
    Read(PathBuf, Vec<u8>),
    /// In a file that was not read: its code should be in the cache.
    In(PathBuf),
}

impl Wasm {
    /// The digest that pins it.
    pub(crate) fn pin(&self) -> Digest {
        self.manifest.unwrap_or(self.digest)
    }

    /// Where to find the bytes again.
    pub(crate) fn origin(&self) -> Origin {
        match &self.bytes {
            Bytes::Static(bytes) => Origin::Static(bytes),
            Bytes::Packed(packed) => Origin::Packed(packed),
            Bytes::Read(path, _) | Bytes::In(path) => Origin::File(path.clone()),
        }
    }

    /// The bytes that `digest` is of.
    pub(crate) fn bytes(&self) -> Result<Cow<'_, [u8]>, String> {
        match &self.bytes {
            Bytes::Static(bytes) => Ok(Cow::Borrowed(bytes)),
            Bytes::Packed(packed) => builtin::unpacked(packed).map(Cow::Owned),
            Bytes::Read(_, bytes) => Ok(Cow::Borrowed(bytes)),
            Bytes::In(path) => match file::read_now(path)? {
                bytes if Digest::of(&bytes) == self.digest => Ok(Cow::Owned(bytes)),
                _ => Err("it changed while it was being loaded; run again".to_owned()),
            },
        }
    }
}

/// Where a plugin's bytes are, when it is loaded and they are no longer at hand.
pub(crate) enum Origin {
    Static(&'static [u8]),
    Packed(&'static [u8]),
    File(PathBuf),
}

impl Origin {
    /// The bytes, if they are still those of the digest.
    pub(crate) fn bytes(&self, digest: &str) -> Option<Cow<'_, [u8]>> {
        match self {
            Self::Static(bytes) => Some(Cow::Borrowed(bytes)),
            Self::Packed(packed) => builtin::unpacked(packed).ok().map(Cow::Owned),
            Self::File(path) => {
                let bytes = file::read_now(path).ok()?;
                (Digest::of(&bytes).hex() == digest).then_some(Cow::Owned(bytes))
            }
        }
    }
}

/// Where plugins are looked for.
pub(crate) struct Sources {
    pub(crate) builtins: Vec<Builtin>,
    /// Built-in plugins that this build has not, each with what to do about it.
    pub(crate) absent: &'static [(&'static str, &'static str)],
    pub(crate) remote: Plugins,
    pub(crate) cache: Arc<Cache>,
}

/// A plugin that is wanted.
pub(crate) struct Wanted<'a> {
    /// What `uses` says.
    pub(crate) uses: &'a str,
    /// Where relative paths start.
    pub(crate) base: &'a Path,
    /// The digest that the lock file has.
    pub(crate) locked: Option<Digest>,
}

/// Finds what `uses` names: a plugin in a registry or on a server by its address, a built-in plugin by its bare name,
/// a file by a path with a slash or the ending `.wasm`. `tell` hears of a tag that could not be asked for.
pub(crate) async fn find(wanted: &Wanted<'_>, sources: &Sources, tell: impl Fn(&str)) -> Result<Wasm, LoadError> {
    let Wanted { uses, base, locked } = *wanted;
    if uses.contains("://") {
        return remote::find(uses, locked, sources, tell).await;
    }
    if uses.contains('/') || Path::new(uses).extension().is_some_and(|ending| ending.eq_ignore_ascii_case("wasm")) {
        return file::read(uses, base.join(uses), &sources.cache).await;
    }
    builtin::find(uses, &sources.builtins, sources.absent)
}
