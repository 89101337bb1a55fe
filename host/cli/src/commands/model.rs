//! From a model's address to a model that runs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use llmhost_inference::runtime::Search;
use llmhost_inference::{Engine, Options};
use llmhost_models::{Address, Fetch, Fetched, ModelError, Progress};
use llmhost_python_env::cache_folder;
use llmhost_resources::{Aws, AwsSettings};

use crate::app::{self, Console};
use crate::args::{Fetching, Model, Running};
use crate::failure::Failure;

const REQUESTS_AT_A_TIME: usize = 16;
/// Microseconds that threads wait for work in a loop.
const SPIN: u32 = 1000;

/// Fetches a model where it is not on this machine, and loads it.
pub(crate) async fn load(args: &Model, queue: u32, console: &Console) -> Result<Engine, Failure> {
    let folder = folder(&args.source.model, &args.source.fetching, console).await?.folder;
    let engine = start(folder, options(&args.running, queue, args.source.fetching.verify)).await?;
    if let Some(reason) = &engine.report().fallback {
        console.note(&format!("The model runs on the processor, not on a GPU: {reason}"));
    }
    Ok(engine)
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
        ..Options::default()
    }
}

/// Loads a folder.
pub(crate) async fn start(folder: PathBuf, options: Options) -> Result<Engine, Failure> {
    let loaded = tokio::task::spawn_blocking(move || Engine::load(&folder, &options)).await;
    match loaded {
        Ok(loaded) => loaded.map_err(|error| Failure::Other {
            message: error.to_string(),
            help: "llmhost doctor shows what this machine has; llmhost doctor --install installs ONNX Runtime."
                .to_owned(),
            status: 1,
        }),
        Err(_) => {
            let message = "loading the model failed inside ONNX Runtime".to_owned();
            let help = "Check the model with another program, and report it.".to_owned();
            Err(Failure::Other { message, help, status: 1 })
        }
    }
}

/// `llmhost fetch`: only the first half of that.
pub(crate) async fn fetch(args: &crate::args::Fetch) -> Result<(), Failure> {
    let console = Console::new(args.json);
    let began = Instant::now();
    let here = folder(&args.source.model, &args.source.fetching, &console).await?;
    let (bytes, seconds) = (here.bytes, began.elapsed().as_secs_f64());
    let folder = here.folder.display();
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
    let bar = bar(console);
    let report = |progress: Progress| {
        bar.set_length(progress.total);
        bar.set_position(progress.done);
    };
    let fetched = fetch.fetch(store, model, &prefix, &report).await;
    bar.finish_and_clear();
    let fetched = fetched.map_err(not_fetched)?;
    tracing::info!(bytes = fetched.bytes, folder = %fetched.folder.display(), "model fetched");
    Ok(fetched)
}

/// Shows itself to people at terminals only.
fn bar(console: &Console) -> ProgressBar {
    if matches!(console, Console::Json(_)) {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("fetching the model {bar:30} {bytes} of {total_bytes}, {bytes_per_sec}");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

pub(crate) fn not_fetched(error: ModelError) -> Failure {
    let status = if matches!(error, ModelError::Address { .. }) { 2 } else { 1 };
    Failure::Other { message: error.to_string(), help: error.advice().to_owned(), status }
}
