//! What can go wrong on the way to a model.

use std::path::{Path, PathBuf};

/// Why a model cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The address is none.
    #[error("'{address}' is not the address of a model: {reason}")]
    Address {
        /// As it was given.
        address: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There is nothing there.
    #[error("nothing exists at {address}")]
    Nothing {
        /// Where it was looked for.
        address: String,
    },
    /// The store does not answer, or refuses.
    #[error("cannot fetch {what}: {message}")]
    Store {
        /// The object or listing.
        what: String,
        /// The store's words.
        message: String,
    },
    /// The manifest cannot be read.
    #[error("the manifest of {address} is invalid: {reason}")]
    Manifest {
        /// The model.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of the manifest is not there.
    #[error("{address} has no {path}, which its manifest lists")]
    Missing {
        /// The model.
        address: String,
        /// The file.
        path: String,
    },
    /// What came is not what the manifest says.
    #[error("{what} does not match its checksum: its SHA-256 is {found}, and should be {wanted}")]
    Checksum {
        /// The object.
        what: String,
        /// In hex.
        found: String,
        /// In hex.
        wanted: String,
    },
    /// Somebody wrote the model while it was fetched.
    #[error("{what} changed while it was fetched")]
    Changed {
        /// The object.
        what: String,
    },
    /// The disk is too small.
    #[error("{} has {free} bytes free, and the model needs {needed} more", .path.display())]
    DiskFull {
        /// The cache.
        path: PathBuf,
        /// Bytes that are free.
        free: u64,
        /// Bytes that are needed.
        needed: u64,
    },
    /// The cache cannot be read or written.
    #[error("cannot use {}: {source}", .path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

impl ModelError {
    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Address { .. } => "Write a folder, or s3://bucket/prefix.",
            Self::Nothing { .. } => {
                "Check bucket and prefix. A model is a folder with model.onnx, config.json and tokenizer.json in it."
            }
            Self::Store { .. } => {
                "Check the network and the permissions: reading a model takes s3:ListBucket on the bucket and s3:GetObject \
                 on its objects. The data fetched so far is kept, and the next attempt continues from there."
            }
            Self::Manifest { .. } => "Write the manifest again, or remove it: without one, files are not verified.",
            Self::Missing { .. } => "Upload the model again.",
            Self::Checksum { .. } => "Upload the model again. Nothing of this file was kept.",
            Self::Changed { .. } => "Try again when the upload has finished.",
            Self::DiskFull { .. } => "Free some space, or choose another folder with --cache.",
            Self::Disk { .. } => "Check that the folder can be written, or choose another with --cache.",
        }
    }

    pub(crate) fn disk(path: &Path, source: std::io::Error) -> Self {
        Self::Disk { path: path.to_owned(), source }
    }
}
