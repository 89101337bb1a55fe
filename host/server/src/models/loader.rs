//! What the server asks of whatever loads its models.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use crate::Backend;

/// Loads models by their names.
#[async_trait]
pub trait Loader: Send + Sync + 'static {
    /// Brings a model's files to this machine. Nothing of it is in memory yet.
    async fn prepare(&self, name: &str) -> Result<Prepared, LoadFailure>;

    /// Loads a model and warms it up.
    async fn load(&self, name: &str, prepared: &Prepared, room: Room) -> Result<Loaded, LoadFailure>;

    /// Bytes that are free now. `None` where nobody can tell, and then nothing is held back.
    fn free(&self, place: Place) -> Option<u64>;

    /// Something happened to a model that nobody may be waiting for.
    fn report(&self, name: &str, event: ModelEvent<'_>) {
        _ = (name, event);
    }
}

/// Whose memory a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The machine's.
    System,
    /// The GPU's.
    Gpu,
}

/// A model whose files are here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// Where.
    pub folder: PathBuf,
    /// Another text for other content.
    pub version: String,
    /// Bytes of memory that it takes at least.
    pub bytes: u64,
    /// Where it takes them.
    pub place: Place,
}

/// Memory that a model may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes that it can have.
    pub free: u64,
    /// Bytes of all models together.
    pub total: u64,
}

/// A model that runs.
pub struct Loaded {
    /// It.
    pub backend: Arc<dyn Backend>,
    /// Bytes of memory that it takes.
    pub bytes: u64,
    /// Where it takes them.
    pub place: Place,
}

/// Why a model is not loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct LoadFailure {
    /// The whole reason, for those who run the server. It may name folders and buckets.
    pub reason: String,
    /// What clients are told.
    pub told: String,
}

impl LoadFailure {
    /// A reason that names nothing of this machine.
    pub fn open(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { told: reason.clone(), reason }
    }

    /// A reason for the operator alone.
    pub fn private(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), told: "it does not load; the server's log has the reason".to_owned() }
    }
}

/// What happens to a model.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum ModelEvent<'a> {
    /// It answers.
    Loaded,
    /// Its new content answers; the old one ends with its running answers.
    Reloaded,
    /// Its memory is free.
    Unloaded {
        /// The model that needs the memory; none where an administrator wanted it.
        replaced_by: Option<&'a str>,
    },
    /// It does not load.
    Failed(&'a LoadFailure),
    /// Its new content does not load; the old one goes on.
    Kept(&'a LoadFailure),
}
