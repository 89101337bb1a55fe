//! `llmhost state …`

use std::str::FromStr;

use clap::{Args, Subcommand};

use super::{File, Where};
use crate::keep::StatePlace;

#[derive(Debug, Subcommand)]
pub(crate) enum State {
    /// List the resources in the state, with their ids.
    List(StateList),
    /// Show the state of one resource.
    Show(StateShow),
    /// Remove resources from the state; the resources themselves are kept and no longer managed.
    Rm(StateRm),
    /// Rename a resource, a step or the pipeline in the state, after you renamed it in the file; or move the
    /// state to another place.
    Mv(StateMv),
    /// Accept a new endpoint for the state, after a check that all of its resources exist there.
    Pin(StatePin),
    /// Show who holds the lock of the state, and release it after a run crashed.
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
// It waits for nobody, and takes no lease.
#[command(mut_arg("lease_seconds", |arg| arg.hide(true)), mut_arg("wait_timeout", |arg| arg.hide(true)))]
pub(crate) struct StateList {
    #[command(flatten)]
    pub(crate) at: StateAt,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(mut_arg("lease_seconds", |arg| arg.hide(true)), mut_arg("wait_timeout", |arg| arg.hide(true)))]
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
    /// Remove them although other resources in the state depend on them.
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
    /// The name in the state: step/kind/name of a resource, or the name of a step.
    #[arg(value_name = "FROM", required_unless_present_any = ["pipeline", "new_place"], requires = "to")]
    pub(crate) from: Option<String>,
    /// The new name in the file.
    #[arg(value_name = "TO")]
    pub(crate) to: Option<String>,
    /// The old name of a pipeline that was renamed in the file; its state is renamed too.
    #[arg(long, value_name = "OLD NAME", conflicts_with = "from")]
    pub(crate) pipeline: Option<String>,
    /// Move the whole state to this place: a folder, or s3://bucket/prefix.
    #[arg(long = "to", value_name = "PLACE", value_parser = StatePlace::from_str, conflicts_with = "from")]
    pub(crate) new_place: Option<StatePlace>,
}

/// `llmhost state pin`
#[derive(Debug, Args)]
pub(crate) struct StatePin {
    #[command(flatten)]
    pub(crate) at: StateAt,
}

#[derive(Debug, Args)]
pub(crate) struct StateUnlock {
    #[command(flatten)]
    pub(crate) at: StateAt,
    /// Do not ask.
    #[arg(long, short = 'y')]
    pub(crate) yes: bool,
}
