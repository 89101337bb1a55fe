//! What can be wrong with the library or the device, each with what to do about it.

use std::path::PathBuf;

/// Why ONNX Runtime cannot be used as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// No library anywhere.
    #[error("no ONNX Runtime library ({name}) was found; looked in: {}. Install it (`pip install onnxruntime`) \
             and name the file in the configuration or in ORT_DYLIB_PATH", .tried.join("; "))]
    NotFound {
        /// The file name that was looked for.
        name: &'static str,
        /// Places, and what was wrong with a file that was there.
        tried: Vec<String>,
    },
    /// A library was named, and it cannot be used.
    #[error("{} (named by {by}) cannot be used: {reason}", .path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// `the configuration`, `ORT_DYLIB_PATH`.
        by: &'static str,
        /// What is wrong with it, and what would be right.
        reason: String,
    },
    /// The library refused to start.
    #[error("ONNX Runtime at {} did not start: {reason}", .path.display())]
    Start {
        /// The file.
        path: PathBuf,
        /// Its own words.
        reason: String,
    },
    /// The GPU was asked for, and a library for it is not there.
    #[error("CUDA needs {missing}, which is missing: {hint}")]
    CudaMissing {
        /// The library's file name.
        missing: String,
        /// Where it was looked for, and how to get it.
        hint: String,
    },
    /// The GPU was asked for, and ONNX Runtime could not use it.
    #[error("the CUDA execution provider did not start: {reason}")]
    CudaFailed {
        /// ONNX Runtime's own words.
        reason: String,
    },
    /// The provider took less of the model than it has to.
    #[error(
        "CUDA runs {} % of the model's work, and {} % are needed; these operators ran on the CPU: {operators}. Export the model in 16-bit \
         floats for CUDA, or run it with the device auto",
        (.share * 100.0).floor(), (.needed * 100.0).ceil()
    )]
    CudaTookLittle {
        /// Of the nodes that multiply matrices, from 0 to 1.
        share: f64,
        /// What would do.
        needed: f64,
        /// What ran elsewhere: operators and how many nodes.
        operators: String,
    },
    /// The provider registered, but no node of the model runs on it.
    #[error("CUDA took none of the model's {nodes} nodes; they ran on {providers}")]
    CudaTookNothing {
        /// Nodes that ran in the warm-up.
        nodes: usize,
        /// The providers that ran them.
        providers: String,
    },
}
