//! `journal.jsonl`: every change since the snapshot.

use std::fs;
use std::path::{Path, PathBuf};

use crate::state::line::Lines;
use crate::state::{Change, StateError};

/// What a journal holds.
#[derive(Default)]
pub(super) struct Journal {
    pub(super) changes: Vec<Change>,
    /// Bytes up to the end of the last good line; 0 where the file has to be begun anew.
    pub(super) good: u64,
    /// Whether something was cut off after that.
    pub(super) torn: bool,
}

pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join("journal.jsonl")
}

/// Reads the journal that continues snapshot `serial`. A last line that is torn was never
/// acknowledged and is dropped; a damaged line before it is an error.
pub(super) fn read(folder: &Path, serial: u64, pipeline: &str) -> Result<Journal, StateError> {
    let path = path(folder);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Journal::default()),
        Err(error) => return Err(StateError::io("read", &path, &error)),
    };
    let shown = path.display().to_string();
    let mut lines = Lines::new(&shown, &bytes);
    let Some(header) = lines.header()? else {
        return Ok(Journal { torn: lines.torn, ..Journal::default() });
    };
    if header.pipeline != pipeline {
        return Err(StateError::OtherPipeline { path: shown, found: header.pipeline, wanted: pipeline.to_owned() });
    }
    if header.serial < serial {
        // The snapshot has it already.
        return Ok(Journal::default());
    }
    if header.serial > serial {
        let reason = format!("it continues snapshot {}, and state.json is number {serial}", header.serial);
        return Err(lines.damaged(reason));
    }
    let changes = lines.changes()?;
    Ok(Journal { changes, good: lines.good, torn: lines.torn })
}
