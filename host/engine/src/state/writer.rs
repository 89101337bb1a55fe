//! The thread that writes the journal. Changes that wait together are written together, with one
//! sync for all of them, so that durability does not make parallel steps queue.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::snapshot::sync_folder;
use super::{StateError, journal};

/// What durability has cost so far.
#[derive(Debug, Default)]
pub struct Cost {
    /// Times that the disk was asked to make data durable.
    pub syncs: AtomicU64,
    /// Bytes written to the journal.
    pub bytes: AtomicU64,
}

/// A journal that is being written.
pub(super) struct Writer {
    jobs: Sender<Job>,
    thread: JoinHandle<()>,
}

struct Job {
    line: Vec<u8>,
    done: oneshot::Sender<Result<(), StateError>>,
}

impl Writer {
    /// Goes on after the first `good` bytes; begins with `header` where there are none.
    pub(super) fn start(folder: &Path, good: u64, header: Vec<u8>, cost: Arc<Cost>) -> Result<Self, StateError> {
        let path = journal::path(folder);
        let file = open(&path, good).map_err(|error| StateError::io("write", &path, &error))?;
        let (jobs, queue) = channel();
        let begun = (good == 0).then_some(header);
        let mut disk = Disk { folder: folder.to_owned(), path, file, good, begun, cost };
        let thread = std::thread::Builder::new().name("llmhost journal".into()).spawn(move || disk.serve(&queue));
        let thread = thread.map_err(|error| StateError::io("write", &journal::path(folder), &error))?;
        Ok(Self { jobs, thread })
    }

    /// Puts a line into the queue; the answer comes when it is durable.
    pub(super) fn put(&self, line: Vec<u8>) -> oneshot::Receiver<Result<(), StateError>> {
        let (done, wait) = oneshot::channel();
        // A thread that is gone drops the sender, which the receiver sees.
        let _ = self.jobs.send(Job { line, done });
        wait
    }

    /// Waits until everything in the queue is written.
    pub(super) fn finish(self) {
        drop(self.jobs);
        let _ = self.thread.join();
    }
}

struct Disk {
    folder: PathBuf,
    path: PathBuf,
    file: File,
    good: u64,
    /// The header, until it is written.
    begun: Option<Vec<u8>>,
    cost: Arc<Cost>,
}

impl Disk {
    fn serve(&mut self, queue: &Receiver<Job>) {
        let mut broken: Option<StateError> = None;
        while let Ok(first) = queue.recv() {
            let jobs: Vec<Job> = std::iter::once(first).chain(queue.try_iter()).collect();
            let result = match &broken {
                Some(error) => Err(error.clone()),
                None => self.write(&jobs).map_err(|error| StateError::io("write", &self.path, &error)),
            };
            // After a failed write nothing more is promised: a gap would be worse than a stop.
            broken = broken.or_else(|| result.clone().err());
            for job in jobs {
                // Whoever no longer waits does not want to know.
                let _ = job.done.send(result.clone());
            }
        }
    }

    fn write(&mut self, jobs: &[Job]) -> std::io::Result<()> {
        let begins = self.begun.is_some();
        let mut bytes = self.begun.clone().unwrap_or_default();
        jobs.iter().for_each(|job| bytes.extend_from_slice(&job.line));
        let written = self.file.write_all(&bytes).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // Half a line must not stand before later ones.
            let _ = self.file.set_len(self.good).and_then(|()| self.file.sync_data());
            return Err(error);
        }
        if begins {
            sync_folder(&self.folder)?;
            self.begun = None;
        }
        self.good += bytes.len() as u64;
        self.cost.syncs.fetch_add(1, Ordering::Relaxed);
        self.cost.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

fn open(path: &Path, good: u64) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.set_len(good)?;
    file.seek(SeekFrom::Start(good))?;
    Ok(file)
}
