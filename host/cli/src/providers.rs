//! The kinds of resources that the providers of a pipeline file bring.

use std::sync::Arc;

use async_trait::async_trait;
use llmhost_engine::kind::OpError;
use llmhost_engine::pins::Pins;
use llmhost_engine::pipeline::Pipeline;
use llmhost_engine::registry::Registry;
use llmhost_provider::{AwsCalls, SPEC_CHECK, SecretValues};
use llmhost_resources::{Aws, AwsSettings, aws_call, secret_value};
use llmhost_sandbox::Loader;
use serde_json::Value;

use crate::app::{self, Console};
use crate::args::File;
use crate::failure::Failure;
use crate::place::Place;

/// Secrets of the file, read where the file says that they are, and calls of AWS with the credentials of the run.
struct Outside(Arc<Aws>);

#[async_trait]
impl AwsCalls for Outside {
    async fn call(&self, message: &Value) -> Result<String, OpError> {
        aws_call(&self.0, message).await
    }
}

#[async_trait]
impl SecretValues for Outside {
    async fn value(&self, name: &str) -> Result<String, String> {
        secret_value(&self.0, name).await.map_err(|error| error.message)
    }
}

/// Every kind there is, with those of the file's providers. Their code runs, so that they are to be held against the
/// lock file before.
pub(crate) async fn registry(pipeline: &Pipeline, settings: AwsSettings, loader: &Loader) -> Result<Registry, Failure> {
    let aws = Arc::new(Aws::new(settings));
    let registry = llmhost_resources::registry(Arc::clone(&aws));
    let outside = Arc::new(Outside(aws));
    let (secrets, calls): (Arc<dyn SecretValues>, Arc<dyn AwsCalls>) = (Arc::clone(&outside) as _, outside);
    let brought = llmhost_provider::kinds(pipeline, loader, &registry, &secrets, &calls).await?;
    Ok(registry.with_everywhere(brought.kinds).with_check(SPEC_CHECK, brought.check))
}

/// As [`Place::registry`], with the kinds of the file's providers: for what needs no plugin of a step.
pub(crate) async fn placed(
    console: &Console,
    pipeline: &Pipeline,
    file: &File,
    place: &Place,
) -> Result<Arc<Registry>, Failure> {
    if pipeline.providers.is_empty() {
        return Ok(place.registry());
    }
    let settings = place.settings();
    refuse_emulated(pipeline, &settings)?;
    let loader = app::loader(console, &pipeline.trust)?;
    if !file.unpinned {
        let lock = app::lock(pipeline)?;
        let pins = console.hear(Pins::of_providers(pipeline, &loader, &lock)).await?;
        if !file.accept_plugins {
            pins.check(pipeline, &lock)?;
        }
    }
    Ok(place.placed(&registry(pipeline, settings, &loader).await?))
}

/// Refuses to emulate what would not be: a provider speaks to its service, wherever that is.
pub(crate) fn refuse_emulated(pipeline: &Pipeline, settings: &AwsSettings) -> Result<(), Failure> {
    let Some(provider) = pipeline.providers.first().filter(|_| settings.placeholder_secrets) else { return Ok(()) };
    let message = format!("provider {} speaks to a real service, which is not emulated", provider.name);
    let help = "Nothing was asked. Plan it with --dry-run; or run it without emulation, with the address of a service for \
                tests in the provider's options.";
    Err(Failure::usage(message, help))
}
