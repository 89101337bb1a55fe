//! A host for plugins that keeps nothing, and a runtime whose clock is the real one: limits of plugins need it.

use std::cell::OnceCell;
use std::future::Future;

use async_trait::async_trait;
use llmhost_engine::names::{ResourceAddress, StepName};
use llmhost_engine::plugin::{Capabilities, Failure, LogLevel};
use llmhost_sandbox::{Loader, LoaderOptions};
use serde_json::Value;

/// Takes every declaration, and gives the same answer to every question.
#[derive(Debug, Default)]
pub struct Host {
    answer: Value,
}

impl Host {
    /// One that gives this as each output, and its text as each fact.
    #[must_use]
    pub fn answering(answer: Value) -> Self {
        Self { answer }
    }
}

#[async_trait]
impl Capabilities for Host {
    fn declare(&self, kind: &str, name: &str, _: Value, _: &[String]) -> Result<ResourceAddress, Failure> {
        let step: StepName = "custom".parse().expect("a good name");
        ResourceAddress::new(&step, kind, name).map_err(|error| Failure::invalid(error.to_string()))
    }

    async fn output(&self, _: &ResourceAddress, _: &str) -> Result<Value, Failure> {
        Ok(self.answer.clone())
    }

    async fn fact(&self, _: &str) -> Result<String, Failure> {
        Ok(self.answer.to_string())
    }

    fn region(&self) -> &str {
        "us-east-1"
    }

    fn log(&self, _: LogLevel, _: &str) {}
}

/// A loader of one plugin at a time.
///
/// # Panics
///
/// There is no sandbox on this machine.
#[must_use]
pub fn loader() -> Loader {
    Loader::new(LoaderOptions { parallelism: 1, ..LoaderOptions::default() }).expect("a sandbox")
}

thread_local! {
    static RUNTIME: OnceCell<tokio::runtime::Runtime> = const { OnceCell::new() };
}

/// Runs a future to its end.
///
/// # Panics
///
/// No runtime can be started.
pub fn wall_clock<T>(future: impl Future<Output = T>) -> T {
    let start = || tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime starts");
    RUNTIME.with(|runtime| runtime.get_or_init(start).block_on(future))
}
