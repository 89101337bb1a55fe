//! The server's own modules, put beside its Python environment.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::EmulatorError;

include!(concat!(env!("OUT_DIR"), "/modules.rs"));

/// Writes the modules where they are not yet, and gives their folder: one for each set of them, so
/// that servers of two versions of llmhost do not see each other's.
pub(crate) fn install(environment: &Path) -> Result<PathBuf, EmulatorError> {
    let mut sum = Sha256::new();
    for (name, text) in MODULES {
        sum.update(name);
        sum.update([0]);
        sum.update(text);
    }
    let sum: String = sum.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let folder = environment.join(format!("llmhost-{sum}"));
    if folder.is_dir() {
        return Ok(folder);
    }
    // Whole or not at all, whoever else does the same at the same time.
    let failed = |error: std::io::Error| EmulatorError::io(&folder, &error);
    let draft = tempfile::tempdir_in(environment).map_err(failed)?;
    for (name, text) in MODULES {
        let path = draft.path().join(name);
        fs::create_dir_all(path.parent().unwrap_or(draft.path())).map_err(failed)?;
        fs::write(path, text).map_err(failed)?;
    }
    match fs::rename(draft.path(), &folder) {
        Err(_) if folder.is_dir() => {}
        other => other.map_err(failed)?,
    }
    Ok(folder)
}
