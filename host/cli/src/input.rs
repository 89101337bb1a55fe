//! Reading files that a user names: whatever they turn out to be.

use std::io::Read;
use std::path::Path;

use crate::failure::Failure;

/// Reads a file of at most so many bytes. What is larger, a folder, or not to be read is told in one sentence.
pub(crate) fn read(path: &Path, most: usize, help: &str) -> Result<Vec<u8>, Failure> {
    let shown = path.display();
    let failed = |error: std::io::Error| Failure::usage(format!("cannot read {shown}: {}", plain(&error)), help);
    // Opening a pipe would wait for somebody to write into it.
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if metadata.is_dir() {
        return Err(Failure::usage(format!("{shown} is a folder"), help));
    }
    if !metadata.is_file() {
        return Err(Failure::usage(format!("{shown} is not a regular file"), help));
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(most as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > most {
        let message = format!("{shown} is larger than {} MB", most >> 20);
        return Err(Failure::usage(message, help));
    }
    Ok(bytes)
}

/// As `read`, for a text.
pub(crate) fn read_text(path: &Path, most: usize, help: &str) -> Result<String, Failure> {
    let bytes = read(path, most, help)?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::usage(format!("{} is not a text (byte {at} is not UTF-8)", path.display()), help)
    })
}

/// Writes a file that must not exist, unless it may be overwritten. It is whole or not there: it is renamed into its place.
pub(crate) fn write_new(path: &Path, text: &str, force: bool) -> Result<(), Failure> {
    let shown = path.display();
    if path.is_dir() {
        return Err(Failure::usage(format!("{shown} is a folder"), "Name a file."));
    }
    if path.symlink_metadata().is_ok() && !force {
        return Err(Failure::usage(format!("{shown} exists"), "Name another file, or overwrite it with --force."));
    }
    replace(path, text)
}

/// Puts a text in the place of a file, whole or not at all. The file keeps its permissions.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let written = || {
        // What a link points to is replaced, and not the link.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
        std::io::Write::write_all(&mut file, text.as_bytes())?;
        let permissions = match path.metadata() {
            Ok(before) => before.permissions(),
            Err(_) => std::os::unix::fs::PermissionsExt::from_mode(0o644),
        };
        file.as_file().set_permissions(permissions)?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        Ok(())
    };
    written().map_err(|error: std::io::Error| Failure::Other {
        message: format!("cannot write {}: {}", path.display(), plain(&error)),
        help: "Check that the folder exists and that you may write to it.".to_owned(),
        status: 1,
    })
}

/// An error in the words of its system, without its number.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" (os error").map_or(text.clone(), |(words, _)| words.to_owned())
}
