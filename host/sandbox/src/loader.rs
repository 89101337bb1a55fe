//! Finding, compiling and checking plugins.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use llmhost_engine::names::StepName;
use llmhost_engine::pipeline::Trust;
use llmhost_engine::plugin::{
    Description, Identity, Limits, LoadError, LoadRequest, Plugin, PluginError, PluginLoader,
};
use llmhost_provider::{Described, Provider, ProviderLoader, ProviderRequest};
use llmhost_registry::{Digest, Plugins};
use tokio::sync::OnceCell;
use wasmtime::component::Component;

use crate::cache::Cache;
use crate::compile;
use crate::engine::{Sandbox, SandboxError};
use crate::functions::Functions;
use crate::grants::{self, Needs};
use crate::limits;
use crate::plugin::{BadDescription, Guest, Loaded, StepPlugin};
use crate::provider::{self, Granted, Grants, Own};
use crate::source::{self, Builtin, Sources, Wanted, Wasm};
use crate::wit::kinds::Kinds;
use crate::wit::{self, Import, Step};
use crate::wrap::{self, HOW_TO};

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
    /// A registry does not say which plugin a tag is now, and the one of the lock file is used.
    TagNotAsked {
        /// What `uses` says.
        name: &'a str,
        /// Why.
        reason: &'a str,
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
    /// The user's cache folder; code goes to `llmhost/code` in it, and plugins from elsewhere to
    /// `llmhost/plugins`. Without one no code is kept, and no plugin can be fetched.
    pub cache_dir: Option<PathBuf>,
    /// Plugins that come with the host.
    pub builtins: Vec<Builtin>,
    /// Those that others of this version come with and this one does not, each with what to do about it.
    pub absent: &'static [(&'static str, &'static str)],
    /// Whose signatures plugins from elsewhere have to carry.
    pub trust: Trust,
    /// Instances at a time, 1 to 64; further ones wait. Address space is taken for so many.
    pub parallelism: usize,
    /// How long a plugin may take to be compiled.
    pub compile_time: Duration,
    /// Functions that were compiled before in this process, and need not be again.
    pub functions: Option<Arc<Functions>>,
    /// Told what takes a while.
    pub on_event: Option<EventSink>,
}

impl Default for LoaderOptions {
    fn default() -> Self {
        Self {
            cache_dir: None,
            builtins: Vec::new(),
            absent: &[],
            trust: Trust::default(),
            parallelism: 16,
            compile_time: limits::COMPILE_TIME,
            functions: None,
            on_event: None,
        }
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
    /// Interfaces that it uses without saying for which resource types or calls.
    pub unsaid: Vec<&'static str>,
    /// SHA-256 of the component, hex.
    pub sha256: String,
}

/// What [`Loader::inspect_provider`] saw.
#[derive(Debug, Clone)]
pub struct InspectedProvider {
    /// What it says of itself, not looked at yet.
    pub described: Described,
    /// Whether it sends requests.
    pub asks: bool,
    /// Whether it makes connections.
    pub connects: bool,
    /// SHA-256 of the component, hex.
    pub sha256: String,
}

/// Loads plugins, each content once.
pub struct Loader {
    sandbox: Arc<Sandbox>,
    sources: Sources,
    compile_time: Duration,
    on_event: Option<EventSink>,
    /// What was identified is what is loaded, by `uses` and the folder of the pipeline file.
    identified: Mutex<HashMap<(String, PathBuf), Arc<Loaded>>>,
    loaded: Mutex<HashMap<Digest, Arc<OnceCell<Arc<Loaded>>>>>,
}

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader").finish_non_exhaustive()
    }
}

impl Loader {
    /// Sets the sandbox up. Takes address space, hardly any memory.
    pub fn new(options: LoaderOptions) -> Result<Self, SandboxError> {
        let sandbox = Arc::new(Sandbox::new(options.parallelism, options.functions)?);
        let (cache, trouble) = Cache::open(options.cache_dir.as_deref(), &sandbox.engine);
        if let (Some(tell), Some((folder, reason))) = (&options.on_event, &trouble) {
            tell(&LoaderEvent::CacheUnusable { folder: &folder.to_string_lossy(), reason });
        }
        let remote = Plugins::new(options.cache_dir.as_deref(), options.trust);
        Ok(Self {
            sandbox,
            sources: Sources { builtins: options.builtins, absent: options.absent, remote, cache: Arc::new(cache) },
            compile_time: options.compile_time,
            on_event: options.on_event,
            identified: Mutex::default(),
            loaded: Mutex::default(),
        })
    }

    /// Names of the built-in plugins.
    pub fn builtins(&self) -> impl Iterator<Item = &'static str> {
        self.sources.builtins.iter().map(|builtin| builtin.name)
    }

    /// Every grant that `allow` may name.
    pub fn known_grants() -> Vec<String> {
        grants::known()
    }

    /// Looks at a provider without granting it anything; nothing of a component that is none.
    pub async fn inspect_provider(&self, uses: &str, base: &Path) -> Result<Option<InspectedProvider>, LoadError> {
        let wasm = self.find(uses, base, None).await?;
        let loaded = self.loaded(uses, wasm).await?;
        let Guest::Provider(_) = loaded.guest else { return Ok(None) };
        let table = Arc::from("providers.inspect");
        let described = provider::describe(&loaded, &table, &Limits::default()).await;
        let described = described.map_err(|error| ended(uses, &error))?;
        let (asks, connects) = (loaded.imports(HTTP), loaded.imports(TCP));
        Ok(Some(InspectedProvider { described, asks, connects, sha256: loaded.sha256.clone() }))
    }

    /// Looks at a plugin without granting it anything. `uses` as in a step; relative paths start at
    /// `base`.
    pub async fn inspect(&self, uses: &str, base: &Path) -> Result<Inspected, LoadError> {
        let wasm = self.find(uses, base, None).await?;
        let loaded = self.loaded(uses, wasm).await?;
        if let Guest::Provider(_) = loaded.guest {
            return Err(wrong_place(
                uses,
                "it is a provider, which adds kinds of resources: declare it in [providers.NAME]",
            ));
        }
        let step: StepName = "inspect".parse().expect("a good name");
        let described = loaded.describe(&step, &Limits::default()).await;
        let description = described.map_err(|bad| undescribed(uses, bad))?;
        let Needs { grants, unsaid } = Needs::of(&loaded.wants, &description.needs);
        Ok(Inspected { description, grants, unsaid, sha256: loaded.sha256.clone() })
    }

    async fn find(&self, uses: &str, base: &Path, locked: Option<Digest>) -> Result<Wasm, LoadError> {
        let tell = |reason: &str| {
            self.on_event.iter().for_each(|tell| tell(&LoaderEvent::TagNotAsked { name: uses, reason }));
        };
        source::find(&Wanted { uses, base, locked }, &self.sources, tell).await
    }

    async fn loaded(&self, uses: &str, wasm: Wasm) -> Result<Arc<Loaded>, LoadError> {
        let slot = self.loaded.lock().unwrap_or_else(PoisonError::into_inner).entry(wasm.digest).or_default().clone();
        slot.get_or_try_init(|| self.prepare(uses, wasm)).await.cloned()
    }

    async fn prepare(&self, uses: &str, wasm: Wasm) -> Result<Arc<Loaded>, LoadError> {
        let not_a_plugin = |reason: String| LoadError::NotAPlugin { path: uses.to_owned(), reason };
        let (sha256, origin) = (wasm.digest.hex(), wasm.origin());
        let component = self.component(uses, wasm).await.map_err(not_a_plugin)?;
        let wants = grants::wanted(&component, &self.sandbox.engine).map_err(not_a_plugin)?;
        wit::check_imports(&component, &self.sandbox.engine).map_err(not_a_plugin)?;
        let imports = component.component_type();
        let imports = imports.imports(&self.sandbox.engine).map(|(name, _)| name.to_owned());
        let interfaces: Vec<String> = imports.filter(|name| name.starts_with("llmhost:")).collect();
        let guest = match Kinds::of(&component, &self.sandbox.engine, &self.sandbox.linker) {
            Some(kinds) => Guest::Provider(kinds.map_err(|why| {
                not_a_plugin(format!("it does not match the world llmhost:provider/provider: {why}"))
            })?),
            None => Guest::Step(Step::of(&component, &self.sandbox.linker).map_err(|why| {
                not_a_plugin(format!("it does not match the world llmhost:plugin/step: {why}; {HOW_TO}"))
            })?),
        };
        for name in &interfaces {
            let package = Import::parse(name).package;
            let of_providers = [HTTP, TCP, "llmhost:provider"].contains(&package);
            let problem = match guest {
                Guest::Step(_) if of_providers => "which is only for providers",
                Guest::Provider(_) if !of_providers && package != "llmhost:plugin" => {
                    "which is for plugins of steps; a provider sends requests with llmhost:http"
                }
                _ => continue,
            };
            return Err(not_a_plugin(format!("it imports '{name}', {problem}")));
        }
        let sandbox = self.sandbox.clone();
        Ok(Arc::new(Loaded { sandbox, sha256, origin, guest, wants, interfaces, description: OnceCell::new() }))
    }

    /// What was identified, or what is found now; and whether it comes with the host.
    async fn identified(&self, uses: &str, base: &Path) -> Result<(Arc<Loaded>, bool), LoadError> {
        let key = (uses.to_owned(), base.to_owned());
        let identified = self.identified.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        match identified {
            Some(loaded) => Ok((loaded, false)),
            None => {
                let wasm = self.find(uses, base, None).await?;
                let builtin = wasm.builtin;
                Ok((self.loaded(uses, wasm).await?, builtin))
            }
        }
    }

    async fn component(&self, uses: &str, wasm: Wasm) -> Result<Component, String> {
        let (sandbox, cache, tell) = (self.sandbox.clone(), self.sources.cache.clone(), self.on_event.clone());
        let (name, warm) = (uses.to_owned(), cache.has(&wasm.digest));
        let get = move || {
            cache.component(&sandbox.engine, &wasm.digest, || {
                let tell = |event: LoaderEvent<'_>| tell.iter().for_each(|tell| tell(&event));
                let bytes = wasm.bytes()?;
                let component = wrap::component(&bytes)?;
                tell(LoaderEvent::Compiling { name: &name, bytes: bytes.len() });
                let began = Instant::now();
                let code = sandbox.engine.precompile_component(&component);
                let code = code.map_err(|error| format!("it cannot be compiled: {error:#}; {HOW_TO}"))?;
                tell(LoaderEvent::Compiled { name: &name, took: began.elapsed() });
                Ok(code)
            })
        };
        // Mapping cached code takes microseconds, compiling takes seconds.
        if warm {
            return get();
        }
        compile::within(self.compile_time, get).await
    }
}

#[async_trait]
impl PluginLoader for Loader {
    async fn identify(&self, uses: &str, base: &Path, locked: Option<&str>) -> Result<Option<Identity>, LoadError> {
        let locked = locked.and_then(|text| text.parse().ok());
        let wasm = self.find(uses, base, locked).await?;
        if wasm.builtin {
            return Ok(None);
        }
        let digest = wasm.pin().to_string();
        let loaded = self.loaded(uses, wasm).await?;
        let identity = Identity { digest, interfaces: loaded.interfaces.clone() };
        let key = (uses.to_owned(), base.to_owned());
        self.identified.lock().unwrap_or_else(PoisonError::into_inner).insert(key, loaded);
        Ok(Some(identity))
    }

    async fn load(&self, request: &LoadRequest<'_>) -> Result<Arc<dyn Plugin>, LoadError> {
        let LoadRequest { step, uses, base, allow, limits } = *request;
        grants::check(allow)?;
        let (loaded, builtin) = self.identified(uses, base).await?;
        if let Guest::Provider(_) = loaded.guest {
            return Err(wrong_place(
                uses,
                "it is a provider: declare it in [providers.NAME], and grant its kinds to steps",
            ));
        }
        // To describe itself a plugin needs nothing that is granted.
        let description = loaded.describe(step, limits).await.map_err(|bad| undescribed(uses, bad))?;
        let missing = Needs::of(&loaded.wants, &description.needs).missing(allow);
        if !builtin && !missing.is_empty() {
            let Needs { grants: missing, unsaid } = missing;
            return Err(LoadError::NotGranted { step: step.clone(), uses: uses.to_owned(), missing, unsaid });
        }
        let allow = (!builtin).then(|| allow.to_vec().into());
        Ok(Arc::new(StepPlugin { loaded, description, step: step.clone(), limits: limits.clone(), allow }))
    }
}

#[async_trait]
impl ProviderLoader for Loader {
    async fn load_provider(&self, request: &ProviderRequest<'_>) -> Result<Arc<dyn Provider>, LoadError> {
        let ProviderRequest { name, uses, base, allow, limits, ca, secrets, aws, timeout } = *request;
        let grants = Grants::read(allow, ca)?;
        let (loaded, _) = self.identified(uses, base).await?;
        if let Guest::Step(_) = loaded.guest {
            return Err(wrong_place(uses, "it is a plugin for steps, not a provider: use it in [steps.NAME]"));
        }
        if grants.is_empty() {
            let (http, tcp) = (provider::HTTP_EXAMPLE, provider::TCP_EXAMPLE);
            let wants = match (loaded.imports(HTTP), loaded.imports(TCP)) {
                (true, true) => Some(("sends HTTP requests and makes TCP connections", http)),
                (true, false) => Some(("sends HTTP requests", http)),
                (false, true) => Some(("makes TCP connections", tcp)),
                (false, false) => None,
            };
            if let Some((asks, example)) = wants {
                return Err(LoadError::NothingGranted { uses: uses.to_owned(), asks, example });
            }
        }
        let table = Arc::from(format!("providers.{name}"));
        let described = provider::describe(&loaded, &table, limits).await.map_err(|error| ended(uses, &error))?;
        let (secrets, aws) = (Arc::clone(secrets), Arc::clone(aws));
        let terms = Own { table, limits: limits.clone(), grants: Arc::new(grants), secrets, aws, timeout };
        Ok(Arc::new(Granted { loaded, described, terms }))
    }
}

/// The packages of requests and of connections.
const HTTP: &str = "llmhost:http";
const TCP: &str = "llmhost:tcp";

fn wrong_place(uses: &str, reason: &str) -> LoadError {
    LoadError::NotAPlugin { path: uses.to_owned(), reason: reason.to_owned() }
}

fn ended(uses: &str, error: &PluginError) -> LoadError {
    let crash = error.crash().cloned().map(Box::new);
    LoadError::BadDescription { uses: uses.to_owned(), reason: error.to_string(), crash }
}

fn undescribed(uses: &str, BadDescription { reason, crash }: BadDescription) -> LoadError {
    LoadError::BadDescription { uses: uses.to_owned(), reason, crash }
}
