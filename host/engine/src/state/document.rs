//! The snapshot as text: readable, versioned, checked. Every store keeps the same document.

use serde::{Deserialize, Serialize};

use super::{State, StateError};

/// The newest version of snapshot and journal that this code reads, and the one that it writes.
pub(super) const VERSION: u32 = 1;

/// What stands in the place of the checksum while it is worked out.
const BLANK: &str = "00000000";

/// The state as of some moment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Snapshot {
    /// Grows by one with each snapshot; a journal names the one that it continues.
    pub(super) serial: u64,
    /// The lease under which it was written; 0 in stores that have none.
    pub(super) term: u64,
    pub(super) state: State,
}

#[derive(Serialize, Deserialize)]
struct Document<S> {
    llmhost_state: u32,
    /// CRC-32 of this text with zeros in this place. Whoever edits the text by hand leaves it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checksum: Option<String>,
    serial: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    term: u64,
    state: S,
}

#[derive(Deserialize)]
struct Versioned {
    llmhost_state: u32,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Snapshot {
    /// Of a pipeline that has made nothing yet.
    pub(super) fn empty(pipeline: &str) -> Self {
        Self { serial: 0, term: 0, state: State { pipeline: pipeline.to_owned(), ..State::default() } }
    }
}

/// The text of a snapshot.
pub(super) fn text(serial: u64, term: u64, state: &State) -> Vec<u8> {
    let checksum = Some(BLANK.to_owned());
    let document = Document { llmhost_state: VERSION, checksum, serial, term, state };
    let mut text = serde_json::to_vec_pretty(&document).expect("a state is plain data");
    text.push(b'\n');
    let sum = format!("{:08x}", crc32fast::hash(&text));
    let at = checksum_at(&text).expect("it was just written");
    text[at..at + BLANK.len()].copy_from_slice(sum.as_bytes());
    text
}

/// Refuses what is of another pipeline: a snapshot with all that its journal adds, and the journal's
/// headers, which name the pipeline as it was called when they were written.
pub(super) fn check_pipeline<'a>(
    path: &str,
    before: &str,
    state: &State,
    headers: impl IntoIterator<Item = (String, &'a str)>,
    wanted: &str,
) -> Result<(), StateError> {
    let other = |path: String, found: &str| {
        let (found, wanted) = (found.to_owned(), wanted.to_owned());
        StateError::OtherPipeline { path, found, wanted }
    };
    for (path, found) in headers {
        if found != before && found != state.pipeline && Some(found) != state.was_called.as_deref() {
            return Err(other(path, found));
        }
    }
    if state.pipeline == wanted { Ok(()) } else { Err(other(path.to_owned(), &state.pipeline)) }
}

/// Reads a text. `path` and `backup` are what an error says of where it was and what was before it. Of which
/// pipeline it is, `check_pipeline` tells; one that is damaged as well is not said to be `pipeline`'s.
pub(super) fn parse(path: &str, backup: &str, text: &[u8], pipeline: &str) -> Result<Snapshot, StateError> {
    let damaged = |reason: String| {
        let (path, backup) = (path.to_owned(), backup.to_owned());
        StateError::Snapshot { path, reason, backup }
    };
    let unreadable =
        |error: serde_json::Error| damaged(if text.is_empty() { "it is empty".to_owned() } else { error.to_string() });
    let Versioned { llmhost_state: found } = serde_json::from_slice(text).map_err(unreadable)?;
    if found > VERSION {
        return Err(StateError::Newer { path: path.to_owned(), found, known: VERSION });
    }
    let Document { checksum, serial, term, state, .. }: Document<State> =
        serde_json::from_slice(text).map_err(unreadable)?;
    if checksum.is_some_and(|sum| !is_sum(text, &sum)) {
        check_pipeline(path, pipeline, &state, [], pipeline)?;
        let reason = "its checksum is wrong: it was changed after it was written. If you edited it by hand, remove \
                      the line \"checksum\"";
        return Err(damaged(reason.to_owned()));
    }
    Ok(Snapshot { serial, term, state })
}

fn is_sum(text: &[u8], sum: &str) -> bool {
    let Some(at) = checksum_at(text) else { return false };
    let Some(end) = at.checked_add(BLANK.len()).filter(|&end| end <= text.len()) else { return false };
    let mut blank = text.to_vec();
    blank[at..end].copy_from_slice(BLANK.as_bytes());
    sum == format!("{:08x}", crc32fast::hash(&blank))
}

/// Where the checksum's digits stand: it is the second field of the document.
fn checksum_at(text: &[u8]) -> Option<usize> {
    const KEY: &[u8] = b"\"checksum\": \"";
    text.windows(KEY.len()).position(|window| window == KEY).map(|at| at + KEY.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_changed_behind_the_checksum_is_found_and_a_hand_that_takes_it_out_is_trusted() {
        let mut state = Snapshot::empty("test").state;
        state.facts.insert("zone".into(), "us-east-1a \"checksum\": \"".into());
        let text = String::from_utf8(text(7, 3, &state)).expect("JSON is text");
        let read = |text: &str| parse("state.json", "backup", text.as_bytes(), "test");
        assert_eq!(read(&text).expect("as written"), Snapshot { serial: 7, term: 3, state });
        let edited = text.replace("us-east-1a", "us-east-1b");
        let error = read(&edited).expect_err("edited").to_string();
        assert!(error.contains("checksum is wrong") && error.contains("backup"), "{error}");
        let by_hand: String = edited.lines().filter(|line| !line.starts_with("  \"checksum\"")).collect();
        assert_eq!(read(&by_hand).expect("by hand").serial, 7);
    }
}
