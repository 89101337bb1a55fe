//! The models that a server has.

use std::sync::Arc;

use crate::error::ApiError;
use crate::{Backend, ModelInfo};

/// A model for as long as a request uses it.
#[derive(Clone)]
pub(crate) struct Served {
    backend: Arc<dyn Backend>,
}

impl Served {
    pub(crate) fn new(backend: Arc<dyn Backend>) -> Self {
        Self { backend }
    }

    pub(crate) fn info(&self) -> &ModelInfo {
        self.backend.info()
    }

    pub(crate) fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    /// Whether a request names this model, or none.
    pub(crate) fn check(&self, asked: Option<&str>) -> Result<(), ApiError> {
        let name = &self.info().name;
        match asked.filter(|asked| !asked.is_empty() && asked != name) {
            None => Ok(()),
            Some(asked) => {
                let message = format!("there is no model '{asked}' here; this server has '{name}'");
                Err(ApiError::not_found(message, "model_not_found"))
            }
        }
    }
}
