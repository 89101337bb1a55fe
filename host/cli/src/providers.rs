//! The kinds of resources that the providers of a pipeline file bring.

use std::sync::Arc;

use async_trait::async_trait;
use llmhost_engine::kind::OpError;
use llmhost_engine::pins::Pins;
use llmhost_engine::pipeline::Pipeline;
use llmhost_engine::registry::Registry;
use llmhost_provider::{AwsCalls, Means, SPEC_CHECK, SecretValues};
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
/// lock file before. Where AWS is emulated, they keep in memory what they make.
pub(crate) async fn registry(pipeline: &Pipeline, settings: AwsSettings, loader: &Loader) -> Result<Registry, Failure> {
    let emulated = settings.placeholder_secrets;
    // A service of somebody's own may take longer than AWS, which says that it goes on and is asked again.
    let timeout = settings.attempt_timeout * 2;
    let aws = Arc::new(Aws::new(settings));
    let registry = llmhost_resources::registry(Arc::clone(&aws));
    let outside = Arc::new(Outside(aws));
    let (secrets, calls): (Arc<dyn SecretValues>, Arc<dyn AwsCalls>) = (Arc::clone(&outside) as _, outside);
    let means = Means { loader, known: &registry, secrets: &secrets, aws: &calls, timeout, emulated };
    let brought = llmhost_provider::kinds(pipeline, means).await?;
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
    let loader = app::loader(console, &pipeline.trust)?;
    if !file.unpinned {
        let lock = app::lock(pipeline)?;
        let pins = console.hear(Pins::of_providers(pipeline, &loader, &lock)).await?;
        if !file.accept_plugins {
            pins.check(pipeline, &lock)?;
        }
    }
    Ok(place.placed(&registry(pipeline, place.settings(), &loader).await?))
}
