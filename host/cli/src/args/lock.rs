//! `llmhost lock`

use clap::Args;

use super::File;

#[derive(Debug, Args)]
pub(crate) struct Lock {
    #[command(flatten)]
    pub(crate) file: File,
    /// Write the plugins down as they are; those that are not used any more are dropped.
    #[arg(long)]
    pub(crate) accept: bool,
    /// Exit with 3 where something differs.
    #[arg(long, conflicts_with = "accept")]
    pub(crate) exit_code: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
