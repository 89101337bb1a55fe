//! Reading what a bucket holds: the snapshot, and the segments that continue it.

use futures::{StreamExt, TryStreamExt};

use super::put::{failed, get};
use super::{Bucket, Object, segments};
use crate::state::document::{self, Snapshot};
use crate::state::line::Lines;
use crate::state::{Change, StateError};

pub(super) const SNAPSHOT: &str = "state.json";
pub(super) const HISTORY: &str = "history/";

/// The key of a snapshot that is kept after there is a newer one.
pub(super) fn history(serial: u64) -> String {
    format!("{HISTORY}{serial:010}.json")
}

/// Whether a key is of a snapshot that was kept, and not of anything that somebody else put there.
pub(super) fn is_history(key: &str) -> bool {
    let number = key.strip_prefix(HISTORY).and_then(|name| name.strip_suffix(".json"));
    number.is_some_and(|number| number.len() == 10 && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Segments that are read at a time.
const AT_A_TIME: usize = 8;
/// Each attempt fails only because somebody has written a new snapshot meanwhile.
const ATTEMPTS: usize = 10;

/// Everything that a bucket holds, as of one moment.
pub(super) struct Contents {
    /// The snapshot with the journal's changes taken in; its serial is the snapshot's.
    pub(super) snapshot: Snapshot,
    /// The snapshot's object, where there is one.
    pub(super) object: Option<Object>,
    /// How many changes the journal had.
    pub(super) changes: usize,
    /// The number that the next segment has.
    pub(super) next: u64,
    /// The keys of segments with changes in them, which can go when a snapshot holds those.
    /// Segments without any are fences, and stay.
    pub(super) segments: Vec<String>,
    /// The highest lease that wrote anything.
    pub(super) term: u64,
}

/// Reads all of it, without keeping anybody out.
pub(super) async fn load(bucket: &dyn Bucket, pipeline: &str) -> Result<Contents, StateError> {
    for _ in 0..ATTEMPTS {
        if let Some(contents) = load_once(bucket, pipeline).await? {
            return Ok(contents);
        }
    }
    Err(StateError::Busy { path: bucket.address("") })
}

/// Lists the journal before it reads the snapshot: where a new one is written in between, the list
/// has nothing of its journal, and what is read is the state as of that snapshot. Nothing where a
/// segment of the list is gone by the time that it is read.
async fn load_once(bucket: &dyn Bucket, pipeline: &str) -> Result<Option<Contents>, StateError> {
    let keys = bucket.keys(segments::FOLDER).await.map_err(failed(bucket, "list", segments::FOLDER))?;
    let object = get(bucket, SNAPSHOT).await?;
    let found = match &object {
        Some(object) => {
            let backup = format!("the newest below {}", bucket.address(HISTORY));
            Some(document::parse(&bucket.address(SNAPSHOT), &backup, &object.bytes, pipeline)?)
        }
        None if was_there(bucket).await? => return Ok(None),
        None => None,
    };
    let serial = found.as_ref().map_or(0, |snapshot| snapshot.serial);
    let mut numbers: Vec<u64> = Vec::new();
    for key in &keys {
        match segments::parse(key) {
            Some((of, number)) if of == serial => numbers.push(number),
            Some((of, _)) if of > serial => {
                let reason = format!("it continues snapshot {of}, and state.json is number {serial}");
                return Err(StateError::Unfit { path: bucket.address(key), reason });
            }
            _ => {}
        }
    }
    numbers.sort_unstable();
    if let Some(missing) = (1..).zip(&numbers).find_map(|(number, &found)| (number != found).then_some(number)) {
        let (path, reason) = (
            bucket.address(&segments::key(serial, missing)),
            "this segment is missing, and later ones are there".to_owned(),
        );
        return Err(StateError::Unfit { path, reason });
    }
    let reads = numbers.into_iter().map(|number| segment(bucket, serial, number));
    let read: Vec<Option<Segment>> = futures::stream::iter(reads).buffered(AT_A_TIME).try_collect().await?;
    let Some(read) = read.into_iter().collect::<Option<Vec<_>>>() else { return Ok(None) };
    let named = read.first().map(|segment| segment.pipeline.as_str());
    let mut snapshot = found.unwrap_or_else(|| Snapshot::empty(named.unwrap_or(pipeline)));
    let before = snapshot.state.pipeline.clone();
    let term = read.iter().map(|segment| segment.term).chain([snapshot.term]).max().unwrap_or(0);
    let next = read.len() as u64 + 1;
    let with_changes = (1..).zip(&read).filter(|(_, segment)| !segment.changes.is_empty());
    let segments = with_changes.map(|(number, _)| segments::key(serial, number)).collect();
    let count = read.iter().map(|segment| segment.changes.len()).sum();
    read.iter().flat_map(|segment| &segment.changes).for_each(|change| snapshot.state.apply(change.clone()));
    let headers = (1..).zip(&read);
    let headers =
        headers.map(|(number, segment)| (bucket.address(&segments::key(serial, number)), segment.pipeline.as_str()));
    document::check_pipeline(&bucket.address(SNAPSHOT), &before, &snapshot.state, headers, pipeline)?;
    Ok(Some(Contents { snapshot, object, changes: count, next, segments, term }))
}

/// Asked where there is no snapshot: whether one was written meanwhile. Where snapshots are kept
/// that came before one, that one is missing, and an empty state would be a guess.
async fn was_there(bucket: &dyn Bucket) -> Result<bool, StateError> {
    let keys = bucket.keys(HISTORY).await.map_err(failed(bucket, "list", HISTORY))?;
    let Some(newest) = keys.iter().filter(|key| is_history(key)).max() else { return Ok(false) };
    if get(bucket, SNAPSHOT).await?.is_some() {
        return Ok(true);
    }
    let reason = format!("there are some that came before it, the newest of them {}", bucket.address(newest));
    Err(StateError::Missing { path: bucket.address(SNAPSHOT), reason })
}

/// A segment as it was read.
struct Segment {
    /// The lease that wrote it.
    term: u64,
    /// The pipeline, as it was called then.
    pipeline: String,
    changes: Vec<Change>,
}

/// Reads a segment; nothing where it is gone.
async fn segment(bucket: &dyn Bucket, serial: u64, number: u64) -> Result<Option<Segment>, StateError> {
    let key = segments::key(serial, number);
    let Some(object) = get(bucket, &key).await? else { return Ok(None) };
    let path = bucket.address(&key);
    let mut lines = Lines::new(&path, &object.bytes);
    let header = lines.header()?;
    let changes = lines.changes()?;
    if lines.torn {
        // An object is written whole or not at all.
        return Err(lines.damaged("it is cut off, or its checksum is wrong".to_owned()));
    }
    let Some(header) = header else { return Err(lines.damaged("it is empty".to_owned())) };
    match header.segment {
        Some(segment) if segment.number == number && header.serial == serial => {
            Ok(Some(Segment { term: segment.term, pipeline: header.pipeline, changes }))
        }
        _ => Err(lines.damaged("it is not the segment that its name says".to_owned())),
    }
}
