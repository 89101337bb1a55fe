//! The models that a server has: which of them a request means, when they are loaded, and which one
//! goes when another needs its memory.
//!
//! A request holds a [`Served`] from its first word to its last. A model that is held is not unloaded,
//! and one that was replaced lives on until the last of its requests lets go.

mod entry;
mod instance;
mod loader;
mod memory;
mod registry;
mod work;

use std::sync::Arc;

pub use entry::{LoadAt, ModelSpec};
pub use loader::{LoadFailure, Loaded, Loader, ModelEvent, Place, Prepared, Room};
pub use registry::{Models, ModelsError};
pub use work::Refreshed;
pub(crate) use work::Refused;

use crate::metrics::Figures;
use crate::{Backend, ModelInfo};
use instance::{Instance, Lease};

/// A model for as long as a request uses it.
#[derive(Clone)]
pub(crate) struct Served {
    instance: Arc<Instance>,
    figures: Arc<Figures>,
    /// None where it is only looked at.
    _lease: Option<Lease>,
}

impl Served {
    pub(crate) fn info(&self) -> &ModelInfo {
        self.instance.backend().info()
    }

    pub(crate) fn backend(&self) -> &dyn Backend {
        self.instance.backend()
    }

    /// What is counted of it.
    pub(crate) fn figures(&self) -> &Figures {
        &self.figures
    }
}
