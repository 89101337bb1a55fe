//! What can be wrong with a state, and what to do about it.

use std::path::Path;

use super::BucketError;

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
    /// A folder where nobody can be kept out.
    #[error("cannot lock {path}: {reason}")]
    NoLocks {
        /// The file.
        path: String,
        /// The system's word.
        reason: String,
    },
    /// The snapshot is not what was written.
    #[error("the state {path} is damaged: {reason}; restore the previous one, {backup}, if that is better")]
    Snapshot {
        /// The file.
        path: String,
        /// What is wrong, with line and column.
        reason: String,
        /// Where the one before it is.
        backup: String,
    },
    /// The snapshot is gone, and was there before.
    #[error("the state {path} is missing: {reason}")]
    Missing {
        /// The file.
        path: String,
        /// How that is known.
        reason: String,
    },
    /// The journal is not what was written.
    #[error(
        "the journal {path} is damaged at line {line}: {reason}; what comes after that line is lost if you cut it there, \
         and must be imported or deleted by hand"
    )]
    Journal {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// The journal is good as far as it goes, and what it belongs to is not there.
    #[error("the journal {path} does not fit the state: {reason}")]
    Unfit {
        /// The file or segment.
        path: String,
        /// What is missing.
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
    /// A line of a journal that a newer llmhost wrote.
    #[error(
        "line {line} of the journal {path} was written by a newer llmhost: {reason}; use a newer llmhost, and leave the \
         journal as it is"
    )]
    NewerLine {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// What is not known here.
        reason: String,
    },
    /// Of another pipeline.
    #[error("the state {path} belongs to the pipeline '{found}', not to '{wanted}'")]
    OtherPipeline {
        /// The file.
        path: String,
        /// The pipeline in the state.
        found: String,
        /// The one that wants it.
        wanted: String,
    },
    /// It is kept elsewhere now.
    #[error("the state {path} was moved to {to}")]
    MovedAway {
        /// The state.
        path: String,
        /// Where it is kept.
        to: String,
    },
    /// A bucket did not do as asked.
    #[error("cannot {doing} {path}: {}", .error.message)]
    Bucket {
        /// `read`, `write`, `list`.
        doing: &'static str,
        /// The object.
        path: String,
        /// What it said, and what to do.
        error: BucketError,
    },
    /// Somebody else holds the lease.
    #[error("the state {path} is in use by {holder}, for {since}; their lease {ends}")]
    Held {
        /// The state.
        path: String,
        /// Command, process, user and host.
        holder: String,
        /// How long they have held it: `3 min`.
        since: String,
        /// When the lease ends, in words.
        ends: String,
    },
    /// Somebody else took the state while this run held it.
    #[error("the state {path} was taken over by {by}")]
    TakenOver {
        /// The state.
        path: String,
        /// Who has it now.
        by: String,
    },
    /// Another run holds the lease than the one whose lease was to be broken.
    #[error("the state {path} is now held by another run, {holder}; its lease was not broken")]
    OtherHolder {
        /// The state.
        path: String,
        /// Who holds it.
        holder: String,
    },
    /// The lease ran out.
    #[error("the lease of the state {path} ran out, because it could not be renewed: {reason}")]
    Expired {
        /// The state.
        path: String,
        /// Why it could not be renewed.
        reason: String,
    },
    /// The lease is not what was written.
    #[error("the lease {path} is damaged: {reason}")]
    Lease {
        /// The object.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// Others were quicker, again and again.
    #[error("the state {path} could not be locked: other runs changed the lease at each attempt")]
    Busy {
        /// The state.
        path: String,
    },
}

impl StateError {
    /// What to do about it, where the message does not say so itself.
    pub fn advice(&self) -> Option<&str> {
        Some(match self {
            Self::Bucket { error, .. } => &error.advice,
            Self::OtherPipeline { .. } => {
                "Nothing was changed. If you renamed the pipeline in the file, run llmhost state mv FILE --pipeline \
                 with the old name to rename the state as well. If this is another pipeline, or another environment of it, give it a state of its own with --state, or with state in [pipeline]."
            }
            Self::MovedAway { .. } => {
                "Nothing was changed. Use that one: name it with --state, or with state in [pipeline]. If the move did not \
                 finish, run the same llmhost state mv again."
            }
            Self::Held { .. } => {
                "Wait until that run ends. If it has crashed, its lease expires by itself; llmhost state unlock \
                    FILE ends it now."
            }
            Self::TakenOver { .. } => {
                "This run started nothing more and overwrote nothing of the other run. Wait until that run ends, and \
                 run again: resources that were created but not recorded are found by their tags."
            }
            Self::Expired { .. } => {
                "This run started nothing more. Check the connection, and run again: resources that were created \
                    are found by their tags."
            }
            Self::Lease { .. } => "If nobody runs this pipeline, llmhost state unlock FILE writes a new one.",
            Self::Missing { .. } => {
                "llmhost does not start from an empty state that may be incomplete. Restore the file, or copy the \
                 previous one to its place; it lacks resources that were created later. If it is lost, remove what is left of it too, and rebuild the state from what exists: llmhost import FILE --all."
            }
            Self::OtherHolder { .. } => {
                "Wait until that run ends, or run llmhost state unlock FILE again to break its lease."
            }
            Self::Unfit { .. } => {
                "Do not truncate or remove anything: the files that are there are good. Restore the missing segment or \
                 snapshot of that number; a bucket with versioning still has it."
            }
            Self::NoLocks { .. } => {
                "This file system has no locks, so two runs could overwrite each other. Use a folder on a local disk \
                 with --state, or s3://bucket/prefix."
            }
            Self::Busy { .. } => "Find out who else runs this pipeline, and run again.",
            Self::Io { .. } => {
                "Repair the state folder, and run again: resources that were created are found by their tags."
            }
            _ => return None,
        })
    }

    pub(super) fn io(doing: &'static str, path: &Path, error: &std::io::Error) -> Self {
        Self::Io { doing, path: path.display().to_string(), reason: error.to_string() }
    }
}
