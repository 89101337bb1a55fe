//! The lock of a state folder: held by a process, and released by the system when that ends.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use crate::plan::plain;
use crate::state::StateError;

/// Whoever only looks who holds the lock has it for a moment: that is waited for.
const GLANCES: u32 = 10;
const GLANCE: Duration = Duration::from_millis(10);

/// Takes the folder's lock, or says who has it.
pub(super) fn take(folder: &Path, command: &str) -> Result<File, StateError> {
    use std::os::unix::fs::OpenOptionsExt;
    let path = folder.join("lock");
    let failed = |error: &std::io::Error| refused("lock", &path, error);
    let mut options = OpenOptions::new();
    let mut file =
        options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(|e| failed(&e))?;
    let mut glances = 0;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(fs::TryLockError::WouldBlock) if glances < GLANCES => {
                glances += 1;
                std::thread::sleep(GLANCE);
            }
            Err(fs::TryLockError::WouldBlock) => {
                return Err(StateError::Locked { path: folder.display().to_string(), holder: words(&mut file) });
            }
            Err(fs::TryLockError::Error(error)) => return Err(failed(&error)),
        }
    }
    let user = std::env::var("USER").unwrap_or_else(|_| "an unnamed user".to_owned());
    let holder = format!("llmhost {command} (process {}, {user})\n", std::process::id());
    file.set_len(0).and_then(|()| file.write_all(holder.as_bytes())).map_err(|error| failed(&error))?;
    Ok(file)
}

/// Who has the folder's lock.
pub(super) fn holder(folder: &Path) -> Result<Option<String>, StateError> {
    let path = folder.join("lock");
    let failed = |error: &std::io::Error| refused("read", &path, error);
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(&error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(fs::TryLockError::WouldBlock) => Ok(Some(words(&mut file))),
        Err(fs::TryLockError::Error(error)) => Err(failed(&error)),
    }
}

/// What the system says; of a file system that has no locks, that.
fn refused(doing: &'static str, path: &Path, error: &std::io::Error) -> StateError {
    match error.raw_os_error() {
        Some(libc::ENOLCK | libc::ENOTSUP | libc::ENOSYS) => {
            StateError::NoLocks { path: path.display().to_string(), reason: error.to_string() }
        }
        _ => StateError::io(doing, path, error),
    }
}

fn words(file: &mut File) -> String {
    let mut holder = String::new();
    // Who does not say who they are is still there.
    let _ = file.read_to_string(&mut holder);
    match holder.trim() {
        "" => "another process".to_owned(),
        words => plain(words).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_without_locks_is_said_with_a_way_out() {
        for (code, locks) in [(libc::ENOLCK, false), (libc::ENOTSUP, false), (libc::EACCES, true)] {
            let error = refused("lock", Path::new("/nfs/lock"), &std::io::Error::from_raw_os_error(code));
            assert!(error.to_string().contains("cannot lock /nfs/lock"), "{error}");
            assert_eq!(error.advice().is_some_and(|advice| advice.contains("s3://bucket/prefix")), !locks, "{error}");
        }
    }
}
