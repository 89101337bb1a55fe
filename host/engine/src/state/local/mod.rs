//! The state in a folder of this machine.

mod journal;
mod lock;
mod snapshot;
mod writer;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use async_trait::async_trait;

use super::document::{self, Snapshot};
use super::memory::{self, Broken, Memory};
use super::{Change, Cost, Recovered, State, StateError, StateStore, line};

const GONE: &str = "the thread that writes it has stopped";

/// A state folder, open for one run.
pub struct LocalStore {
    folder: PathBuf,
    pipeline: String,
    cost: Arc<Cost>,
    open: Mutex<Open>,
    broken: Broken,
}

struct Open {
    memory: Memory,
    serial: u64,
    /// Bytes of the journal that are good.
    good: u64,
    writer: Option<JoinHandle<()>>,
    /// Held until the run ends; the system releases it when the process does.
    lock: Option<File>,
}

impl LocalStore {
    /// Opens the state in `folder`, made where it is missing, and keeps others out. `command` is
    /// what others are told about who holds it.
    pub fn open(folder: &Path, pipeline: &str, command: &str) -> Result<(Self, Vec<Recovered>), StateError> {
        make_private(folder)?;
        let lock = lock::take(folder, command)?;
        let (Snapshot { serial, state, .. }, journal) = load(folder, pipeline)?;
        let mut notes = Vec::new();
        if journal.torn {
            notes.push(Recovered::TornLine);
        }
        if !journal.changes.is_empty() {
            notes.push(Recovered::Unended { changes: journal.changes.len() });
        }
        let memory = Memory::new(state, journal.torn || !journal.changes.is_empty());
        let open = Open { memory, serial, good: journal.good, writer: None, lock: Some(lock) };
        let (folder, pipeline) = (folder.to_owned(), pipeline.to_owned());
        Ok((Self { folder, pipeline, cost: Arc::default(), open: Mutex::new(open), broken: Broken::default() }, notes))
    }

    /// The state as it is, without keeping anybody out and without writing anything.
    pub fn read(folder: &Path, pipeline: &str) -> Result<State, StateError> {
        if folder.exists() && !folder.is_dir() {
            let reason = "it is not a folder".to_owned();
            return Err(StateError::Io { doing: "read", path: folder.display().to_string(), reason });
        }
        Ok(load(folder, pipeline)?.0.state)
    }

    /// Who has the folder open.
    pub fn holder(folder: &Path) -> Result<Option<String>, StateError> {
        lock::holder(folder)
    }

    /// What durability has cost so far.
    pub fn cost(&self) -> &Cost {
        &self.cost
    }

    /// Begins to write, before the first change and not earlier: a run that changes nothing writes
    /// nothing.
    fn begin(&self, open: &mut Open) -> Result<(), StateError> {
        if open.memory.has_writer() {
            return Ok(());
        }
        if open.lock.is_none() {
            // Somebody else may have it by now.
            return Err(self.cannot_write("the state is closed"));
        }
        let (queue, jobs) = memory::queue();
        let header = line::header(open.serial, &self.pipeline, None);
        let (cost, broken) = (Arc::clone(&self.cost), self.broken.clone());
        open.writer = Some(writer::start(&self.folder, open.good, header, jobs, cost, broken)?);
        open.memory.write_to(queue);
        Ok(())
    }

    /// Takes a change in, also where it cannot be written: the end of the run saves it, if that can.
    fn take_in(&self, change: Change) -> Result<memory::Answer, StateError> {
        let mut open = self.open.lock().expect("no panic under this lock");
        let begun = self.broken.check().and_then(|()| self.begin(&mut open));
        let answer = open.memory.take_in(change);
        begun?;
        answer.ok_or_else(|| self.cannot_write(GONE))
    }

    fn cannot_write(&self, reason: &str) -> StateError {
        let path = journal::path(&self.folder).display().to_string();
        StateError::Io { doing: "write", path, reason: reason.to_owned() }
    }

    fn close_now(&self) -> Result<(), StateError> {
        let mut open = self.open.lock().expect("no panic under this lock");
        open.memory.end_writer();
        if let Some(writer) = open.writer.take() {
            // It answers those who wait by itself.
            let _ = writer.join();
        }
        // Without the lock nothing is written: also not at a second attempt.
        let Some(lock) = open.lock.take() else { return Ok(()) };
        if open.memory.ahead {
            open.serial += 1;
            snapshot::write(&self.folder, &open.memory.state, open.serial)?;
            let path = journal::path(&self.folder);
            match fs::remove_file(&path).and_then(|()| snapshot::sync_folder(&self.folder)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(StateError::io("write", &path, &error));
                }
                _ => {}
            }
            open.memory.ahead = false;
        }
        drop(lock);
        Ok(())
    }
}

#[async_trait]
impl StateStore for LocalStore {
    async fn record(&self, change: Change) -> Result<(), StateError> {
        let result = match self.take_in(change) {
            Ok(answer) => answer.await.unwrap_or_else(|_| Err(self.cannot_write(GONE))),
            Err(error) => Err(error),
        };
        self.broken.note(&result);
        result
    }

    fn check(&self) -> Result<(), StateError> {
        self.broken.check()
    }

    fn with(&self, look: &mut dyn FnMut(&State)) {
        look(&self.open.lock().expect("no panic under this lock").memory.state);
    }

    async fn close(&self) -> Result<(), StateError> {
        self.close_now()
    }
}

/// The journal first: where a run ends in between, the snapshot is a later one that has all of it.
/// The other way round its changes would be missed, or a newer journal taken for a damaged one.
fn load(folder: &Path, pipeline: &str) -> Result<(Snapshot, journal::Journal), StateError> {
    let bytes = journal::bytes(folder)?;
    let found = snapshot::read(folder, pipeline)?;
    let journal = journal::parse(folder, &bytes, found.as_ref().map_or(0, |snapshot| snapshot.serial))?;
    let named = journal.pipeline.as_deref();
    // Where there is no snapshot yet, the journal is all that can be of another pipeline.
    let path = if found.is_some() { snapshot::path(folder) } else { journal::path(folder) };
    let mut snapshot = found.unwrap_or_else(|| Snapshot::empty(named.unwrap_or(pipeline)));
    let before = snapshot.state.pipeline.clone();
    journal.changes.iter().cloned().for_each(|change| snapshot.state.apply(change));
    let header = named.map(|named| (journal::path(folder).display().to_string(), named));
    document::check_pipeline(&path.display().to_string(), &before, &snapshot.state, header, pipeline)?;
    Ok((snapshot, journal))
}

fn make_private(folder: &Path) -> Result<(), StateError> {
    use std::os::unix::fs::DirBuilderExt;
    let fresh: Vec<&Path> = folder.ancestors().take_while(|above| !named(above).exists()).collect();
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    // Their names too, from the top: a journal is not durable in a folder that is not.
    let synced = made.and_then(|()| {
        let parents = fresh.iter().rev().filter_map(|made| made.parent());
        parents.chain(fresh.first().copied()).try_for_each(|folder| snapshot::sync_folder(named(folder)))
    });
    synced.map_err(|error| StateError::io("make", folder, &error))
}

/// A path as the system takes it: above a relative one stands nothing, which is where we are.
fn named(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}
