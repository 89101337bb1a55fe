//! What can be wrong with a state, and what to do about it.

use std::path::Path;

/// Why a state cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Somebody else has it open.
    #[error("the state {path} is in use by {holder}; wait until that run ends")]
    Locked {
        /// The folder.
        path: String,
        /// Command, process, user and host, as the holder wrote them.
        holder: String,
    },
    /// A file or folder cannot be read or written.
    #[error("cannot {doing} {path}: {reason}")]
    Io {
        /// `read`, `write`, `make`, `lock`.
        doing: &'static str,
        /// The file or folder.
        path: String,
        /// The system's word.
        reason: String,
    },
    /// The snapshot is not what was written.
    #[error("the state {path} is damaged: {reason}; put back {path}.backup, the one before it, if that is better")]
    Snapshot {
        /// The file.
        path: String,
        /// What is wrong, with line and column.
        reason: String,
    },
    /// The journal is not what was written.
    #[error(
        "the journal {path} is damaged at line {line}: {reason}; what comes after that line is lost if you cut it there, \
         and would have to be imported or deleted by hand"
    )]
    Journal {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// Written by a newer llmhost.
    #[error("{path} has version {found}, and this llmhost knows versions up to {known}; use a newer llmhost")]
    Newer {
        /// The file.
        path: String,
        /// Its version.
        found: u32,
        /// The newest that is known here.
        known: u32,
    },
    /// Of another pipeline.
    #[error("the state {path} belongs to the pipeline '{found}', not to '{wanted}'; choose another --state")]
    OtherPipeline {
        /// The file.
        path: String,
        /// The pipeline in the state.
        found: String,
        /// The one that wants it.
        wanted: String,
    },
}

impl StateError {
    pub(super) fn io(doing: &'static str, path: &Path, error: &std::io::Error) -> Self {
        Self::Io { doing, path: path.display().to_string(), reason: error.to_string() }
    }
}
