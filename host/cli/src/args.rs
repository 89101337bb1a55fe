//! The command line, documented where it is defined.

#![allow(rustdoc::bare_urls, reason = "they are shown by the command line, where a URL needs no brackets")]

mod convert;
mod device;
mod doctor;
#[cfg(test)]
mod documents;
mod draft;
mod examples;
mod explain;
mod image;
mod init;
mod lock;
mod outputs;
mod parse;
mod pipeline;
mod plugin;
mod prices;
mod rehearsed;
mod state;
mod tools;
mod watch;

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};
use llmhost_engine::names::StepName;
use llmhost_engine::pipeline::Kept;

use crate::keep::StatePlace;
pub(crate) use convert::Convert;
pub(crate) use device::OnDevice;
pub(crate) use doctor::Doctor;
pub(crate) use examples::command;
pub(crate) use explain::Explain;
pub(crate) use image::{Computes, Image};
pub(crate) use init::Init;
pub(crate) use lock::Lock;
pub(crate) use outputs::Outputs;
pub(crate) use parse::{NotParsed, Parsed, parse};
pub(crate) use pipeline::{PipelineCommand, PipelinePush};
pub(crate) use plugin::{Build, Dev, New, Plugin, PluginRun, PluginTest, Pull, Push, Replay, Wit};
pub(crate) use prices::Prices;
pub(crate) use state::{State, StateAt, StateList, StateMv, StatePin, StateRm, StateShow, StateUnlock};
pub(crate) use tools::{Cache, CacheClean, CacheList, Completions, Fmt, Man, Sort};
pub(crate) use watch::Watching;

/// Create the whole stack that serves a language model, from one pipeline file.
///
/// Each step of the file is a sandboxed WebAssembly plugin that declares resources; llmhost shows a plan
/// of the changes, and then applies it.
#[derive(Debug, Parser)]
#[command(name = "llmhost", version, long_version = crate::version::long(), max_term_width = 100)]
pub(crate) struct Cli {
    /// Show more: every field of a plan and every item of its cost, and all that plugins write.
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
    /// Show only errors, questions and results: no progress, no notes.
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the plan of a pipeline, and apply it.
    Run(Run),
    /// Delete all resources of a pipeline.
    Destroy(Destroy),
    /// Show which plugins differ from llmhost.lock, and accept the changes.
    Lock(Lock),
    /// Draw the plan of a pipeline as a graph of steps and resources.
    Graph(Graph),
    /// Check a pipeline file, its plugins and its plan, without changing anything.
    Validate(Validate),
    /// List the resources of a pipeline, from its state.
    Status(Status),
    /// Print the outputs of the last run, for scripts and other tools.
    Outputs(Outputs),
    /// Import an existing resource into the state, or rebuild a lost state.
    Import(Import),
    /// Import resources that other tools created: everything that has the names, ranges and Name tags of the file.
    Adopt(Adopt),
    /// Show and edit the state.
    #[command(subcommand)]
    State(State),
    /// Show drift: compare all resources with the state, without changing anything.
    Drift(Drift),
    /// Test a pipeline on emulators: apply, apply again, detect drift, destroy.
    Rehearse(Rehearse),
    /// Print the smallest IAM policy that a pipeline needs.
    Policy(Policy),
    /// Write a kubeconfig for the pipeline's cluster, for kubectl and other clients.
    Kubeconfig(Kubeconfig),
    /// Print a token for an EKS cluster; the kubeconfig of llmhost calls this command.
    Token(Token),
    /// Serve a language model: OpenAI's API, health, metrics, and a page to try it.
    Serve(Serve),
    /// Fetch a model from S3 into the cache, and print its folder.
    Fetch(Fetch),
    /// Build an image of the model server, and push it to a registry. No container engine is needed.
    Image(Image),
    /// Answer a prompt on the terminal.
    Generate(Generate),
    /// Measure a model on this machine: tokens per second and latencies by batch size.
    Bench(Bench),
    /// Check this machine: credentials, ONNX Runtime, GPUs, Python, tools, cache, disk.
    Doctor(Doctor),
    /// Print the JSON Schema of the pipeline file, for editors.
    Schema(Schema),
    /// Explain a plugin and its options, a kind of resource, a type of AWS, or the code of an error.
    Explain(Explain),
    /// Write a pipeline file to start with, from questions or flags.
    Init(Init),
    /// Convert a ClusterConfig of eksctl, or a Terraform state, to a pipeline file.
    Convert(Convert),
    /// Format pipeline files.
    Fmt(Fmt),
    /// List and remove what is cached on this machine.
    #[command(subcommand)]
    Cache(Cache),
    /// Print the script that completes command lines in a shell.
    Completions(Completions),
    /// Write manual pages.
    Man(Man),
    /// Create, inspect, test, publish and fetch plugins.
    #[command(subcommand)]
    Plugin(Plugin),
    /// Publish pipelines that other pipelines use as steps.
    #[command(subcommand)]
    Pipeline(PipelineCommand),
}

#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// A pipeline file: the schema then has the properties of its AWS types.
    #[arg(value_name = "FILE")]
    pub(crate) path: Option<PathBuf>,
    /// Instead: the JSON Schema of the lines that --json prints.
    #[arg(long, conflicts_with = "path")]
    pub(crate) events: bool,
}

/// The pipeline and its values.
#[derive(Debug, Args)]
pub(crate) struct File {
    /// The pipeline file.
    #[arg(value_name = "FILE")]
    pub(crate) path: PathBuf,
    /// Set a variable of the pipeline; the value is read by the variable's type. Can be repeated.
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = key_value)]
    pub(crate) vars: Vec<(String, String)>,
    /// Set variables from a file: TOML with `name = value`, or a .json file with an object. Can be repeated; later
    /// files override earlier ones, and --var overrides all files. They all override LLMHOST_VAR_name in the
    /// environment.
    #[arg(long = "var-file", value_name = "FILE")]
    pub(crate) var_files: Vec<PathBuf>,
    /// The environment of the file to use: [env.NAME]. It has its own name, state and values.
    #[arg(long = "env", value_name = "NAME")]
    pub(crate) environment: Option<String>,
    /// What a saved plan was made with.
    #[arg(skip)]
    pub(crate) kept: Option<Kept>,
    /// Where to store the state: a folder, or s3://bucket/prefix (with ?region=REGION if the
    /// bucket is in another region) [default: the place in the file, or .llmhost/NAME beside it].
    #[arg(long, value_name = "PLACE", value_parser = StatePlace::from_str)]
    pub(crate) state: Option<StatePlace>,
    /// Accept a region that this version of llmhost does not know.
    #[arg(long)]
    pub(crate) new_region: bool,
    /// Accept plugins that differ from llmhost.lock, such as one that was just rebuilt.
    #[arg(long)]
    pub(crate) accept_plugins: bool,
    /// Whether no plugin is pinned, because the file itself does not stay.
    #[arg(skip)]
    pub(crate) unpinned: bool,
}

/// The speed of the emulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Pace {
    /// As fast as possible
    Fast,
    /// About as long as in AWS
    Real,
}

/// Where the resources live.
#[derive(Debug, Args)]
pub(crate) struct Where {
    /// Use an AWS emulator on this machine; it is started for this run and stopped after it.
    #[arg(long, conflicts_with = "endpoint_url")]
    pub(crate) emulate: bool,
    /// Like --emulate, but keep the emulator and its state for later runs.
    #[arg(long, conflicts_with = "endpoint_url")]
    pub(crate) emulate_keep: bool,
    /// The speed of the emulator [default: fast].
    #[arg(long, value_enum, value_name = "PACE")]
    pub(crate) emulate_pace: Option<Pace>,
    /// Send all AWS calls to this address.
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
    /// Take credentials from this profile of the AWS configuration.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["emulate", "emulate_keep"])]
    pub(crate) profile: Option<String>,
    /// Time limit for one attempt of an AWS call [default: 30; twice that for providers, ten
    /// times for uploads].
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub(crate) call_timeout: Option<u32>,
    /// Time limit for waits, such as for a gateway to start or for the users of a resource to be deleted
    /// [default: 600].
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=7200))]
    pub(crate) wait_timeout: Option<u32>,
    /// How long the lease of a state in S3 is valid after a run crashed [default: 30].
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub(crate) lease_seconds: Option<u32>,
}

/// `llmhost kubeconfig`
#[derive(Debug, Args)]
#[command(mut_arg("lease_seconds", |arg| arg.hide(true)), mut_arg("wait_timeout", |arg| arg.hide(true)))]
pub(crate) struct Kubeconfig {
    #[command(flatten)]
    pub(crate) file: File,
    #[command(flatten)]
    pub(crate) place: Where,
    /// The step of the cluster [default: the only cluster of the pipeline].
    #[arg(long, value_name = "STEP")]
    pub(crate) step: Option<String>,
    /// The file to write [default: standard output].
    #[arg(long, short, value_name = "OUT")]
    pub(crate) output: Option<PathBuf>,
}

/// `llmhost token`
#[derive(Debug, Args)]
pub(crate) struct Token {
    /// The cluster's name.
    #[arg(long, value_name = "NAME")]
    pub(crate) cluster: String,
    /// The cluster's region.
    #[arg(long, value_name = "REGION", env = "AWS_REGION")]
    pub(crate) region: String,
    /// Take credentials from this profile of the AWS configuration.
    #[arg(long, value_name = "NAME", conflicts_with = "emulate")]
    pub(crate) profile: Option<String>,
    /// Sign as the user of an emulator that --emulate-keep kept.
    #[arg(long)]
    pub(crate) emulate: bool,
}

/// `llmhost import`
#[derive(Debug, Args)]
pub(crate) struct Import {
    #[command(flatten)]
    pub(crate) at: StateAt,
    /// The address of the resource in the file: step/kind/name.
    #[arg(value_name = "ADDRESS", required_unless_present = "all")]
    pub(crate) address: Option<String>,
    /// Its id in AWS: vpc-0abc…, or the name of a role or bucket.
    #[arg(value_name = "ID", required_unless_present_any = ["tags", "all"])]
    pub(crate) id: Option<String>,
    /// Instead of the id: a tag that only this resource of its kind has. If several tags are given,
    /// it must have all of them. For EC2 resources, such as networks and launch templates.
    #[arg(long = "tag", value_name = "KEY=VALUE", conflicts_with = "id", value_parser = tag)]
    pub(crate) tags: Vec<(String, String)>,
    /// Import it although it has the tags of this other pipeline, which no longer has it in its state.
    #[arg(long, value_name = "NAME", conflicts_with = "all")]
    pub(crate) from_pipeline: Option<String>,
    /// Rebuild a lost state: import everything that has this pipeline's tags or the names in its file.
    /// Shows what was found, and asks.
    #[arg(long, conflicts_with_all = ["address", "id", "tags"])]
    pub(crate) all: bool,
    /// With --all: do not ask for confirmation.
    #[arg(long, short = 'y', requires = "all")]
    pub(crate) yes: bool,
    /// With --all: print JSON.
    #[arg(long, requires = "all")]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Adopt {
    #[command(flatten)]
    pub(crate) at: StateAt,
    /// Do not ask.
    #[arg(long, short = 'y')]
    pub(crate) yes: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

fn tag(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("a tag is KEY=VALUE, such as Name=production".to_owned()),
    }
}

/// How to run and what to print.
#[derive(Debug, Args)]
pub(crate) struct How {
    /// How many steps and operations run in parallel.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) parallelism: u16,
    /// Print JSON events instead of text, one per line.
    #[arg(long)]
    pub(crate) json: bool,
    /// Do not ask before resources are created, changed or deleted.
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
    /// Show the plan without changing anything. Needs no credentials and no network.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// With --dry-run: exit with 3 if there are changes.
    #[arg(long, requires = "dry_run")]
    pub(crate) exit_code: bool,
    /// With --dry-run: save the plan to this file; `llmhost run OUT` then applies exactly this plan,
    /// or refuses if something has changed.
    #[arg(long, value_name = "OUT", requires = "dry_run")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) steps: Steps,
    /// Read all resources first, and plan from their real state: missing resources are created
    /// again, changed ones are corrected.
    #[arg(long)]
    pub(crate) refresh: bool,
    #[command(flatten)]
    pub(crate) prices: Prices,
    /// Skip the checks before the run: quotas, availability of types, routes, open ports.
    #[arg(long)]
    pub(crate) skip_preflight: bool,
    /// Draw the plan to this file; the extension sets the format (.svg, .html, .dot, .mmd or .json).
    #[arg(long, value_name = "OUT")]
    pub(crate) graph: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) watching: Watching,
    /// Record the calls between the plugins and the host in this file, for llmhost plugin replay.
    #[arg(long, value_name = "OUT")]
    pub(crate) trace: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Destroy {
    #[command(flatten)]
    pub(crate) file: File,
    #[command(flatten)]
    pub(crate) place: Where,
    #[command(flatten)]
    pub(crate) how: How,
    /// Show what would be deleted, including resources that others created in it, without deleting anything.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) steps: Steps,
}

/// Which steps.
#[derive(Debug, Args)]
pub(crate) struct Steps {
    /// Only these steps; the others do not change. Can be repeated, or a list with commas.
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// All steps except these.
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    pub(crate) exclude: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Graph {
    #[command(flatten)]
    pub(crate) file: File,
    /// The file to draw to; the extension sets the format (.svg, .html, .dot, .mmd or .json).
    /// Without it, the graph is printed as text.
    #[arg(long, short, value_name = "OUT")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(mut_arg("lease_seconds", |arg| arg.hide(true)))]
pub(crate) struct Validate {
    #[command(flatten)]
    pub(crate) file: File,
    /// Also ask AWS: quotas, availability of types, names that are taken. Changes nothing.
    #[arg(long)]
    pub(crate) online: bool,
    #[command(flatten)]
    pub(crate) place: Where,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(mut_arg("lease_seconds", |arg| arg.hide(true)))]
pub(crate) struct Drift {
    #[command(flatten)]
    pub(crate) file: File,
    #[command(flatten)]
    pub(crate) place: Where,
    /// How many resources are read in parallel.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) parallelism: u16,
    /// Exit with 3 if something differs.
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
    /// The speed of the emulator [default: fast].
    #[arg(long, value_enum, value_name = "PACE")]
    pub(crate) emulate_pace: Option<Pace>,
    #[command(flatten)]
    pub(crate) serving: rehearsed::Rehearsed,
    /// How many steps and operations run in parallel.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) parallelism: u16,
    /// Print JSON events instead of text, one per line.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Policy {
    #[command(flatten)]
    pub(crate) file: File,
    /// The use of the policy.
    #[arg(long = "for", value_name = "PURPOSE", value_enum, default_value_t = Purpose::Run)]
    pub(crate) purpose: Purpose,
    /// The account id, to restrict resources [default: that of the state, or any].
    #[arg(long, value_name = "ID", value_parser = account)]
    pub(crate) account: Option<String>,
    /// Print the policy for the role or profile of this step.
    #[arg(long, value_name = "STEP")]
    pub(crate) step: Option<StepName>,
}

/// What a policy is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Purpose {
    /// Create, update and delete.
    Run,
    /// Only delete.
    Destroy,
}

fn account(text: &str) -> Result<String, String> {
    match text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Ok(text.to_owned()),
        false => Err("an account is twelve digits".to_owned()),
    }
}

#[derive(Debug, Args)]
#[command(mut_arg("lease_seconds", |arg| arg.hide(true)), mut_arg("wait_timeout", |arg| arg.hide(true)))]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) file: File,
    #[command(flatten)]
    pub(crate) place: Where,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Bytes, as a number or with a unit.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim() {
        "" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => return Err("write it as bytes, or with KiB, MiB, GiB or TiB: 24GiB".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "write a whole number, such as 24GiB".to_owned())?;
    number
        .checked_mul(1 << shift)
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| "it must be from 1 byte to 16 EiB".to_owned())
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}

/// Which model.
#[derive(Debug, Args)]
pub(crate) struct Source {
    /// The model: a folder with model.onnx, or s3://bucket/prefix.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) model: String,
    #[command(flatten)]
    pub(crate) fetching: Fetching,
}

/// How a model comes to this machine.
#[derive(Debug, Clone, Args)]
pub(crate) struct Fetching {
    /// The cache folder for models from S3 [default: llmhost/models in the user's cache folder].
    #[arg(long, value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,
    /// Verify the checksum of every file of the model before use.
    #[arg(long)]
    pub(crate) verify: bool,
    /// Region of the bucket [default: $AWS_REGION, or us-east-1].
    #[arg(long, value_name = "REGION", env = "AWS_REGION")]
    pub(crate) region: Option<String>,
    /// Send all AWS calls to this address.
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
    /// Take credentials from this profile of the AWS configuration.
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
}

/// Which model, and how it runs.
#[derive(Debug, Args)]
pub(crate) struct Model {
    #[command(flatten)]
    pub(crate) source: Source,
    #[command(flatten)]
    pub(crate) running: Running,
}

/// How a model runs.
#[derive(Debug, Clone, Args)]
pub(crate) struct Running {
    /// The model's graph to run: a file name, or a precision such as q4 or fp16 [default: the best one for the device].
    #[arg(long, value_name = "NAME")]
    pub(crate) weights: Option<String>,
    /// The device: cuda (fails without a GPU), cpu, or auto: a GPU if there is one.
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(crate) device: llmhost_inference::Device,
    /// The ONNX Runtime library, or its folder [default: search; see llmhost doctor].
    #[arg(long, value_name = "PATH")]
    pub(crate) onnxruntime: Option<PathBuf>,
    /// Threads for one operation [default: one per core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) threads: Option<u16>,
    /// How long those threads spin before they sleep: faster on a dedicated machine, wasteful on a shared one
    /// [default: 1000; 0 if several models are served].
    #[arg(long, value_name = "MICROSECONDS")]
    pub(crate) spin: Option<u32>,
    /// The maximum number of tokens of a prompt and its answer [default: what the model and the memory allow].
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u32).range(2..))]
    pub(crate) context: Option<u32>,
    /// The maximum number of requests in a batch.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) max_batch: u16,
    /// Speculative decoding: guess the next tokens from the text and check several in one run. auto: if it is faster
    /// and changes no answer; relaxed: also if rounding can differ between one token and several; or off.
    #[arg(long, value_name = "MODE", default_value = "auto")]
    pub(crate) speculation: llmhost_inference::engine::Speculate,
    #[command(flatten)]
    pub(crate) draft: draft::Draft,
    #[command(flatten)]
    pub(crate) on_device: OnDevice,
}

/// `llmhost fetch`
#[derive(Debug, Args)]
pub(crate) struct Fetch {
    #[command(flatten)]
    pub(crate) source: Source,
    /// Copy the model into this folder, and print that: the folder that a pipeline uploads.
    #[arg(long, value_name = "DIR")]
    pub(crate) to: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `llmhost serve`
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The model: a folder with model.onnx, or s3://bucket/prefix. Can be repeated, as NAME=ADDRESS, to
    /// serve several models; the first one is the default.
    #[arg(long = "model", value_name = "[NAME=]ADDRESS", required_unless_present = "file")]
    pub(crate) models: Vec<String>,
    /// A TOML file with a table [models.NAME] for each model; the flags are its defaults.
    #[arg(long = "models", value_name = "FILE", conflicts_with_all = ["models", "name"])]
    pub(crate) file: Option<PathBuf>,
    /// The model's name in requests [default: the last part of its address].
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The format of the model's tool calls, such as hermes or mistral, or none [default: found in its chat
    /// template].
    #[arg(long, value_name = "NAME")]
    pub(crate) tool_format: Option<String>,
    /// The format of the model's reasoning, such as think or cohere, or none [default: found in its chat
    /// template].
    #[arg(long, value_name = "NAME")]
    pub(crate) reasoning_format: Option<String>,
    /// The memory for all models together, such as 24GiB [default: the free memory at the start]. If a model
    /// that loads at first use does not fit, the model that was idle longest is unloaded.
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub(crate) memory: Option<u64>,
    /// File with the key for /admin/models; without it, these paths do not exist.
    #[arg(long, value_name = "FILE")]
    pub(crate) admin_key_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) fetching: Fetching,
    #[command(flatten)]
    pub(crate) running: Running,
    /// The address to listen on.
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    pub(crate) host: String,
    /// The port to listen on; 0 chooses a free one.
    #[arg(long, value_name = "PORT", default_value_t = 8000)]
    pub(crate) port: u16,
    /// The maximum number of waiting requests; more get status 429.
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub(crate) queue: u32,
    /// How long to accept requests after SIGTERM while /readyz returns 503, so that load balancers stop
    /// sending requests; Ctrl-C does not wait.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub(crate) drain_delay: u64,
    /// How long running requests can take to finish after that.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub(crate) drain_seconds: u64,
    /// The maximum number of connections; more get status 503.
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_connections: u32,
    /// The maximum size of a request in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 2 << 20)]
    pub(crate) max_body_bytes: usize,
    /// File with the API key for requests [default: $LLMHOST_API_KEY; without both, no key is needed].
    #[arg(long, value_name = "FILE")]
    pub(crate) api_key_file: Option<PathBuf>,
    /// An origin whose web pages can use the server, such as https://chat.example; * allows any. Can be repeated.
    /// A server on a loopback address also accepts requests for this host; without the flag it refuses other hosts
    /// and origins.
    #[arg(long = "allow-origin", value_name = "ORIGIN")]
    pub(crate) allow_origins: Vec<String>,
}

/// `llmhost generate`
#[derive(Debug, Args)]
pub(crate) struct Generate {
    #[command(flatten)]
    pub(crate) model: Model,
    /// The prompt to answer, or with --raw to continue.
    #[arg(value_name = "PROMPT")]
    pub(crate) prompt: String,
    /// The system message.
    #[arg(long, value_name = "TEXT", conflicts_with = "raw")]
    pub(crate) system: Option<String>,
    /// Continue the text without the model's chat template.
    #[arg(long)]
    pub(crate) raw: bool,
    /// The maximum number of tokens of the answer.
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_tokens: u32,
    /// 0 always chooses the most likely token.
    #[arg(long, value_name = "T", default_value_t = 0.0)]
    pub(crate) temperature: f32,
    /// The same seed gives the same answer.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// The answer must be JSON that matches the schema in this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) json_schema: Option<PathBuf>,
}

/// `llmhost bench`
#[derive(Debug, Args)]
pub(crate) struct Bench {
    #[command(flatten)]
    pub(crate) model: Model,
    /// Tokens of each prompt.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) prompt_tokens: u32,
    /// Tokens of each answer.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(2..))]
    pub(crate) answer_tokens: u32,
    /// The batch sizes, one for each line of the table.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,2,4,8")]
    pub(crate) batch: Vec<u16>,
    /// Instead: this number of clients, each with one request after another, with lengths from an
    /// eighth to all of the above.
    #[arg(long, value_name = "N", conflicts_with = "batch", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) clients: Option<u16>,
    /// Instead: answers with and without speculative decoding, for summaries, edits and chat.
    #[arg(long, conflicts_with_all = ["batch", "clients"])]
    pub(crate) texts: bool,
    /// The total number of requests of all clients.
    #[arg(long, value_name = "N", default_value_t = 64, requires = "clients", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) requests: u16,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
