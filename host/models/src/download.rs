//! One object, fetched in parts: several at a time, each tried again where it fails, and none of
//! them twice, even when the process was killed in between.

use std::fs::{self, File, OpenOptions};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, mpsc};
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::cache::hex;
use crate::{ModelError, Object, Store, StoreError};

/// Large enough that a request costs little, small enough that many run at a time.
const PART: u64 = 8 << 20;
/// How often a part is asked for.
const TRIES: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// What all objects of a fetch share.
pub(crate) struct Traffic {
    pub(crate) store: Arc<dyn Store>,
    /// Requests under way.
    pub(crate) slots: Semaphore,
    /// Bytes that are there.
    pub(crate) bytes: AtomicU64,
}

impl Traffic {
    fn came(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn lost(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// A file on its way.
struct Partial {
    path: PathBuf,
    file: File,
    /// One byte a part: 1 where it is there.
    marks: File,
    /// As the marks said when it was opened.
    there: Vec<bool>,
    size: u64,
}

impl Partial {
    fn open(path: &Path, size: u64) -> Result<Self, ModelError> {
        let open = |path: &Path| {
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
            file.map_err(|error| ModelError::disk(path, error))
        };
        let beside = marks(path);
        let (file, marks) = (open(path)?, open(&beside)?);
        let mut there = vec![0_u8; size.div_ceil(PART) as usize];
        let known = file.metadata().is_ok_and(|found| found.len() == size)
            && marks.metadata().is_ok_and(|found| found.len() == there.len() as u64)
            && marks.read_exact_at(&mut there, 0).is_ok();
        if !known {
            there.fill(0);
            file.set_len(size).map_err(|error| ModelError::disk(path, error))?;
            let reset = marks.set_len(0).and_then(|()| marks.write_all_at(&there, 0));
            reset.map_err(|error| ModelError::disk(&beside, error))?;
        }
        let there = there.into_iter().map(|byte| byte == 1).collect();
        Ok(Self { path: path.to_owned(), file, marks, there, size })
    }

    fn range(&self, part: usize) -> Range<u64> {
        let from = part as u64 * PART;
        from..(from + PART).min(self.size)
    }
}

/// Marks are for this start of the machine only: after a crash of the whole machine, marks may have
/// reached the disk that their bytes have not.
fn marks(path: &Path) -> PathBuf {
    static BOOT: LazyLock<String> = LazyLock::new(|| {
        let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        id.chars().filter(char::is_ascii_hexdigit).take(12).collect()
    });
    path.with_extension(format!("{}.parts", *BOOT))
}

/// Bytes of a partial file that are not there yet.
pub(crate) fn missing(path: &Path, size: u64) -> u64 {
    let there = fs::read(marks(path)).unwrap_or_default();
    let done = there.iter().filter(|byte| **byte == 1).count() as u64;
    size.saturating_sub(done * PART)
}

/// Takes a partial file away, with its marks.
pub(crate) fn discard(path: &Path) {
    // What is not there needs no removing.
    _ = fs::remove_file(marks(path));
    _ = fs::remove_file(path);
}

/// Moves a whole file to where it belongs.
pub(crate) fn settle(path: &Path, to: &Path) -> Result<(), ModelError> {
    let moved = File::open(path).and_then(|file| file.sync_all()).and_then(|()| fs::rename(path, to));
    moved.map_err(|error| ModelError::disk(to, error))?;
    _ = fs::remove_file(marks(path));
    Ok(())
}

/// Fetches an object into `path` and gives the SHA-256 of the whole.
pub(crate) async fn download(traffic: &Traffic, object: &Object, path: &Path) -> Result<String, ModelError> {
    let partial = Arc::new(Partial::open(path, object.size)?);
    let (tell, told) = mpsc::channel();
    let hashing = tokio::task::spawn_blocking({
        let partial = Arc::clone(&partial);
        move || hash(&partial, &told)
    });
    let wanted = (0..partial.there.len()).filter(|part| !partial.there[*part]);
    let mut parts: FuturesUnordered<_> = wanted.map(|part| fetch(traffic, &partial, object, part)).collect();
    while let Some(part) = parts.next().await {
        // The hashing ends early only where the disk fails, and says so itself.
        _ = tell.send(part?);
    }
    drop((tell, parts));
    let hashed = hashing.await.map_err(std::io::Error::other).and_then(|hashed| hashed);
    hashed.map_err(|error| ModelError::disk(path, error))
}

/// Hashes the parts in order, each as soon as it is there.
fn hash(partial: &Partial, told: &mpsc::Receiver<usize>) -> std::io::Result<String> {
    let mut there = partial.there.clone();
    let (mut digest, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    for part in 0..there.len() {
        while !there[part] {
            let Ok(done) = told.recv() else { return Err(std::io::Error::other("the fetch was cancelled")) };
            there[done] = true;
        }
        let range = partial.range(part);
        let mut at = range.start;
        while at < range.end {
            let wanted = ((range.end - at) as usize).min(buffer.len());
            partial.file.read_exact_at(&mut buffer[..wanted], at)?;
            digest.update(&buffer[..wanted]);
            at += wanted as u64;
        }
    }
    Ok(hex(digest.finalize().as_slice()))
}

/// Fetches one part, again where it fails.
async fn fetch(traffic: &Traffic, partial: &Partial, object: &Object, part: usize) -> Result<usize, ModelError> {
    let range = partial.range(part);
    let mut pause = FIRST_PAUSE;
    for attempt in 1.. {
        let _slot = traffic.slots.acquire().await.expect("nobody closes it");
        let mut at = range.start;
        let mut spoilt = None;
        let mut sink = |bytes: &[u8]| {
            if at + bytes.len() as u64 > range.end {
                return Err(std::io::Error::other("the response has more bytes than requested"));
            }
            partial.file.write_all_at(bytes, at).inspect_err(|error| spoilt = Some(error.kind()))?;
            at += bytes.len() as u64;
            traffic.came(bytes.len() as u64);
            Ok(())
        };
        let read = traffic.store.read(object, range.clone(), &mut sink).await;
        if let Some(kind) = spoilt {
            return Err(ModelError::disk(&partial.path, kind.into()));
        }
        let failed = match read {
            Ok(()) if at == range.end => break,
            Ok(()) => StoreError {
                message: format!("only {} of {} bytes arrived", at - range.start, range.end - range.start),
                is_passing: true,
                has_changed: false,
            },
            Err(error) => error,
        };
        traffic.lost(at - range.start);
        if failed.has_changed {
            return Err(ModelError::Changed { what: object.key.clone() });
        }
        if !failed.is_passing || attempt >= TRIES {
            return Err(ModelError::Store { what: object.key.clone(), message: failed.message });
        }
        drop(_slot);
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    let marked = partial.marks.write_all_at(&[1], part as u64);
    marked.map_err(|error| ModelError::disk(&partial.path, error))?;
    Ok(part)
}
