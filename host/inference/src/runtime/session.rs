//! Opening a model in the library, on the device that was asked for, with the proof to come.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ort::ep;
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};

use super::device::{self, Device};
use super::error::RuntimeError;
use super::hold::Files;
use super::library::Runtime;
use super::profile::{self, Profile};
use super::report::{GpuUse, Provider, RuntimeReport};
use super::{GpuMemory, gpu_memory, log};

/// How to open a model.
#[derive(Debug, Clone)]
pub(crate) struct SessionSettings {
    pub(crate) device: Device,
    /// Threads of one operator.
    pub(crate) threads: usize,
    /// How long threads wait for work in a loop before they sleep.
    pub(crate) spin: Duration,
    /// The GPU's index.
    pub(crate) gpu: i32,
    /// CUDA's share of the work, at least, where CUDA is required.
    pub(crate) cuda_share: f64,
    /// Whether threads stop waiting in a loop when a run ends: another model's run follows.
    pub(crate) stops_spinning: bool,
    /// Whether runs on CUDA may be recorded, to be played again: those that say so.
    pub(crate) records: bool,
    /// Whether the graph finds the likeliest tokens; nothing has it do so on CUDA.
    pub(crate) likeliest: Option<bool>,
}

#[cfg(test)]
impl SessionSettings {
    /// One thread of the CPU, and a graph as it is.
    pub(crate) fn for_a_test() -> Self {
        Self {
            device: Device::Cpu,
            threads: 1,
            spin: Duration::ZERO,
            gpu: 0,
            cuda_share: 0.9,
            stops_spinning: false,
            records: false,
            likeliest: None,
        }
    }
}

/// An open session. With CUDA its first run is recorded.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) session: Session,
    pub(crate) provider: Provider,
    /// Whether runs may be recorded.
    pub(crate) records: bool,
    pub(crate) proof: Proof,
}

/// What is still to be shown of a session: where its nodes run.
#[derive(Debug)]
pub(crate) struct Proof {
    provider: Provider,
    runtime: Arc<Runtime>,
    settings: SessionSettings,
    fallback: Option<String>,
    /// Nodes of the graph, all of which the processor runs where nothing else may.
    nodes: usize,
    /// Of the GPU, before the model was opened.
    memory: Option<GpuMemory>,
    profiles: tempfile::TempDir,
}

/// Why a session did not open: the device or the model.
#[derive(Debug)]
pub(crate) enum OpenError {
    Runtime(RuntimeError),
    /// ONNX Runtime's words about the model.
    Model(String),
    /// This file was written meanwhile.
    Changed(PathBuf),
}

/// Whether a model may run on CUDA, as far as can be told before it is opened.
pub(crate) fn may_use_cuda(runtime: &Runtime, settings: &SessionSettings) -> bool {
    settings.device != Device::Cpu && device::cuda_is_possible(runtime.info()).is_ok()
}

/// Models are opened one after another: what one maps, no other takes into memory meanwhile.
static OPENING: Mutex<()> = Mutex::new(());

/// Where a graph that comes from memory has its weights' files.
const WEIGHTS_FOLDER: &str = "session.model_external_initializers_file_folder_path";

/// Opens a model file with so many nodes, or in its place the bytes of one that was changed. What stays mapped of `files` is taken into memory; where one of them changed
/// since it was looked at, the model is refused.
pub(crate) fn open(
    runtime: &Arc<Runtime>,
    (model, changed): (&Path, Option<&[u8]>),
    files: &Files,
    nodes: usize,
    settings: &SessionSettings,
) -> Result<Opened, OpenError> {
    let profiles = tempfile::tempdir().map_err(|error| OpenError::Model(format!("no temporary folder: {error}")))?;
    let words = |error: ort::Error| OpenError::Model(error.message().to_owned());
    let builder = builder(runtime, settings).map_err(words)?;
    let on_cuda = |builder| with_cuda(runtime, builder, settings, profiles.path());
    let (mut builder, provider, fallback) = match settings.device {
        Device::Cpu => (builder, Provider::Cpu, None),
        Device::Cuda => (on_cuda(builder).map_err(OpenError::Runtime)?, Provider::Cuda, None),
        Device::Auto => match on_cuda(builder.clone()) {
            Ok(builder) => (builder, Provider::Cuda, None),
            Err(error) => (builder, Provider::Cpu, Some(error.to_string())),
        },
    };
    let memory = if provider == Provider::Cuda { gpu_memory(settings.gpu) } else { None };
    let session = {
        let _one = OPENING.lock().unwrap_or_else(|broken| broken.into_inner());
        let session = match changed {
            None => builder.commit_from_file(model).map_err(words)?,
            Some(bytes) => {
                let folder = model.parent().and_then(Path::to_str);
                let folder =
                    folder.ok_or_else(|| OpenError::Model("its folder's name is not UTF-8".to_owned()))?.to_owned();
                let mut builder = builder
                    .with_config_entry(WEIGHTS_FOLDER, folder)
                    .map_err(|error| OpenError::Model(error.message().to_owned()))?;
                builder.commit_from_memory(bytes).map_err(words)?
            }
        };
        let held =
            files.hold().map_err(|error| OpenError::Model(format!("its weights do not fit into memory ({error})")))?;
        tracing::debug!(bytes = held, "weights that were mapped are in memory");
        session
    };
    if let Some(path) = files.changed() {
        return Err(OpenError::Changed(path.to_owned()));
    }
    let proof =
        Proof { provider, runtime: Arc::clone(runtime), settings: settings.clone(), fallback, nodes, memory, profiles };
    let records = provider == Provider::Cuda && settings.records;
    Ok(Opened { session, provider, records, proof })
}

/// Libraries that do not know it spin for as long as they always did.
const SPIN: &str = "session.intra_op.spin_duration_us";

fn builder(runtime: &Runtime, settings: &SessionSettings) -> Result<SessionBuilder, ort::Error> {
    let builder = Session::builder(runtime.environment())?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(settings.threads)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(!settings.spin.is_zero())?
        .with_config_entry(SPIN, settings.spin.as_micros().to_string())?
        .with_config_entry("session.force_spinning_stop", if settings.stops_spinning { "1" } else { "0" })?
        // Shapes change with every step, so a plan of the last step's memory never fits.
        .with_memory_pattern(false)?;
    Ok(builder)
}

fn with_cuda(
    runtime: &Runtime,
    builder: SessionBuilder,
    settings: &SessionSettings,
    profiles: &Path,
) -> Result<SessionBuilder, RuntimeError> {
    device::cuda_is_possible(runtime.info())?;
    log::take_last_error();
    let cuda =
        ep::CUDA::default().with_device_id(settings.gpu).with_cuda_graph(settings.records).build().error_on_failure();
    // Only here: ONNX Runtime 1.32 goes on to record blocks of its threads' work after the profile ended, some bytes
    // at each run. On a processor nothing is left to prove.
    let builder = builder.with_profiling(profiles.join("warm-up"));
    let builder = builder.map_err(|error| RuntimeError::CudaFailed { reason: error.message().to_owned() })?;
    builder.with_execution_providers([cuda]).map_err(|error| {
        let reason = match log::take_last_error() {
            Some(line) => format!("{}; {line}", error.message()),
            None => error.message().to_owned(),
        };
        RuntimeError::CudaFailed { reason }
    })
}

impl Proof {
    /// Ends the recording after the warm-up and says what ran where. Where CUDA was required and
    /// took nothing, that is an error.
    pub(crate) fn give(mut self, session: &mut Session) -> Result<RuntimeReport, RuntimeError> {
        let (profile, nodes) = match self.provider {
            Provider::Cpu => (Profile::default(), BTreeMap::from([(device::CPU.to_owned(), self.nodes)])),
            Provider::Cuda => {
                let ended = session.end_profiling();
                let profile = ended.map(|path| Profile::read(Path::new(&path))).unwrap_or_default();
                let nodes = profile.nodes();
                (profile, nodes)
            }
        };
        let on_cuda = nodes.get(device::CUDA).copied().unwrap_or(0);
        let mut fallback = self.fallback.take();
        if self.provider == Provider::Cuda && on_cuda == 0 {
            let error = RuntimeError::CudaTookNothing {
                nodes: nodes.values().sum(),
                providers: nodes.keys().cloned().collect::<Vec<_>>().join(", "),
            };
            if self.settings.device == Device::Cuda {
                return Err(error);
            }
            fallback = Some(error.to_string());
        }
        let (share, elsewhere) = (profile.share(device::CUDA), profile.elsewhere(device::CUDA));
        if on_cuda > 0 && share < self.settings.cuda_share {
            let (needed, operators) = (self.settings.cuda_share, profile::words(&elsewhere));
            let error = RuntimeError::CudaTookLittle { share, needed, operators };
            if self.settings.device == Device::Cuda {
                return Err(error);
            }
            tracing::warn!(%error, "part of the model runs on the processor");
        }
        if let Some(reason) = &fallback {
            tracing::warn!(reason, "the model runs on the processor, not on CUDA");
        }
        tracing::debug!(folder = %self.profiles.path().display(), ?nodes, "warm-up recorded");
        let gpu = self.memory.zip(gpu_memory(self.settings.gpu)).map(|(before, after)| GpuUse {
            index: self.settings.gpu,
            total: after.total,
            free_before: before.free,
            free_after: after.free,
        });
        Ok(RuntimeReport {
            library: self.runtime.info().clone(),
            device: self.settings.device,
            provider: if on_cuda > 0 { Provider::Cuda } else { Provider::Cpu },
            fallback,
            nodes,
            cuda_share: (on_cuda > 0).then_some(share),
            on_processor: if on_cuda > 0 { elsewhere } else { BTreeMap::new() },
            threads: self.settings.threads,
            gpu: gpu.filter(|_| on_cuda > 0),
        })
    }
}
