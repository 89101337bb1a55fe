//! What one run of a guest carries, and the calls that all capabilities share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use llmhost_engine::names::{ResourceAddress, StepName};
use llmhost_engine::plugin::{Capabilities, LogLevel};
use serde::Serialize;
use serde_json::Value;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::bindings::types::Failure;
use crate::limits::{self, Hit, Limiter};
use crate::meter::Meter;
use crate::wasi;

/// What stands behind every handle that a guest holds.
#[derive(Debug)]
#[allow(unreachable_pub, reason = "the bindings re-export it from modules of their own")]
pub struct Declared {
    address: ResourceAddress,
}

/// The data of a guest's store.
pub(crate) struct State {
    pub(crate) run: Arc<Run>,
    pub(crate) limiter: Limiter,
    table: ResourceTable,
    /// Made when the guest first touches WASI: most never do.
    wasi: Option<Box<WasiCtx>>,
    declared: usize,
    declared_bytes: usize,
}

/// The part of a run that its output streams and its clock share.
pub(crate) struct Run {
    pub(crate) host: Arc<dyn Capabilities>,
    pub(crate) step: StepName,
    pub(crate) meter: Meter,
    messages: AtomicU32,
}

impl Run {
    pub(crate) fn new(host: Arc<dyn Capabilities>, step: StepName, meter: Meter) -> Arc<Self> {
        Arc::new(Self { host, step, meter, messages: AtomicU32::new(0) })
    }

    /// Passes a message on: cut where it is long, and counted.
    pub(crate) fn log(&self, level: LogLevel, message: &str) {
        let before = self.messages.fetch_add(1, Ordering::Relaxed);
        if before < limits::MESSAGES {
            self.host.log(level, limits::cut(message, limits::MESSAGE_BYTES));
        } else if before == limits::MESSAGES {
            let note = format!("the plugin wrote more than {} messages; further messages dropped", limits::MESSAGES);
            self.host.log(LogLevel::Warn, &note);
        } else {
            // Stays just above the cap, so that the count cannot run around.
            self.messages.store(limits::MESSAGES + 1, Ordering::Relaxed);
        }
    }
}

impl State {
    pub(crate) fn new(run: Arc<Run>, limiter: Limiter) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits::HANDLES);
        Self { run, limiter, table, wasi: None, declared: 0, declared_bytes: 0 }
    }

    pub(crate) fn declare(
        &mut self,
        kind: &str,
        name: &str,
        spec: &impl Serialize,
        after: &[String],
    ) -> wasmtime::Result<Result<Resource<Declared>, Failure>> {
        let spec = serde_json::to_value(spec)?;
        self.declared += 1;
        self.declared_bytes += name.len() + limits::size_of(&spec) + after.iter().map(String::len).sum::<usize>();
        if self.declared > limits::DECLARATIONS {
            return Err(Hit::declarations(self.declared).into());
        }
        if self.declared_bytes > limits::DECLARED_BYTES {
            return Err(Hit::declared_bytes(self.declared).into());
        }
        let declared = {
            let _host = self.run.meter.in_host();
            self.run.host.declare(kind, name, spec, after)
        };
        Ok(match declared {
            Ok(address) => Ok(self.table.push(Declared { address })?),
            Err(failure) => Err(failure.into()),
        })
    }

    pub(crate) async fn output(
        &mut self,
        this: Resource<Declared>,
        output: &str,
    ) -> wasmtime::Result<Result<String, Failure>> {
        let address = &self.table.get(&this)?.address;
        let _host = self.run.meter.in_host();
        Ok(match self.run.host.output(address, output).await {
            Ok(Value::String(text)) => Ok(text),
            Ok(other) => Ok(other.to_string()),
            Err(failure) => Err(failure.into()),
        })
    }

    pub(crate) fn address(&mut self, this: Resource<Declared>) -> wasmtime::Result<String> {
        Ok(self.table.get(&this)?.address.to_string())
    }

    pub(crate) fn forget(&mut self, this: Resource<Declared>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }

    pub(crate) async fn fact(&mut self, key: &str) -> Result<String, Failure> {
        let _host = self.run.meter.in_host();
        self.run.host.fact(key).await.map_err(Failure::from)
    }

    pub(crate) fn text_in_file(&self, pointer: &str) -> Option<String> {
        self.run.host.written(pointer)
    }

    pub(crate) fn region_name(&self) -> &str {
        self.run.host.region()
    }

    /// What differs between the partition of the pipeline's region and others.
    pub(crate) fn partition_of_region(&self) -> &'static llmhost_partitions::Partition {
        llmhost_partitions::of(self.region_name())
    }

    pub(crate) fn log(&self, level: LogLevel, message: &str) {
        self.run.log(level, message);
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let ctx = self.wasi.get_or_insert_with(|| Box::new(wasi::nothing(&self.run)));
        WasiCtxView { ctx, table: &mut self.table }
    }
}
