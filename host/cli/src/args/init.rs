//! `llmhost init`

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The file to write.
    #[arg(value_name = "FILE", default_value = "pipeline.toml")]
    pub(crate) path: PathBuf,
    /// Name of the pipeline and its cluster.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The AWS region.
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,
    /// Nodes with a GPU, of this instance type, such as g6.xlarge.
    #[arg(long, value_name = "TYPE", conflicts_with = "cpu")]
    pub(crate) gpu: Option<String>,
    /// Nodes without a GPU.
    #[arg(long)]
    pub(crate) cpu: bool,
    /// The model: a folder, which is uploaded, or s3://bucket/prefix; none for a cluster without a model server.
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// Use this VPC (vpc-…) and its private subnets instead of a new network.
    #[arg(long, value_name = "ID")]
    pub(crate) existing_vpc: Option<String>,
    /// Ask nothing: what no flag says gets its default.
    #[arg(long, short = 'y')]
    pub(crate) yes: bool,
    /// Overwrite the file.
    #[arg(long)]
    pub(crate) force: bool,
}
