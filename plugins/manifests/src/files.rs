//! Files beside the pipeline file.

use llmhost_plugin::{Failure, FailureCode, files};

/// Where files come from.
pub(crate) trait Files {
    /// The paths of the files in a folder or of a pattern, from the folder.
    fn entries(&self, folder: &str) -> Result<Vec<String>, Failure>;
    /// A whole file.
    fn text(&self, file: &str) -> Result<String, Failure>;
}

/// The host.
pub(crate) struct Host;

impl Files for Host {
    fn entries(&self, folder: &str) -> Result<Vec<String>, Failure> {
        Ok(files::entries(folder)?.into_iter().map(|entry| entry.path).collect())
    }

    fn text(&self, file: &str) -> Result<String, Failure> {
        files::text(file)
    }
}

/// The text of a file that need not be there.
pub(crate) fn text_if_any(files: &dyn Files, file: &str) -> Result<Option<String>, Failure> {
    match files.text(file) {
        Ok(text) => Ok(Some(text)),
        Err(failure) if failure.code == FailureCode::NotFound => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// A path that starts at a folder, without `.`, and without `..` but at its beginning.
pub(crate) fn join(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')).filter(|part| !part.is_empty() && *part != ".") {
        match parts.last() {
            Some(last) if part == ".." && *last != ".." => _ = parts.pop(),
            _ => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (folder.starts_with('/'), joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}
