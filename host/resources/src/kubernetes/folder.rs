//! Manifests in a folder, for those whose cluster is fed from a repository.

use std::path::{Path, PathBuf};

use llmhost_engine::kind::OpError;
use serde_json::{Map, Value};

use super::manifest::Identity;

/// The file of an object: `deployment-models-server.yaml`.
pub(super) fn file(folder: &Path, identity: &Identity) -> PathBuf {
    let place = identity.namespace.as_ref().map(|namespace| format!("{namespace}-")).unwrap_or_default();
    let name = format!("{}-{place}{}.yaml", identity.kind.to_lowercase(), identity.name);
    // Role names may hold colons, which not every file system takes.
    folder.join(name.replace([':', '/'], "-"))
}

/// Writes a manifest; a reader sees the old one or the new one, never a part.
pub(super) fn write(path: &Path, manifest: &Map<String, Value>) -> Result<(), OpError> {
    let failed = |reason: String| OpError::local("kube:write", format!("cannot write {}: {reason}", path.display()));
    let text = serde_saphyr::to_string(manifest).map_err(|error| failed(error.to_string()))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|error| failed(error.to_string()))?;
    let beside = path.with_extension("yaml.tmp");
    std::fs::write(&beside, text).map_err(|error| failed(error.to_string()))?;
    std::fs::rename(&beside, path).map_err(|error| failed(error.to_string()))
}

/// Reads it back; nothing where it is gone.
pub(super) fn read(path: &Path) -> Result<Option<Map<String, Value>>, OpError> {
    let failed = |reason: String| OpError::local("kube:read", format!("cannot read {}: {reason}", path.display()));
    match std::fs::read_to_string(path) {
        Ok(text) => serde_saphyr::from_str(&text).map(Some).map_err(|error| failed(error.to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error.to_string())),
    }
}

/// Removes it. Gone already is success.
pub(super) fn remove(path: &Path) -> Result<(), OpError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(OpError::local("kube:remove", format!("cannot remove {}: {error}", path.display())))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_manifest_reads_back_as_it_was_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let identity =
            Identity { group: String::new(), kind: "ConfigMap".into(), namespace: Some("a".into()), name: "b".into() };
        let path = file(folder.path(), &identity);
        assert!(path.ends_with("configmap-a-b.yaml"));
        let manifest = json!({ "data": { "yes": "no", "n": "1", "text": "a: b\n# c\n", "empty": "" }, "list": [1, true, null, "1e3"] });
        let manifest: Map<String, Value> = serde_json::from_value(manifest).expect("an object");
        write(&path, &manifest).expect("written");
        assert_eq!(read(&path).expect("read"), Some(manifest));
        remove(&path).expect("removed");
        remove(&path).expect("gone is success");
        assert_eq!(read(&path).expect("no file"), None);
    }
}
