//! What one run of a guest carries, and the calls that all capabilities share.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use llmhost_engine::crash::Line;
use llmhost_engine::look_up::Query;
use llmhost_engine::names::ResourceAddress;
use llmhost_engine::plugin::{Capabilities, Failure, FileEntry, LogLevel};
use llmhost_engine::secret::mask;
use serde_json::Value;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::last::Last;
use crate::limits::{self, Hit, Limiter};
use crate::meter::Meter;
use crate::provider::Outside;
use crate::wasi;

/// What stands behind every handle that a guest holds.
#[derive(Debug)]
pub(crate) struct Declared {
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
    /// Whose run it is, as the file has it: `steps.network`.
    pub(crate) table: Arc<str>,
    pub(crate) meter: Meter,
    /// What a provider's call may reach; nothing in other runs.
    pub(crate) outside: Option<Arc<Outside>>,
    messages: AtomicU32,
    last: Mutex<Last>,
}

impl Run {
    pub(crate) fn new(
        host: Arc<dyn Capabilities>,
        table: Arc<str>,
        meter: Meter,
        outside: Option<Arc<Outside>>,
    ) -> Arc<Self> {
        Arc::new(Self { host, table, meter, outside, messages: AtomicU32::new(0), last: Mutex::default() })
    }

    /// A message to the log.
    pub(crate) fn log(&self, level: LogLevel, message: &str) {
        let to = match level {
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warn => "warn",
        };
        self.wrote(to, level, message);
    }

    /// Keeps what was written for the report of a crash, and passes it on: cut where it is long, and counted. A
    /// guest has no secret, but what a service answered may have one in it; it is masked while it is whole.
    pub(crate) fn wrote(&self, to: &'static str, level: LogLevel, message: &str) {
        let message = &*mask(message);
        self.note().wrote(to, message);
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

    /// Notes a call, for the report of a crash.
    pub(crate) fn called(&self, call: fmt::Arguments<'_>) {
        self.note().called(call);
    }

    /// Notes how the last call failed.
    pub(crate) fn failed(&self, message: &str) {
        self.note().failed(&mask(message));
    }

    /// Passes on what a call gave, and notes how it failed.
    fn gave<T>(&self, result: Result<T, Failure>) -> Result<T, Failure> {
        result.inspect_err(|failure| self.note().failed(&mask(&failure.message)))
    }

    /// The last lines and calls, oldest first.
    pub(crate) fn last(&self) -> (Vec<Line>, Vec<String>) {
        let last = self.note();
        (last.lines(), last.calls())
    }

    fn note(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
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
        spec: Value,
        after: &[String],
    ) -> wasmtime::Result<Result<Resource<Declared>, Failure>> {
        self.declared += 1;
        self.declared_bytes += name.len() + limits::size_of(&spec) + after.iter().map(String::len).sum::<usize>();
        if self.declared > limits::DECLARATIONS {
            return Err(Hit::declarations(self.declared).into());
        }
        if self.declared_bytes > limits::DECLARED_BYTES {
            return Err(Hit::declared_bytes(self.declared).into());
        }
        self.run.called(format_args!("declare {kind} '{name}'"));
        let declared = {
            let _host = self.run.meter.in_host();
            self.run.host.declare(kind, name, spec, after)
        };
        Ok(match self.run.gave(declared) {
            Ok(address) => Ok(self.table.push(Declared { address })?),
            Err(failure) => Err(failure),
        })
    }

    pub(crate) async fn output(
        &mut self,
        this: Resource<Declared>,
        output: &str,
    ) -> wasmtime::Result<Result<String, Failure>> {
        let value = self.output_value(this, output).await?;
        Ok(value.map(|value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        }))
    }

    pub(crate) async fn output_value(
        &mut self,
        this: Resource<Declared>,
        output: &str,
    ) -> wasmtime::Result<Result<Value, Failure>> {
        let address = &self.table.get(&this)?.address;
        self.run.called(format_args!("read '{output}' of {address}"));
        let _host = self.run.meter.in_host();
        Ok(self.run.gave(self.run.host.output(address, output).await))
    }

    pub(crate) fn address(&mut self, this: Resource<Declared>) -> wasmtime::Result<String> {
        Ok(self.table.get(&this)?.address.to_string())
    }

    /// A handle for the guest.
    pub(crate) fn hold<T: Send + 'static>(&mut self, held: T) -> wasmtime::Result<Resource<T>> {
        Ok(self.table.push(held)?)
    }

    /// What stands behind a handle.
    pub(crate) fn held<T: Send + 'static>(&mut self, handle: &Resource<T>) -> wasmtime::Result<&mut T> {
        Ok(self.table.get_mut(handle)?)
    }

    /// Its last handle is gone.
    pub(crate) fn forget<T: Send + 'static>(&mut self, handle: u32) -> wasmtime::Result<()> {
        self.table.delete(Resource::<T>::new_own(handle))?;
        Ok(())
    }

    pub(crate) async fn fact(&mut self, key: &str) -> Result<String, Failure> {
        self.run.called(format_args!("ask for {key}"));
        let _host = self.run.meter.in_host();
        self.run.gave(self.run.host.fact(key).await)
    }

    pub(crate) async fn existing(&mut self, query: &Query, attribute: &str) -> Result<Vec<String>, Failure> {
        self.run.called(format_args!("look up '{attribute}' of {}", query.kind));
        let _host = self.run.meter.in_host();
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        self.run.gave(self.run.host.existing(query, attribute).await.map(|found| found.into_iter().map(text).collect()))
    }

    pub(crate) async fn list_files(&mut self, folder: &str) -> Result<Vec<FileEntry>, Failure> {
        self.run.called(format_args!("list the files of '{folder}'"));
        let _host = self.run.meter.in_host();
        self.run.gave(self.run.host.list_files(folder).await)
    }

    pub(crate) async fn read_file(&mut self, file: &str, start: u64, most: u32) -> Result<Vec<u8>, Failure> {
        self.run.called(format_args!("read the file '{file}' from byte {start} on"));
        let _host = self.run.meter.in_host();
        self.run.gave(self.run.host.read_file(file, start, most.min(limits::FILE_PART)).await)
    }

    /// A whole file as text.
    pub(crate) async fn text_of_file(&mut self, file: &str) -> Result<String, Failure> {
        self.run.called(format_args!("read the text of '{file}'"));
        let _host = self.run.meter.in_host();
        let text = |bytes: Vec<u8>| {
            if bytes.len() > limits::FILE_TEXT as usize {
                let most = limits::FILE_TEXT >> 20;
                return Err(Failure::invalid(format!(
                    "'{file}' has more than {most} MiB, which is too large for a string"
                )));
            }
            String::from_utf8(bytes).map_err(|error| {
                let at = error.utf8_error().valid_up_to();
                Failure::invalid(format!("'{file}' is not UTF-8 text: byte {at} is invalid"))
            })
        };
        // One byte more tells a file that is too large.
        self.run.gave(self.run.host.read_file(file, 0, limits::FILE_TEXT + 1).await.and_then(text))
    }

    pub(crate) fn text_in_file(&self, pointer: &str) -> Option<String> {
        self.run.called(format_args!("ask for the text of the file at '{pointer}'"));
        self.run.host.written(pointer)
    }

    pub(crate) fn is_known(&self, text: &str) -> bool {
        self.run.host.is_known(text)
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

    /// Lets go of the guest's streams, which pass on what is in them. The guest is not called again.
    pub(crate) fn close(&mut self) {
        self.table = ResourceTable::new();
        self.wasi = None;
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let ctx = self.wasi.get_or_insert_with(|| Box::new(wasi::nothing(&self.run)));
        WasiCtxView { ctx, table: &mut self.table }
    }
}
