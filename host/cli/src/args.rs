//! The command line, documented where it is defined.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Stands up the whole stack that serves a language model, from one pipeline file.
///
/// Each step of the file is a sandboxed WebAssembly plugin that declares resources; llmhost shows
/// what would change, and then makes it so.
#[derive(Debug, Parser)]
#[command(name = "llmhost", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what a pipeline would change, and make it so.
    Run(Run),
    /// Delete everything that a pipeline made.
    Destroy(Destroy),
    /// Draw the plan of a pipeline: its steps, and their resources inside.
    Graph(Graph),
    /// Check a pipeline file, its plugins and its plan, without touching anything.
    Validate(Validate),
    /// List what a pipeline made, from its state.
    Status(Status),
    /// Show what is no longer as the state has it: read everything, change nothing.
    Drift(Drift),
    /// Live a pipeline's whole life against emulators: apply, apply again, drift, destroy.
    Rehearse(Rehearse),
    /// Print the least IAM policy that a pipeline needs.
    Policy(Policy),
    /// Print the JSON Schema of the pipeline file, for editors.
    Schema,
    /// Look at plugins.
    #[command(subcommand)]
    Plugin(Plugin),
}

/// Which pipeline, and with which values.
#[derive(Debug, Args)]
pub(crate) struct File {
    /// The pipeline file.
    #[arg(value_name = "FILE")]
    pub(crate) path: PathBuf,
    /// Set a variable of the pipeline; the value is TOML, or else a string. Can be repeated.
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = key_value)]
    pub(crate) vars: Vec<(String, String)>,
    /// Where the state is kept [default: .llmhost/NAME beside the pipeline file].
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
}

/// Where the resources live.
#[derive(Debug, Args)]
pub(crate) struct Where {
    /// Use an AWS emulator on this machine, started for this run and stopped after it.
    #[arg(long, conflicts_with = "endpoint_url")]
    pub(crate) emulate: bool,
    /// As --emulate, but leave the emulator and its state there for later runs.
    #[arg(long, conflicts_with = "endpoint_url")]
    pub(crate) emulate_keep: bool,
    /// Send every AWS call to this address instead.
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
    /// Take credentials from this profile of the AWS configuration.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["emulate", "emulate_keep"])]
    pub(crate) profile: Option<String>,
    /// How long one attempt at an AWS call may take [default: 30; uploads get ten times that].
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub(crate) call_timeout: Option<u32>,
}

/// How it is done and shown.
#[derive(Debug, Args)]
pub(crate) struct How {
    /// How many steps, and how many operations, run at a time.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) parallelism: u16,
    /// Print one JSON event a line on standard output instead of text.
    #[arg(long)]
    pub(crate) json: bool,
    /// Do not ask before something is deleted or replaced.
    #[arg(long, short = 'y')]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) file: File,
    #[command(flatten)]
    pub(crate) place: Where,
    #[command(flatten)]
    pub(crate) how: How,
    /// Show the plan and change nothing. Needs no credentials and no network.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// With --dry-run: exit with 3 where there are changes.
    #[arg(long, requires = "dry_run")]
    pub(crate) exit_code: bool,
    /// Leave out the checks before the run: quotas, offerings, routes, open ports.
    #[arg(long)]
    pub(crate) skip_preflight: bool,
    /// Draw the plan into this file; its ending chooses the format (.svg .html .dot .mmd .json).
    #[arg(long, value_name = "OUT")]
    pub(crate) graph: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Destroy {
    #[command(flatten)]
    pub(crate) file: File,
    #[command(flatten)]
    pub(crate) place: Where,
    #[command(flatten)]
    pub(crate) how: How,
}

#[derive(Debug, Args)]
pub(crate) struct Graph {
    #[command(flatten)]
    pub(crate) file: File,
    /// The file to draw into; its ending chooses the format (.svg .html .dot .mmd .json). Without
    /// it, the graph is printed as text.
    #[arg(long, short, value_name = "OUT")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Validate {
    #[command(flatten)]
    pub(crate) file: File,
    /// Ask AWS too: quotas, what is offered where, what is there already. Changes nothing.
    #[arg(long)]
    pub(crate) online: bool,
    #[command(flatten)]
    pub(crate) place: Where,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Drift {
    #[command(flatten)]
    pub(crate) file: File,
    #[command(flatten)]
    pub(crate) place: Where,
    /// How many resources are read at a time.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) parallelism: u16,
    /// Exit with 3 where something differs.
    #[arg(long)]
    pub(crate) exit_code: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Rehearse {
    #[command(flatten)]
    pub(crate) file: File,
    /// How many steps, and how many operations, run at a time.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) parallelism: u16,
    /// Print one JSON event a line on standard output instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Policy {
    #[command(flatten)]
    pub(crate) file: File,
    /// What the policy is for.
    #[arg(long = "for", value_name = "PURPOSE", value_enum, default_value_t = Purpose::Run)]
    pub(crate) purpose: Purpose,
    /// The account's number, to narrow resources by [default: the state's, or any].
    #[arg(long, value_name = "ID", value_parser = account)]
    pub(crate) account: Option<String>,
}

/// What a policy is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Purpose {
    /// Making, changing and deleting.
    Run,
    /// Deleting only.
    Destroy,
}

fn account(text: &str) -> Result<String, String> {
    match text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Ok(text.to_owned()),
        false => Err("an account is twelve digits".to_owned()),
    }
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) file: File,
    /// The state of the emulator that an earlier run kept.
    #[arg(long)]
    pub(crate) emulate: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

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
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}
