//! A loaded plugin, and running it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use llmhost_engine::crash::Crash;
use llmhost_engine::names::{ResourceAddress, StepName};
use llmhost_engine::plugin::{Capabilities, Description, Failure, Limits, LogLevel, Plugin, PluginError};
use llmhost_engine::secret::SENSITIVE_MASK;
use serde_json::Value;
use tokio::sync::OnceCell;
use wasmtime::{Store, UpdateDeadline};

use crate::crash;
use crate::engine::Sandbox;
use crate::limits::{self, Hit, Limiter};
use crate::meter::{Meter, Metered, TooLong};
use crate::provider::Outside;
use crate::scoped::{self, Scoped};
use crate::source::Origin;
use crate::state::{Run, State};
use crate::wit::kinds::Kinds;
use crate::wit::{Described, Import, Step};
use crate::wrap;

/// Why a plugin has no description.
pub(crate) struct BadDescription {
    pub(crate) reason: String,
    pub(crate) crash: Option<Box<Crash>>,
}

/// What a component is.
pub(crate) enum Guest {
    /// A plugin that steps use.
    Step(Step),
    /// A provider of kinds.
    Provider(Kinds),
}

/// Whose run it is, and under which terms.
pub(crate) struct Terms<'a> {
    /// As the file has it: `steps.network`.
    pub(crate) table: Arc<str>,
    pub(crate) limits: &'a Limits,
    pub(crate) host: Arc<dyn Capabilities>,
    /// What a provider's call may reach.
    pub(crate) outside: Option<Arc<Outside>>,
}

impl<'a> Terms<'a> {
    fn of_step(step: &StepName, limits: &'a Limits, host: Arc<dyn Capabilities>) -> Self {
        Self { table: format!("steps.{step}").into(), limits, host, outside: None }
    }
}

/// Compiled code, ready to be instantiated. Steps that use the same plugin share it.
pub(crate) struct Loaded {
    pub(crate) sandbox: Arc<Sandbox>,
    /// SHA-256 of the component, hex.
    pub(crate) sha256: String,
    /// Where its bytes are, for the line tables in them.
    pub(crate) origin: Origin,
    pub(crate) guest: Guest,
    /// What it imports, as grants.
    pub(crate) wants: Vec<String>,
    /// What it imports of llmhost, with versions.
    pub(crate) interfaces: Vec<String>,
    pub(crate) description: OnceCell<Arc<Description>>,
}

impl Loaded {
    /// Whether it imports an interface of this package.
    pub(crate) fn imports(&self, package: &str) -> bool {
        self.interfaces.iter().any(|name| Import::parse(name).package == package)
    }

    /// Asks the guest, once, what it is.
    pub(crate) async fn describe(&self, step: &StepName, limits: &Limits) -> Result<Arc<Description>, BadDescription> {
        let ask = || async {
            let guest = self.step();
            let described = self
                .enter(Terms::of_step(step, limits, Arc::new(Nothing)), async |store| {
                    guest.enter(store).await?.describe(store).await
                })
                .await
                .map_err(|error| BadDescription {
                    reason: error.to_string(),
                    crash: error.crash().cloned().map(Box::new),
                })?;
            let bad = |reason: String| BadDescription { reason, crash: None };
            let config_schema: Value = serde_json::from_str(&described.config_schema)
                .map_err(|error| bad(format!("its config-schema is not JSON: {error}")))?;
            if !matches!(config_schema, Value::Object(_) | Value::Bool(_)) {
                return Err(bad("its config-schema is JSON, but not a JSON Schema: that is an object".to_owned()));
            }
            let Described { summary, outputs, needs, .. } = described;
            if let Some(need) = needs.iter().find(|need| scoped::check(need) != Some(Ok(()))) {
                let need = limits::cut(need, 80);
                return Err(bad(format!(
                    "it says that it needs '{need}', which is not a grant of a resource type (cloud-control:AWS::SNS::Topic) or \
                     of a call (request:ssm:GetParameter)"
                )));
            }
            Ok(Arc::new(Description { summary, config_schema, outputs, needs }))
        };
        self.description.get_or_try_init(ask).await.cloned()
    }

    /// What it exports as a plugin of steps.
    fn step(&self) -> &Step {
        match &self.guest {
            Guest::Step(step) => step,
            Guest::Provider(_) => unreachable!("the loader refuses providers that are no steps"),
        }
    }

    /// What it exports as a provider.
    pub(crate) fn provider(&self) -> &Kinds {
        match &self.guest {
            Guest::Provider(kinds) => kinds,
            Guest::Step(_) => unreachable!("the loader refuses plugins that are no providers"),
        }
    }

    /// Has an instance made and called into, and throws it away.
    pub(crate) async fn enter<T>(
        &self,
        Terms { table, limits, host, outside }: Terms<'_>,
        call: impl AsyncFnOnce(&mut Store<State>) -> wasmtime::Result<T>,
    ) -> Result<T, PluginError> {
        let _room = self.sandbox.room.acquire().await.expect("nobody closes the semaphore");
        let _ticks = self.sandbox.ticker.run();
        let time = limits.time.unwrap_or(Duration::from_secs(limits::TIME_SECONDS));
        let run = Run::new(host, table, Meter::new(time), outside);
        let mut store = self.store(&run, limits);
        match Metered::new(&run.meter, call(&mut store)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                // What was printed without the end of its line is passed on when its stream goes.
                store.data_mut().close();
                Err(crash::explain(&error, &run, store.data().limiter.refused(), || self.component()))
            }
            Err(TooLong { waited }) => Err(crash::stopped(Hit::time(&run.table, time, waited), &run)),
        }
    }

    /// The bytes that were compiled, if they are still there.
    fn component(&self) -> Option<Vec<u8>> {
        let bytes = self.origin.bytes(&self.sha256)?;
        Some(wrap::component(&bytes).ok()?.into_owned())
    }

    fn store(&self, run: &Arc<Run>, limits: &Limits) -> Store<State> {
        let limiter = Limiter::new(run.table.clone(), limits.memory);
        let mut store = Store::new(&self.sandbox.engine, State::new(run.clone(), limiter));
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(limits::CALL_BYTES);
        store.set_max_component_handles(limits::HANDLES);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|context| {
            let run = &context.data().run;
            if run.meter.spent() >= run.meter.limit() {
                return Err(Hit::time(&run.table, run.meter.limit(), false).into());
            }
            run.meter.give_way();
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
        });
        store
    }
}

/// A plugin as one step uses it: with the step's name and limits.
pub(crate) struct StepPlugin {
    pub(crate) loaded: Arc<Loaded>,
    pub(crate) description: Arc<Description>,
    pub(crate) step: StepName,
    pub(crate) limits: Limits,
    /// What the file grants; nothing is held against plugins that come with the host.
    pub(crate) allow: Option<Arc<[String]>>,
}

#[async_trait]
impl Plugin for StepPlugin {
    fn description(&self) -> &Description {
        &self.description
    }

    fn sha256(&self) -> &str {
        &self.loaded.sha256
    }

    async fn run(&self, config: &Value, host: Arc<dyn Capabilities>) -> Result<Value, PluginError> {
        let config = config.to_string();
        let host = match &self.allow {
            Some(allow) => Arc::new(Scoped { host, allow: Arc::clone(allow) }),
            None => host,
        };
        let guest = self.loaded.step();
        let returned = self
            .loaded
            .enter(Terms::of_step(&self.step, &self.limits, host), async |store| {
                guest.enter(store).await?.run(store, &config).await
            })
            .await?;
        match returned {
            Ok(text) => outputs(&text, &self.description),
            Err(failure) => Err(PluginError::Returned(failure)),
        }
    }
}

/// Holds what the plugin returned against what it described.
fn outputs(text: &str, description: &Description) -> Result<Value, PluginError> {
    let bad = |what: String| Err(PluginError::BadOutput(what));
    let outputs: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => return bad(format!("something that is not JSON ({error}): {}", limits::cut(text, 80))),
    };
    let Value::Object(map) = &outputs else {
        return bad(format!("JSON that is not an object: {}", limits::cut(text, 80)));
    };
    for output in &description.outputs {
        match (map.get(&output.name), output.value_type) {
            (None, _) => return bad(format!("no output '{}', which it describes", output.name)),
            (Some(value), Some(of)) if !of.fits(value) => {
                let (name, of) = (&output.name, of.name());
                let value = if output.sensitive { SENSITIVE_MASK.to_owned() } else { value.to_string() };
                let value = limits::cut(&value, 80);
                return bad(format!("{value} as its output '{name}', which it describes as a {of}"));
            }
            _ => {}
        }
    }
    if let Some(extra) = map.keys().find(|key| description.output(key).is_none()) {
        return bad(format!("an output '{}' that it does not describe", limits::cut(extra, 80)));
    }
    Ok(outputs)
}

/// What a guest gets while it describes itself: no.
struct Nothing;

const NOT_NOW: &str = "'describe' cannot call capabilities";

#[async_trait]
impl Capabilities for Nothing {
    fn declare(&self, _: &str, _: &str, _: Value, _: &[String]) -> Result<ResourceAddress, Failure> {
        Err(Failure::refused(NOT_NOW))
    }

    async fn output(&self, _: &ResourceAddress, _: &str) -> Result<Value, Failure> {
        Err(Failure::refused(NOT_NOW))
    }

    async fn fact(&self, _: &str) -> Result<String, Failure> {
        Err(Failure::refused(NOT_NOW))
    }

    fn region(&self) -> &str {
        ""
    }

    fn log(&self, _: LogLevel, message: &str) {
        tracing::debug!("while describing itself: {message}");
    }
}
