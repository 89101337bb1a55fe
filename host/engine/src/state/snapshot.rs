//! `state.json`: the state as of the end of a run. Written whole, and replaced in one step.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{State, StateError};

/// The newest version of both files that this code reads, and the one that it writes.
pub(super) const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Document<S> {
    llmhost_state: u32,
    /// Grows by one with each snapshot; a journal names the one that it continues.
    serial: u64,
    state: S,
}

#[derive(Deserialize)]
struct Versioned {
    llmhost_state: u32,
}

pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join("state.json")
}

/// The state and its serial; nothing where there is no snapshot yet.
pub(super) fn read(folder: &Path, pipeline: &str) -> Result<Option<(State, u64)>, StateError> {
    let path = path(folder);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StateError::io("read", &path, &error)),
    };
    let damaged = |error: serde_json::Error| StateError::Snapshot {
        path: path.display().to_string(),
        reason: if bytes.is_empty() { "it is empty".to_owned() } else { error.to_string() },
    };
    let Versioned { llmhost_state: found } = serde_json::from_slice(&bytes).map_err(damaged)?;
    if found > VERSION {
        return Err(StateError::Newer { path: path.display().to_string(), found, known: VERSION });
    }
    let document: Document<State> = serde_json::from_slice(&bytes).map_err(damaged)?;
    if document.state.pipeline != pipeline {
        let (path, found) = (path.display().to_string(), document.state.pipeline);
        return Err(StateError::OtherPipeline { path, found, wanted: pipeline.to_owned() });
    }
    Ok(Some((document.state, document.serial)))
}

/// Replaces the snapshot; the one before it stays as `state.json.backup`.
pub(super) fn write(folder: &Path, state: &State, serial: u64) -> Result<(), StateError> {
    let (path, fresh) = (path(folder), folder.join("state.json.new"));
    let document = Document { llmhost_state: VERSION, serial, state };
    let text = serde_json::to_vec_pretty(&document).expect("a state is plain data");
    let failed = |error: std::io::Error| StateError::io("write", &fresh, &error);
    let mut file = private(&fresh).map_err(failed)?;
    file.write_all(&text).and_then(|()| file.write_all(b"\n")).and_then(|()| file.sync_all()).map_err(failed)?;
    if path.exists() {
        let backup = folder.join("state.json.backup");
        // A backup is a help, not a promise: a file system without links goes without.
        let _ = fs::remove_file(&backup);
        let _ = fs::hard_link(&path, &backup);
    }
    fs::rename(&fresh, &path).and_then(|()| sync_folder(folder)).map_err(|error| StateError::io("write", &path, &error))
}

/// Makes a file that only its owner can read; ids and names of a company's network are nobody else's.
pub(super) fn private(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Makes names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}
