//! `journal.jsonl`: every change since the snapshot.

use std::fs;
use std::path::{Path, PathBuf};

use crate::state::line::Lines;
use crate::state::{Change, StateError};

/// What a journal holds.
#[derive(Default)]
pub(super) struct Journal {
    pub(super) changes: Vec<Change>,
    /// The pipeline, as it was called when this journal was begun.
    pub(super) pipeline: Option<String>,
    /// Bytes up to the end of the last good line; 0 where the file has to be begun anew.
    pub(super) good: u64,
    /// Whether something was cut off after that.
    pub(super) torn: bool,
}

pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join("journal.jsonl")
}

/// What the file holds; nothing where there is none.
pub(super) fn bytes(folder: &Path) -> Result<Vec<u8>, StateError> {
    let path = path(folder);
    match fs::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read.map_err(|error| StateError::io("read", &path, &error)),
    }
}

/// Makes sense of the journal that continues snapshot `serial`. A last line that is torn was never
/// acknowledged and is dropped; a damaged line before it is an error.
pub(super) fn parse(folder: &Path, bytes: &[u8], serial: u64) -> Result<Journal, StateError> {
    let shown = path(folder).display().to_string();
    let mut lines = Lines::new(&shown, bytes);
    let Some(header) = lines.header()? else {
        return Ok(Journal { torn: lines.torn, ..Journal::default() });
    };
    if header.serial < serial {
        // The snapshot has it already.
        return Ok(Journal { pipeline: Some(header.pipeline), ..Journal::default() });
    }
    if header.serial > serial {
        let reason = format!("it continues snapshot {}, and state.json is number {serial}", header.serial);
        return Err(StateError::Unfit { path: shown, reason });
    }
    let changes = lines.changes()?;
    Ok(Journal { changes, pipeline: Some(header.pipeline), good: lines.good, torn: lines.torn })
}
