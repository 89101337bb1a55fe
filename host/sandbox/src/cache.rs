//! Compiled code on disk, so that a plugin is compiled once per content, engine and processor.
//!
//! The code is run as it lies there, so everything hangs on who can write the folder: it is used
//! only where it belongs to this user and nobody else may write it. Files are written beside
//! their place and renamed, so a file is there whole or not at all; one that wasmtime does not
//! accept all the same is compiled anew.

use std::fs::{self, DirBuilder, File};
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

/// SHA-256 of a component's bytes.
pub(crate) type WasmDigest = [u8; 32];

/// The cache of one engine.
pub(crate) struct Cache {
    folder: Option<PathBuf>,
    /// Everything of the engine that compiled code depends on.
    engine: WasmDigest,
}

impl Cache {
    /// A cache under `root`; without a folder where there is none, or none that can be trusted,
    /// and then with the reason.
    pub(crate) fn open(root: Option<&Path>, engine: &Engine) -> (Self, Option<(PathBuf, String)>) {
        let mut compatibility = HashInto(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut compatibility);
        let engine = compatibility.0.finalize().into();
        let Some(root) = root else { return (Self { folder: None, engine }, None) };
        let folder = root.join("llmhost").join("code");
        match trusted(&folder) {
            Ok(()) => (Self { folder: Some(folder), engine }, None),
            Err(reason) => (Self { folder: None, engine }, Some((folder, reason))),
        }
    }

    /// The component, from the cache or compiled; `compiles` runs `compile` with what the user is
    /// told around it.
    pub(crate) fn component(
        &self,
        engine: &Engine,
        digest: &WasmDigest,
        compile: impl FnOnce() -> wasmtime::Result<Vec<u8>>,
    ) -> wasmtime::Result<Component> {
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
        if let Err(error) = write(&path, &code) {
            tracing::warn!("cannot keep compiled code in {}: {error}", path.display());
            return in_memory(engine, &code);
        }
        read(engine, &path).map_or_else(|| in_memory(engine, &code), Ok)
    }

    /// Whether the code is there, so that nothing needs compiling.
    pub(crate) fn has(&self, digest: &WasmDigest) -> bool {
        self.folder.as_ref().is_some_and(|folder| folder.join(format!("{}.cwasm", self.key(digest))).exists())
    }

    fn key(&self, digest: &WasmDigest) -> String {
        hex(&Sha256::new().chain_update(self.engine).chain_update(digest).finalize().into())
    }
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

fn in_memory(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `code` comes straight from `precompile_component` of this engine.
    unsafe { Component::deserialize(engine, code) }
}

fn write(path: &Path, code: &[u8]) -> std::io::Result<()> {
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let written = (|| {
        let mut file = File::create(&beside)?;
        file.write_all(code)?;
        file.sync_all()?;
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
        return Err(format!("{at} can be written by other users; take that away with chmod go-w"));
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
        let digest: WasmDigest = self.0.clone().finalize().into();
        digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(digest: &WasmDigest) -> String {
    use std::fmt::Write;
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

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
