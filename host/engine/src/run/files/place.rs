//! Where a step's paths lead: to files in the folder of its pipeline, and nowhere else.

use std::io::{ErrorKind, Read};
use std::path::{Component, Path, PathBuf};

use crate::names::StepName;
use crate::pipeline::Pipeline;
use crate::plugin::{Failure, FailureCode, FileEntry};
use crate::secret::{Secret, SecretSource};

/// Bytes of one file.
pub(super) const MOST_BYTES: u64 = 16 << 20;
/// Files of one folder.
const MOST_FILES: usize = 10_000;
/// Folders that are nobody's to read: the history of the files, and llmhost's own state.
const OTHERS: [&str; 2] = [".git", ".llmhost"];

/// A folder and what may be read in it.
pub(super) struct Place {
    /// Where relative paths start.
    base: PathBuf,
    /// What no path leaves: the folder of the file that the step stands in, or that of the pipeline.
    limits: Vec<PathBuf>,
    /// What the limit is called.
    limit: &'static str,
    /// Files that `[secrets]` names: a plugin gets handles of secrets, and not their values.
    secrets: Vec<PathBuf>,
}

fn invalid(message: String) -> Failure {
    Failure::invalid(message)
}

fn not_found(message: String) -> Failure {
    Failure { code: FailureCode::NotFound, message }
}

impl Place {
    pub(super) fn of(pipeline: &Pipeline, step: &StepName) -> Self {
        // A folder may be named by a way that leads up and down, or through links.
        let absolute = |path: &Path| {
            let plain = || lexical(&std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
            path.canonicalize().unwrap_or_else(|_| plain())
        };
        let base = absolute(pipeline.base_of(step));
        let of_secret = |secret: &Secret| match &secret.source {
            SecretSource::File(path) => absolute(path).canonicalize().ok(),
            _ => None,
        };
        let secrets = pipeline.secrets.values().filter_map(of_secret).collect();
        match pipeline.root_of(step) {
            Some(root) => {
                Self { base, limits: vec![absolute(root)], limit: "the folder of the published pipeline", secrets }
            }
            None => {
                let limits = vec![base.clone(), absolute(&pipeline.base)];
                Self { base, limits, limit: "the folder of the pipeline file", secrets }
            }
        }
    }

    /// The files in a folder and in those within it, or of one folder those that a pattern names.
    pub(super) fn list(&self, path: &str) -> Result<Vec<FileEntry>, Failure> {
        let (folder, pattern) = match path.rsplit_once('/') {
            _ if !is_pattern(path) => (path, None),
            Some((folder, pattern)) => (folder, Some(pattern)),
            None => (".", Some(path)),
        };
        let root = self.locate(folder)?;
        if !root.is_dir() {
            return Err(invalid(format!("'{folder}' is not a folder")));
        }
        let mut entries = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(here) = folders.pop() {
            let unreadable =
                |error: std::io::Error| invalid(format!("cannot read the folder {}: {error}", here.display()));
            for entry in std::fs::read_dir(&here).map_err(unreadable)? {
                let found = entry.map_err(unreadable)?.path();
                let name = found.strip_prefix(&root).ok().and_then(Path::to_str);
                let name =
                    name.ok_or_else(|| invalid(format!("the name of {} is not UTF-8", found.display())))?.to_owned();
                if pattern.is_some_and(|pattern| !matches(pattern, &name)) || found.file_name().is_some_and(is_others) {
                    continue;
                }
                let within = format!("{}/{name}", folder.trim_end_matches('/'));
                let real = self.real(&found, &within)?;
                if real.is_dir() {
                    match (pattern, found.is_symlink()) {
                        (Some(_), _) => continue,
                        (None, true) => {
                            return Err(invalid(format!("'{within}' is a link to a folder: copy the folder instead")));
                        }
                        (None, false) => folders.push(found),
                    }
                    continue;
                }
                let size = regular(&real, &within)?;
                entries.push(FileEntry { path: name, size });
                if entries.len() > MOST_FILES {
                    let text = format!("'{path}' has more than {MOST_FILES} files: name a folder with fewer");
                    return Err(invalid(text));
                }
            }
        }
        entries.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(entries)
    }

    /// A whole file.
    pub(super) fn read(&self, path: &str) -> Result<Vec<u8>, Failure> {
        let real = self.locate(path)?;
        if real.is_dir() {
            return Err(invalid(format!("'{path}' is a folder, not a file")));
        }
        if self.secrets.contains(&real) {
            let text = format!("'{path}' contains a secret of the pipeline file, so a plugin cannot read it");
            return Err(Failure::refused(text));
        }
        regular(&real, path)?;
        let failed = |error: std::io::Error| invalid(format!("'{path}' cannot be read: {error}"));
        let mut content = Vec::new();
        let file = std::fs::File::open(&real).map_err(failed)?;
        file.take(MOST_BYTES + 1).read_to_end(&mut content).map_err(failed)?;
        if content.len() as u64 > MOST_BYTES {
            return Err(invalid(format!(
                "'{path}' has more than {} MiB, and a plugin cannot read a file of that size",
                MOST_BYTES >> 20
            )));
        }
        Ok(content)
    }

    /// Where a path leads, links resolved.
    fn locate(&self, path: &str) -> Result<PathBuf, Failure> {
        let whole = self.base.join(normal(path));
        let whole = lexical(&whole);
        let Some(rest) = self.limits.iter().find_map(|limit| whole.strip_prefix(limit).ok()) else {
            return Err(Failure::refused(format!(
                "'{path}' is outside of {}, {}, and a plugin cannot read files there: copy it into the folder",
                self.limit,
                self.limits[0].display()
            )));
        };
        if rest.components().any(|part| is_others(part.as_os_str())) {
            return Err(Failure::refused(format!("'{path}' is not for plugins to read")));
        }
        self.real(&whole, path)
    }

    fn real(&self, whole: &Path, path: &str) -> Result<PathBuf, Failure> {
        let real = whole.canonicalize().map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory if whole.is_symlink() => {
                invalid(format!("'{path}' is a link to something that is not there"))
            }
            ErrorKind::NotFound | ErrorKind::NotADirectory => {
                not_found(format!("there is no file or folder '{path}' in {}", self.base.display()))
            }
            _ => invalid(format!("'{path}' cannot be read: {error}")),
        })?;
        let is_within = |limit: &PathBuf| limit.canonicalize().is_ok_and(|limit| real.starts_with(limit));
        match self.limits.iter().any(is_within) {
            true => Ok(real),
            false => Err(Failure::refused(format!(
                "'{path}' is a link to a place outside of {}, {}: copy the file instead of linking it",
                self.limit,
                real.display()
            ))),
        }
    }
}

/// The size of a file that is one: devices, sockets and pipes are none.
fn regular(real: &Path, path: &str) -> Result<u64, Failure> {
    let about = std::fs::metadata(real).map_err(|error| invalid(format!("'{path}' cannot be read: {error}")))?;
    match about.is_file() {
        true => Ok(about.len()),
        false => Err(invalid(format!("'{path}' is neither a file nor a folder"))),
    }
}

fn is_others(name: &std::ffi::OsStr) -> bool {
    OTHERS.iter().any(|other| name == *other)
}

/// Whether a file is named by its address in a registry.
pub(super) fn is_address(path: &str) -> bool {
    path.starts_with("oci://")
}

/// What a file or a folder is known by: its address as it is written, or its path in the one form.
pub(super) fn key(path: &str) -> String {
    if is_address(path) { path.to_owned() } else { normal(path) }
}

/// A path without `.`, and without `..` but at its beginning.
pub(super) fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        match parts.last() {
            Some(last) if part == ".." && *last != ".." => _ = parts.pop(),
            _ => parts.push(part),
        }
    }
    match (path.starts_with('/'), parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

fn lexical(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut whole, part| {
        match part {
            Component::ParentDir => _ = whole.pop(),
            Component::CurDir => {}
            part => whole.push(part),
        }
        whole
    })
}

/// Whether what the user named is this file or folder, or has it in it. Both are in their normal form.
pub(super) fn covers(named: &str, path: &str) -> bool {
    if named == path {
        return true;
    }
    if is_address(named) || is_address(path) {
        return false;
    }
    if is_pattern(named) {
        let (of, name) = (named.rsplit_once('/'), path.rsplit_once('/'));
        return match (of, name) {
            (Some((of, pattern)), Some((folder, name))) => of == folder && matches(pattern, name),
            (None, None) => matches(named, path),
            _ => false,
        };
    }
    match named {
        "." => !path.starts_with('/') && !path.starts_with(".."),
        named => path.strip_prefix(named).is_some_and(|rest| rest.starts_with('/') && !rest.contains("/../")),
    }
}

/// Whether a path is a pattern: a star in its last part, and an ending after it. A star alone, as policies have it, names
/// nothing.
fn is_pattern(path: &str) -> bool {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let ending = name.rsplit_once('.').map(|(_, ending)| ending).unwrap_or_default();
    let is_plain = !ending.is_empty() && ending.bytes().all(|byte| byte.is_ascii_alphanumeric());
    name.contains('*') && is_plain && !folder.contains('*')
}

/// Whether a name is as a pattern says; a star stands for any run of characters of one part.
fn matches(pattern: &str, name: &str) -> bool {
    if name.contains('/') {
        return false;
    }
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_form() {
        for (path, form) in [
            ("./k8s/", "k8s"),
            ("k8s/overlays/../base/a.yaml", "k8s/base/a.yaml"),
            ("../../x", "../../x"),
            (".", "."),
            ("a/..", "."),
            ("/etc//passwd", "/etc/passwd"),
        ] {
            assert_eq!(normal(path), form);
        }
    }

    #[test]
    fn what_is_named_covers_what_is_below_it_and_no_neighbour() {
        for (named, path, covered) in [
            ("k8s", "k8s", true),
            ("k8s", "k8s/a/b.yaml", true),
            ("k8s", "k8s-more/a.yaml", false),
            ("k8s/a.yaml", "k8s", false),
            (".", "a.yaml", true),
            (".", "../a.yaml", false),
            ("k8s/*.yaml", "k8s/a.yaml", true),
            ("k8s/*.yaml", "k8s/deep/a.yaml", false),
            ("k8s/*.yaml", "k8s/a.json", false),
            ("k8s/*.yaml", "k8s", false),
            ("*.yaml", "a.yaml", true),
            ("app-*.yaml", "app-1.yaml", true),
            ("oci://ghcr.io/acme", "oci://ghcr.io/acme/x@sha256:0", false),
            ("oci://ghcr.io/acme/x@sha256:0", "oci://ghcr.io/acme/x@sha256:0", true),
            (".", "oci://ghcr.io/acme/x@sha256:0", false),
            // As a policy has them.
            ("*", "a.yaml", false),
            ("s3:*", "s3:x", false),
            ("a/*", "a/b", false),
        ] {
            assert_eq!(covers(named, path), covered, "{named} {path}");
        }
    }
}
