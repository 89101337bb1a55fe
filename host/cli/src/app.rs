//! How the parts are put together.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use llmhost_engine::diagnostic::Diagnostic;
use llmhost_engine::lock::{Lock, LockError};
use llmhost_engine::pins::Pins;
use llmhost_engine::pipeline::{Given, Pipeline, Trust};
use llmhost_engine::run::{Cancel, Engine, Event, Events};
use llmhost_engine::secret::{mask, shown};
use llmhost_engine::state::StateStore;
use llmhost_engine::wait::{Scope, every, heartbeats};
use llmhost_resources::AwsSettings;
use llmhost_sandbox::{Builtin, EventSink, Functions, Loader, LoaderEvent, LoaderOptions};

use crate::args::File;
use crate::charts::Fetched;
use crate::failure::Failure;
use crate::others;
use crate::packages::Published;
use crate::providers;
use crate::view::{self, Json, JsonLine, Task, Terminal};

/// Where a run is shown: to a person or to a program.
#[derive(Clone)]
pub(crate) enum Console {
    Text(Arc<Terminal>),
    Json(Arc<Json>),
}

impl Console {
    pub(crate) fn new(json: bool) -> Self {
        if json { Self::Json(Arc::default()) } else { Self::Text(Arc::new(Terminal::new())) }
    }

    pub(crate) fn events(&self) -> Events {
        match self.clone() {
            Self::Text(terminal) => Events::new(move |event| terminal.show(&event)),
            Self::Json(json) => Events::new(move |event| json.show(&event)),
        }
    }

    /// Does work, and says what is tried again meanwhile.
    pub(crate) async fn hear<T>(&self, work: impl Future<Output = T>) -> T {
        let console = self.clone();
        let on_retry = move |retry| {
            let event = Event::Retrying { address: None, retry };
            match &console {
                Self::Text(terminal) => terminal.show(&event),
                Self::Json(json) => json.show(&event),
            }
        };
        Scope::new(Cancel::default(), on_retry).run(work).await
    }

    /// Does work that may take long, and shows that it is running.
    pub(crate) async fn during<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        self.task(what).during(work).await
    }

    /// Something begins that may take long; it runs until it is dropped.
    pub(crate) fn task(&self, what: &str) -> Running {
        match self {
            Self::Text(terminal) => Running::Text(terminal.begin(what)),
            Self::Json(json) => Running::Json(Arc::clone(json), what.to_owned(), Instant::now()),
        }
    }

    /// A word to a person, in lines that fit a terminal; programs get events.
    pub(crate) fn note(&self, text: &str) {
        if let Self::Text(terminal) = self {
            terminal.line(&view::fitting(text));
        }
    }

    /// What the last of the live rows says.
    pub(crate) fn footer(&self, footer: &'static str) {
        if let Self::Text(terminal) = self {
            terminal.footer(footer);
        }
    }

    /// A result: text for a person, a line for a program.
    pub(crate) fn result(&self, text: impl FnOnce() -> String, line: &JsonLine<'_>) {
        match self {
            Self::Text(_) => print(&text()),
            Self::Json(json) => json.line(line),
        }
    }
}

/// Something that is running.
pub(crate) enum Running {
    Text(Task),
    Json(Arc<Json>, String, Instant),
}

impl Running {
    /// Does work, and says now and then that it is still running.
    pub(crate) async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        every(heartbeats(), || self.still(), work).await
    }

    /// Bytes received so far, and the total.
    pub(crate) fn transferred(&self, done: u64, total: u64) {
        if let Self::Text(task) = self {
            task.transferred(done, total);
        }
    }

    fn still(&self) {
        match self {
            Self::Text(task) => task.still(),
            Self::Json(json, what, began) => {
                json.line(&JsonLine::StillRunning { what, millis: began.elapsed().as_millis() as u64 });
            }
        }
    }
}

/// Closes a state after what was done with it. Where both went wrong, the state is told of as well.
pub(crate) async fn close(
    store: &dyn StateStore,
    console: &Console,
    result: Result<(), Failure>,
) -> Result<(), Failure> {
    match (result, store.close().await) {
        (Ok(()), closed) => Ok(closed?),
        (Err(failure), Ok(())) => Err(failure),
        (Err(failure), Err(error)) => {
            console.note(&format!("The state was not saved: {error}."));
            Err(failure)
        }
    }
}

/// Writes a result to standard output. Who closes the pipe does not want more.
pub(crate) fn print(text: &str) {
    view::screen().print(&shown(text));
}

/// Writes values for a program to standard output, as they are. Those that the user asked for are in clear, sensitive
/// or not; secrets never are.
pub(crate) fn print_value(text: &str, is_asked_for: bool) {
    use std::io::Write;
    let text = if is_asked_for { mask(text) } else { shown(text) };
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Reads the pipeline file.
pub(crate) fn pipeline(file: &File) -> Result<Arc<Pipeline>, Failure> {
    let given = Given {
        vars: file.vars.clone(),
        files: file.var_files.clone(),
        kept: file.kept.clone(),
        environment: file.environment.clone(),
        packages: Some(Arc::new(Published)),
    };
    let pipeline = Pipeline::load_given(&file.path, &given, &|name| std::env::var(name).ok())?;
    if let Some(environment) = &pipeline.environment {
        view::environment(environment, &pipeline.name, &pipeline.region);
    }
    let mut unknown = Vec::new();
    for (region, span) in pipeline.regions().filter(|_| !file.new_region) {
        unknown.extend(llmhost_resources::unknown_region(region).map(|(message, help)| Diagnostic {
            code: "unknown-region",
            message,
            span: Some(span.clone()),
            label: "no such region".to_owned(),
            help: Some(help),
        }));
    }
    if unknown.is_empty() { Ok(Arc::new(pipeline)) } else { Err(Failure::File(pipeline.diagnostics(unknown))) }
}

/// Puts the engine together: sandboxed plugins on one side, AWS on the other. Plugins that are not as the lock file
/// pins them are refused, unless the command line accepts them; new ones are pinned.
pub(crate) async fn engine(
    pipeline: Arc<Pipeline>,
    file: &File,
    settings: AwsSettings,
    console: &Console,
    parallelism: u16,
) -> Result<Engine, Failure> {
    let reach = settings.clone();
    let loader = loader(console, &pipeline.trust)?;
    let charts = Arc::new(Fetched::new(&pipeline.trust));
    let others = others::read(console, &pipeline, &reach).await?;
    if file.unpinned {
        let registry = Arc::new(providers::registry(&pipeline, settings, &loader).await?);
        let engine = Engine::load(pipeline, &loader, registry, console.events(), parallelism.into()).await?;
        return Ok(engine.with_charts(charts).with_others(others)?);
    }
    let lock = lock(&pipeline)?;
    let pins = console.during("fetching the plugins", console.hear(Pins::find(&pipeline, &loader, &lock))).await?;
    if !file.accept_plugins {
        pins.check(&pipeline, &lock)?;
    }
    let registry = Arc::new(providers::registry(&pipeline, settings, &loader).await?);
    let load = Engine::load(pipeline, &loader, registry, console.events(), parallelism.into());
    let engine = console.during("loading the plugins", load).await?;
    let engine = engine.with_charts(charts).with_others(others)?;
    // Now that they are known to be of use.
    if file.accept_plugins {
        pins.accept(&lock)?;
    }
    match pins.add(&lock)? {
        0 => {}
        1 => console.note("1 new plugin is pinned in llmhost.lock; keep that file in version control."),
        new => {
            console.note(&format!("{new} new plugins are pinned in llmhost.lock; keep that file in version control."))
        }
    }
    Ok(engine)
}

/// The lock file beside the pipeline file.
pub(crate) fn lock(pipeline: &Pipeline) -> Result<Lock, LockError> {
    Lock::open(&pipeline.base, &pipeline.name)
}

/// Takes versions that were chosen before from llmhost.lock, beside the pipeline file, and writes
/// new choices there. What is made in an emulator is no choice.
pub(crate) fn locked(engine: Engine) -> Result<Engine, Failure> {
    let lock = lock(engine.pipeline())?;
    Ok(engine.with_lock(lock))
}

/// The plugin loader, with the built-in plugins.
pub(crate) fn loader(console: &Console, trust: &Trust) -> Result<Loader, Failure> {
    loader_with(console, trust, None)
}

/// As `loader`, with what was compiled before in this process.
pub(crate) fn loader_with(
    console: &Console,
    trust: &Trust,
    functions: Option<Arc<Functions>>,
) -> Result<Loader, Failure> {
    let builtins = llmhost_builtin::ALL.iter();
    let builtins =
        builtins.map(|b| Builtin { name: b.name, wasm: b.wasm, packed: b.packed, sha256: b.sha256 }).collect();
    let console = console.clone();
    let on_event: EventSink = Arc::new(move |event| match event {
        // Those of Rust take no time worth a word.
        LoaderEvent::Compiling { name, bytes } if *bytes > 1 << 20 => {
            let size = *bytes as f64 / f64::from(1 << 20);
            console.note(&format!("Compiling {name} ({size:.0} MB) once for this machine; this takes a few seconds."));
        }
        LoaderEvent::TagNotAsked { name, reason } => {
            console.note(&format!("using {name} as pinned in llmhost.lock: {reason}"));
        }
        LoaderEvent::CacheUnusable { folder, reason } => {
            console.note(&format!("Compiled plugins are not cached: {folder} is not usable: {reason}"));
        }
        _ => {}
    });
    let options = LoaderOptions {
        cache_dir: cache_dir(),
        builtins,
        absent: llmhost_builtin::ABSENT,
        trust: trust.clone(),
        functions,
        on_event: Some(on_event),
        ..LoaderOptions::default()
    };
    Loader::new(options).map_err(|error| Failure::usage(error.to_string(), "Check the limits of this process."))
}

/// The user's cache folder, where there is one.
pub(crate) fn cache_dir() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("XDG_CACHE_HOME").filter(|path| path.is_absolute()).or_else(|| Some(set("HOME")?.join(".cache")))
}
