//! The journal in a bucket: changes that wait together are one object.

use std::sync::Arc;

use super::put::{Put, put};
use super::{Bucket, Lease, Object, Only};
use crate::plan::plain;
use crate::state::line::{self, Lines, Segment};
use crate::state::memory::{Broken, Jobs};
use crate::state::{Cost, StateError};

pub(super) const FOLDER: &str = "journal/";

/// The key of a segment.
pub(super) fn key(serial: u64, number: u64) -> String {
    format!("{FOLDER}{serial:010}-{number:010}.jsonl")
}

/// Serial and number of a segment; nothing where the key is none.
pub(super) fn parse(key: &str) -> Option<(u64, u64)> {
    let (serial, number) = key.strip_prefix(FOLDER)?.strip_suffix(".jsonl")?.split_once('-')?;
    Some((serial.parse().ok()?, number.parse().ok()?))
}

/// Appends segments to the journal of one snapshot.
pub(super) struct Segments {
    pub(super) bucket: Arc<dyn Bucket>,
    pub(super) pipeline: String,
    pub(super) lease: Lease,
    pub(super) serial: u64,
    /// The number of the next one.
    pub(super) next: u64,
    pub(super) cost: Arc<Cost>,
}

impl Segments {
    /// Writes what is queued until nothing will be any more.
    pub(super) async fn serve(mut self, mut jobs: Jobs, broken: Broken) -> Self {
        while let Some(batch) = jobs.next().await {
            // After a failed write nothing more is promised: a gap would be worse than a stop.
            let result = match broken.check() {
                Ok(()) => self.append(&batch.lines()).await,
                Err(error) => Err(error),
            };
            broken.note(&result);
            batch.answer(&result);
        }
        self
    }

    /// Writes the next segment, or says who wrote it.
    pub(super) async fn append(&mut self, lines: &[u8]) -> Result<(), StateError> {
        let segment = Segment {
            number: self.next,
            term: self.lease.term,
            run: self.lease.holder.run.clone(),
            holder: self.lease.holder.to_string(),
        };
        let mut bytes = line::header(self.serial, &self.pipeline, Some(segment));
        bytes.extend_from_slice(lines);
        let key = key(self.serial, self.next);
        match put(&*self.bucket, &key, &bytes, Only::New).await? {
            Put::Done(_) => {
                self.next += 1;
                self.cost.add(bytes.len());
                Ok(())
            }
            Put::Refused(theirs) => {
                let by = theirs.and_then(|theirs| writer(&self.bucket.address(&key), &theirs));
                let by = by.unwrap_or_else(|| "somebody else".to_owned());
                Err(StateError::TakenOver { path: self.bucket.address(""), by })
            }
        }
    }
}

/// Who wrote a segment.
fn writer(path: &str, object: &Object) -> Option<String> {
    let header = Lines::new(path, &object.bytes).header().ok()??;
    Some(plain(&header.segment?.holder).into_owned())
}
