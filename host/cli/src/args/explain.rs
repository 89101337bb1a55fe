//! `llmhost explain`

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// A plugin (nodegroup), an option of one (nodegroup.taints), a kind (ec2.subnet), or a type of AWS or a part of its
    /// name (AWS::DynamoDB::Table), or the code of an error (no-route-out) [default: list all].
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Instead: write a page of Markdown for each built-in plugin and each kind into this folder.
    #[arg(long, value_name = "DIR", conflicts_with = "name")]
    pub(crate) markdown: Option<PathBuf>,
}
