//! What models run on: ONNX Runtime and GPUs.

use std::path::PathBuf;

use llmhost_inference::Runtime;
use llmhost_inference::runtime::Search;

use super::Finding;
use super::program::{Said, ask};

/// ONNX Runtime, and where it can compute.
pub(super) fn runtime(named: Option<PathBuf>) -> Vec<Finding> {
    const WHAT: &str = "ONNX Runtime";
    let is_named = named.is_some();
    match Runtime::load(&Search::usual(named)) {
        Ok(runtime) => {
            let info = runtime.info();
            vec![
                Finding::ok(WHAT, format!("{} at {}", info.version, info.path.display())),
                Finding::ok("providers", info.providers.join(", ")),
            ]
        }
        // Nobody needs it who runs no model here.
        Err(error) if !is_named => {
            vec![Finding::missing(
                WHAT,
                error.to_string(),
                "llmhost doctor --install; only models on this machine need it.",
            )]
        }
        Err(error) => vec![Finding::broken(WHAT, error.to_string(), "Name another library by --onnxruntime.")],
    }
}

/// GPUs of NVIDIA.
pub(super) fn gpus() -> Vec<Finding> {
    const WHAT: &str = "GPU";
    let asked = ["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"];
    vec![match ask("nvidia-smi", &asked) {
        Said::Line(text) if !text.is_empty() => {
            let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
            Finding::ok(WHAT, lines.join("; "))
        }
        Said::Line(_) | Said::Nowhere => Finding::ok(WHAT, "no NVIDIA GPU; models run on the processor"),
        Said::Failed(how) => {
            Finding::broken(WHAT, format!("nvidia-smi: {how}"), "Check that NVIDIA's driver is loaded: run nvidia-smi.")
        }
    }]
}
