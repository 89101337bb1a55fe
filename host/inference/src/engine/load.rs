//! From a folder to a running engine: open, size the cache, warm up, prove the device.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Instant;

use ort::session::Session;

use super::budget::Budget;
use super::counters::Counters;
use super::decoder::{CacheSize, Decoder, PlainDecoder, Row, SharedDecoder};
use super::draft;
use super::embed::{EmbedJob, Embedder, TextTokens};
use super::error::LoadError;
use super::generation::{Generation, Settings};
use super::options::Options;
use super::speculate::Speculate;
use super::tensors::TensorInfo;
use super::worker::{Job, Work, Worker};
use super::{memory, positions, tensors};
use crate::model::{DecoderLayout, EncoderLayout, FolderError, Layout, Lengths, Model, ModelError};
use crate::runtime::{Proof, Provider, Runtime, RuntimeReport, SessionSettings, may_use_cuda};

/// What the handle needs of a started engine.
pub(super) struct Started {
    pub(super) model: Model,
    pub(super) inputs: Vec<TensorInfo>,
    pub(super) outputs: Vec<TensorInfo>,
    pub(super) report: RuntimeReport,
    pub(super) counters: Arc<Counters>,
    pub(super) jobs: mpsc::Sender<Job>,
    pub(super) thread: std::thread::JoinHandle<()>,
}

/// Loads a folder and starts its thread.
pub(super) fn start(folder: &Path, options: &Options) -> Result<Started, LoadError> {
    let begun = Instant::now();
    let runtime = Runtime::load(&options.search)?;
    let draft_folder = options.draft.as_deref().filter(|_| options.speculate != Speculate::Off);
    draft_folder.map(draft::check).transpose()?;
    let settings = SessionSettings {
        device: options.device,
        threads: options.thread_count(),
        spin: options.spin,
        gpu: options.gpu,
        cuda_share: options.cuda_share,
        stops_spinning: draft_folder.is_some(),
        records: false,
        likeliest: options.likeliest,
    };
    let recording = SessionSettings { records: options.cuda_graphs && may_use_cuda(&runtime, &settings), ..settings };
    let open = |settings| Model::open(folder, options.weights.as_deref(), &runtime, settings, options.verify);
    let opened = match open(&recording) {
        // Where part of the model runs elsewhere, nothing can be recorded.
        Err(FolderError::Model(error @ ModelError::Refused { .. })) if recording.records => {
            tracing::warn!(%error, "the model does not open with CUDA graphs, and is opened without");
            open(&settings)
        }
        opened => opened,
    };
    let (model, opened) = opened.map_err(|error| match error {
        FolderError::Runtime(error) => LoadError::Runtime(error),
        FolderError::Model(error) => LoadError::Model(error),
    })?;
    // Before memory is shared out: its weights need some of it. All of its logits are read.
    let guessing = SessionSettings { likeliest: Some(false), ..settings };
    let draft =
        draft_folder.map(|folder| draft::open(folder, &model, &runtime, &guessing, options.verify)).transpose()?;
    let options = &Options { own_tensors: options.own_tensors || opened.records, ..options.clone() };
    let (session, provider, proof) = (opened.session, opened.provider, opened.proof);
    let (inputs, outputs) = positions::outside(&session, &model.layout);
    let (work, counters, report) = match model.layout.clone() {
        Layout::Decoder(layout) => decoder(&model, layout, (session, provider, proof), draft, options)?,
        Layout::Encoder(layout) | Layout::Reranker(layout, _) => encoder(&model, layout, session, proof, options)?,
        Layout::Tensors => any(session, proof)?,
    };
    let (jobs, receiver) = mpsc::channel();
    let worker = Worker { work, jobs: receiver, counters: Arc::clone(&counters) };
    let thread = std::thread::Builder::new()
        .name("inference".to_owned())
        .spawn(move || worker.run())
        .map_err(|error| LoadError::Thread(error.to_string()))?;
    tracing::info!(
        folder = %folder.display(), kind = model.kind(), provider = report.provider.as_str(),
        seconds = begun.elapsed().as_secs_f64(), "model loaded"
    );
    Ok(Started { model, inputs, outputs, report, counters, jobs, thread })
}

type Ready = (Work, Arc<Counters>, RuntimeReport);

fn decoder(
    model: &Model,
    layout: DecoderLayout,
    (session, provider, proof): (Session, Provider, Proof),
    draft: Option<draft::Opened>,
    options: &Options,
) -> Result<Ready, LoadError> {
    let (size, budget) = cache_size(model, &layout, provider, draft.as_ref(), options)?;
    let lengths = layout.lengths.clone();
    match &lengths {
        Lengths::Any => {}
        Lengths::Threshold(tokens) => tracing::info!(
            tokens,
            "the model computes longer texts otherwise; prompts are read whole, and answers run with those of their side"
        ),
        Lengths::Unknown(reason) => tracing::warn!(
            reason,
            "what the model computes depends on what runs beside it; prompts are read whole, and each request runs alone"
        ),
    }
    let failed = |error: ort::Error| LoadError::WarmUp(error.message().to_owned());
    let vocabulary = layout.vocabulary;
    let mut decoder: Box<dyn Decoder> = match layout.shared {
        true => Box::new(SharedDecoder::new(session, layout, provider, options.gpu, size).map_err(failed)?),
        false => Box::new(PlainDecoder::new(session, layout, size)),
    };
    let warm = |error: super::RequestError| LoadError::WarmUp(error.to_string());
    let token = model.config.bos.unwrap_or(0);
    decoder.prefill(0, 0, &[token, token], true).map_err(warm)?;
    let mut cached = vec![0; size.slots];
    cached[0] = 2;
    decoder.decode(&[Row { slot: 0, cached: 2, token }], &cached).map_err(warm)?;
    let report = proof.give(decoder.session())?;
    let counters =
        Arc::new(Counters::new(size.slots, size.context, (budget.limit, budget.tokens()), report.provider.as_str()));
    let reuse = options.reuse && !matches!(lengths, Lengths::Unknown(_));
    let settings = Settings { chunk: size.chunk, reuse, speculate: options.speculate, lengths, budget };
    let mut generation = Generation::new(decoder, Arc::clone(&counters), settings);
    generation.compare_widths(token, vocabulary).map_err(warm)?;
    generation.decoder().release(0, 0).map_err(warm)?;
    if let Some(draft) = draft {
        generation.add_draft(draft, size, vocabulary, options)?;
    }
    Ok((Work::Generation(Box::new(generation)), counters, report))
}

fn encoder(
    model: &Model,
    layout: EncoderLayout,
    session: Session,
    proof: Proof,
    options: &Options,
) -> Result<Ready, LoadError> {
    let sentence = model.sentence.as_ref().expect("read for models that take whole texts");
    // The sentence-transformers file, where it says a limit, stands above the tokenizer's.
    let limit =
        sentence.max_tokens.or(model.config.tokenizer_limit).into_iter().chain(model.config.context_length).min();
    let context = options.context.into_iter().chain(limit).min().ok_or(LoadError::NoContext)?;
    let counters = |provider| Arc::new(Counters::new(1, context, (0, 0), provider));
    let pad = model.config.pad.unwrap_or(0);
    let (pooling, normalise) = (sentence.pooling.clone(), sentence.normalise);
    let mut embedder = Embedder { session, layout, pooling, normalise, pad, counters: counters("") };
    let (answer, mut result) = tokio::sync::oneshot::channel();
    embedder.counters.jobs.store(1, std::sync::atomic::Ordering::Relaxed);
    embedder.run(vec![EmbedJob { texts: vec![TextTokens::of(vec![pad, pad])], answer }]);
    match result.try_recv() {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => return Err(LoadError::WarmUp(error.to_string())),
        Err(error) => return Err(LoadError::WarmUp(error.to_string())),
    }
    let report = proof.give(&mut embedder.session)?;
    embedder.counters = counters(report.provider.as_str());
    let counters = Arc::clone(&embedder.counters);
    Ok((Work::Embedding(embedder), counters, report))
}

fn any(mut session: Session, proof: Proof) -> Result<Ready, LoadError> {
    // Zeros may not suit a graph; then the first real run shows what is wrong.
    if let Some(inputs) = tensors::zeros(&session)
        && let Err(error) = tensors::run(&mut session, &inputs, None)
    {
        tracing::debug!(%error, "the model does not take zeros");
    }
    let report = proof.give(&mut session)?;
    let counters = Arc::new(Counters::new(1, 1, (0, 0), report.provider.as_str()));
    Ok((Work::Tensors(session), counters, report))
}

/// Slots, context and memory for keys and values, of what is free now, the weights being loaded.
fn cache_size(
    model: &Model,
    layout: &DecoderLayout,
    provider: Provider,
    draft: Option<&draft::Opened>,
    options: &Options,
) -> Result<(CacheSize, Budget), LoadError> {
    const SMALLEST: usize = 64;
    let limit = model.config.context_length;
    let wanted = options.context.or(limit).ok_or(LoadError::NoContext)?.max(2);
    if let Some(limit) = limit.filter(|limit| wanted > *limit) {
        return Err(LoadError::ContextTooLong { asked: wanted, limit });
    }
    let free = options.cache_bytes.unwrap_or_else(|| match provider {
        Provider::Cpu => memory::free().map_or(1 << 30, |bytes| bytes / 2),
        Provider::Cuda => crate::runtime::gpu_memory(options.gpu).map_or(1 << 30, |memory| memory.free / 10 * 9),
    });
    let by_page = provider == Provider::Cpu && !options.tiers;
    let at_once = draft.filter(|draft| draft.budget(free).is_none());
    // Each token of a request is one of the draft model's cache, too.
    let free = at_once.map_or(free, |draft| Budget::new(layout, by_page, free).share_with(&draft.layout));
    let mut budget = Budget::new(layout, by_page, free);
    if layout.shared && !by_page {
        budget = budget.in_tiers(wanted);
    }
    let fitting = budget.longest();
    let context = match options.context {
        Some(context) if context > fitting => {
            return Err(LoadError::NoMemory { needed: budget.cost(context), free });
        }
        None if fitting < SMALLEST.min(wanted) => {
            return Err(LoadError::NoMemory { needed: budget.cost(SMALLEST.min(wanted)), free });
        }
        _ => wanted.min(fitting),
    };
    let most = options.max_batch.max(1);
    let slots = match (provider, layout.shared) {
        // A slot takes a page of every part at least, or the shortest row.
        (Provider::Cpu, true) => budget.slots(context, (budget.limit / budget.cost(1)).clamp(1, most)),
        (Provider::Cuda, true) => (budget.limit / budget.cost(1)).clamp(1, most),
        (_, false) => most,
    };
    let draft = draft.and_then(|draft| Some(draft.budget(free)?.cost(draft.context(context)))).unwrap_or(0);
    budget.limit = budget.limit.min(slots * (budget.cost(context) + draft));
    let chunk = match layout.lengths {
        Lengths::Any => options.chunk.clamp(1, context),
        _ => context,
    };
    // A recorded step has one length for all that run in it.
    let own_tensors = budget.tiers.is_some() && options.own_tensors && matches!(layout.lengths, Lengths::Any);
    Ok((CacheSize { slots, context, chunk, tiers: budget.tiers, own_tensors }, budget))
}
