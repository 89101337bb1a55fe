//! How to run a model.

use std::path::PathBuf;
use std::time::Duration;

use super::speculate::Speculate;
use crate::runtime::{Device, Search};

/// Settings of an engine. The defaults suit a machine that does nothing else.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where ONNX Runtime lies.
    pub search: Search,
    /// The device to run on.
    pub device: Device,
    /// The GPU's index.
    pub gpu: i32,
    /// The share of the nodes that multiply matrices that has to run on CUDA, from 0 to 1, where
    /// the device is CUDA.
    pub cuda_share: f64,
    /// Threads of one operation; `None` takes one a core.
    pub threads: Option<usize>,
    /// How long those threads wait for work in a loop before they sleep. Waiting saves them being
    /// woken for every operation where cores are idle anyway, and takes time from whoever else
    /// wants the cores: with more work than cores any waiting made steps slower.
    pub spin: Duration,
    /// Requests that generate at the same time, at most.
    pub max_batch: usize,
    /// Tokens of a prompt and its answer; `None` takes the model's own limit, or less where the
    /// memory does not hold it.
    pub context: Option<usize>,
    /// Whether a context longer than the model's own limit becomes that limit, and is no error.
    pub shorten: bool,
    /// Bytes for keys and values of all requests together; `None` takes half of what is free once the weights are loaded
    /// (nine tenths on a GPU).
    pub cache_bytes: Option<usize>,
    /// Whether steps are recorded on CUDA and played again, where that gives the same: one launch for all operators.
    pub cuda_graphs: bool,
    /// Whether the graph finds the likeliest tokens of each row, so that only those come to the host where they are
    /// enough; `None` has it do so on a GPU.
    pub likeliest: Option<bool>,
    /// Whether keys and values lie on a processor as they do on a GPU: for tests, which have no GPU.
    #[doc(hidden)]
    pub tiers: bool,
    /// Whether steps on a processor have the tensors that they have where a GPU records them: for tests.
    #[doc(hidden)]
    pub own_tensors: bool,
    /// Requests that may wait.
    pub queue: usize,
    /// Tokens of a prompt that are read in one run. Running answers wait for one such run, or for more where those take
    /// no longer than a few steps.
    pub chunk: usize,
    /// Whether prompts that begin alike share what was computed.
    pub reuse: bool,
    /// Whether the next tokens of answers are guessed from their text, and several checked in one run.
    pub speculate: Speculate,
    /// The folder of a smaller model with the same vocabulary, which guesses where the text does not; not loaded where
    /// nothing is guessed.
    pub draft: Option<PathBuf>,
    /// Which of a folder's graphs runs: a file's name, or a precision such as `q4` or `fp16`; `None`
    /// takes the one that suits the device.
    pub weights: Option<String>,
    /// Whether the checksums of manifest.json are compared; sizes always are.
    pub verify: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            search: Search::default(),
            device: Device::Auto,
            gpu: 0,
            cuda_share: 0.9,
            threads: None,
            spin: Duration::from_millis(1),
            max_batch: 32,
            context: None,
            shorten: false,
            cache_bytes: None,
            cuda_graphs: false,
            likeliest: None,
            tiers: false,
            own_tensors: false,
            queue: 256,
            chunk: 128,
            reuse: true,
            speculate: Speculate::Auto,
            draft: None,
            weights: None,
            verify: false,
        }
    }
}

impl Options {
    pub(super) fn thread_count(&self) -> usize {
        self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)).max(1)
    }
}
