//! Plugins and manifests by their digests, in the user's cache folder.
//!
//! A file is written beside its place and renamed, so it is there whole or not at all, and any number of processes
//! may write it. It is checked when it is read; a damaged one is removed, and fetched again.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use crate::error::mismatch;
use crate::{Digest, RegistryError};

/// The largest component. JavaScript and Python make some 20 MB.
pub const MOST_BYTES: u64 = 256 << 20;

/// What a process that died left is removed after this time.
const LEFT_OVER: Duration = Duration::from_secs(24 * 60 * 60);
const UNFINISHED: &str = ".part-";

/// The folder.
#[derive(Debug, Clone)]
pub struct Store {
    folder: Option<PathBuf>,
}

impl Store {
    /// The store in a user's cache folder: `llmhost/plugins/sha256` in it.
    pub fn in_cache(cache: Option<&Path>) -> Self {
        Self { folder: cache.map(|cache| cache.join("llmhost").join("plugins").join("sha256")) }
    }

    /// How many files it has, and their bytes.
    pub fn usage(&self) -> (usize, u64) {
        let entries = self.folder.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
        let sizes = entries.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len());
        sizes.fold((0, 0), |(files, bytes), size| (files + 1, bytes + size))
    }

    /// Where a digest's bytes are, or would be.
    pub fn path(&self, digest: &Digest) -> Result<PathBuf, RegistryError> {
        Ok(self.folder()?.join(digest.hex()))
    }

    /// Where the files of a published pipeline are, or would be: `llmhost/pipelines/sha256` in the cache folder.
    pub(crate) fn pipeline(&self, digest: &Digest) -> Result<PathBuf, RegistryError> {
        let cache = self.folder()?.ancestors().nth(2).expect("it is llmhost/plugins/sha256");
        Ok(cache.join("pipelines").join("sha256").join(digest.hex()))
    }

    fn folder(&self) -> Result<&Path, RegistryError> {
        self.folder.as_deref().ok_or(RegistryError::NoCache)
    }

    /// The bytes of a digest, if they are there and whole.
    pub(crate) fn read(&self, digest: &Digest) -> Result<Option<Vec<u8>>, RegistryError> {
        let path = self.path(digest)?;
        let Some(bytes) = read(&path)? else { return Ok(None) };
        if Digest::of(&bytes) == *digest {
            return Ok(Some(bytes));
        }
        tracing::warn!("{} was damaged, and is fetched again", path.display());
        // Another process may have put a good one there; that is fetched again then, too.
        fs::remove_file(&path).or_else(gone).map_err(|error| unusable(&path, &error))?;
        Ok(None)
    }

    /// Something kept beside a digest, which says itself whether it is good.
    pub(crate) fn read_beside(&self, digest: &Digest, ending: &str) -> Result<Option<Vec<u8>>, RegistryError> {
        read(&self.path(digest)?.with_extension(ending))
    }

    pub(crate) fn write_beside(&self, digest: &Digest, ending: &str, bytes: &[u8]) -> Result<(), RegistryError> {
        let mut draft = self.draft()?;
        draft.write(bytes)?;
        draft.place(&self.path(digest)?.with_extension(ending))
    }

    /// Keeps bytes.
    pub(crate) fn write(&self, digest: &Digest, bytes: &[u8]) -> Result<(), RegistryError> {
        let mut draft = self.draft()?;
        draft.write(bytes)?;
        draft.finish("it", digest)
    }

    /// Begins a file.
    pub(crate) fn draft(&self) -> Result<Draft, RegistryError> {
        let folder = self.folder()?;
        fs::create_dir_all(folder).map_err(|error| unusable(folder, &error))?;
        clean(folder);
        let file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder);
        let file = file.map_err(|error| unusable(folder, &error))?;
        Ok(Draft { folder: folder.to_owned(), file, hasher: Sha256::new(), bytes: 0 })
    }
}

/// A file of the store that is being written. It goes where it is not finished.
pub(crate) struct Draft {
    folder: PathBuf,
    file: NamedTempFile,
    hasher: Sha256,
    bytes: u64,
}

impl Draft {
    /// Bytes so far.
    pub(crate) fn len(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), RegistryError> {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes).map_err(|error| unusable(&self.folder, &error))
    }

    /// Puts it in its place, if it is what it should be.
    pub(crate) fn finish(self, name: &str, digest: &Digest) -> Result<(), RegistryError> {
        let actual = Digest::finish(self.hasher.clone());
        if actual != *digest {
            return Err(mismatch(name, digest, &actual));
        }
        let path = self.folder.join(digest.hex());
        self.place(&path)
    }

    fn place(self, path: &Path) -> Result<(), RegistryError> {
        self.file.as_file().sync_all().map_err(|error| unusable(path, &error))?;
        self.file.persist(path).map(drop).map_err(|error| unusable(path, &error.error))
    }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, RegistryError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes));
    match read {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        other => other.map(|_| Some(bytes)).map_err(|error| unusable(path, &error)),
    }
}

/// Removes what processes left that died long ago.
fn clean(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_part = entry.file_name().to_string_lossy().starts_with(UNFINISHED);
        let age = |metadata: fs::Metadata| SystemTime::now().duration_since(metadata.modified().ok()?).ok();
        if is_part && entry.metadata().ok().and_then(age).is_some_and(|age| age > LEFT_OVER) {
            // Whoever removed it first, it is gone.
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn gone(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

fn unusable(path: &Path, error: &std::io::Error) -> RegistryError {
    RegistryError::Store { path: path.to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_damaged_counts_as_not_there_and_what_is_wrong_is_not_kept() {
        let cache = tempfile::tempdir().expect("a folder");
        let store = Store::in_cache(Some(cache.path()));
        let digest = Digest::of(b"good");
        assert_eq!(store.read(&digest), Ok(None));
        store.write(&digest, b"good").expect("kept");
        assert_eq!(store.read(&digest), Ok(Some(b"good".to_vec())));
        let path = store.path(&digest).expect("a folder");
        fs::write(&path, b"evil").expect("ours");
        assert_eq!(store.read(&digest), Ok(None));
        assert!(!path.exists());
        assert!(matches!(store.write(&digest, b"evil"), Err(RegistryError::WrongDigest { .. })));
        assert_eq!(store.usage(), (0, 0), "no draft is left");
    }

    #[test]
    fn no_folder_is_said() {
        assert_eq!(Store::in_cache(None).read(&Digest::of(b"")), Err(RegistryError::NoCache));
    }
}
