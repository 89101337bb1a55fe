//! `llmhost lock`

use clap::Args;

use super::File;

#[derive(Debug, Args)]
pub(crate) struct Lock {
    #[command(flatten)]
    pub(crate) file: File,
    /// Accept the current plugins and remove unused ones.
    #[arg(long)]
    pub(crate) accept: bool,
    /// Exit with 3 if something differs.
    #[arg(long, conflicts_with = "accept")]
    pub(crate) exit_code: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
