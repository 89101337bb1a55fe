//! Which device a model is to run on, and the checks that come before CUDA is tried.
//!
//! ONNX Runtime loads its CUDA half lazily, and its error names a missing file only in the log.
//! The checks here are cheap and come first, so a wrong machine is told within milliseconds.

use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::check::loader_words;
use super::error::RuntimeError;
use super::library::LibraryInfo;

/// The device that was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    /// CUDA where it works, else the processor; the report says which and why.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// CUDA or an error.
    Cuda,
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda),
            other => Err(format!("'{other}' is not a device: auto, cpu or cuda")),
        }
    }
}

/// ONNX Runtime's names for the devices.
pub(super) const CPU: &str = "CPUExecutionProvider";
pub(super) const CUDA: &str = "CUDAExecutionProvider";
const PROVIDER_LIBRARY: &str = "libonnxruntime_providers_cuda.so";
pub(super) const DRIVER: &str = "libcuda.so.1";

/// Whether all that CUDA needs is there, as far as it can be told without starting it.
pub(super) fn cuda_is_possible(library: &LibraryInfo) -> Result<(), RuntimeError> {
    let folder = library.path.parent().unwrap_or(Path::new("."));
    if !library.providers.iter().any(|name| name == CUDA) {
        let hint = format!(
            "ONNX Runtime {} at {} was built without CUDA (it has {}); install onnxruntime-gpu and name its library",
            library.version,
            library.path.display(),
            library.providers.join(", ")
        );
        return Err(RuntimeError::CudaMissing { missing: PROVIDER_LIBRARY.to_owned(), hint });
    }
    if library.path.is_absolute() && !folder.join(PROVIDER_LIBRARY).is_file() {
        let hint = format!("it belongs beside ONNX Runtime, in {}", folder.display());
        return Err(RuntimeError::CudaMissing { missing: PROVIDER_LIBRARY.to_owned(), hint });
    }
    // SAFETY: the NVIDIA driver's library, by the name under which every CUDA program loads it.
    if let Err(error) = unsafe { libloading::Library::new(DRIVER) } {
        let hint = format!(
            "the NVIDIA driver of this machine is not installed or not visible here ({})",
            loader_words(&error)
        );
        return Err(RuntimeError::CudaMissing { missing: DRIVER.to_owned(), hint });
    }
    preload(folder);
    Ok(())
}

/// Loads the NVIDIA libraries that Python packages put beside onnxruntime (`nvidia/*/lib`), which
/// the system's loader does not know. What is not there may still be found by the loader.
fn preload(folder: &Path) {
    let Some(packages) = folder.parent().and_then(Path::parent).map(|packages| packages.join("nvidia")) else { return };
    let folders: Vec<_> = std::fs::read_dir(packages)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("lib")))
        .filter(|path| path.is_dir())
        .collect();
    for name in ort::ep::cuda::CUDA_DYLIBS.iter().chain(ort::ep::cuda::CUDNN_DYLIBS) {
        let Some(path) = folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file()) else { continue };
        // SAFETY: a library that ONNX Runtime's CUDA half loads itself a moment later.
        match unsafe { libloading::Library::new(&path) } {
            Ok(library) => std::mem::forget(library),
            Err(error) => {
                tracing::warn!(path = %path.display(), error = loader_words(&error), "an NVIDIA library does not load")
            }
        }
    }
}
