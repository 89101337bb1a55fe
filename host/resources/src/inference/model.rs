//! `inference.model`

use std::sync::Arc;

use async_trait::async_trait;
use llmhost_engine::kind::{
    Created, DeclareContext, Intent, Kind, Observed, OpError, Outputs, Permission, Progress, Scope,
};
use llmhost_engine::unknown;
use llmhost_inference::Device;
use llmhost_models::Address;
use serde::{Deserialize, Serialize};

use super::{ModelId, Models};
use crate::aws::outputs;
use crate::aws::policy::Arns;

/// A model, loaded on this machine.
pub(super) struct Model(pub(super) Arc<Models>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Spec {
    /// An `s3://` address, or a folder: absolute, once it is completed.
    address: String,
    #[serde(deserialize_with = "device")]
    device: Device,
    context_length: Option<u32>,
}

/// As WIT's enum is written, or as the state is.
fn device<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Device, D::Error> {
    let text = String::deserialize(deserializer)?.to_lowercase();
    text.parse().map_err(serde::de::Error::custom)
}

impl Spec {
    fn id(&self) -> String {
        ModelId { device: self.device, context: self.context_length, address: self.address.clone() }.text()
    }
}

#[async_trait]
impl Kind for Model {
    type Spec = Spec;
    const NAME: &'static str = "inference.model";
    const ACTIONS: &'static [&'static str] = &["s3:ListBucket", "s3:GetObject"];
    const IMMUTABLE: &'static [&'static str] = &["address", "device", "context_length"];
    const IDENTITIES: &'static [&'static str] = &["id"];

    fn complete(&self, spec: &mut Spec, context: &DeclareContext<'_>) -> Result<(), String> {
        if unknown::is_unknown(&spec.address) {
            return Ok(());
        }
        if let Address::Folder(folder) = Address::parse(&spec.address).map_err(|error| error.to_string())? {
            // A plugin reads only what the user named.
            if !context.is_named(&spec.address) {
                return Err(format!("the folder '{}' is not named in the step's 'with' table", spec.address));
            }
            spec.address = context.file(&folder)?.display().to_string();
        }
        Ok(())
    }

    fn permissions(&self, spec: &Spec, scope: &Scope<'_>) -> Vec<Permission> {
        let Some(rest) = spec.address.strip_prefix("s3://") else { return Vec::new() };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let bucket = scope.bucket(bucket);
        let objects = format!("{bucket}/{prefix}*");
        vec![Permission::new(&["s3:ListBucket"], [bucket]), Permission::new(&["s3:GetObject"], [objects])]
    }

    async fn create(&self, spec: &Spec, _: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
        let id = spec.id();
        Ok(Created { outputs: outputs([("id", id.as_str())]), id })
    }

    async fn configure(
        &self,
        id: &str,
        _: &Spec,
        _: Option<&Spec>,
        progress: &dyn Progress,
    ) -> Result<Outputs, OpError> {
        let engine = self.0.engine(id, progress).await?;
        Ok(outputs([("provider", engine.report().provider.as_str()), ("sort", engine.model().kind())]))
    }

    /// What is in memory cannot be changed behind anybody's back.
    async fn read(&self, _: &str, spec: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        Ok(Some(Observed { spec: spec.clone(), outputs: Outputs::new() }))
    }

    async fn find(&self, _: &Spec, _: &Intent) -> Result<Option<Created>, OpError> {
        Ok(None)
    }

    async fn delete(&self, id: &str, _: &Spec, _: &dyn Progress) -> Result<(), OpError> {
        self.0.loaded.lock().await.remove(id);
        Ok(())
    }
}
