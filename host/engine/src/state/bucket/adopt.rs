//! What the holder of the lease finds, made theirs: the journal of a run that did not end is taken
//! in, and its writer fenced off.

use std::sync::Arc;

use super::contents::{Contents, HISTORY, SNAPSHOT, history, is_history, load};
use super::put::{Put, put};
use super::segments::Segments;
use super::take::{Taken, taken_over};
use super::{Bucket, Object, Only};
use crate::state::document;
use crate::state::{Cost, Recovered, State, StateError};

/// Each attempt fails only because the one who is fenced off has written something meanwhile.
const ATTEMPTS: usize = 10;
/// Snapshots that are kept beside the newest.
const KEPT: usize = 10;

/// A state that nobody else writes.
pub(super) struct Adopted {
    pub(super) state: State,
    /// Of the snapshot, and its object where there is one.
    pub(super) serial: u64,
    pub(super) object: Option<Object>,
    pub(super) notes: Vec<Recovered>,
}

/// Reads the state; where it was not given back in order, fences off whoever had it. First a
/// segment takes the next number of the journal, and stays there: nothing is added to that any
/// more, however late. Then a new snapshot takes the place of the one that they know: none of
/// theirs replaces it any more.
pub(super) async fn adopt(bucket: &Arc<dyn Bucket>, pipeline: &str, taken: &Taken) -> Result<Adopted, StateError> {
    let mut notes = Vec::new();
    notes.extend(taken.from.clone().map(|from| Recovered::TakenOver { from }));
    for _ in 0..ATTEMPTS {
        let contents = load(&**bucket, pipeline).await?;
        if contents.term > taken.lease.term {
            return Err(taken_over(&**bucket).await);
        }
        let Contents { snapshot, object, changes, next, segments, .. } = contents;
        let mut notes = notes.clone();
        if changes > 0 {
            notes.push(Recovered::Unended { changes });
        }
        if taken.settled && next == 1 {
            return Ok(Adopted { state: snapshot.state, serial: snapshot.serial, object, notes });
        }
        let mut fence = Segments {
            bucket: Arc::clone(bucket),
            pipeline: pipeline.to_owned(),
            lease: taken.lease.clone(),
            serial: snapshot.serial,
            next,
            cost: Arc::new(Cost::default()),
        };
        match fence.append(&[]).await {
            Ok(()) => {}
            Err(StateError::TakenOver { .. }) => continue,
            Err(error) => return Err(error),
        }
        let over = object.as_ref().map(|object| (snapshot.serial, object));
        let serial = snapshot.serial + 1;
        if let Some(object) = save(&**bucket, over, serial, taken.lease.term, &snapshot.state).await? {
            tidy(&**bucket, segments).await;
            return Ok(Adopted { state: snapshot.state, serial, object: Some(object), notes });
        }
    }
    Err(StateError::Busy { path: bucket.address("") })
}

/// Writes a snapshot over the one that was read, or the first one; nothing where somebody else
/// has written one since. The one before it is kept.
pub(super) async fn save(
    bucket: &dyn Bucket,
    over: Option<(u64, &Object)>,
    serial: u64,
    term: u64,
    state: &State,
) -> Result<Option<Object>, StateError> {
    if let Some((serial, object)) = over {
        // A help, not a promise: what is wrong with the bucket is said by the write that follows.
        if let Err(error) = put(bucket, &history(serial), &object.bytes, Only::New).await {
            tracing::warn!(%error, "the snapshot before is not kept");
        }
    }
    let bytes = document::text(serial, term, state);
    let only = over.map_or(Only::New, |(_, object)| Only::Over(&object.etag));
    match put(bucket, SNAPSHOT, &bytes, only).await? {
        Put::Done(etag) => Ok(Some(Object { bytes, etag, written: None })),
        Put::Refused(_) => Ok(None),
    }
}

/// Removes segments that a snapshot holds, and snapshots that are too old to be of use. Segments
/// that stay are known by their serial to be old.
pub(super) async fn tidy(bucket: &dyn Bucket, mut keys: Vec<String>) {
    match bucket.keys(HISTORY).await {
        Ok(mut history) => {
            // Only what was written here: others may keep something of theirs there.
            history.retain(|key| is_history(key));
            history.sort_unstable();
            history.truncate(history.len().saturating_sub(KEPT));
            keys.extend(history);
        }
        Err(error) => tracing::warn!(%error, "old snapshots are not looked for"),
    }
    if keys.is_empty() {
        return;
    }
    if let Err(error) = bucket.delete(&keys).await {
        tracing::warn!(%error, "what is no longer needed stays in the bucket");
    }
}
