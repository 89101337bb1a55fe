//! `llmhost doctor`

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Install ONNX Runtime from the Python package index, into an environment of llmhost.
    #[arg(long)]
    pub(crate) install: bool,
    /// Ask AWS, too: whether the credentials are accepted. Without it, nothing leaves this machine.
    #[arg(long)]
    pub(crate) online: bool,
    /// The ONNX Runtime library, or its folder.
    #[arg(long, value_name = "PATH")]
    pub(crate) onnxruntime: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
