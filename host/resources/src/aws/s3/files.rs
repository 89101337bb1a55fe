//! Local folders that a step uploads: what is in them, and who may read them.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use llmhost_engine::kind::DeclareContext;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::globs;

/// A file as a plan shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct File {
    /// Bytes.
    pub(super) size: u64,
    /// SHA-256, hex.
    pub(super) sha256: String,
}

/// The largest object that S3 takes: 5 TiB.
const MOST_BYTES: u64 = 5 << 40;

/// The folder, if the user named it: a plugin reaches only paths that stand in its step's `with`
/// table, letter for letter.
pub(super) fn allowed(source: &str, context: &DeclareContext<'_>) -> Result<PathBuf, String> {
    if context.is_named(source) {
        return context.file(Path::new(source));
    }
    Err(format!("the folder '{source}' is not named in the step's 'with' table, so the plugin may not read it"))
}

/// The files of a folder that no pattern excludes ([`globs`]), by their paths within it with `/` between the parts.
pub(super) fn list(folder: &Path, exclude: &[String]) -> Result<BTreeMap<String, File>, String> {
    let shown = folder.display();
    let root = folder.canonicalize().map_err(|error| format!("cannot read the folder {shown}: {error}"))?;
    if !root.is_dir() {
        return Err(format!("{shown} is not a folder"));
    }
    let mut files = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(here) = folders.pop() {
        let unreadable = |error: std::io::Error| format!("cannot read the folder {}: {error}", here.display());
        for entry in std::fs::read_dir(&here).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let name = path.strip_prefix(&root).ok().and_then(Path::to_str);
            let name = name.ok_or_else(|| format!("the name of {} is not UTF-8", path.display()))?.to_owned();
            if globs::excludes(exclude, &name) {
                continue;
            }
            let real = path.canonicalize().map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            if !real.starts_with(&root) {
                return Err(format!(
                    "{} links to a place outside {shown}; copy the file instead of linking it",
                    path.display()
                ));
            }
            if real.is_dir() {
                if path.is_symlink() {
                    return Err(format!("{} is a link to a folder; copy it instead", path.display()));
                }
                folders.push(path);
                continue;
            }
            if !real.is_file() {
                return Err(format!("{} is neither a file nor a folder", path.display()));
            }
            files.insert(name, list_one(&path)?);
        }
    }
    if files.is_empty() {
        return Err(match exclude.is_empty() {
            true => format!("the folder {shown} is empty"),
            false => format!("'exclude' excludes every file of the folder {shown}"),
        });
    }
    Ok(files)
}

/// Size and sum of one file.
pub(super) fn list_one(path: &Path) -> Result<File, String> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let (mut sum, mut size, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer).map_err(failed)? {
            0 => break,
            read => {
                sum.update(&buffer[..read]);
                size += read as u64;
            }
        }
    }
    if size > MOST_BYTES {
        return Err(format!("{} has {size} bytes; S3 allows at most 5 TiB", path.display()));
    }
    Ok(File { size, sha256: hex(&sum.finalize()) })
}

/// One sum over names and contents.
pub(super) fn digest(files: &BTreeMap<String, File>) -> String {
    let mut sum = Sha256::new();
    for (name, file) in files {
        sum.update(format!("{}  {name}\n", file.sha256));
    }
    hex(&sum.finalize())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_folder_is_read_only_if_the_user_named_it() {
        let config = json!({"upload": [{"source": "models/demo"}]});
        let address = "step/s3.folder/it".parse().expect("an address");
        let context = DeclareContext {
            address: &address,
            tags: &BTreeMap::new(),
            region: "us-east-1",
            base: Path::new("/base"),
            within: None,
            config: &config,
        };
        assert_eq!(allowed("models/demo", &context), Ok(PathBuf::from("/base/models/demo")));
        for other in ["models", "/etc", "models/demo/", "../models/demo", ""] {
            assert!(allowed(other, &context).is_err(), "{other}");
        }
    }

    #[test]
    fn files_are_listed_by_name_with_size_and_sum() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("sub")).expect("a folder");
        std::fs::write(folder.path().join("sub/b"), "abc").expect("a file");
        std::fs::write(folder.path().join("a"), "").expect("a file");
        let files = list(folder.path(), &[]).expect("files");
        assert_eq!(files.keys().collect::<Vec<_>>(), ["a", "sub/b"]);
        assert_eq!(files["sub/b"].size, 3);
        assert_eq!(files["sub/b"].sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let before = digest(&files);
        std::fs::write(folder.path().join("sub/b"), "abd").expect("a file");
        assert_ne!(digest(&list(folder.path(), &[]).expect("files")), before);
    }

    #[test]
    fn what_is_excluded_is_not_even_read() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(folder.path().join("cache/deep")).expect("a folder");
        for name in ["a.json", "a.tmp", "cache/deep/b.json"] {
            std::fs::write(folder.path().join(name), "x").expect("a file");
        }
        std::os::unix::fs::symlink("/etc/hostname", folder.path().join("link.tmp")).expect("a link");
        let files = list(folder.path(), &["*.tmp".to_owned(), "cache/".to_owned()]).expect("files");
        assert_eq!(files.keys().collect::<Vec<_>>(), ["a.json"]);
        let error = list(folder.path(), &["*".to_owned()]).expect_err("nothing is left");
        assert!(error.contains("'exclude' excludes every file"), "{error}");
    }

    #[test]
    fn what_leads_outside_or_is_no_folder_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = list(folder.path(), &[]).expect_err("empty");
        assert!(error.contains("is empty"), "{error}");
        assert!(list(&folder.path().join("missing"), &[]).expect_err("missing").contains("missing"));
        let file = folder.path().join("file");
        std::fs::write(&file, "x").expect("a file");
        assert!(list(&file, &[]).expect_err("a file").contains("is not a folder"));
        std::os::unix::fs::symlink("/etc/hostname", folder.path().join("link")).expect("a link");
        assert!(list(folder.path(), &[]).expect_err("a link").contains("links to a place outside"));
    }
}
