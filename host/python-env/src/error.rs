//! Why there is no environment, and what to do about it.

/// Why there is no Python environment.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PythonError {
    /// There is no Python.
    #[error(
        "this needs Python 3.10 or newer, and there is no python3 on PATH; install it (apt-get install python3 python3-venv)"
    )]
    NoPython,
    /// Python is too old.
    #[error("this needs Python 3.10 or newer, and python3 is {found}; install a newer one")]
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
    #[error("cannot install the Python packages for {name}; check the connection to the package index: {reason}")]
    Pip {
        /// Of the environment.
        name: &'static str,
        /// The last lines that pip wrote.
        reason: String,
    },
    /// A file or folder cannot be used.
    #[error("cannot use {path}: {reason}; check that it is writable")]
    Io {
        /// The file or folder.
        path: String,
        /// The system's word.
        reason: String,
    },
    /// There is no place for it.
    #[error("there is no folder for Python environments; set HOME or XDG_CACHE_HOME")]
    NoHome,
}

impl PythonError {
    pub(crate) fn io(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::Io { path: path.display().to_string(), reason: error.to_string() }
    }
}
