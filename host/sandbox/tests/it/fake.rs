//! A host for plugins that only takes notes, and short ways to load and run one.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use llmhost_engine::names::{ResourceAddress, StepName};
use llmhost_engine::plugin::{
    Capabilities, Failure, Limits, LoadError, LoadRequest, LogLevel, Plugin, PluginError, PluginLoader,
};
use llmhost_sandbox::{Loader, LoaderOptions};
use serde_json::{Value, json};

use crate::support::guest;

/// Takes notes of what a plugin does.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) declared: Mutex<Vec<(String, Value, Vec<String>)>>,
    pub(crate) messages: Mutex<Vec<(LogLevel, String)>>,
    /// How long an output takes to come.
    pub(crate) delay: Duration,
}

#[async_trait]
impl Capabilities for Notes {
    fn declare(&self, kind: &str, name: &str, spec: Value, after: &[String]) -> Result<ResourceAddress, Failure> {
        let address = ResourceAddress::new(&step(), kind, name).map_err(|error| Failure::invalid(error.to_string()))?;
        self.declared.lock().unwrap().push((address.to_string(), spec, after.to_vec()));
        Ok(address)
    }

    async fn output(&self, address: &ResourceAddress, output: &str) -> Result<Value, Failure> {
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        Ok(json!(format!("{address}#{output}")))
    }

    async fn fact(&self, key: &str) -> Result<String, Failure> {
        Ok(format!("fact {key}"))
    }

    fn region(&self) -> &str {
        "cn-north-1"
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.messages.lock().unwrap().push((level, message.to_owned()));
    }
}

pub(crate) fn step() -> StepName {
    "custom".parse().unwrap()
}

pub(crate) fn loader() -> Loader {
    Loader::new(LoaderOptions { parallelism: 4, ..LoaderOptions::default() }).expect("a sandbox")
}

/// Loads a file with all grants.
pub(crate) async fn load(loader: &Loader, path: &Path, limits: &Limits) -> Result<Arc<dyn Plugin>, LoadError> {
    let allow = ["ec2".to_owned(), "sts".to_owned()];
    load_with(loader, path, limits, &allow).await
}

pub(crate) async fn load_with(
    loader: &Loader,
    path: &Path,
    limits: &Limits,
    allow: &[String],
) -> Result<Arc<dyn Plugin>, LoadError> {
    let (step, uses) = (step(), path.to_string_lossy().into_owned());
    loader.load(&LoadRequest { step: &step, uses: &uses, base: Path::new("/"), allow, limits }).await
}

/// Loads a guest and runs it once.
pub(crate) async fn run(name: &str, config: Value, limits: Limits, notes: &Arc<Notes>) -> Result<Value, PluginError> {
    let loader = loader();
    let plugin = load(&loader, &guest(name), &limits).await.expect("a plugin");
    plugin.run(&config, notes.clone()).await
}
