//! The state in a folder of this machine.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::writer::{Cost, Writer};
use super::{Change, State, StateError, StateStore, journal, snapshot};

/// A state folder, open for one run.
pub struct LocalStore {
    folder: PathBuf,
    pipeline: String,
    cost: Arc<Cost>,
    open: Mutex<Open>,
}

struct Open {
    state: State,
    serial: u64,
    /// Bytes of the journal that are good.
    good: u64,
    /// Whether the journal has anything that the snapshot has not.
    ahead: bool,
    writer: Option<Writer>,
    /// Held until the run ends; the system releases it when the process does.
    lock: Option<File>,
}

/// Something that was put right while opening.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recovered {
    /// The journal's last line was cut off by a crash. It had never been acknowledged.
    TornLine,
    /// The journal of a run that did not end was taken in.
    Unended {
        /// How many changes it had.
        changes: usize,
    },
}

impl std::fmt::Display for Recovered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TornLine => {
                f.write_str("The last run was cut off while writing its journal; the half line is dropped.")
            }
            Self::Unended { changes } => write!(f, "The last run did not end; its {changes} changes are taken in."),
        }
    }
}

impl LocalStore {
    /// Opens the state in `folder`, made where it is missing, and keeps others out. `command` is
    /// what others are told about who holds it.
    pub fn open(folder: &Path, pipeline: &str, command: &str) -> Result<(Self, Vec<Recovered>), StateError> {
        make_private(folder)?;
        let lock = lock(folder, command)?;
        let (state, serial, journal) = load(folder, pipeline)?;
        let mut notes = Vec::new();
        if journal.torn {
            notes.push(Recovered::TornLine);
        }
        if !journal.changes.is_empty() {
            notes.push(Recovered::Unended { changes: journal.changes.len() });
        }
        let ahead = journal.torn || !journal.changes.is_empty();
        let open = Open { state, serial, good: journal.good, ahead, writer: None, lock: Some(lock) };
        let (folder, pipeline) = (folder.to_owned(), pipeline.to_owned());
        Ok((Self { folder, pipeline, cost: Arc::default(), open: Mutex::new(open) }, notes))
    }

    /// The state as it is, without keeping anybody out and without writing anything.
    pub fn read(folder: &Path, pipeline: &str) -> Result<State, StateError> {
        if folder.exists() && !folder.is_dir() {
            let reason = "it is not a folder".to_owned();
            return Err(StateError::Io { doing: "read", path: folder.display().to_string(), reason });
        }
        Ok(load(folder, pipeline)?.0)
    }

    /// What durability has cost so far.
    pub fn cost(&self) -> &Cost {
        &self.cost
    }

    fn close_now(&self) -> Result<(), StateError> {
        let mut open = self.open.lock().expect("no panic under this lock");
        if let Some(writer) = open.writer.take() {
            writer.finish();
        }
        let lock = open.lock.take();
        if open.ahead {
            open.serial += 1;
            snapshot::write(&self.folder, &open.state, open.serial)?;
            let path = journal::path(&self.folder);
            match fs::remove_file(&path).and_then(|()| snapshot::sync_folder(&self.folder)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(StateError::io("write", &path, &error));
                }
                _ => {}
            }
            open.ahead = false;
        }
        drop(lock);
        Ok(())
    }
}

#[async_trait]
impl StateStore for LocalStore {
    async fn record(&self, change: Change) -> Result<(), StateError> {
        let line = journal::entry(&change);
        let wait = {
            let mut open = self.open.lock().expect("no panic under this lock");
            open.ahead = true;
            if open.writer.is_none() {
                let header = journal::header(open.serial, &self.pipeline);
                open.writer = Some(Writer::start(&self.folder, open.good, header, Arc::clone(&self.cost))?);
            }
            // Queued and applied under one lock: the state and the journal agree on the order.
            open.state.apply(change);
            open.writer.as_ref().map(|writer| writer.put(line))
        };
        let gone = || StateError::Io {
            doing: "write",
            path: journal::path(&self.folder).display().to_string(),
            reason: "the thread that writes it is gone".to_owned(),
        };
        wait.ok_or_else(gone)?.await.unwrap_or_else(|_| Err(gone()))
    }

    fn with(&self, look: &mut dyn FnMut(&State)) {
        look(&self.open.lock().expect("no panic under this lock").state);
    }

    async fn close(&self) -> Result<(), StateError> {
        self.close_now()
    }
}

fn load(folder: &Path, pipeline: &str) -> Result<(State, u64, journal::Journal), StateError> {
    let empty = || (State { pipeline: pipeline.to_owned(), ..State::default() }, 0);
    let (mut state, serial) = snapshot::read(folder, pipeline)?.unwrap_or_else(empty);
    let journal = journal::read(folder, serial)?;
    journal.changes.iter().cloned().for_each(|change| state.apply(change));
    Ok((state, serial, journal))
}

fn make_private(folder: &Path) -> Result<(), StateError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| StateError::io("make", folder, &error))
}

/// Takes the folder's lock, or says who has it.
fn lock(folder: &Path, command: &str) -> Result<File, StateError> {
    use std::os::unix::fs::OpenOptionsExt;
    let path = folder.join("lock");
    let failed = |error: &std::io::Error| StateError::io("lock", &path, error);
    let mut options = OpenOptions::new();
    let mut file =
        options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(|e| failed(&e))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Who does not say who they are is still there.
            let _ = file.read_to_string(&mut holder);
            let holder = if holder.trim().is_empty() { "another process" } else { holder.trim() };
            return Err(StateError::Locked { path: folder.display().to_string(), holder: holder.to_owned() });
        }
        Err(fs::TryLockError::Error(error)) => return Err(failed(&error)),
    }
    let user = std::env::var("USER").unwrap_or_else(|_| "an unnamed user".to_owned());
    let holder = format!("llmhost {command} (process {}, {user})\n", std::process::id());
    file.set_len(0).and_then(|()| file.write_all(holder.as_bytes())).map_err(|error| failed(&error))?;
    Ok(file)
}
