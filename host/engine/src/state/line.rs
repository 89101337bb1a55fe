//! Lines of a journal: each change since the snapshot, with a checksum.
//!
//! The first line of a file is its header: it names the snapshot that the journal continues, so
//! that a crash between writing a snapshot and removing the journal applies nothing twice.

use serde::{Deserialize, Serialize};

use super::document::VERSION;
use super::{Change, StateError};

/// The first line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Header {
    llmhost_journal: u32,
    /// Serial of the snapshot that this continues; 0 for none.
    pub(super) serial: u64,
    pub(super) pipeline: String,
    /// Of a journal that is kept in several objects: which one this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) segment: Option<Segment>,
}

#[derive(Deserialize)]
struct Versioned {
    llmhost_journal: u32,
}

/// One object of a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Segment {
    /// From 1.
    pub(super) number: u64,
    /// The lease under which it was written.
    pub(super) term: u64,
    /// The run that wrote it.
    pub(super) run: String,
    /// Who that is, in words.
    pub(super) holder: String,
}

/// The header's line.
pub(super) fn header(serial: u64, pipeline: &str, segment: Option<Segment>) -> Vec<u8> {
    let header = Header { llmhost_journal: VERSION, serial, pipeline: pipeline.to_owned(), segment };
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

/// Reads a journal line by line.
pub(super) struct Lines<'a> {
    path: &'a str,
    rest: &'a [u8],
    number: usize,
    /// Bytes up to the end of the last good line.
    pub(super) good: u64,
    /// Whether the last line is not whole: only the very end of a file can be torn by a crash, and
    /// it was never acknowledged.
    pub(super) torn: bool,
}

impl<'a> Lines<'a> {
    pub(super) fn new(path: &'a str, bytes: &'a [u8]) -> Self {
        Self { path, rest: bytes, number: 0, good: 0, torn: false }
    }

    /// The header; nothing where there is not even that.
    pub(super) fn header(&mut self) -> Result<Option<Header>, StateError> {
        let Some(json) = self.next()? else { return Ok(None) };
        let damaged = |error: serde_json::Error| self.damaged(error.to_string());
        // The version first: a newer header may have other fields.
        let Versioned { llmhost_journal: found } = serde_json::from_slice(json).map_err(damaged)?;
        if found > VERSION {
            return Err(StateError::Newer { path: self.path.to_owned(), found, known: VERSION });
        }
        serde_json::from_slice(json).map(Some).map_err(damaged)
    }

    /// Every change after the header.
    pub(super) fn changes(&mut self) -> Result<Vec<Change>, StateError> {
        let mut changes = Vec::new();
        while let Some(json) = self.next()? {
            changes.push(serde_json::from_slice(json).map_err(|error| self.unknown(json, &error))?);
        }
        Ok(changes)
    }

    /// What is wrong, and in which line.
    pub(super) fn damaged(&self, reason: String) -> StateError {
        StateError::Journal { path: self.path.to_owned(), line: self.number.max(1), reason }
    }

    /// Why a line with the right checksum is none that is known here: nobody but an llmhost writes
    /// such a checksum, so a change that it names is one of a newer llmhost.
    fn unknown(&self, json: &[u8], error: &serde_json::Error) -> StateError {
        #[derive(Deserialize)]
        struct Named {
            #[serde(rename = "change")]
            _change: String,
        }
        let reason = error.to_string();
        if serde_json::from_slice::<Named>(json).is_err() {
            return self.damaged(reason);
        }
        StateError::NewerLine { path: self.path.to_owned(), line: self.number, reason }
    }

    fn next(&mut self) -> Result<Option<&'a [u8]>, StateError> {
        if self.rest.is_empty() || self.torn {
            return Ok(None);
        }
        self.number += 1;
        let length = self.rest.iter().position(|&byte| byte == b'\n').map_or(self.rest.len(), |at| at + 1);
        let (text, after) = self.rest.split_at(length);
        match checked(text) {
            Ok(json) => {
                self.good += length as u64;
                self.rest = after;
                Ok(Some(json))
            }
            Err(_) if after.is_empty() => {
                self.torn = true;
                Ok(None)
            }
            Err(reason) => Err(self.damaged(reason.to_owned())),
        }
    }
}

/// The JSON of a line whose checksum is right.
fn checked(line: &[u8]) -> Result<&[u8], &'static str> {
    let line = line.strip_suffix(b"\n").ok_or("it has no end")?;
    let (sum, json) = line.split_at_checked(9).ok_or("it is too short")?;
    let sum = std::str::from_utf8(sum).ok().and_then(|sum| u32::from_str_radix(sum.trim_end(), 16).ok());
    if sum == Some(crc32fast::hash(json)) { Ok(json) } else { Err("its checksum is wrong") }
}
