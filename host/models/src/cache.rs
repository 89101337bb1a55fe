//! The cache's folders: files by their content, models as folders of links to them.
//!
//! ```text
//! CACHE/blobs/SHA256            a file, whole and verified
//! CACHE/partial/…               a file on its way, and which of its parts are there
//! CACHE/models/KEY/             a model's files: hard links to blobs
//! CACHE/models/KEY.json         what they were when they were verified
//! CACHE/locks/KEY               held by whoever fetches it
//! ```

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ModelError;

/// A cache's folder.
#[derive(Debug, Clone)]
pub(crate) struct Cache(PathBuf);

/// A verified file, as it was on the disk: a difference means that somebody else wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) sha256: String,
    size: u64,
    modified_ns: i128,
}

/// What a finished model looked like.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) files: Vec<Seen>,
}

/// Who fetches a model holds this.
pub(crate) struct Lock(#[expect(dead_code, reason = "held, and let go when it is closed")] File);

impl Cache {
    pub(crate) fn open(folder: &Path) -> Result<Self, ModelError> {
        for name in ["blobs", "partial", "models", "locks"] {
            make(&folder.join(name))?;
        }
        Ok(Self(folder.to_owned()))
    }

    pub(crate) fn blob(&self, sha256: &str) -> PathBuf {
        self.0.join("blobs").join(sha256)
    }

    pub(crate) fn partial(&self, key: &str) -> PathBuf {
        self.0.join("partial").join(key)
    }

    pub(crate) fn model(&self, key: &str) -> PathBuf {
        self.0.join("models").join(key)
    }

    fn record_path(&self, key: &str) -> PathBuf {
        self.0.join("models").join(format!("{key}.json"))
    }

    /// Waits until nobody else fetches this model.
    pub(crate) async fn lock(&self, key: &str) -> Result<Lock, ModelError> {
        let path = self.0.join("locks").join(key);
        let locked = tokio::task::spawn_blocking({
            let path = path.clone();
            move || File::create(&path).and_then(|file| file.lock().map(|()| file))
        });
        let file = locked.await.map_err(std::io::Error::other).and_then(|locked| locked);
        Ok(Lock(file.map_err(|error| ModelError::disk(&path, error))?))
    }

    /// What was verified of this model; nothing where it is not finished or the record is spoilt.
    pub(crate) fn record(&self, key: &str) -> Option<Record> {
        serde_json::from_slice(&fs::read(self.record_path(key)).ok()?).ok()
    }

    /// Whether a file of a model is the one that was verified.
    pub(crate) fn is_as_seen(&self, key: &str, seen: &Seen) -> bool {
        let path = self.model(key).join(&seen.path);
        Seen::of(&path, &seen.path, &seen.sha256).is_ok_and(|now| now == *seen)
    }

    /// Puts the model's folder together from blobs, and records it as finished.
    pub(crate) fn finish(&self, key: &str, files: &[(String, String)]) -> Result<PathBuf, ModelError> {
        let folder = self.model(key);
        let mut record = Record::default();
        for (path, sha256) in files {
            let (blob, to) = (self.blob(sha256), folder.join(path));
            make(to.parent().unwrap_or(&folder))?;
            _ = fs::remove_file(&to);
            // Linked and not copied; where the file system has no links, copied.
            if fs::hard_link(&blob, &to).is_err() {
                fs::copy(&blob, &to).map_err(|error| ModelError::disk(&to, error))?;
            }
            record.files.push(Seen::of(&to, path, sha256).map_err(|error| ModelError::disk(&to, error))?);
        }
        let path = self.record_path(key);
        let text = serde_json::to_vec(&record).expect("plain data");
        // Whole or not at all: a record that is there says that the model is.
        let new = path.with_extension("new");
        fs::write(&new, text).and_then(|()| fs::rename(&new, &path)).map_err(|error| ModelError::disk(&path, error))?;
        Ok(folder)
    }

    /// Takes back that a model is finished.
    pub(crate) fn forget(&self, key: &str) {
        _ = fs::remove_file(self.record_path(key));
    }

    /// Fails where fewer than `needed` bytes are free.
    pub(crate) fn room_for(&self, needed: u64) -> Result<(), ModelError> {
        let free = free(&self.0).map_err(|error| ModelError::disk(&self.0, error))?;
        // A disk that is full to the last byte serves nobody.
        const REST: u64 = 64 << 20;
        match needed > 0 && free < needed + REST {
            true => Err(ModelError::DiskFull { path: self.0.clone(), free, needed }),
            false => Ok(()),
        }
    }
}

impl Seen {
    fn of(file: &Path, path: &str, sha256: &str) -> std::io::Result<Self> {
        let found = fs::metadata(file)?;
        let modified_ns = i128::from(found.mtime()) * 1_000_000_000 + i128::from(found.mtime_nsec());
        Ok(Self { path: path.to_owned(), sha256: sha256.to_owned(), size: found.len(), modified_ns })
    }
}

pub(crate) fn make(folder: &Path) -> Result<(), ModelError> {
    fs::create_dir_all(folder).map_err(|error| ModelError::disk(folder, error))
}

/// Bytes that are free on the disk of a folder.
///
/// # Errors
///
/// The folder is not there, or the system does not tell.
pub fn free(folder: &Path) -> std::io::Result<u64> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(folder.as_os_str().as_bytes()).map_err(std::io::Error::other)?;
    let mut found = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the path ends with a zero, and `found` has room for the answer.
    if unsafe { libc::statvfs(path.as_ptr(), found.as_mut_ptr()) } != 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: the call filled it in.
    let found = unsafe { found.assume_init() };
    #[allow(clippy::unnecessary_cast, reason = "the fields are narrower on other systems")]
    Ok(found.f_bavail as u64 * found.f_frsize as u64)
}

/// SHA-256 of a text, in hex: a name for it.
pub(crate) fn name_of(text: &str) -> String {
    hex(Sha256::digest(text.as_bytes()).as_slice())[..32].to_owned()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
