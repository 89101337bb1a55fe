//! `llmhost image`

use std::path::PathBuf;

use clap::Args;

/// What ONNX Runtime in an image computes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Computes {
    /// Processors
    Cpu,
    /// GPUs of NVIDIA
    Cuda,
}

#[derive(Debug, Args)]
pub(crate) struct Image {
    /// Where the image goes: REPOSITORY:TAG, such as 123456789012.dkr.ecr.us-east-1.amazonaws.com/llmhost:0.1.0.
    #[arg(long, value_name = "REPOSITORY:TAG")]
    pub(crate) push: String,
    /// What the server computes on.
    #[arg(long, value_enum, value_name = "DEVICE")]
    pub(crate) device: Computes,
    /// The image below it [default: debian:bookworm-slim, and for cuda nvidia/cuda with cuDNN].
    #[arg(long, value_name = "IMAGE")]
    pub(crate) base: Option<String>,
    /// The llmhost program that goes into it [default: this one].
    #[arg(long, value_name = "FILE")]
    pub(crate) program: Option<PathBuf>,
    /// ONNX Runtime that goes into it: the library, or the folder with it [default: the one that llmhost serve uses here].
    #[arg(long, value_name = "PATH")]
    pub(crate) onnxruntime: Option<PathBuf>,
    /// Take credentials for ECR from this profile of the AWS configuration.
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
