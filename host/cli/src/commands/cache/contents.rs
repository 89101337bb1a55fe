//! What is in the cache folder. Only what llmhost is known to write there counts: anything else is somebody's.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use llmhost_python_env::FINISHED;

use crate::args::Sort;

/// One thing that can be removed as a whole.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) sort: Sort,
    pub(super) name: String,
    pub(super) path: PathBuf,
    /// What goes with it.
    beside: Vec<PathBuf>,
    /// Held by whoever makes or fetches it.
    lock: Option<PathBuf>,
    pub(super) bytes: u64,
    pub(super) written: SystemTime,
}

/// The lock of an item, held until this is dropped; nothing to hold where it has none.
#[derive(Debug)]
pub(super) struct Held(#[expect(dead_code, reason = "held until it is dropped")] Option<File>);

impl Item {
    fn new(
        sort: Sort,
        path: PathBuf,
        beside: Vec<PathBuf>,
        lock: Option<PathBuf>,
        until: Option<Instant>,
    ) -> Option<Self> {
        let metadata = path.symlink_metadata().ok()?;
        // A link in the cache folder leads to what is somebody else's.
        if metadata.is_symlink() {
            return None;
        }
        let name = path.file_name()?.to_string_lossy().into_owned();
        let bytes = [&path].into_iter().chain(&beside).map(|path| bytes(path, until)).sum();
        let written = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        Some(Self { sort, name, path, beside, lock, bytes, written })
    }

    /// Takes its lock; nothing where another process holds it.
    pub(super) fn lock(&self) -> Option<Held> {
        let Some(path) = self.lock.as_ref().filter(|path| path.exists()) else { return Some(Held(None)) };
        let file = File::open(path).ok()?;
        match file.try_lock() {
            Ok(()) => Some(Held(Some(file))),
            Err(fs::TryLockError::WouldBlock) => None,
            // A file system without locks.
            Err(fs::TryLockError::Error(_)) => Some(Held(None)),
        }
    }

    /// Removes it: what says that it is whole goes first.
    pub(super) fn remove(&self) -> std::io::Result<()> {
        for path in &self.beside {
            gone(fs::remove_file(path))?;
        }
        if !self.path.is_dir() {
            return gone(fs::remove_file(&self.path));
        }
        gone(fs::remove_file(self.path.join(FINISHED)))?;
        gone(fs::remove_dir_all(&self.path))
    }
}

fn gone(result: std::io::Result<()>) -> std::io::Result<()> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Everything in the folder that llmhost can make again. Sizes are counted until then, and are too small after it.
pub(super) fn all(folder: &Path, until: Option<Instant>) -> Vec<Item> {
    let mut items = Vec::new();
    for path in entries(&folder.join("code")) {
        if path.extension().is_some_and(|ending| ending == "cwasm") {
            let beside = ["seen"].iter().map(|ending| path.with_extension(ending)).collect();
            let lock = path.with_extension("lock");
            items.extend(Item::new(Sort::Code, path, beside, Some(lock), until));
        }
    }
    let models = folder.join("models");
    for path in entries(&models.join("models")) {
        if path.is_dir() {
            let key = path.file_name().unwrap_or_default();
            let (record, lock) = (path.with_extension("json"), models.join("locks").join(key));
            items.extend(Item::new(Sort::Models, path, vec![record], Some(lock), until));
        }
    }
    for path in entries(folder) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // NAME-SUM, as `llmhost_python_env::folder_of` writes it; `once` marks it when it is whole.
        let sum = name.rsplit_once('-').map_or("", |(_, sum)| sum);
        let is_made = sum.len() >= 12 && sum.chars().all(|c| c.is_ascii_hexdigit());
        if is_made && path.is_dir() && path.join(FINISHED).is_file() {
            let lock = path.with_extension("lock");
            items.extend(Item::new(Sort::Environments, path, Vec::new(), Some(lock), until));
        }
    }
    for sort in ["plugins", "pipelines", "charts"] {
        for path in entries(&folder.join(sort).join("sha256")) {
            items.extend(Item::new(Sort::Packages, path, Vec::new(), None, until));
        }
    }
    items
}

/// Removes files of models that no model has any more and that are so old, unless one is being fetched.
pub(super) fn remove_unused_blobs(folder: &Path, is_old: &dyn Fn(SystemTime) -> bool) {
    let models = folder.join("models");
    let locks: Vec<File> = entries(&models.join("locks")).iter().filter_map(|path| File::open(path).ok()).collect();
    // A model that is fetched now has blobs that nothing links to yet.
    if !locks.iter().all(|lock| lock.try_lock().is_ok()) {
        return;
    }
    let needed: BTreeSet<String> = entries(&models.join("models"))
        .iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .filter_map(|path| serde_json::from_slice::<serde_json::Value>(&fs::read(path).ok()?).ok())
        .flat_map(|record| record["files"].as_array().cloned().unwrap_or_default())
        .filter_map(|file| Some(file["sha256"].as_str()?.to_owned()))
        .collect();
    for blob in entries(&models.join("blobs")) {
        let name = blob.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let written = blob.symlink_metadata().and_then(|metadata| metadata.modified());
        if !needed.contains(&name) && written.is_ok_and(is_old) {
            _ = fs::remove_file(blob);
        }
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let is_link = folder.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink());
    let read = if is_link { None } else { fs::read_dir(folder).ok() };
    let mut paths: Vec<PathBuf> = read.into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Bytes of a file, or of all files of a folder; links are not followed.
fn bytes(path: &Path, until: Option<Instant>) -> u64 {
    let mut sum = 0;
    let mut open = vec![path.to_owned()];
    while let Some(path) = open.pop().filter(|_| until.is_none_or(|until| Instant::now() < until)) {
        let Ok(metadata) = path.symlink_metadata() else { continue };
        match metadata.is_dir() {
            true => open.extend(entries(&path)),
            false => sum += metadata.blocks() * 512,
        }
    }
    sum
}
