//! Compiled code on disk, so that a plugin is compiled once per content, engine and processor.
//!
//! The code is run as it lies there, so everything hangs on who can write the folder: it is used
//! only where it belongs to this user and nobody else may write it. Files are written beside
//! their place and renamed, so a file is there whole or not at all; one that wasmtime does not
//! accept all the same is compiled anew.

use std::fs::{self, DirBuilder, File, Metadata};
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use llmhost_registry::Digest;
use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::wrap;

/// The cache of one engine.
pub(crate) struct Cache {
    folder: Option<PathBuf>,
    /// Everything of the engine that compiled code depends on.
    engine: Digest,
}

impl Cache {
    /// A cache under `root`; without a folder where there is none, or none that can be trusted,
    /// and then with the reason.
    pub(crate) fn open(root: Option<&Path>, engine: &Engine) -> (Self, Option<(PathBuf, String)>) {
        let mut compatibility = HashInto(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut compatibility);
        wrap::VERSION.hash(&mut compatibility);
        let engine = Digest::from_bytes(compatibility.0.finalize().into());
        let Some(root) = root else { return (Self { folder: None, engine }, None) };
        let folder = root.join("llmhost").join("code");
        match trusted(&folder) {
            Ok(()) => (Self { folder: Some(folder), engine }, None),
            Err(reason) => (Self { folder: None, engine }, Some((folder, reason))),
        }
    }

    /// The component, from the cache or compiled.
    pub(crate) fn component(
        &self,
        engine: &Engine,
        digest: &Digest,
        compile: impl FnOnce() -> Result<Vec<u8>, String>,
    ) -> Result<Component, String> {
        let Some(folder) = &self.folder else { return in_memory(engine, &compile()?) };
        let key = self.key(digest);
        let path = folder.join(format!("{key}.cwasm"));
        if let Some(component) = read(engine, &path) {
            return Ok(component);
        }
        // One process compiles, the others wait and read. Where locking does not work, each
        // compiles for itself.
        let lock = File::create(folder.join(format!("{key}.lock")));
        let _lock = lock.inspect(|lock| drop(lock.lock().inspect_err(|error| tracing::debug!("no lock: {error}"))));
        if let Some(component) = read(engine, &path) {
            return Ok(component);
        }
        let code = compile()?;
        if let Err(error) = write(&path, &code, true) {
            tracing::warn!("cannot keep compiled code in {}: {error}", path.display());
            return in_memory(engine, &code);
        }
        read(engine, &path).map_or_else(|| in_memory(engine, &code), Ok)
    }

    /// Whether the code is there, so that nothing needs compiling.
    pub(crate) fn has(&self, digest: &Digest) -> bool {
        self.folder.as_ref().is_some_and(|folder| folder.join(format!("{}.cwasm", self.key(digest))).exists())
    }

    /// The digest that a file had when it was last read, if nothing about it changed since. As
    /// git does, this goes by size, inode and times; the time of the last change of a file cannot
    /// be set by hand.
    pub(crate) fn digest_of(&self, path: &Path, metadata: &Metadata) -> Option<Digest> {
        let seen = fs::read(self.seen(path)?).ok()?;
        let (mark, digest) = seen.split_at_checked(MARK)?;
        (mark == mark_of(metadata)?.bytes()).then(|| digest.try_into().ok().map(Digest::from_bytes)).flatten()
    }

    /// Notes the digest of a file. Not of one that changed a moment ago: it could change again
    /// and have the same times.
    pub(crate) fn remember(&self, path: &Path, metadata: &Metadata, digest: &Digest) {
        let old = changed(metadata).and_then(|at| at.elapsed().ok()).is_some_and(|age| age > SETTLED);
        if let (true, Some(seen), Some(mark)) = (old, self.seen(path), mark_of(metadata))
            && let Err(error) = write(&seen, &[*mark.bytes(), *digest.bytes()].concat(), false)
        {
            tracing::debug!("cannot note the digest of {}: {error}", path.display());
        }
    }

    fn seen(&self, path: &Path) -> Option<PathBuf> {
        let path = std::path::absolute(path).ok()?;
        let name = Digest::of(path.as_os_str().as_encoded_bytes()).hex();
        Some(self.folder.as_ref()?.join(format!("{name}.seen")))
    }

    fn key(&self, digest: &Digest) -> String {
        Digest::of(&[*self.engine.bytes(), *digest.bytes()].concat()).hex()
    }
}

/// Bytes of [`mark_of`].
const MARK: usize = 32;
/// How long a file must have been left alone before its times are trusted.
const SETTLED: Duration = Duration::from_secs(2);

/// What changes when a file does: device, inode, size, and the time of the last change of
/// anything about it.
#[cfg(unix)]
fn mark_of(metadata: &Metadata) -> Option<Digest> {
    use std::os::unix::fs::MetadataExt;
    let m = metadata;
    let numbers = [m.dev(), m.ino(), m.size()].map(u64::to_le_bytes);
    let times = [m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec()].map(i64::to_le_bytes);
    Some(Digest::of(&[numbers.concat(), times.concat()].concat()))
}

#[cfg(not(unix))]
fn mark_of(_metadata: &Metadata) -> Option<Digest> {
    None
}

#[cfg(unix)]
fn changed(metadata: &Metadata) -> Option<SystemTime> {
    use std::os::unix::fs::MetadataExt;
    let (seconds, nanoseconds) = (u64::try_from(metadata.ctime()).ok()?, u32::try_from(metadata.ctime_nsec()).ok()?);
    SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanoseconds))
}

#[cfg(not(unix))]
fn changed(metadata: &Metadata) -> Option<SystemTime> {
    metadata.modified().ok()
}

/// Reads compiled code; none where there is no file, or one that wasmtime does not accept.
fn read(engine: &Engine, path: &Path) -> Option<Component> {
    if !path.exists() {
        return None;
    }
    // SAFETY: the file came out of `precompile_component` of an engine with the same settings,
    // in a folder that only this user can write (`trusted`), whole or not at all (`write`).
    match unsafe { Component::deserialize_file(engine, path) } {
        Ok(component) => Some(component),
        Err(error) => {
            tracing::warn!("compiling again, as {} is damaged: {error:#}", path.display());
            None
        }
    }
}

fn in_memory(engine: &Engine, code: &[u8]) -> Result<Component, String> {
    // SAFETY: `code` comes straight from `precompile_component` of this engine.
    unsafe { Component::deserialize(engine, code) }.map_err(|error| format!("its code cannot be used: {error:#}"))
}

/// Files written by this process, so that no two of its threads write the same one.
static WRITES: AtomicU64 = AtomicU64::new(0);

/// Writes a file beside its place and renames it; `durably` where half a file does harm.
fn write(path: &Path, bytes: &[u8], durably: bool) -> std::io::Result<()> {
    let number = WRITES.fetch_add(1, Ordering::Relaxed);
    let beside = path.with_extension(format!("{}-{number}.new", std::process::id()));
    let written = (|| {
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        if durably {
            file.sync_all()?;
        }
        fs::rename(&beside, path)
    })();
    if written.is_err() {
        // Whatever is left of it is of no use; that it may not be there at all is fine.
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Makes the folder, and checks that nobody else can put code into it.
fn trusted(folder: &Path) -> Result<(), String> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| error.to_string())?;
    // The one above it too: who can write that can put another folder in this one's place.
    folder.ancestors().take(2).try_for_each(ours_alone)
}

#[cfg(unix)]
fn ours_alone(folder: &Path) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;
    let at = folder.display();
    let metadata = fs::symlink_metadata(folder).map_err(|error| format!("{at}: {error}"))?;
    // SAFETY: geteuid reads a number and cannot fail.
    let me = unsafe { libc::geteuid() };
    if !metadata.is_dir() {
        return Err(format!("{at} is not a folder, or a link to one"));
    }
    if metadata.uid() != me {
        return Err(format!("{at} belongs to another user ({})", metadata.uid()));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(format!("other users can write to {at}; run chmod go-w on it"));
    }
    Ok(())
}

#[cfg(not(unix))]
fn ours_alone(_folder: &Path) -> Result<(), String> {
    // A user's folders are the user's own there, unless they were given away on purpose.
    Ok(())
}

/// Feeds a `Hash` into SHA-256, so that keys mean the same in every process.
struct HashInto(Sha256);

impl Hasher for HashInto {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest: [u8; 32] = self.0.clone().finalize().into();
        digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_digest_is_remembered_until_anything_about_the_file_changes() {
        let root = tempfile::tempdir().expect("a folder");
        let path = root.path().join("x.wasm");
        fs::write(&path, b"one").expect("ours");
        let metadata = fs::metadata(&path).expect("there");
        let code = root.path().join("llmhost/code");
        trusted(&code).expect("just made");
        let cache = Cache { folder: Some(code), engine: Digest::of(b"") };
        let digest = Digest::of(b"one");

        cache.remember(&path, &metadata, &digest);
        assert_eq!(cache.digest_of(&path, &metadata), None, "it was just written");

        // As if it had settled.
        let seen = cache.seen(&path).expect("a folder");
        write(&seen, &[*mark_of(&metadata).expect("unix").bytes(), *digest.bytes()].concat(), false).expect("ours");
        assert_eq!(cache.digest_of(&path, &metadata), Some(digest));
        assert_eq!(cache.digest_of(&root.path().join("y.wasm"), &metadata), None);
        fs::write(&path, b"two!").expect("ours");
        assert_eq!(cache.digest_of(&path, &fs::metadata(&path).expect("there")), None);
        fs::write(&seen, b"short").expect("ours");
        assert_eq!(cache.digest_of(&path, &metadata), None);
    }

    #[test]
    fn a_fresh_folder_is_private_and_trusted() {
        let root = tempfile::tempdir().expect("a folder");
        let code = root.path().join("llmhost/code");
        trusted(&code).expect("just made");
        assert_eq!(fs::metadata(&code).expect("there").permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_folder_that_others_can_write_or_replace_is_not_trusted() {
        for open in ["llmhost", "llmhost/code"] {
            let root = tempfile::tempdir().expect("a folder");
            let code = root.path().join("llmhost/code");
            trusted(&code).expect("just made");
            fs::set_permissions(root.path().join(open), fs::Permissions::from_mode(0o777)).expect("ours");
            let reason = trusted(&code).expect_err(open);
            assert!(reason.contains("other users"), "{reason}");
        }
    }

    #[test]
    fn a_link_in_place_of_the_folder_is_not_trusted() {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir(root.path().join("llmhost")).expect("a folder");
        symlink("/tmp", root.path().join("llmhost/code")).expect("a link");
        assert!(trusted(&root.path().join("llmhost/code")).is_err());
    }
}
