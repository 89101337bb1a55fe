//! `llmhost outputs`

#![allow(rustdoc::broken_intra_doc_links, reason = "they are shown by the command line, where brackets are brackets")]

use clap::Args;

use super::{File, Where};

/// `--env` without a value prints lines for a shell; with one it is an environment of the file, as everywhere.
const ENV: &str = "Print lines for a shell: NETWORK_VPC_ID='vpc-1'; lists and tables are JSON. With a NAME: the outputs of this \
                   environment of the file, [env.NAME]; --shell prints these for a shell";

#[derive(Debug, Args)]
#[command(mut_arg("environment", |env| env.num_args(0..=1).default_missing_value("").help(ENV)))]
#[command(mut_arg("lease_seconds", |arg| arg.hide(true)), mut_arg("wait_timeout", |arg| arg.hide(true)))]
pub(crate) struct Outputs {
    #[command(flatten)]
    pub(crate) file: File,
    #[command(flatten)]
    pub(crate) place: Where,
    /// One output, to print only its value: of the file's [outputs], or step.output; or a step, for all of its
    /// outputs. Without it: the file's [outputs], or if there are none, the outputs of all steps.
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Print one JSON object: { "output": value }, and of steps { "step": { "output": value } }.
    #[arg(long, conflicts_with_all = ["shell", "tfvars"])]
    pub(crate) json: bool,
    /// Print lines for a shell: NETWORK_VPC_ID='vpc-1'. Lists and tables are JSON.
    #[arg(long, conflicts_with = "tfvars")]
    pub(crate) shell: bool,
    /// Print variables for Terraform: network_vpc_id = "vpc-1".
    #[arg(long)]
    pub(crate) tfvars: bool,
    /// Also print sensitive outputs. An output that is named is always printed.
    #[arg(long)]
    pub(crate) show_sensitive: bool,
}

impl Outputs {
    /// Takes `--env` without a value for what it asks for.
    pub(crate) fn understood(mut self) -> Self {
        if self.file.environment.as_deref() == Some("") {
            self.file.environment = None;
            self.shell = true;
        }
        self
    }
}
