//! `llmhost convert`

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Convert {
    /// A ClusterConfig of eksctl (YAML), or a Terraform state (JSON, version 4).
    #[arg(value_name = "FILE")]
    pub(crate) path: PathBuf,
    /// Write the pipeline to this file [default: standard output; the report goes to standard error].
    #[arg(long, short, value_name = "OUT")]
    pub(crate) output: Option<PathBuf>,
    /// Write the commands that import what exists to this file. For a Terraform state.
    #[arg(long, value_name = "OUT")]
    pub(crate) imports: Option<PathBuf>,
    /// Overwrite files that exist.
    #[arg(long)]
    pub(crate) force: bool,
    /// Print the pipeline and the report as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}
