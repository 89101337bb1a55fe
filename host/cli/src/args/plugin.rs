//! `llmhost plugin …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::key_value;

#[derive(Debug, Subcommand)]
pub(crate) enum Plugin {
    /// Say what a plugin does, what it wants granted, and what its `with` table takes.
    Inspect {
        /// A built-in plugin's name, or a component file.
        plugin: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Run the plugins of a trace again, with the answers that are in it: the same calls in the same
    /// order, and the same outputs, or the first difference. Needs no network and no credentials.
    Replay(Replay),
}

/// `llmhost plugin replay`
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// A trace, written by llmhost run FILE --trace OUT.
    #[arg(value_name = "TRACE")]
    pub(crate) trace: PathBuf,
    /// Only this step.
    #[arg(long, value_name = "STEP")]
    pub(crate) step: Option<String>,
    /// Run this component, or built-in plugin, in a step's place of the recorded one.
    #[arg(long = "plugin", value_name = "STEP=PLUGIN", value_parser = key_value)]
    pub(crate) plugins: Vec<(String, String)>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
