//! `manifest.json`: the files of a model and what is in them.

use serde::{Deserialize, Serialize};

/// The manifest's file name.
pub const MANIFEST: &str = "manifest.json";

/// The files of a model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// In any order.
    pub files: Vec<ManifestFile>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestFile {
    /// Relative to the model's folder, with slashes.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// SHA-256 of its content, in lower-case hex.
    pub sha256: String,
}

impl Manifest {
    /// Reads a manifest and checks it, for it names files that will be written.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let read: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if read.files.is_empty() {
            return Err("it names no files".to_owned());
        }
        for file in &read.files {
            check_path(&file.path)?;
            let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
            if file.sha256.len() != 64 || !file.sha256.chars().all(hex) {
                return Err(format!("sha256 of {} is not 64 hex digits", file.path));
            }
        }
        Ok(read)
    }
}

/// Whether a relative path stays in its folder.
pub(crate) fn check_path(path: &str) -> Result<(), String> {
    let good = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', '\0']);
    match !path.is_empty() && path.split('/').all(good) {
        true => Ok(()),
        false => Err(format!("'{path}' is not a path within the model's folder")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_cannot_name_a_file_elsewhere() {
        let with = |path: &str, sha: &str| format!(r#"{{"files":[{{"path":"{path}","size":1,"sha256":"{sha}"}}]}}"#);
        let sha = "0".repeat(64);
        assert!(Manifest::parse(with("onnx/model.onnx", &sha).as_bytes()).is_ok());
        for path in ["../x", "/etc/passwd", "a//b", "a/./b", ""] {
            assert!(Manifest::parse(with(path, &sha).as_bytes()).is_err(), "{path}");
        }
        assert!(Manifest::parse(with("x", "short").as_bytes()).is_err());
        assert!(Manifest::parse(b"{\"files\":[]}").is_err());
        assert!(Manifest::parse(b"nonsense").is_err());
    }
}
