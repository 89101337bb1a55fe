//! `llmhost pipeline`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `llmhost pipeline`
#[derive(Debug, Subcommand)]
pub(crate) enum PipelineCommand {
    /// Publish a pipeline file, with the files that it uses, in an OCI registry, for use as a step of other pipelines.
    Push(PipelinePush),
}

/// `llmhost pipeline push`
#[derive(Debug, Args)]
pub(crate) struct PipelinePush {
    /// The pipeline file. The files that it uses must be in its folder.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The address to publish to: oci://host/name:tag.
    #[arg(value_name = "ADDRESS")]
    pub(crate) address: String,
    /// Sign it with this ed25519 key of OpenSSH: a private key, or a public one whose private key an agent
    /// or a hardware key holds.
    #[arg(long, value_name = "KEY")]
    pub(crate) sign: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
