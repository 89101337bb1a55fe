//! What was loaded and what runs where: for `doctor`, readiness, metrics and step outputs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::device::Device;
use super::library::LibraryInfo;

/// The execution provider that a model runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// The processor.
    Cpu,
    /// An NVIDIA GPU.
    Cuda,
}

impl Provider {
    /// `cpu` or `cuda`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        }
    }
}

/// The facts about a loaded model's runtime.
#[derive(Debug, Clone, Serialize)]
pub struct RuntimeReport {
    /// The library.
    pub library: LibraryInfo,
    /// What was asked for.
    pub device: Device,
    /// What runs.
    pub provider: Provider,
    /// Why it is not CUDA, where `auto` was asked for and CUDA did not work.
    pub fallback: Option<String>,
    /// Graph nodes that each provider ran in the warm-up, by ONNX Runtime's name of the provider. On a processor
    /// alone, those of the file, before they are fused.
    pub nodes: BTreeMap<String, usize>,
    /// CUDA's share of the nodes that multiply matrices, from 0 to 1; only where it runs on one.
    pub cuda_share: Option<f64>,
    /// Nodes by operator that ran on the processor all the same; only where it runs on CUDA.
    pub on_processor: BTreeMap<String, usize>,
    /// Threads of one operator.
    pub threads: usize,
    /// The GPU's memory; only where it runs on one.
    pub gpu: Option<GpuUse>,
}

/// What a model took of a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct GpuUse {
    /// The GPU's index.
    pub index: i32,
    /// Bytes there are.
    pub total: usize,
    /// Bytes that were free before the model was opened.
    pub free_before: usize,
    /// Bytes that are free after the warm-up: weights and cache are there.
    pub free_after: usize,
}
