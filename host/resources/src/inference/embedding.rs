//! `inference.embedding`

use std::sync::Arc;

use async_trait::async_trait;
use llmhost_engine::kind::{
    Created, DeclareContext, Intent, Kind, Observed, OpError, Outputs, Permission, Progress, Scope,
};
use serde::{Deserialize, Serialize};

use super::{Models, failed};
use crate::aws::outputs;

/// Vectors of texts.
pub(super) struct Embedding(pub(super) Arc<Models>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Spec {
    /// The model's id.
    model: String,
    texts: Vec<String>,
}

/// More would make the state a database.
const MOST_TEXTS: usize = 256;

#[async_trait]
impl Kind for Embedding {
    type Spec = Spec;
    const NAME: &'static str = "inference.embedding";
    const ACTIONS: &'static [&'static str] = &[];
    const IMMUTABLE: &'static [&'static str] = &[];
    const IDENTITIES: &'static [&'static str] = &["vectors"];
    const VOLATILE: &'static [&'static str] = &["vectors"];

    fn complete(&self, spec: &mut Spec, _: &DeclareContext<'_>) -> Result<(), String> {
        match spec.texts.len() {
            1..=MOST_TEXTS => Ok(()),
            count => Err(format!("{count} texts; 1 to {MOST_TEXTS} are allowed")),
        }
    }

    fn permissions(&self, _: &Spec, _: &Scope<'_>) -> Vec<Permission> {
        Vec::new()
    }

    async fn create(&self, _: &Spec, intent: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
        Ok(Created { id: intent.address.to_string(), outputs: Outputs::new() })
    }

    async fn configure(
        &self,
        _: &str,
        spec: &Spec,
        _: Option<&Spec>,
        progress: &dyn Progress,
    ) -> Result<Outputs, OpError> {
        let engine = self.0.engine(&spec.model, progress).await?;
        let found = engine.embed(&spec.texts, false).await.map_err(|error| failed("inference:embed", &error))?;
        let vectors = serde_json::to_string(&found.vectors).expect("numbers");
        Ok(outputs([("vectors", vectors.as_str())]))
    }

    async fn read(&self, _: &str, spec: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        Ok(Some(Observed { spec: spec.clone(), outputs: Outputs::new() }))
    }

    async fn find(&self, _: &Spec, _: &Intent) -> Result<Option<Created>, OpError> {
        Ok(None)
    }

    async fn delete(&self, _: &str, _: &Spec, _: &dyn Progress) -> Result<(), OpError> {
        Ok(())
    }
}
