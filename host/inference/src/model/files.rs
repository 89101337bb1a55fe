//! `manifest.json`: sizes and checksums of a model's files, where whoever made the folder wrote them.

use std::io::Read;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::error::ModelError;

const MANIFEST: &str = "manifest.json";

#[derive(Debug, Deserialize)]
struct Manifest {
    files: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    path: PathBuf,
    size: u64,
    #[serde(default)]
    sha256: Option<String>,
}

/// Checks the files of a folder against its manifest. Sizes are always compared, checksums where
/// `hashes` says so: they read every byte. Returns false where the folder has no manifest.
pub fn verify(folder: &Path, hashes: bool) -> Result<bool, ModelError> {
    let path = folder.join(MANIFEST);
    let manifest = match super::config::json(&path)? {
        serde_json::Value::Null => return Ok(false),
        value => serde_json::from_value::<Manifest>(value)
            .map_err(|error| ModelError::Invalid { path: path.clone(), reason: error.to_string() })?,
    };
    for entry in &manifest.files {
        if entry.path.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
            let reason = format!("'{}' is outside the folder", entry.path.display());
            return Err(ModelError::Invalid { path, reason });
        }
        check(&folder.join(&entry.path), entry, hashes)?;
    }
    Ok(true)
}

fn check(path: &Path, entry: &Entry, hashes: bool) -> Result<(), ModelError> {
    let mismatch = |reason: String| ModelError::Mismatch { path: path.to_owned(), reason };
    let size = std::fs::metadata(path).map_err(|error| mismatch(error.to_string()))?.len();
    if size != entry.size {
        return Err(mismatch(format!("it has {size} bytes, not {}", entry.size)));
    }
    let Some(expected) = entry.sha256.as_deref().filter(|_| hashes) else { return Ok(()) };
    let found =
        sha256(path).map_err(|error| ModelError::Unreadable { path: path.to_owned(), reason: error.to_string() })?;
    match found.eq_ignore_ascii_case(expected) {
        true => Ok(()),
        false => Err(mismatch(format!("its SHA-256 is {found}, not {expected}"))),
    }
}

fn sha256(path: &Path) -> std::io::Result<String> {
    let (mut file, mut hash, mut buffer) = (std::fs::File::open(path)?, Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            count => hash.update(&buffer[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_difference_from_the_manifest_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
        assert!(!verify(folder.path(), true).expect("no manifest"));
        write("a", "abc");
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        write(MANIFEST, &format!(r#"{{"files":[{{"path":"a","size":3,"sha256":"{abc}"}}]}}"#));
        assert!(verify(folder.path(), true).expect("whole"));
        for (content, part) in [("abd", "SHA-256"), ("abcd", "4 bytes, not 3")] {
            write("a", content);
            let error = verify(folder.path(), true).expect_err(part).to_string();
            assert!(error.contains(part), "{error}");
        }
        write(MANIFEST, r#"{"files":[{"path":"../a","size":3}]}"#);
        assert!(verify(folder.path(), true).expect_err("outside").to_string().contains("outside the folder"));
    }
}
