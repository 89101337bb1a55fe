//! The server's own modules, put beside its Python environment.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::EmulatorError;

include!(concat!(env!("OUT_DIR"), "/modules.rs"));

/// The table of types that Cloud Control reads: it is in the binary anyway.
const TYPES: (&str, &[u8]) = ("types.bin", llmhost_aws_types::BYTES);
/// The table begins with its checksum, so that not all of it has to be summed up again.
const TYPES_HEAD: usize = 9;

/// Writes the modules where they are not yet, and gives their folder: one for each set of them, so
/// that servers of two versions of llmhost do not see each other's.
pub(crate) fn install(environment: &Path) -> Result<PathBuf, EmulatorError> {
    let mut sum = Sha256::new();
    for (name, text) in MODULES {
        sum.update(name);
        sum.update([0]);
        sum.update(text);
    }
    sum.update(TYPES.1.get(..TYPES_HEAD).unwrap_or_default());
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
    fs::write(draft.path().join(TYPES.0), TYPES.1).map_err(failed)?;
    match fs::rename(draft.path(), &folder) {
        Err(_) if folder.is_dir() => {}
        other => other.map_err(failed)?,
    }
    Ok(folder)
}
