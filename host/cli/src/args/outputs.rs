//! `llmhost outputs`

use clap::Args;

use super::{File, Where};

#[derive(Debug, Args)]
pub(crate) struct Outputs {
    #[command(flatten)]
    pub(crate) file: File,
    #[command(flatten)]
    pub(crate) place: Where,
    /// One output, step.output, whose value alone is printed; or a step, for all of its outputs.
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Print one JSON object: { "step": { "output": value } }.
    #[arg(long, conflicts_with_all = ["env", "tfvars"])]
    pub(crate) json: bool,
    /// Print lines for a shell: NETWORK_VPC_ID='vpc-1'. Lists and tables are JSON.
    #[arg(long, conflicts_with = "tfvars")]
    pub(crate) env: bool,
    /// Print variables for Terraform: network_vpc_id = "vpc-1".
    #[arg(long)]
    pub(crate) tfvars: bool,
    /// Print sensitive outputs, too. One that is asked for by its name is always printed.
    #[arg(long)]
    pub(crate) show_sensitive: bool,
}
