//! Writing a trace.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Answer, Asked, Begun, Ended, Entry, Header, Phase, VERSION};
use crate::look_up::Query;
use crate::names::ResourceAddress;
use crate::pipeline::{Pipeline, Step};
use crate::plugin::{Capabilities, Failure, FileEntry, LogLevel, Plugin, PluginError};
use crate::secret::recorded;

/// A trace that is being written. Each line is handed to the system when it is known, so that a
/// process that dies leaves what happened before.
pub struct Trace {
    out: Mutex<Out>,
    runs: AtomicUsize,
}

struct Out {
    to: Box<dyn Write + Send>,
    /// The first error; nothing is written after it.
    broken: Option<io::Error>,
}

impl Trace {
    /// Begins a trace of a pipeline.
    pub fn begin(pipeline: &Pipeline, to: Box<dyn Write + Send>) -> Self {
        let trace = Self { out: Mutex::new(Out { to, broken: None }), runs: AtomicUsize::new(0) };
        trace.write(&Header {
            llmhost_trace: VERSION,
            llmhost: env!("CARGO_PKG_VERSION").to_owned(),
            pipeline: pipeline.name.clone(),
            base: pipeline.base.clone(),
        });
        trace
    }

    /// Whether all of it was written. A run goes on without its trace.
    pub fn end(&self) -> io::Result<()> {
        let mut out = self.out.lock().expect("no panic under this lock");
        match out.broken.take() {
            Some(error) => Err(error),
            None => out.to.flush(),
        }
    }

    fn write(&self, line: &impl Serialize) {
        let text = serde_json::to_string(line).expect("plain data") + "\n";
        let mut out = self.out.lock().expect("no panic under this lock");
        if out.broken.is_none() {
            // A service may have repeated a secret that it was sent; a variable may be one.
            out.broken = out.to.write_all(recorded(&text).as_bytes()).err();
        }
    }

    /// Runs a plugin, and writes down what it is asked, asks, and returns.
    pub(crate) async fn run(
        self: &Arc<Self>,
        phase: Phase,
        step: &Step,
        plugin: &dyn Plugin,
        config: &Value,
        host: Arc<dyn Capabilities>,
    ) -> Result<Value, PluginError> {
        let run = self.runs.fetch_add(1, Ordering::Relaxed);
        self.write(&Entry::Run(Box::new(Begun {
            run,
            phase,
            step: step.name.clone(),
            uses: step.uses.clone(),
            sha256: plugin.sha256().to_owned(),
            region: host.region().to_owned(),
            allow: step.allow.clone(),
            limits: step.limits.clone(),
            config: config.clone(),
        })));
        let result = plugin.run(config, Arc::new(Recorder { trace: Arc::clone(self), run, host })).await;
        self.write(&Entry::End { run, ended: Ended::of(&result) });
        result
    }
}

/// The host, as a plugin sees it, with somebody who takes notes.
struct Recorder {
    trace: Arc<Trace>,
    run: usize,
    host: Arc<dyn Capabilities>,
}

impl Recorder {
    fn note(&self, asked: Asked, gave: Answer) {
        self.trace.write(&Entry::Call { run: self.run, asked: Box::new(asked), gave });
    }
}

#[async_trait]
impl Capabilities for Recorder {
    fn declare(&self, kind: &str, name: &str, spec: Value, after: &[String]) -> Result<ResourceAddress, Failure> {
        let result = self.host.declare(kind, name, spec.clone(), after);
        let asked = Asked::Declare { kind: kind.to_owned(), name: name.to_owned(), spec, after: after.to_vec() };
        self.note(asked, Answer::of(&result.as_ref().map(ToString::to_string).map_err(Clone::clone)));
        result
    }

    async fn output(&self, address: &ResourceAddress, output: &str) -> Result<Value, Failure> {
        let result = self.host.output(address, output).await;
        self.note(Asked::Output { address: address.clone(), name: output.to_owned() }, Answer::of(&result));
        result
    }

    async fn existing(&self, query: &Query, attribute: &str) -> Result<Vec<Value>, Failure> {
        let result = self.host.existing(query, attribute).await;
        self.note(
            Asked::Existing { query: Box::new(query.clone()), attribute: attribute.to_owned() },
            Answer::of(&result),
        );
        result
    }

    async fn fact(&self, key: &str) -> Result<String, Failure> {
        let result = self.host.fact(key).await;
        self.note(Asked::Fact(key.to_owned()), Answer::of(&result));
        result
    }

    async fn list_files(&self, folder: &str) -> Result<Vec<FileEntry>, Failure> {
        let result = self.host.list_files(folder).await;
        let shown = result.as_ref().map(|entries| json!(entries)).map_err(Clone::clone);
        self.note(Asked::List(folder.to_owned()), Answer::of(&shown));
        result
    }

    async fn read_file(&self, file: &str, start: u64, most: u32) -> Result<Vec<u8>, Failure> {
        let result = self.host.read_file(file, start, most).await;
        let shown = result.as_ref().map(|bytes| BASE64_STANDARD.encode(bytes)).map_err(Clone::clone);
        self.note(Asked::Read { file: file.to_owned(), start, most }, Answer::of(&shown));
        result
    }

    fn region(&self) -> &str {
        self.host.region()
    }

    fn written(&self, pointer: &str) -> Option<String> {
        let text = self.host.written(pointer);
        self.note(Asked::Written(pointer.to_owned()), Answer::Value(text.clone().into()));
        text
    }

    /// Not written down: it follows from the text.
    fn is_known(&self, text: &str) -> bool {
        self.host.is_known(text)
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.trace.write(&Entry::Log { run: self.run, level, message: message.to_owned() });
        self.host.log(level, message);
    }
}
