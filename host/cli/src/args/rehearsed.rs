//! What a rehearsal does with the model servers of a pipeline.

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Rehearsed {
    /// Do not run the pipeline's model servers on this machine.
    #[arg(long)]
    pub(crate) no_serve: bool,
    /// What each model server is asked, once it is ready.
    #[arg(long, value_name = "TEXT", default_value = "What is the capital of France?", conflicts_with = "no_serve")]
    pub(crate) ask: String,
}
