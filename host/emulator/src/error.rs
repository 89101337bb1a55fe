//! Why there is no emulator, and what to do about it.

use llmhost_python_env::PythonError;

/// Why there is no emulator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmulatorError {
    /// There is no Python to run it.
    #[error("the emulator needs a Python environment: {0}")]
    Python(#[from] PythonError),
    /// The server did not start.
    #[error("the emulator did not start: {reason}")]
    Start {
        /// The last lines that it wrote.
        reason: String,
    },
    /// A file or folder of the emulator cannot be used.
    #[error("cannot use {path}: {reason}; check that it is writable")]
    Io {
        /// The file or folder.
        path: String,
        /// The system's word.
        reason: String,
    },
}

impl EmulatorError {
    pub(crate) fn io(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::Io { path: path.display().to_string(), reason: error.to_string() }
    }
}
