//! The thread that writes the journal: lines that wait together are written together, with one
//! sync for all of them.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use super::journal;
use super::snapshot::sync_folder;
use crate::state::memory::{Batch, Broken, Jobs};
use crate::state::{Cost, StateError};

/// Writes what is queued after the first `good` bytes; begins with `header` where there are none.
pub(super) fn start(
    folder: &Path,
    good: u64,
    header: Vec<u8>,
    mut jobs: Jobs,
    cost: Arc<Cost>,
    broken: Broken,
) -> Result<JoinHandle<()>, StateError> {
    let path = journal::path(folder);
    let file = open(&path, good).map_err(|error| StateError::io("write", &path, &error))?;
    let begun = (good == 0).then_some(header);
    let mut disk = Disk { folder: folder.to_owned(), path: path.clone(), file, good, begun, cost };
    let thread = std::thread::Builder::new().name("llmhost journal".into());
    thread.spawn(move || disk.serve(&mut jobs, &broken)).map_err(|error| StateError::io("write", &path, &error))
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
    fn serve(&mut self, jobs: &mut Jobs, broken: &Broken) {
        while let Some(batch) = jobs.next_blocking() {
            // After a failed write nothing more is promised: a gap would be worse than a stop.
            let result = broken
                .check()
                .and_then(|()| self.write(&batch).map_err(|error| StateError::io("write", &self.path, &error)));
            broken.note(&result);
            batch.answer(&result);
        }
    }

    fn write(&mut self, batch: &Batch) -> std::io::Result<()> {
        let begins = self.begun.is_some();
        let mut bytes = self.begun.clone().unwrap_or_default();
        bytes.extend(batch.lines());
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
        self.cost.add(bytes.len());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::memory::{self, Memory};
    use crate::state::{Change, State};

    #[test]
    fn a_disk_that_is_full_is_known_before_anybody_is_answered_and_stays_known() {
        let file = OpenOptions::new().write(true).open("/dev/full").expect("Linux has one");
        let (folder, path) = (PathBuf::from("/dev"), PathBuf::from("/dev/full"));
        let mut disk = Disk { folder, path, file, good: 0, begun: None, cost: Arc::default() };
        let (queue, mut jobs) = memory::queue();
        let mut memory = Memory::new(State::default(), false);
        memory.write_to(queue);
        let change = Change::Fact { key: "zone".into(), value: "a".into() };
        let answer = memory.take_in(change).expect("there is a queue");
        memory.end_writer();
        let broken = Broken::default();
        disk.serve(&mut jobs, &broken);
        let (told, kept) = (answer.blocking_recv().expect("it is answered"), broken.check());
        assert!(matches!(&told, Err(StateError::Io { doing: "write", .. })), "{told:?}");
        assert_eq!(format!("{told:?}"), format!("{kept:?}"));
    }
}
