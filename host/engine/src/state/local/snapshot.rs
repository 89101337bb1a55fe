//! `state.json`: the state as of the end of a run. Written whole, and replaced in one step.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::state::document::{self, Snapshot};
use crate::state::{State, StateError};

pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join("state.json")
}

fn backup(path: &Path) -> PathBuf {
    path.with_extension("json.backup")
}

/// The snapshot; nothing where there is none yet.
pub(super) fn read(folder: &Path, pipeline: &str) -> Result<Option<Snapshot>, StateError> {
    let path = path(folder);
    let shown = path.display().to_string();
    let parse = |text: &[u8]| document::parse(&shown, &backup(&path).display().to_string(), text, pipeline).map(Some);
    if let Some(text) = text(&path)? {
        return parse(&text);
    }
    let Some(reason) = missing(&path) else { return Ok(None) };
    // The first runs may have ended since it was looked for.
    match text(&path)? {
        Some(text) => parse(&text),
        None => Err(StateError::Missing { path: shown, reason }),
    }
}

fn text(path: &Path) -> Result<Option<Vec<u8>>, StateError> {
    match fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some).map_err(|error| StateError::io("read", path, &error)),
    }
}

/// What tells, of a snapshot that is not there, that one was there before.
fn missing(path: &Path) -> Option<String> {
    if let Ok(target) = fs::read_link(path) {
        return Some(format!("it is a link to {}, which is not there", target.display()));
    }
    let backup = backup(path);
    let there = backup.symlink_metadata().is_ok();
    there.then(|| format!("the one before it is there, {}", backup.display()))
}

/// Replaces the snapshot; the one before it stays as `state.json.backup`.
pub(super) fn write(folder: &Path, state: &State, serial: u64) -> Result<(), StateError> {
    let (path, fresh) = (path(folder), folder.join("state.json.new"));
    let text = document::text(serial, 0, state);
    let failed = |error: std::io::Error| StateError::io("write", &fresh, &error);
    let mut file = private(&fresh).map_err(failed)?;
    file.write_all(&text).and_then(|()| file.sync_all()).map_err(failed)?;
    if path.exists() {
        let backup = backup(&path);
        // A backup is a help, not a promise: a file system without links goes without.
        let _ = fs::remove_file(&backup);
        let _ = fs::hard_link(&path, &backup);
    }
    fs::rename(&fresh, &path).and_then(|()| sync_folder(folder)).map_err(|error| StateError::io("write", &path, &error))
}

/// Makes a file that only its owner can read; ids and names of a company's network are nobody else's.
fn private(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Makes names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}
