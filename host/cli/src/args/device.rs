//! What only concerns models on a GPU, or has another default there.

use clap::{Args, ValueEnum};

/// How a model uses a GPU.
#[derive(Debug, Clone, Args)]
pub(crate) struct OnDevice {
    /// Use CUDA graphs: record a step on a GPU and replay it with one launch. auto: where a trial run at load gives the
    /// same numbers; or off. Not yet proven on a GPU.
    #[arg(long, value_name = "MODE", default_value = "off")]
    cuda_graphs: Graphs,
    /// Find the most likely tokens inside the graph, so that only these are copied to the host: auto (on for a GPU), on or off.
    #[arg(long, value_name = "MODE", default_value = "auto")]
    top_tokens: Switch,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Graphs {
    Auto,
    Off,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Switch {
    Auto,
    On,
    Off,
}

impl OnDevice {
    /// Whether steps may be recorded.
    pub(crate) fn cuda_graphs(&self) -> bool {
        self.cuda_graphs == Graphs::Auto
    }

    /// Whether the graph finds the likeliest tokens; nothing with auto.
    pub(crate) fn top_tokens(&self) -> Option<bool> {
        match self.top_tokens {
            Switch::Auto => None,
            Switch::On => Some(true),
            Switch::Off => Some(false),
        }
    }
}
