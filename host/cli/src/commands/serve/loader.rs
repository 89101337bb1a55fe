//! The engine's models for the server, by their names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use llmhost_inference::engine::free_memory;
use llmhost_inference::runtime::{Provider, gpu_memory};
use llmhost_inference::{Device, Engine};
use llmhost_models::MANIFEST;
use llmhost_server::{Backend, EngineBackend, LoadFailure, Loaded, Loader, ModelEvent, Place, Prepared, Room};
use sha2::{Digest, Sha256};

use super::wanted::Wanted;
use crate::app::Console;
use crate::commands::{draft, model};
use crate::failure::Failure;

/// Fetches and loads.
pub(super) struct Models {
    wanted: BTreeMap<String, Wanted>,
    /// Whether the memory of all is limited by the user.
    is_limited: bool,
    console: Console,
    /// What each one runs on, in words.
    described: Mutex<BTreeMap<String, String>>,
    /// Why one did not load, with what to do about it.
    failed: Mutex<BTreeMap<String, Failure>>,
    /// Folders of draft models, by the names of the models that they guess for.
    drafts: Mutex<BTreeMap<String, PathBuf>>,
    is_serving: AtomicBool,
}

impl Models {
    pub(super) fn new(wanted: Vec<Wanted>, is_limited: bool, console: Console) -> Self {
        let wanted = wanted.into_iter().map(|wanted| (wanted.spec.name.clone(), wanted)).collect();
        let (described, failed, drafts) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { wanted, is_limited, console, described, failed, drafts, is_serving: AtomicBool::new(false) }
    }

    /// What a model runs on; nothing where it was never loaded.
    pub(super) fn described(&self, name: &str) -> Option<String> {
        self.described.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Why a model did not load.
    pub(super) fn failure(&self, name: &str) -> Option<Failure> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).remove(name)
    }

    /// From now on, the user is told what happens to models.
    pub(super) fn serves(&self) {
        self.is_serving.store(true, Ordering::Release);
    }

    fn wanted(&self, name: &str) -> Result<&Wanted, LoadFailure> {
        self.wanted.get(name).ok_or_else(|| LoadFailure::open(format!("there is no model '{name}' here")))
    }

    fn keep(&self, name: &str, failure: Failure) -> LoadFailure {
        let told = LoadFailure::private(failure.to_string());
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), failure);
        told
    }

    /// Bytes for keys and values. One model alone takes what the engine thinks right; several share.
    fn cache(&self, wanted: &Wanted, prepared: &Prepared, room: Room) -> Option<usize> {
        let count = self.wanted.len() as u64;
        if count == 1 && !self.is_limited && wanted.cache.is_none() {
            return None;
        }
        let share = match prepared.place {
            Place::System => room.total / 2 / count,
            Place::Gpu => room.total / 10 * 9 / count,
        };
        let weights = prepared.bytes.saturating_sub(wanted.cache.unwrap_or(0));
        let bytes = wanted.cache.unwrap_or(share).min(room.free.saturating_sub(weights));
        Some(usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    fn describe(&self, name: &str, wanted: &Wanted, engine: &Engine) {
        let (report, stats) = (engine.report(), engine.stats());
        let mut text = format!(
            "{} by ONNX Runtime {}, {} tokens of context",
            report.provider.as_str(),
            report.library.version,
            stats.context
        );
        // What does not generate keeps nothing.
        if stats.cache_tokens > 0 {
            text += &format!(", {} requests at a time, a cache of {} tokens", stats.slots, stats.cache_tokens);
        }
        self.described.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), text);
        let is_shorter = |asked: &u32| wanted.shorten && stats.context < *asked as usize;
        if let Some(asked) = wanted.running.context.filter(is_shorter) {
            let own = stats.context;
            self.console
                .note(&format!("The model '{name}' has a context of {own} tokens, its limit; --context is {asked}."));
        }
        if let Some(reason) = model::unused_gpu(engine) {
            let which = if self.wanted.len() == 1 { "The model".to_owned() } else { format!("The model '{name}'") };
            self.console.note(&format!("{which} runs on the processor, not on a GPU: {reason}"));
        }
    }
}

#[async_trait]
impl Loader for Models {
    async fn prepare(&self, name: &str) -> Result<Prepared, LoadFailure> {
        let wanted = self.wanted(name)?;
        let fetched = model::folder(&wanted.source, &wanted.fetching, &self.console).await;
        let folder = fetched.map_err(|failure| self.keep(name, failure))?.folder;
        let place = match wanted.running.device {
            Device::Cpu => Place::System,
            Device::Cuda => Place::Gpu,
            Device::Auto if gpu_memory(0).is_some() => Place::Gpu,
            Device::Auto => Place::System,
        };
        let (mut bytes, mut version) = (weights(&folder) + wanted.cache.unwrap_or(0), version(&folder));
        let draft = draft::folder(&wanted.running, &wanted.fetching, &self.console).await;
        if let Some(draft) = draft.map_err(|failure| self.keep(name, failure))? {
            bytes += weights(&draft);
            version += &self::version(&draft);
            self.drafts.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), draft);
        }
        Ok(Prepared { version, folder, bytes, place })
    }

    async fn load(&self, name: &str, prepared: &Prepared, room: Room) -> Result<Loaded, LoadFailure> {
        let wanted = self.wanted(name)?;
        let mut options = model::options(&wanted.running, wanted.spec.queue as u32, wanted.fetching.verify);
        options.shorten = wanted.shorten;
        options.cache_bytes = self.cache(wanted, prepared, room);
        options.draft = self.drafts.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        let engine = model::start(prepared.folder.clone(), options, &self.console)
            .await
            .map_err(|failure| self.keep(name, failure))?;
        self.describe(name, wanted, &engine);
        let place = if engine.report().provider == Provider::Cuda { Place::Gpu } else { Place::System };
        let weights = prepared.bytes.saturating_sub(wanted.cache.unwrap_or(0));
        let bytes = weights + engine.stats().cache_bytes as u64;
        let backend = EngineBackend::new(engine, name)
            .with_formats(wanted.tool_format.as_deref(), wanted.reasoning_format.as_deref())
            .map_err(|message| self.keep(name, Failure::usage(message, "Correct the format, or remove it.")))?;
        let backend: Arc<dyn Backend> = Arc::new(backend);
        Ok(Loaded { backend, bytes, place })
    }

    fn free(&self, place: Place) -> Option<u64> {
        match place {
            Place::System => free_memory(),
            Place::Gpu => gpu_memory(0).map(|memory| memory.free),
        }
        .map(|bytes| bytes as u64)
    }

    fn report(&self, name: &str, event: ModelEvent<'_>) {
        if !self.is_serving.load(Ordering::Acquire) {
            // The start says it itself.
            return;
        }
        let described = || self.described(name).unwrap_or_default();
        self.console.note(&match event {
            ModelEvent::Loaded => format!("Loaded {name} ({})", described()),
            ModelEvent::Reloaded => format!("Reloaded {name} ({})", described()),
            ModelEvent::Unloaded { replaced_by: Some(other) } => format!("Unloaded {name} to make room for {other}"),
            ModelEvent::Unloaded { replaced_by: None } => format!("Unloaded {name}"),
            ModelEvent::Failed(failure) => format!("Could not load {name}: {failure}"),
            ModelEvent::Kept(failure) => format!("Could not reload {name}, which continues unchanged: {failure}"),
            _ => return,
        });
    }
}

/// Files of a folder and of its `onnx` folder, with their sizes and times.
fn files(folder: &Path) -> Vec<(PathBuf, std::fs::Metadata)> {
    let entries =
        [folder.to_owned(), folder.join("onnx")].into_iter().filter_map(|folder| std::fs::read_dir(folder).ok());
    let found = entries.flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<_> = found.filter_map(|path| Some((path.clone(), std::fs::metadata(path).ok()?))).collect();
    found.retain(|(_, metadata)| metadata.is_file());
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found
}

/// Bytes of the largest graph with the files that carry its name: what lies in memory of a model,
/// beside keys and values.
fn weights(folder: &Path) -> u64 {
    let files = files(folder);
    let named = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let of = |graph: &Path| -> u64 {
        let name = named(graph);
        let own = files.iter().filter(|(path, _)| path.parent() == graph.parent() && named(path).starts_with(&name));
        own.map(|(_, metadata)| metadata.len()).sum()
    };
    let graphs = || files.iter().map(|(path, _)| path).filter(|path| path.extension().is_some_and(|of| of == "onnx"));
    let usual = graphs().find(|path| named(path) == "model.onnx").map(|path| of(path));
    usual.or_else(|| graphs().map(|path| of(path)).max()).unwrap_or(0)
}

/// Another text for other content: by the manifest, or where there is none by names, sizes and times. A
/// model from S3 has another folder.
fn version(folder: &Path) -> String {
    let real = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let mut hash = Sha256::new();
    hash.update(real.as_os_str().as_encoded_bytes());
    match std::fs::read(real.join(MANIFEST)) {
        Ok(manifest) => hash.update(manifest),
        Err(_) => {
            for (path, metadata) in files(&real) {
                let time = metadata.modified().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
                hash.update(format!("{} {} {time:?}\n", path.display(), metadata.len()));
            }
        }
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
