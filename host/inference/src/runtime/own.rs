//! ONNX Runtime in a Python environment of llmhost's own, for those who install nothing else.

use std::path::{Path, PathBuf};

use llmhost_python_env::Environment;

use super::Search;

/// The environment; `Environment::python` makes it.
pub const OWN: Environment =
    Environment { name: "onnxruntime", requirements: "onnxruntime==1.32.0\n", variable: "LLMHOST_ONNXRUNTIME_VENV" };

impl Search {
    /// The library that the user names, or else wherever it may be, llmhost's own environment included.
    pub fn usual(named: Option<PathBuf>) -> Self {
        let own = OWN.folder().ok().and_then(|folder| packages(&folder));
        Self { library: named, folders: own.into_iter().collect() }
    }
}

/// The folder of the library within an environment.
fn packages(environment: &Path) -> Option<PathBuf> {
    let versions = std::fs::read_dir(environment.join("lib")).ok()?.flatten();
    versions.map(|version| version.path().join("site-packages/onnxruntime/capi")).find(|folder| folder.is_dir())
}
