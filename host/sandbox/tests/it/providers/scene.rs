//! A pipeline with a provider in a folder of its own, and a service that the provider speaks to.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use llmhost_engine::diagnostic::Diagnostics;
use llmhost_engine::kind::{Facts, OpError};
use llmhost_engine::pipeline::Pipeline;
use llmhost_engine::plan::Plan;
use llmhost_engine::registry::Registry;
use llmhost_engine::run::{Cancel, Engine, Events, PlanError, Report};
use llmhost_engine::secret;
use llmhost_engine::state::{LocalStore, State, StateStore};
use llmhost_engine::world::World;
use llmhost_provider::{AwsCalls, Means, SecretValues};
use llmhost_sandbox::Loader;

use super::service::Service;
use crate::fake::loader;
use crate::support::guest;

/// The value of the secret `key`.
pub(super) const KEY: &str = "value-0f-the-key";
/// The value of the secret `password`.
pub(super) const PASSWORD: &str = "value-0f-the-password";

struct Values;

#[async_trait]
impl SecretValues for Values {
    async fn value(&self, name: &str) -> Result<String, String> {
        let value = match name {
            "key" => KEY,
            "password" => PASSWORD,
            _ => return Err("there is no such secret".to_owned()),
        };
        secret::hide(value);
        Ok(value.to_owned())
    }
}

struct NoAws;

#[async_trait]
impl AwsCalls for NoAws {
    async fn call(&self, _: &serde_json::Value) -> Result<String, OpError> {
        Err(OpError::local("aws", "there is no AWS here"))
    }
}

struct NoFacts;

#[async_trait]
impl Facts for NoFacts {
    async fn look_up(&self, key: &str) -> Result<String, OpError> {
        Ok(format!("the {key}"))
    }

    async fn world(&self) -> World {
        World { partition: "one".into(), region: "us-east-1".into(), ..World::default() }
    }
}

pub(super) struct Scene {
    pub(super) service: Arc<Service>,
    pub(super) folder: tempfile::TempDir,
    pub(super) loader: Loader,
}

impl Scene {
    pub(super) async fn new() -> Self {
        Self { service: Service::start().await, folder: tempfile::tempdir().unwrap(), loader: loader() }
    }

    /// A file with a provider of all grants, and one step with these records.
    pub(super) fn file(&self, records: &str) -> String {
        self.file_with("", records)
    }

    /// As `file`, with more in the provider's options.
    pub(super) fn file_with(&self, options: &str, records: &str) -> String {
        let (dns, step, url) = (guest("dns"), guest("records"), self.service.url());
        format!(
            r#"[pipeline]
name = "test"
region = "us-east-1"
[secrets.key]
env = "KEY"
[secrets.password]
env = "PASSWORD"
[providers.dns]
uses  = "{}"
allow = ["http:GET,POST,PUT,DELETE {url}/**"]
with  = {{ url = "{url}", key = "${{secrets.key}}"{options} }}
[steps.site]
uses  = "{}"
allow = ["resource:dns.record"]
[steps.site.with.records]
{records}
"#,
            dns.display(),
            step.display()
        )
    }

    pub(super) async fn engine(&self, file: &str) -> Result<Engine, Diagnostics> {
        self.engine_with(file, Events::none()).await
    }

    pub(super) async fn engine_with(&self, file: &str, events: Events) -> Result<Engine, Diagnostics> {
        let path = self.folder.path().join("pipeline.toml");
        std::fs::write(&path, file).unwrap();
        let pipeline = Arc::new(Pipeline::load(&path, &[], &|_| None)?);
        let registry = self.registry(&pipeline).await?;
        Engine::load(pipeline, &self.loader, registry, events, 4).await
    }

    pub(super) async fn registry(&self, pipeline: &Pipeline) -> Result<Arc<Registry>, Diagnostics> {
        let registry = Registry::new(Arc::new(NoFacts));
        let secrets: Arc<dyn SecretValues> = Arc::new(Values);
        let aws: Arc<dyn AwsCalls> = Arc::new(NoAws);
        let (loader, known) = (&self.loader, &registry);
        let means =
            Means { loader, known, secrets: &secrets, aws: &aws, timeout: Duration::from_secs(60), emulated: false };
        let brought = llmhost_provider::kinds(pipeline, means).await?;
        Ok(Arc::new(registry.with_everywhere(brought.kinds).with_check(llmhost_provider::SPEC_CHECK, brought.check)))
    }

    fn states(&self) -> std::path::PathBuf {
        self.folder.path().join("state")
    }

    pub(super) fn state(&self) -> State {
        LocalStore::read(&self.states(), "test").unwrap()
    }

    pub(super) fn store(&self) -> Arc<dyn StateStore> {
        let (store, _) = LocalStore::open(Path::new(&self.states()), "test", "run").unwrap();
        Arc::new(store)
    }

    pub(super) async fn plan(&self, file: &str) -> Result<Plan, PlanError> {
        self.engine(file).await.unwrap().plan(&Arc::new(self.state())).await
    }

    /// Plans and applies.
    pub(super) async fn run(&self, file: &str) -> Report {
        self.run_until(file, Events::none(), Cancel::default()).await
    }

    pub(super) async fn run_until(&self, file: &str, events: Events, cancel: Cancel) -> Report {
        let engine = self.engine_with(file, events).await.unwrap();
        let store = self.store();
        let plan = engine.plan(&Arc::new(store.snapshot())).await.unwrap();
        let report = engine.apply(Arc::new(plan), Arc::clone(&store), cancel).await.unwrap();
        store.close().await.unwrap();
        report
    }

    /// Plans and applies without any failure.
    pub(super) async fn made(&self, file: &str) -> Report {
        let report = self.run(file).await;
        assert!(report.failures.is_empty() && report.skipped.is_empty(), "{:#?}", report.failures);
        report
    }

    /// What could not be done, in words, with what to do about it.
    pub(super) fn words(report: &Report) -> String {
        let words = report.failures.iter().map(|failure| match &failure.reason {
            llmhost_engine::run::Reason::Operation(error) => format!("{error}; {}", error.advice()),
            other => other.to_string(),
        });
        words.collect::<Vec<_>>().join("\n")
    }
}
