//! Files beside the pipeline file, as a plugin sees them that is granted `files:read`.
//!
//! A plugin reads what its step's `with` table names, a file or what is in a folder, and nothing outside of the pipeline's
//! folder; and the packed charts that the table names by an address with a digest, which the host fetches. What a plan has read is part of the plan: the apply reads the same, or is refused.

mod place;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use sha2::{Digest, Sha256};

use self::place::{MOST_BYTES, Place, covers, is_address, key, normal};
use super::report::Departure;
use crate::names::StepName;
use crate::pipeline::Pipeline;
use crate::plugin::{Charts, Failure, FileEntry};

/// Bytes of all files that one run of a plugin reads.
const MOST_TOGETHER: u64 = 64 << 20;

/// What a plan has read: SHA-256 of each file by its path, and of the names and sizes in each folder by its path and a slash.
pub(crate) type Digests = BTreeMap<String, String>;

/// The files that one step may read.
pub(crate) struct Files {
    place: Place,
    /// Texts of the step's `with` table, as paths.
    named: Vec<String>,
    /// What the plan has read, where it is applied.
    planned: Option<Digests>,
    /// What fetches charts, where this run may.
    charts: Option<Arc<dyn Charts>>,
    seen: Mutex<Seen>,
}

/// What was read so far. The same run, and the one that the step is probed with, gets the same again.
#[derive(Default)]
struct Seen {
    contents: HashMap<String, Arc<[u8]>>,
    folders: HashMap<String, Arc<[FileEntry]>>,
    digests: Digests,
    bytes: u64,
}

/// Why a plugin gets no file.
#[derive(Debug)]
pub(crate) enum Unread {
    /// It may not have it, or it cannot be read.
    Failure(Failure),
    /// It is not as it was when the plan was made.
    Changed(Departure),
}

impl From<Unread> for Failure {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Failure(failure) => failure,
            Unread::Changed(departure) => Self::refused(departure.to_string()),
        }
    }
}

impl Files {
    /// Of a step that is planned. `written` is its `with` table as the file has it.
    pub(crate) fn new(pipeline: &Pipeline, step: &StepName, written: &Value) -> Self {
        let mut named = Vec::new();
        collect(written, &mut named);
        Self { place: Place::of(pipeline, step), named, planned: None, charts: None, seen: Mutex::default() }
    }

    /// Fetches the charts that the step names.
    pub(crate) fn fetching(self, charts: Option<Arc<dyn Charts>>) -> Self {
        Self { charts, ..self }
    }

    /// Of a step that is applied.
    pub(crate) fn holding_to(self, planned: Digests) -> Self {
        Self { planned: Some(planned), ..self }
    }

    /// What was read.
    pub(crate) fn digests(&self) -> Digests {
        self.seen().digests.clone()
    }

    /// The files in a folder, or those that a pattern names.
    pub(crate) fn list(&self, folder: &str) -> Result<Vec<FileEntry>, Unread> {
        self.check_named(folder)?;
        if is_address(folder) {
            let text = format!("'{folder}' is a packed chart, not a folder");
            return Err(Unread::Failure(Failure::invalid(text)));
        }
        let key = key_of_folder(folder);
        if let Some(known) = self.seen().folders.get(&key) {
            return Ok(known.to_vec());
        }
        let entries = self.place.list(folder);
        self.hold(&key, entries.as_ref().ok().map(|entries| digest_of(entries)))?;
        let entries = entries.map_err(Unread::Failure)?;
        let mut seen = self.seen();
        seen.digests.insert(key.clone(), digest_of(&entries));
        seen.folders.insert(key, entries.clone().into());
        Ok(entries)
    }

    /// A part of a file.
    pub(crate) async fn read(&self, file: &str, start: u64, most: u32) -> Result<Vec<u8>, Unread> {
        let content = self.content(file).await?;
        let start = usize::try_from(start).unwrap_or(usize::MAX).min(content.len());
        let end = start.saturating_add(most as usize).min(content.len());
        Ok(content[start..end].to_vec())
    }

    async fn content(&self, file: &str) -> Result<Arc<[u8]>, Unread> {
        self.check_named(file)?;
        let key = key(file);
        if let Some(known) = self.seen().contents.get(&key) {
            return Ok(Arc::clone(known));
        }
        let content = if is_address(file) { self.fetch(file).await } else { self.place.read(file) };
        self.hold(&key, content.as_ref().ok().map(|content| hex(&Sha256::digest(content))))?;
        let content: Arc<[u8]> = content.map_err(Unread::Failure)?.into();
        let mut seen = self.seen();
        seen.bytes += content.len() as u64;
        if seen.bytes > MOST_TOGETHER {
            let most = MOST_TOGETHER >> 20;
            let text = format!(
                "with '{file}', the plugin would have read more than {most} MiB, which is all that a step may read"
            );
            return Err(Unread::Failure(Failure::invalid(text)));
        }
        seen.digests.insert(key.clone(), hex(&Sha256::digest(&content)));
        seen.contents.insert(key, Arc::clone(&content));
        Ok(content)
    }

    async fn fetch(&self, address: &str) -> Result<Vec<u8>, Failure> {
        match &self.charts {
            Some(charts) => charts.fetch(address, MOST_BYTES).await,
            None => Err(Failure::refused(format!("'{address}' is in a registry, and llmhost does not fetch it here"))),
        }
    }

    /// Refuses what is otherwise than in the plan. What was not there then may be absent now.
    fn hold(&self, key: &str, now: Option<String>) -> Result<(), Unread> {
        let Some(planned) = &self.planned else { return Ok(()) };
        match difference(key, planned.get(key), now.as_ref()) {
            Some(departure) => Err(Unread::Changed(departure)),
            None => Ok(()),
        }
    }

    fn check_named(&self, path: &str) -> Result<(), Unread> {
        let key = key(path);
        if !path.is_empty() && self.named.iter().any(|named| covers(named, &key)) {
            return Ok(());
        }
        Err(Unread::Failure(Failure::refused(format!(
            "'{path}' is not named in the step's 'with' table, so the plugin may not read it: name the file there, or a \
             folder that it is in"
        ))))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What has changed of the files that a step's plan has read.
pub(crate) fn changed(pipeline: &Pipeline, step: &StepName, planned: &Digests) -> Vec<Departure> {
    let place = Place::of(pipeline, step);
    let now = |key: &str| match is_folder(key) {
        true => place.list(key).ok().map(|entries| digest_of(&entries)),
        false => place.read(key).ok().map(|content| hex(&Sha256::digest(content))),
    };
    // What has a digest in its address stays as it is.
    let files = planned.iter().filter(|(key, _)| !is_address(key));
    files.filter_map(|(key, was)| difference(key, Some(was), now(key).as_ref())).collect()
}

fn difference(key: &str, was: Option<&String>, now: Option<&String>) -> Option<Departure> {
    let how = match (was, now) {
        (None, None) => return None,
        (Some(was), Some(now)) if was == now => return None,
        (None, Some(_)) => "was not read then",
        (Some(_), None) => "cannot be read any more",
        (Some(_), Some(_)) if is_folder(key) => "has other files, or files of other sizes, now",
        (Some(_), Some(_)) => "has another content now",
    };
    Some(Departure::File { path: key.to_owned(), how })
}

/// Files are kept by their paths; folders have a slash at the end, and patterns a star.
fn key_of_folder(folder: &str) -> String {
    let path = normal(folder);
    if path.contains('*') { path } else { path + "/" }
}

fn is_folder(key: &str) -> bool {
    key.ends_with('/') || key.contains('*')
}

fn digest_of(entries: &[FileEntry]) -> String {
    let mut sum = Sha256::new();
    entries.iter().for_each(|entry| sum.update(format!("{}\t{}\n", entry.size, entry.path)));
    hex(&sum.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// No path is longer.
const LONGEST: usize = 4096;

fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) if !text.is_empty() && text.len() <= LONGEST => texts.push(key(text)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, texts)),
        _ => {}
    }
}
