//! Why there is no emulator, and what to do about it.

/// Why there is no emulator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmulatorError {
    /// There is no Python.
    #[error(
        "the emulator needs Python 3.10 or newer, and there is no python3 on PATH; install it (apt-get install python3 python3-venv)"
    )]
    NoPython,
    /// Python is too old.
    #[error("the emulator needs Python 3.10 or newer, and python3 is {found}; install a newer one")]
    OldPython {
        /// What it says of itself.
        found: String,
    },
    /// Python cannot make virtual environments.
    #[error(
        "python3 cannot make a virtual environment; install its venv module (apt-get install python3-venv): {reason}"
    )]
    NoVenv {
        /// The last lines that it wrote.
        reason: String,
    },
    /// The packages could not be installed.
    #[error("cannot install the emulator's Python packages; check the connection to the package index: {reason}")]
    Pip {
        /// The last lines that pip wrote.
        reason: String,
    },
    /// The server did not start.
    #[error("the emulator did not start: {reason}")]
    Start {
        /// The last lines that it wrote.
        reason: String,
    },
    /// A file or folder of the emulator cannot be used.
    #[error("cannot use {path}: {reason}; check that it can be written")]
    Io {
        /// The file or folder.
        path: String,
        /// The system's word.
        reason: String,
    },
    /// There is no place for its environment.
    #[error("there is no folder for the emulator's Python environment; set HOME or XDG_CACHE_HOME")]
    NoHome,
}

impl EmulatorError {
    pub(crate) fn io(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::Io { path: path.display().to_string(), reason: error.to_string() }
    }
}
