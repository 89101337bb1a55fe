//! What callers hold.

mod prompts;
mod texts;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc as channel, oneshot};

pub use prompts::PromptToken;
pub use texts::{EmbedInput, Scores};

use super::counters::{Counters, Stats};
use super::error::{LoadError, RequestError};
use super::load::{Started, start};
use super::options::Options;
use super::request::{Prompt, Request, Stream};
use super::sequence::Pending;
use super::tensors::{NamedTensor, TensorInfo};
use super::worker::Job;
use crate::model::{Layout, Model};
use crate::runtime::RuntimeReport;
use crate::sampling::{Grammar, GrammarError, Grammars, Sampler};
use crate::tokens::{Detokenizer, StopStrings, Tokenizer};

/// A loaded model. Cheap to clone; the last clone that is dropped ends it.
#[derive(Debug, Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    model: Model,
    inputs: Vec<TensorInfo>,
    outputs: Vec<TensorInfo>,
    report: RuntimeReport,
    counters: Arc<Counters>,
    grammars: Option<Grammars>,
    eos: Arc<[u32]>,
    queue: usize,
    closing: AtomicBool,
    jobs: mpsc::Sender<Job>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Engine {
    /// Loads a folder. Takes seconds, and the calling thread.
    pub fn load(folder: &Path, options: &Options) -> Result<Self, LoadError> {
        let Started { model, inputs, outputs, report, counters, jobs, thread } = start(folder, options)?;
        let eos: Arc<[u32]> = model.config.eos.clone().into();
        let grammars = model.tokenizer.clone().map(|tokenizer| Grammars::new(tokenizer, eos.to_vec()));
        let (queue, closing, thread) = (options.queue, AtomicBool::new(false), Some(thread));
        let inner = Inner { model, inputs, outputs, report, counters, grammars, eos, queue, closing, jobs, thread };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// What was loaded.
    pub fn model(&self) -> &Model {
        &self.inner.model
    }

    /// What the graph takes.
    pub fn inputs(&self) -> &[TensorInfo] {
        &self.inner.inputs
    }

    /// What the graph gives.
    pub fn outputs(&self) -> &[TensorInfo] {
        &self.inner.outputs
    }

    /// What runs where.
    pub fn report(&self) -> &RuntimeReport {
        &self.inner.report
    }

    /// The counters.
    pub fn stats(&self) -> Stats {
        self.inner.counters.read()
    }

    /// Begins a request. Returns at once; the answer comes by the stream. The prompt is turned into
    /// tokens here, on the caller's thread.
    pub fn generate(&self, request: Request) -> Result<Stream, RequestError> {
        let (made, inner) = (Instant::now(), &*self.inner);
        let tokenizer = self.tokenizer_for("generate text", matches!(inner.model.layout, Layout::Decoder(_)))?;
        request.sampling.check()?;
        self.check_bias(&request.sampling.logit_bias)?;
        let prompt = self.prompt_tokens(&request.prompt, tokenizer)?;
        let budget = self.budget(prompt.len(), request.max_tokens)?;
        let mask = match (&request.grammar, &inner.grammars) {
            (Some(grammar), Some(grammars)) => Some(grammars.mask(grammar)?),
            _ => None,
        };
        let model_ends: &[u32] = if request.ignore_eos { &[] } else { &inner.eos };
        let ends = match request.stop_tokens.is_empty() && !request.ignore_eos {
            true => Arc::clone(&inner.eos),
            false => model_ends.iter().chain(&request.stop_tokens).copied().collect(),
        };
        let sampler = Sampler::new(request.sampling, &prompt, mask);
        let (listener, receiver) = channel::unbounded_channel();
        let stream = Stream::new(receiver, prompt.len());
        let text = Detokenizer::keeping(Arc::clone(tokenizer), request.keep.into());
        let stops = StopStrings::new(request.stop);
        let (end_logprobs, prompt_logprobs) = (request.end_logprobs, None);
        let pending =
            Pending { prompt, budget, ends, sampler, text, stops, listener, made, end_logprobs, prompt_logprobs };
        inner.enqueue(pending)?;
        Ok(stream)
    }

    /// Whether a grammar can be followed: the reason where it cannot.
    pub fn check_grammar(&self, grammar: &Grammar) -> Result<(), GrammarError> {
        let grammars = self.inner.grammars.as_ref().ok_or(GrammarError::Tokenizer)?;
        grammars.mask(grammar).map(|_| ())
    }

    /// Runs the graph on named tensors; works for models of any kind.
    pub async fn run(&self, inputs: Vec<NamedTensor>) -> Result<Vec<NamedTensor>, RequestError> {
        let (answer, result) = oneshot::channel();
        self.inner.enter_job()?;
        self.inner.send(Job::Run { inputs, answer })?;
        result.await.unwrap_or(Err(RequestError::ShuttingDown))
    }

    /// Whether callers who are not trusted may run the graph. GroupQueryAttention writes where the lengths among its
    /// inputs say.
    pub fn is_open(&self) -> bool {
        !matches!(&self.inner.model.layout, Layout::Decoder(layout) if layout.shared)
    }

    /// Takes no more requests and waits for those there are. True where all ended in time; those
    /// that did not are broken off.
    pub async fn drain(&self, deadline: Duration) -> bool {
        let inner = &*self.inner;
        inner.closing.store(true, Relaxed);
        let idle = async {
            loop {
                let bell = inner.counters.idle.notified();
                if inner.counters.idle() {
                    return;
                }
                bell.await;
            }
        };
        let in_time = tokio::time::timeout(deadline, idle).await.is_ok();
        if !in_time {
            // The thread may have ended; then there is nothing to break off.
            let _ = inner.jobs.send(Job::Abort);
        }
        in_time
    }

    fn tokenizer_for(&self, wanted: &'static str, fits: bool) -> Result<&Arc<Tokenizer>, RequestError> {
        let model = &self.inner.model;
        let tokenizer = model.tokenizer.as_ref().filter(|_| fits);
        tokenizer.ok_or(RequestError::NotSupported { wanted, kind: model.kind() })
    }

    fn prompt_tokens(&self, prompt: &Prompt, tokenizer: &Tokenizer) -> Result<Vec<u32>, RequestError> {
        let context = self.inner.counters.context;
        let text = match prompt {
            Prompt::Tokens(tokens) => return self.check_tokens(tokens.clone()),
            Prompt::Text(text) | Prompt::Rendered(text) => text,
        };
        // No token is longer, so this many there are at least; megabytes need not be split first.
        let least = text.len() / tokenizer.longest();
        if least > context {
            return Err(RequestError::TooLong { prompt: least, answer: 1, context });
        }
        self.check_tokens(match prompt {
            Prompt::Rendered(text) => tokenizer.encode_rendered(text, false)?,
            _ => tokenizer.encode(text, true)?,
        })
    }

    fn check_tokens(&self, tokens: Vec<u32>) -> Result<Vec<u32>, RequestError> {
        let Layout::Decoder(layout) = &self.inner.model.layout else { return Ok(tokens) };
        if let Some(token) = tokens.iter().find(|token| **token as usize >= layout.vocabulary) {
            let size = layout.vocabulary;
            return Err(RequestError::Invalid(format!("the token {token} is not one of the model's {size}")));
        }
        match (tokens.is_empty(), self.inner.model.config.bos) {
            (false, _) => Ok(tokens),
            (true, Some(bos)) => Ok(vec![bos]),
            (true, None) => Err(RequestError::Invalid("the prompt is empty".to_owned())),
        }
    }

    /// A bias of what is no token would be ignored without a word.
    fn check_bias(&self, bias: &[(u32, f32)]) -> Result<(), RequestError> {
        let Layout::Decoder(layout) = &self.inner.model.layout else { return Ok(()) };
        match bias.iter().find(|(token, _)| *token as usize >= layout.vocabulary) {
            None => Ok(()),
            Some((token, _)) => Err(RequestError::Bias { token: *token, vocabulary: layout.vocabulary }),
        }
    }

    /// Tokens that the answer may have.
    fn budget(&self, prompt: usize, asked: Option<usize>) -> Result<usize, RequestError> {
        let context = self.inner.counters.context;
        if asked == Some(0) {
            return Err(RequestError::Invalid("max_tokens is 0, and must be at least 1".to_owned()));
        }
        let room = context.saturating_sub(prompt);
        match asked.unwrap_or(room.max(1)) {
            answer if answer > room => Err(RequestError::TooLong { prompt, answer, context }),
            answer => Ok(answer),
        }
    }
}

impl Inner {
    fn enqueue(&self, request: Pending) -> Result<(), RequestError> {
        self.open()?;
        self.counters.enter_queue(self.queue).map_err(|waiting| RequestError::Busy { waiting })?;
        self.send(Job::Generate(Box::new(request)))
    }

    fn open(&self) -> Result<(), RequestError> {
        if self.closing.load(Relaxed) { Err(RequestError::ShuttingDown) } else { Ok(()) }
    }

    fn enter_job(&self) -> Result<(), RequestError> {
        self.open()?;
        let waiting = self.counters.jobs.fetch_add(1, Relaxed);
        if waiting >= self.queue {
            self.counters.jobs.fetch_sub(1, Relaxed);
            self.counters.refused.fetch_add(1, Relaxed);
            return Err(RequestError::Busy { waiting });
        }
        self.counters.requests.fetch_add(1, Relaxed);
        Ok(())
    }

    fn send(&self, job: Job) -> Result<(), RequestError> {
        self.jobs.send(job).map_err(|_| RequestError::ShuttingDown)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The thread may have ended already.
        let _ = self.jobs.send(Job::Stop);
        if let Some(thread) = self.thread.take() {
            // A panic outside of a step was reported by the thread itself.
            let _ = thread.join();
        }
    }
}
