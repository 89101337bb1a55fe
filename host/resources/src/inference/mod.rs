//! Language models in the host itself: loaded, asked, and their answers kept like any other output.

mod answer;
mod embedding;
mod model;
mod tensors;

use std::collections::HashMap;
use std::sync::Arc;

use llmhost_engine::kind::{ErrorClass, OpError, Progress};
use llmhost_engine::registry::Registry;
use llmhost_inference::runtime::Search;
use llmhost_inference::{Device, Engine, Options, RequestError};
use llmhost_models::{Address, Fetch};
use llmhost_python_env::cache_folder;
use tokio::sync::Mutex;

use crate::aws::Aws;
use crate::aws::s3::Objects;

/// Requests at a time when a model is fetched.
const PARALLELISM: usize = 16;

pub(crate) fn register(registry: Registry, aws: &Arc<Aws>) -> Registry {
    let models = Arc::new(Models { aws: Arc::clone(aws), loaded: Mutex::default() });
    registry
        .with(model::Model(Arc::clone(&models)))
        .with(answer::Answer(Arc::clone(&models)))
        .with(embedding::Embedding(Arc::clone(&models)))
        .with(tensors::Tensors(models))
}

/// The models of this process, each loaded when it is first needed.
struct Models {
    aws: Arc<Aws>,
    loaded: Mutex<HashMap<String, Engine>>,
}

/// What a model is known by: `DEVICE:CONTEXT:ADDRESS`, so that whoever has it can load it again.
struct ModelId {
    device: Device,
    context: Option<u32>,
    address: String,
}

impl ModelId {
    fn text(&self) -> String {
        let device = match self.device {
            Device::Auto => "auto",
            Device::Cpu => "cpu",
            Device::Cuda => "cuda",
        };
        format!("{device}:{}:{}", self.context.map(|tokens| tokens.to_string()).unwrap_or_default(), self.address)
    }

    fn parse(text: &str) -> Option<Self> {
        let (device, rest) = text.split_once(':')?;
        let (context, address) = rest.split_once(':')?;
        let context = if context.is_empty() { None } else { Some(context.parse().ok()?) };
        Some(Self { device: device.parse().ok()?, context, address: address.to_owned() })
    }
}

impl Models {
    /// The engine of a model, loaded where it is not yet.
    async fn engine(&self, id: &str, progress: &dyn Progress) -> Result<Engine, OpError> {
        let operation = "inference:load";
        // One at a time: two that load together would need the memory of both.
        let mut loaded = self.loaded.lock().await;
        if let Some(engine) = loaded.get(id) {
            return Ok(engine.clone());
        }
        let wanted =
            ModelId::parse(id).ok_or_else(|| OpError::local(operation, format!("'{id}' is not the id of a model")))?;
        let folder = self.folder(&wanted.address, progress).await?;
        progress.report("loading the model", 0, 0);
        let options = Options {
            search: Search::usual(None),
            device: wanted.device,
            context: wanted.context.map(|tokens| tokens as usize),
            ..Options::default()
        };
        let engine = tokio::task::spawn_blocking(move || Engine::load(&folder, &options)).await;
        let failed = |message: String| {
            let mut error = OpError::local(operation, message);
            error.advice = Some(
                "llmhost doctor shows what this machine has; llmhost doctor --install installs ONNX Runtime."
                    .to_owned(),
            );
            error
        };
        let engine = engine.map_err(|_| failed("loading the model failed inside ONNX Runtime".to_owned()))?;
        let engine = engine.map_err(|error| failed(error.to_string()))?;
        loaded.insert(id.to_owned(), engine.clone());
        Ok(engine)
    }

    async fn folder(&self, address: &str, progress: &dyn Progress) -> Result<std::path::PathBuf, OpError> {
        let operation = "inference:fetch";
        let refused = |error: llmhost_models::ModelError| {
            let mut found = OpError::local(operation, error.to_string());
            found.advice = Some(error.advice().to_owned());
            found
        };
        let (bucket, prefix) = match Address::parse(address).map_err(refused)? {
            Address::Folder(folder) => return Ok(folder),
            Address::S3 { bucket, prefix } => (bucket, prefix),
        };
        let cache = cache_folder().map_err(|error| OpError::local(operation, error.to_string()))?.join("models");
        let fetch = Fetch { cache, parallelism: PARALLELISM, verify: false };
        let report = |at: llmhost_models::Progress| progress.transferred("fetching the model", at.done, at.total);
        let store = Arc::new(Objects { aws: Arc::clone(&self.aws), bucket });
        Ok(fetch.fetch(store, address, &prefix, &report).await.map_err(refused)?.folder)
    }
}

/// A request's failure in the engine's words.
fn failed(operation: &str, error: &RequestError) -> OpError {
    let mut found = OpError::local(operation, error.to_string());
    found.class = match error {
        RequestError::Failed(_) | RequestError::Sample(_) | RequestError::ShuttingDown => ErrorClass::Service,
        RequestError::Busy { .. } => ErrorClass::Throttled,
        _ => ErrorClass::Invalid,
    };
    found
}
