//! Finding, compiling and checking plugins.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use llmhost_engine::names::StepName;
use llmhost_engine::plugin::{Description, Limits, LoadError, LoadRequest, Plugin, PluginLoader};
use tokio::sync::OnceCell;
use wasmtime::component::Component;

use crate::bindings::GuestPre;
use crate::cache::{Cache, WasmDigest, hex};
use crate::engine::{Sandbox, SandboxError};
use crate::grants;
use crate::plugin::{Loaded, StepPlugin};
use crate::source::{self, Builtin, Wasm};

/// Receives [`LoaderEvent`]s, from any thread.
pub type EventSink = Arc<dyn Fn(&LoaderEvent<'_>) + Send + Sync>;

/// What may take a while, or is not as it should be.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum LoaderEvent<'a> {
    /// A plugin is turned into machine code, once; this takes seconds for JavaScript and Python.
    Compiling {
        /// What `uses` says.
        name: &'a str,
        /// Size of the component.
        bytes: usize,
    },
    /// That is done.
    Compiled {
        /// What `uses` says.
        name: &'a str,
        /// How long it took.
        took: Duration,
    },
    /// Compiled code cannot be kept, and is made anew in each run.
    CacheUnusable {
        /// Where it would be.
        folder: &'a str,
        /// Why it is not.
        reason: &'a str,
    },
}

/// How a [`Loader`] is set up.
#[derive(Clone)]
pub struct LoaderOptions {
    /// The user's cache folder; code goes to `llmhost/code` in it. Without one nothing is kept.
    pub cache_dir: Option<PathBuf>,
    /// Plugins that come with the host.
    pub builtins: Vec<Builtin>,
    /// Instances at a time, 1 to 64; further ones wait. Address space is taken for so many.
    pub parallelism: usize,
    /// Told what takes a while.
    pub on_event: Option<EventSink>,
}

impl Default for LoaderOptions {
    fn default() -> Self {
        Self { cache_dir: None, builtins: Vec::new(), parallelism: 16, on_event: None }
    }
}

impl fmt::Debug for LoaderOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let builtins: Vec<_> = self.builtins.iter().map(|builtin| builtin.name).collect();
        f.debug_struct("LoaderOptions")
            .field("cache_dir", &self.cache_dir)
            .field("builtins", &builtins)
            .field("parallelism", &self.parallelism)
            .finish_non_exhaustive()
    }
}

/// What [`Loader::inspect`] saw.
#[derive(Debug, Clone)]
pub struct Inspected {
    /// What the plugin says of itself.
    pub description: Arc<Description>,
    /// Grants that it needs.
    pub grants: Vec<String>,
    /// SHA-256 of the component, hex.
    pub sha256: String,
}

/// Loads plugins, each content once.
pub struct Loader {
    sandbox: Arc<Sandbox>,
    cache: Arc<Cache>,
    builtins: Vec<Builtin>,
    on_event: Option<EventSink>,
    loaded: Mutex<HashMap<WasmDigest, Arc<OnceCell<Arc<Loaded>>>>>,
}

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader").finish_non_exhaustive()
    }
}

impl Loader {
    /// Sets the sandbox up. Takes address space, hardly any memory.
    pub fn new(options: LoaderOptions) -> Result<Self, SandboxError> {
        let sandbox = Arc::new(Sandbox::new(options.parallelism)?);
        let (cache, trouble) = Cache::open(options.cache_dir.as_deref(), &sandbox.engine);
        if let (Some(tell), Some((folder, reason))) = (&options.on_event, &trouble) {
            tell(&LoaderEvent::CacheUnusable { folder: &folder.to_string_lossy(), reason });
        }
        Ok(Self {
            sandbox,
            cache: Arc::new(cache),
            builtins: options.builtins,
            on_event: options.on_event,
            loaded: Mutex::default(),
        })
    }

    /// Names of the built-in plugins.
    pub fn builtins(&self) -> impl Iterator<Item = &'static str> {
        self.builtins.iter().map(|builtin| builtin.name)
    }

    /// Every grant that `allow` may name.
    pub fn known_grants() -> Vec<String> {
        grants::known()
    }

    /// Looks at a plugin without granting it anything. `uses` as in a step; relative paths start at
    /// `base`.
    pub async fn inspect(&self, uses: &str, base: &Path) -> Result<Inspected, LoadError> {
        let wasm = source::find(uses, base, &self.builtins, &self.cache).await?;
        let loaded = self.loaded(uses, wasm).await?;
        let step: StepName = "inspect".parse().expect("a good name");
        let described = loaded.describe(&step, &Limits::default()).await;
        let description = described.map_err(|reason| LoadError::BadDescription { uses: uses.to_owned(), reason })?;
        Ok(Inspected { description, grants: loaded.wants.clone(), sha256: loaded.sha256.clone() })
    }

    async fn loaded(&self, uses: &str, wasm: Wasm) -> Result<Arc<Loaded>, LoadError> {
        let slot = self.loaded.lock().unwrap_or_else(PoisonError::into_inner).entry(wasm.digest).or_default().clone();
        slot.get_or_try_init(|| self.prepare(uses, wasm)).await.cloned()
    }

    async fn prepare(&self, uses: &str, wasm: Wasm) -> Result<Arc<Loaded>, LoadError> {
        let not_a_plugin = |reason: String| LoadError::NotAPlugin { path: uses.to_owned(), reason };
        let sha256 = hex(&wasm.digest);
        let component = self.component(uses, wasm).await.map_err(not_a_plugin)?;
        let wants = grants::wanted(&component, &self.sandbox.engine).map_err(not_a_plugin)?;
        let guest = self.sandbox.linker.instantiate_pre(&component).and_then(GuestPre::new).map_err(|error| {
            not_a_plugin(format!(
                "it is not of the world llmhost:plugin/step@{}: {error:#}; {HOW_TO}",
                crate::bindings::VERSION
            ))
        })?;
        let sandbox = self.sandbox.clone();
        Ok(Arc::new(Loaded { sandbox, sha256, guest, wants, description: OnceCell::new() }))
    }

    async fn component(&self, uses: &str, wasm: Wasm) -> Result<Component, String> {
        let (sandbox, cache, tell) = (self.sandbox.clone(), self.cache.clone(), self.on_event.clone());
        let (name, warm) = (uses.to_owned(), self.cache.has(&wasm.digest));
        let get = move || {
            cache.component(&sandbox.engine, &wasm.digest, || {
                let tell = |event: LoaderEvent<'_>| tell.iter().for_each(|tell| tell(&event));
                let bytes = wasm.bytes()?;
                looks_like_a_component(&bytes)?;
                tell(LoaderEvent::Compiling { name: &name, bytes: bytes.len() });
                let began = Instant::now();
                let code = sandbox.engine.precompile_component(&bytes);
                let code = code.map_err(|error| format!("it cannot be compiled: {error:#}; {HOW_TO}"))?;
                tell(LoaderEvent::Compiled { name: &name, took: began.elapsed() });
                Ok(code)
            })
        };
        // Mapping cached code takes microseconds, compiling takes seconds.
        if warm {
            return get();
        }
        tokio::task::spawn_blocking(get).await.map_err(|error| format!("compiling it was interrupted: {error}"))?
    }
}

#[async_trait]
impl PluginLoader for Loader {
    async fn load(&self, request: &LoadRequest<'_>) -> Result<Arc<dyn Plugin>, LoadError> {
        let LoadRequest { step, uses, base, allow, limits } = *request;
        grants::check(allow)?;
        let wasm = source::find(uses, base, &self.builtins, &self.cache).await?;
        let builtin = wasm.builtin;
        let loaded = self.loaded(uses, wasm).await?;
        let missing = if builtin { Vec::new() } else { grants::missing(&loaded.wants, allow) };
        if !missing.is_empty() {
            return Err(LoadError::NotGranted { step: step.clone(), uses: uses.to_owned(), missing });
        }
        let description = loaded
            .describe(step, limits)
            .await
            .map_err(|reason| LoadError::BadDescription { uses: uses.to_owned(), reason })?;
        let allow = (!builtin).then(|| allow.to_vec().into());
        Ok(Arc::new(StepPlugin { loaded, description, step: step.clone(), limits: limits.clone(), allow }))
    }
}

const HOW_TO: &str = "docs/writing-plugins.md says how to make a plugin";

/// Says what else it is, for files that people mistake for components.
fn looks_like_a_component(bytes: &[u8]) -> Result<(), String> {
    let what = match bytes {
        [] => "the file is empty",
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => return Ok(()),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => {
            "it is a core WebAssembly module, not yet a component (wasm-tools component new, or wasm32-wasip2, makes one)"
        }
        [0, b'a', b's', b'm', ..] => "it is WebAssembly of a version that this host does not know, or cut short",
        [0x7f, b'E', b'L', b'F', ..] => "it is machine code, not WebAssembly",
        _ if bytes.trim_ascii_start().starts_with(b"(") => "it is WebAssembly text; plugins are binary components",
        _ => "it is not WebAssembly",
    };
    Err(format!("{what}; {HOW_TO}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_component_is_named() {
        for (bytes, part) in [
            (&b""[..], "empty"),
            (b"\0asm\x01\0\0\0", "core WebAssembly module"),
            (b"\0asm", "cut short"),
            (b"  (component)", "text"),
            (b"\x7fELF\x02", "machine code"),
            (b"#!/bin/sh", "not WebAssembly"),
        ] {
            let reason = looks_like_a_component(bytes).expect_err(part);
            assert!(reason.contains(part) && reason.contains("writing-plugins"), "{reason}");
        }
        assert_eq!(looks_like_a_component(b"\0asm\x0d\0\x01\0"), Ok(()));
    }
}
