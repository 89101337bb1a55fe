//! `journal.jsonl`: every change since the snapshot, one line each, with a checksum.
//!
//! The first line names the snapshot that the journal continues, so that a crash between writing
//! a snapshot and removing the journal applies nothing twice. A last line that is torn was never
//! acknowledged and is dropped; a damaged line before it stops the run.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::snapshot::VERSION;
use super::{Change, StateError};

#[derive(Serialize, Deserialize)]
struct Header {
    llmhost_journal: u32,
    /// Serial of the snapshot that this continues; 0 for none.
    serial: u64,
    pipeline: String,
}

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

/// The first line of a journal.
pub(super) fn header(serial: u64, pipeline: &str) -> Vec<u8> {
    let header = Header { llmhost_journal: VERSION, serial, pipeline: pipeline.to_owned() };
    line(&serde_json::to_vec(&header).expect("a header is plain data"))
}

/// The line of a change.
pub(super) fn entry(change: &Change) -> Vec<u8> {
    line(&serde_json::to_vec(change).expect("a change is plain data"))
}

fn line(json: &[u8]) -> Vec<u8> {
    let mut line = format!("{:08x} ", crc32fast::hash(json)).into_bytes();
    line.extend_from_slice(json);
    line.push(b'\n');
    line
}

/// Reads the journal that continues snapshot `serial`.
pub(super) fn read(folder: &Path, serial: u64) -> Result<Journal, StateError> {
    let path = path(folder);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Journal::default()),
        Err(error) => return Err(StateError::io("read", &path, &error)),
    };
    let damaged = |line, reason: String| StateError::Journal { path: path.display().to_string(), line, reason };
    let mut journal = Journal::default();
    let mut rest = bytes.as_slice();
    let mut number = 0;
    while !rest.is_empty() {
        number += 1;
        let length = rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |at| at + 1);
        let (text, after) = rest.split_at(length);
        let json = match checked(text) {
            Ok(json) => json,
            // Only the very end of the file can be torn by a crash.
            Err(_) if after.is_empty() => {
                journal.torn = true;
                break;
            }
            Err(reason) => return Err(damaged(number, reason.to_owned())),
        };
        if number == 1 {
            let header: Header = serde_json::from_slice(json).map_err(|error| damaged(1, error.to_string()))?;
            if header.llmhost_journal > VERSION {
                let (path, found) = (path.display().to_string(), header.llmhost_journal);
                return Err(StateError::Newer { path, found, known: VERSION });
            }
            if header.serial < serial {
                // The snapshot has it already.
                return Ok(Journal::default());
            }
            if header.serial > serial {
                let reason = format!("it continues snapshot {}, and state.json is number {serial}", header.serial);
                return Err(damaged(1, reason));
            }
        } else {
            journal.changes.push(serde_json::from_slice(json).map_err(|error| damaged(number, error.to_string()))?);
        }
        journal.good += length as u64;
        rest = after;
    }
    Ok(journal)
}

/// The JSON of a line whose checksum is right.
fn checked(line: &[u8]) -> Result<&[u8], &'static str> {
    let line = line.strip_suffix(b"\n").ok_or("it has no end")?;
    let (sum, json) = line.split_at_checked(9).ok_or("it is too short")?;
    let sum = std::str::from_utf8(sum).ok().and_then(|sum| u32::from_str_radix(sum.trim_end(), 16).ok());
    if sum == Some(crc32fast::hash(json)) { Ok(json) } else { Err("its checksum is wrong") }
}
