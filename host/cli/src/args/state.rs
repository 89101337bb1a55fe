//! `llmhost state …`

use clap::{Args, Subcommand};

use super::{File, Where};

#[derive(Debug, Subcommand)]
pub(crate) enum State {
    /// List the resources in the state, with their ids.
    List(StateList),
    /// Show everything that the state knows of one resource.
    Show(StateShow),
    /// Forget resources: they stay where they are, and nothing looks after them any more.
    Rm(StateRm),
    /// Call a resource, or a whole step, otherwise: after it was renamed in the file.
    Mv(StateMv),
    /// Say who holds the state, and break their lease: after a run died and left it.
    Unlock(StateUnlock),
}

/// Which state.
#[derive(Debug, Args)]
pub(crate) struct StateAt {
    #[command(flatten)]
    pub(crate) file: File,
    #[command(flatten)]
    pub(crate) place: Where,
}

#[derive(Debug, Args)]
pub(crate) struct StateList {
    #[command(flatten)]
    pub(crate) at: StateAt,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StateShow {
    #[command(flatten)]
    pub(crate) at: StateAt,
    /// The resource: step/kind/name, as `llmhost state list` prints it.
    #[arg(value_name = "ADDRESS")]
    pub(crate) address: String,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StateRm {
    #[command(flatten)]
    pub(crate) at: StateAt,
    /// The resources: step/kind/name, as `llmhost state list` prints them.
    #[arg(value_name = "ADDRESS", required = true)]
    pub(crate) addresses: Vec<String>,
    /// Forget them although others in the state depend on them.
    #[arg(long)]
    pub(crate) force: bool,
    /// Do not ask.
    #[arg(long, short = 'y')]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StateMv {
    #[command(flatten)]
    pub(crate) at: StateAt,
    /// What it is called in the state: step/kind/name of a resource, or the name of a step.
    #[arg(value_name = "FROM")]
    pub(crate) from: String,
    /// What it is called in the file now.
    #[arg(value_name = "TO")]
    pub(crate) to: String,
}

#[derive(Debug, Args)]
pub(crate) struct StateUnlock {
    #[command(flatten)]
    pub(crate) at: StateAt,
    /// Do not ask.
    #[arg(long, short = 'y')]
    pub(crate) yes: bool,
}
