//! From a model's address to a model that runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use llmhost_inference::runtime::{Search, gpu_memory};
use llmhost_inference::{Engine, LoadError, Options};
use llmhost_models::{Address, Fetch, Fetched, ModelError, Progress};
use llmhost_python_env::cache_folder;
use llmhost_resources::{Aws, AwsSettings};

use super::draft;
use crate::app::{self, Console};
use crate::args::{Fetching, Model, Running};
use crate::failure::Failure;

const REQUESTS_AT_A_TIME: usize = 16;
/// Microseconds that threads wait for work in a loop.
const SPIN: u32 = 1000;

/// Fetches a model where it is not on this machine, and loads it.
pub(crate) async fn load(args: &Model, queue: u32, console: &Console) -> Result<Engine, Failure> {
    let folder = folder(&args.source.model, &args.source.fetching, console).await?.folder;
    let mut options = options(&args.running, queue, args.source.fetching.verify);
    options.draft = draft::folder(&args.running, &args.source.fetching, console).await?;
    let engine = start(folder, options, console).await?;
    if let Some(reason) = unused_gpu(&engine) {
        console.note(&format!("The model runs on the processor, not on a GPU: {reason}"));
    }
    Ok(engine)
}

/// Why the GPU of this machine is not used. Where there is none, nobody misses it.
pub(crate) fn unused_gpu(engine: &Engine) -> Option<&String> {
    engine.report().fallback.as_ref().filter(|_| gpu_memory(0).is_some())
}

/// The engine's options.
pub(crate) fn options(args: &Running, queue: u32, verify: bool) -> Options {
    Options {
        search: Search::usual(args.onnxruntime.clone()),
        device: args.device,
        weights: args.weights.clone(),
        threads: args.threads.map(usize::from),
        spin: std::time::Duration::from_micros(args.spin.unwrap_or(SPIN).into()),
        context: args.context.map(|tokens| tokens as usize),
        max_batch: args.max_batch.into(),
        queue: queue as usize,
        verify,
        speculate: args.speculation,
        cuda_graphs: args.on_device.cuda_graphs(),
        likeliest: args.on_device.top_tokens(),
        ..Options::default()
    }
}

/// Loads a folder.
pub(crate) async fn start(folder: PathBuf, options: Options, console: &Console) -> Result<Engine, Failure> {
    let what = format!("loading {}", folder.file_name().map_or("the model".into(), |name| name.to_string_lossy()));
    let loaded = tokio::task::spawn_blocking(move || Engine::load(&folder, &options));
    match console.during(&what, loaded).await {
        Ok(loaded) => loaded.map_err(|error| Failure::Other {
            help: help(&error).to_owned(),
            message: error.to_string(),
            status: 1,
        }),
        Err(_) => {
            let message = "loading the model failed inside ONNX Runtime".to_owned();
            let help = "Check the model with another program, and report it.".to_owned();
            Err(Failure::Other { message, help, status: 1 })
        }
    }
}

/// What to do about a model that does not load: `llmhost doctor` knows this machine, and nothing of models.
fn help(error: &LoadError) -> &'static str {
    match error {
        LoadError::Runtime(_) => {
            "llmhost doctor shows what this machine has; llmhost doctor --install installs ONNX Runtime."
        }
        LoadError::Draft { .. } => "Name another draft model, or remove it: answers are the same without it.",
        LoadError::Model(_) => "Check the files in the model's folder.",
        LoadError::NoContext | LoadError::ContextTooLong { .. } => "Set the context length with --context.",
        LoadError::NoMemory { .. } => "Lower --context or --max-batch, or use a machine with more memory.",
        _ => "Check the model with another program, and report it.",
    }
}

/// `llmhost fetch`: only the first half of that.
pub(crate) async fn fetch(args: &crate::args::Fetch) -> Result<(), Failure> {
    let console = Console::new(args.json);
    let began = Instant::now();
    let here = folder(&args.source.model, &args.source.fetching, &console).await?;
    let folder = match &args.to {
        Some(to) => {
            copy(&here.folder, to).map_err(|error| Failure::Other {
                message: format!("cannot copy {} to {}: {error}", here.folder.display(), to.display()),
                help: "Name a folder that can be written, on a disk with room for the model.".to_owned(),
                status: 1,
            })?;
            to
        }
        None => &here.folder,
    };
    let (bytes, seconds) = (here.bytes, began.elapsed().as_secs_f64());
    let folder = folder.display();
    match args.json {
        true => {
            let line = serde_json::json!({ "folder": folder.to_string(), "bytes": bytes, "seconds": seconds });
            app::print(&format!("{line}\n"));
        }
        false => {
            let rate = bytes as f64 / seconds.max(f64::MIN_POSITIVE) / f64::from(1 << 20);
            if bytes > 0 {
                console.note(&format!("Fetched {bytes} bytes in {seconds:.1} s, {rate:.0} MiB/s"));
            }
            app::print(&format!("{folder}\n"));
        }
    }
    Ok(())
}

/// Copies what is in a folder into another one. A file is there whole or not at all.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        let place = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy(&path, &place)?;
            continue;
        }
        let mut draft = tempfile::NamedTempFile::new_in(to)?;
        std::io::copy(&mut std::fs::File::open(&path)?, draft.as_file_mut())?;
        std::fs::set_permissions(draft.path(), std::fs::metadata(&path)?.permissions())?;
        draft.persist(&place).map_err(|error| error.error)?;
    }
    Ok(())
}

/// The model's folder, and how many bytes had to be fetched for it.
pub(crate) async fn folder(model: &str, args: &Fetching, console: &Console) -> Result<Fetched, Failure> {
    let (bucket, prefix) = match Address::parse(model).map_err(not_fetched)? {
        Address::Folder(folder) => return Ok(Fetched { folder, bytes: 0 }),
        Address::S3 { bucket, prefix } => (bucket, prefix),
    };
    let mut settings = AwsSettings {
        region: args.region.clone().unwrap_or_else(|| "us-east-1".to_owned()),
        endpoint_url: args.endpoint_url.clone(),
        ..AwsSettings::default()
    };
    settings.profile.clone_from(&args.profile);
    let store = llmhost_resources::model_store(Arc::new(Aws::new(settings)), &bucket);
    let cache = match &args.cache {
        Some(cache) => cache.clone(),
        None => cache_folder()
            .map_err(|error| Failure::usage(error.to_string(), "Or choose a folder with --cache."))?
            .join("models"),
    };
    let fetch = Fetch { cache, parallelism: REQUESTS_AT_A_TIME, verify: args.verify };
    let task = console.task(&format!("fetching {model}"));
    let report = |progress: Progress| task.transferred(progress.done, progress.total);
    let fetched = task.during(fetch.fetch(store, model, &prefix, &report)).await;
    let fetched = fetched.map_err(not_fetched)?;
    tracing::info!(bytes = fetched.bytes, folder = %fetched.folder.display(), "model fetched");
    Ok(fetched)
}

pub(crate) fn not_fetched(error: ModelError) -> Failure {
    let status = if matches!(error, ModelError::Address { .. }) { 2 } else { 1 };
    Failure::Other { message: error.to_string(), help: error.advice().to_owned(), status }
}
