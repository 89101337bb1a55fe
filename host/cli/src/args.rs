//! The command line, documented where it is defined.

mod convert;
mod device;
mod doctor;
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

/// Stands up the whole stack that serves a language model, from one pipeline file.
///
/// Each step of the file is a sandboxed WebAssembly plugin that declares resources; llmhost shows
/// what would change, and then makes it so.
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
    /// Show what a pipeline would change, and make it so.
    Run(Run),
    /// Delete everything that a pipeline made.
    Destroy(Destroy),
    /// Show which plugins differ from llmhost.lock, and accept them as they are.
    Lock(Lock),
    /// Draw the plan of a pipeline: its steps, and their resources inside.
    Graph(Graph),
    /// Check a pipeline file, its plugins and its plan, without touching anything.
    Validate(Validate),
    /// List what a pipeline made, from its state.
    Status(Status),
    /// Print the outputs of the last run, for scripts and other tools.
    Outputs(Outputs),
    /// Import an existing resource into the state, or everything that a lost state held.
    Import(Import),
    /// Take over what others made: import all that exists with the names, ranges and Name tags that the file declares.
    Adopt(Adopt),
    /// Look into the state, and change what it says.
    #[command(subcommand)]
    State(State),
    /// Show what is no longer as the state has it: read everything, change nothing.
    Drift(Drift),
    /// Live a pipeline's whole life against emulators: apply, apply again, drift, destroy.
    Rehearse(Rehearse),
    /// Print the least IAM policy that a pipeline needs.
    Policy(Policy),
    /// Write a kubeconfig for the pipeline's cluster, for kubectl and other clients.
    Kubeconfig(Kubeconfig),
    /// Print a token for an EKS cluster: the plugin that such a kubeconfig names.
    Token(Token),
    /// Serve a language model: OpenAI's API, health, metrics, and a page to try it.
    Serve(Serve),
    /// Fetch a model from S3 into the cache, as serve does, and print its folder.
    Fetch(Fetch),
    /// Build an image of the model server, and push it to a registry. No container engine is needed.
    Image(Image),
    /// Continue a prompt, on the terminal.
    Generate(Generate),
    /// Measure a model on this machine: tokens a second over batch sizes, and latencies.
    Bench(Bench),
    /// Check this machine: credentials, ONNX Runtime, GPUs, Python, tools, cache, disk.
    Doctor(Doctor),
    /// Print the JSON Schema of the pipeline file, for editors.
    Schema(Schema),
    /// Explain a plugin and its options, a kind of resource, or a type of AWS.
    Explain(Explain),
    /// Write a pipeline file to begin with, from questions or flags.
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
    /// Look at plugins, publish them, and fetch them.
    #[command(subcommand)]
    Plugin(Plugin),
    /// Publish pipelines that are steps of others.
    #[command(subcommand)]
    Pipeline(PipelineCommand),
}

#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// A pipeline file: the schema then has the properties of the AWS types that it names.
    #[arg(value_name = "FILE")]
    pub(crate) path: Option<PathBuf>,
    /// Instead: the JSON Schema of the lines that --json prints.
    #[arg(long, conflicts_with = "path")]
    pub(crate) events: bool,
}

/// Which pipeline, and with which values.
#[derive(Debug, Args)]
pub(crate) struct File {
    /// The pipeline file.
    #[arg(value_name = "FILE")]
    pub(crate) path: PathBuf,
    /// Set a variable of the pipeline; the value is read by the variable's type. Can be repeated.
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = key_value)]
    pub(crate) vars: Vec<(String, String)>,
    /// Set variables from a file: TOML with `name = value`, or a .json file with an object. Can be repeated; later
    /// files count before earlier ones, and --var before all of them. LLMHOST_VAR_name in the environment counts less.
    #[arg(long = "var-file", value_name = "FILE")]
    pub(crate) var_files: Vec<PathBuf>,
    /// Which environment of the file is meant: [env.NAME]. It has a name, a state and values of its own.
    #[arg(long = "env", value_name = "NAME")]
    pub(crate) environment: Option<String>,
    /// What a saved plan was made with.
    #[arg(skip)]
    pub(crate) kept: Option<Kept>,
    /// Where the state is kept: a folder, or s3://bucket/prefix (with ?region=REGION, where the
    /// bucket is not in the pipeline's) [default: what the file says, or .llmhost/NAME beside it].
    #[arg(long, value_name = "PLACE", value_parser = StatePlace::from_str)]
    pub(crate) state: Option<StatePlace>,
    /// Accept a region that this llmhost does not know: one that AWS has opened since.
    #[arg(long)]
    pub(crate) new_region: bool,
    /// Accept plugins that are not as llmhost.lock pins them, such as one that was just built anew.
    #[arg(long)]
    pub(crate) accept_plugins: bool,
    /// Whether no plugin is pinned, because the file itself does not stay.
    #[arg(skip)]
    pub(crate) unpinned: bool,
}

/// How long things take in the emulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Pace {
    /// No longer than a look at each state
    Fast,
    /// As long as it usually takes in AWS
    Real,
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
    /// How long things take in the emulator [default: fast].
    #[arg(long, value_enum, value_name = "PACE")]
    pub(crate) emulate_pace: Option<Pace>,
    /// Send every AWS call to this address instead.
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
    /// Take credentials from this profile of the AWS configuration.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["emulate", "emulate_keep"])]
    pub(crate) profile: Option<String>,
    /// How long one attempt at an AWS call may take [default: 30; requests of providers get twice
    /// that, uploads ten times].
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub(crate) call_timeout: Option<u32>,
    /// How long to wait for what AWS does in its own time: gateways that start, users of a resource that
    /// are still going away [default: 600].
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=7200))]
    pub(crate) wait_timeout: Option<u32>,
    /// How long others wait for a run that died while it held a state in S3 [default: 30].
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
    /// The step whose cluster it is [default: the only cluster that the pipeline has].
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
    /// Sign as the user of an emulator that --emulate-keep left.
    #[arg(long)]
    pub(crate) emulate: bool,
}

/// `llmhost import`
#[derive(Debug, Args)]
pub(crate) struct Import {
    #[command(flatten)]
    pub(crate) at: StateAt,
    /// The resource as the file declares it: step/kind/name.
    #[arg(value_name = "ADDRESS", required_unless_present = "all")]
    pub(crate) address: Option<String>,
    /// Its id, as AWS has it: vpc-0abc…, the name of a role or bucket.
    #[arg(value_name = "ID", required_unless_present_any = ["tags", "all"])]
    pub(crate) id: Option<String>,
    /// In place of the id: a tag that it has and nothing else of its kind; all of them, where there
    /// are several. For what EC2 gives ids to: networks and what is in them, launch templates.
    #[arg(long = "tag", value_name = "KEY=VALUE", conflicts_with = "id", value_parser = tag)]
    pub(crate) tags: Vec<(String, String)>,
    /// Take it although it carries the tags of this pipeline, which no longer has it in its state.
    #[arg(long, value_name = "NAME", conflicts_with = "all")]
    pub(crate) from_pipeline: Option<String>,
    /// Rebuild a lost state: import everything that carries this pipeline's tags, or has the names that it
    /// declares. Shows what was found, and asks.
    #[arg(long, conflicts_with_all = ["address", "id", "tags"])]
    pub(crate) all: bool,
    /// With --all: do not ask.
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

/// How it is done and shown.
#[derive(Debug, Args)]
pub(crate) struct How {
    /// How many steps, and how many operations, run at a time.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) parallelism: u16,
    /// Print one JSON event a line on standard output instead of text.
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
    /// Show the plan and change nothing. Needs no credentials and no network.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// With --dry-run: exit with 3 where there are changes.
    #[arg(long, requires = "dry_run")]
    pub(crate) exit_code: bool,
    /// With --dry-run: write the plan into this file; `llmhost run OUT` does then what was shown, or
    /// refuses where something has changed since.
    #[arg(long, value_name = "OUT", requires = "dry_run")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) steps: Steps,
    /// Read everything first, and plan from what is there: what is gone is made again, what somebody
    /// changed is brought back.
    #[arg(long)]
    pub(crate) refresh: bool,
    #[command(flatten)]
    pub(crate) prices: Prices,
    /// Leave out the checks before the run: quotas, offerings, routes, open ports.
    #[arg(long)]
    pub(crate) skip_preflight: bool,
    /// Draw the plan into this file; its ending chooses the format (.svg .html .dot .mmd .json).
    #[arg(long, value_name = "OUT")]
    pub(crate) graph: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) watching: Watching,
    /// Write what passes between the plugins and the host into this file, for llmhost plugin replay.
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
    /// Show what would go, with what the resources made by themselves, and delete nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) steps: Steps,
}

/// Which steps.
#[derive(Debug, Args)]
pub(crate) struct Steps {
    /// Only these steps; the others stay as they are. Can be repeated, or a list with commas.
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// All steps but these.
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    pub(crate) exclude: Vec<String>,
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
#[command(mut_arg("lease_seconds", |arg| arg.hide(true)))]
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
#[command(mut_arg("lease_seconds", |arg| arg.hide(true)))]
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
    /// How long things take in the emulator [default: fast].
    #[arg(long, value_enum, value_name = "PACE")]
    pub(crate) emulate_pace: Option<Pace>,
    #[command(flatten)]
    pub(crate) serving: rehearsed::Rehearsed,
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
    /// The policy of the role or profile that this step has of its own.
    #[arg(long, value_name = "STEP")]
    pub(crate) step: Option<StepName>,
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
        .ok_or_else(|| "it has to be from 1 byte to 16 EiB".to_owned())
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
    /// The model: a folder with model.onnx in it, or s3://bucket/prefix.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) model: String,
    #[command(flatten)]
    pub(crate) fetching: Fetching,
}

/// How a model comes to this machine.
#[derive(Debug, Clone, Args)]
pub(crate) struct Fetching {
    /// Where models from S3 are kept [default: llmhost/models in the user's cache folder].
    #[arg(long, value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,
    /// Read and hash every file of the model again before it is used.
    #[arg(long)]
    pub(crate) verify: bool,
    /// Region of the bucket [default: $AWS_REGION, or us-east-1].
    #[arg(long, value_name = "REGION", env = "AWS_REGION")]
    pub(crate) region: Option<String>,
    /// Send every AWS call to this address instead.
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
    /// Which of the model's graphs runs: a file's name, or a precision such as q4 or fp16 [default: the one that suits the device].
    #[arg(long, value_name = "NAME")]
    pub(crate) weights: Option<String>,
    /// What it runs on: cuda or nothing, cpu, or auto: a GPU where there is one.
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(crate) device: llmhost_inference::Device,
    /// ONNX Runtime's library, or the folder that holds it [default: looked for; see llmhost doctor].
    #[arg(long, value_name = "PATH")]
    pub(crate) onnxruntime: Option<PathBuf>,
    /// Threads of one operation [default: one a core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) threads: Option<u16>,
    /// How long those threads wait for work in a loop before they sleep: quicker on a machine of the model's own,
    /// wasteful on a shared one [default: 1000; 0 where several models are served].
    #[arg(long, value_name = "MICROSECONDS")]
    pub(crate) spin: Option<u32>,
    /// Tokens of a prompt and its answer together, at most [default: what model and memory allow].
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u32).range(2..))]
    pub(crate) context: Option<u32>,
    /// Requests that are computed together, at most.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) max_batch: u16,
    /// Guess the next tokens of an answer from its text and check several in one run: auto, where that is faster and
    /// changes no answer; relaxed, also where the runtime rounds several tokens otherwise than one; or off.
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
    /// The model: a folder with model.onnx in it, or s3://bucket/prefix. Can be repeated, as NAME=ADDRESS: then
    /// several are served, and requests that name none mean the first.
    #[arg(long = "model", value_name = "[NAME=]ADDRESS", required_unless_present = "file")]
    pub(crate) models: Vec<String>,
    /// A TOML file of the models, with a table [models.NAME] each; flags hold where a table says nothing.
    #[arg(long = "models", value_name = "FILE", conflicts_with_all = ["models", "name"])]
    pub(crate) file: Option<PathBuf>,
    /// The name that requests call the model by [default: the last part of its address].
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// How the model writes calls of tools, such as hermes or mistral; none for not at all [default: as its chat template
    /// has it].
    #[arg(long, value_name = "NAME")]
    pub(crate) tool_format: Option<String>,
    /// How the model writes its reasoning, such as think or cohere; none for not at all [default: as its chat template
    /// has it].
    #[arg(long, value_name = "NAME")]
    pub(crate) reasoning_format: Option<String>,
    /// Memory that all models may take together, such as 24GiB [default: what is free at the start]. Where a
    /// model that loads at first use does not fit, the one that was idle longest makes room.
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub(crate) memory: Option<u64>,
    /// File with the key for /admin/models; without it, these paths do not exist.
    #[arg(long, value_name = "FILE")]
    pub(crate) admin_key_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) fetching: Fetching,
    #[command(flatten)]
    pub(crate) running: Running,
    /// The address to listen at.
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    pub(crate) host: String,
    /// The port to listen at; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 8000)]
    pub(crate) port: u16,
    /// Requests that may wait; more are answered with 429.
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub(crate) queue: u32,
    /// How long requests are still answered after SIGTERM while /readyz says 503, so that whatever routes
    /// requests here learns it in time; Ctrl-C does not wait.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub(crate) drain_delay: u64,
    /// How long running requests may take to end after that.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub(crate) drain_seconds: u64,
    /// Connections at a time; more are answered with 503.
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_connections: u32,
    /// Largest request in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 2 << 20)]
    pub(crate) max_body_bytes: usize,
    /// File with the API key that requests have to carry [default: $LLMHOST_API_KEY; nobody needs one where neither is set].
    #[arg(long, value_name = "FILE")]
    pub(crate) api_key_file: Option<PathBuf>,
    /// An origin whose web pages may ask, such as https://chat.example; * for any. Can be repeated. A server at a
    /// loopback address also takes requests for this host; without the flag it refuses other hosts and origins.
    #[arg(long = "allow-origin", value_name = "ORIGIN")]
    pub(crate) allow_origins: Vec<String>,
}

/// `llmhost generate`
#[derive(Debug, Args)]
pub(crate) struct Generate {
    #[command(flatten)]
    pub(crate) model: Model,
    /// What to answer, or with --raw to continue.
    #[arg(value_name = "PROMPT")]
    pub(crate) prompt: String,
    /// What the model is told first.
    #[arg(long, value_name = "TEXT", conflicts_with = "raw")]
    pub(crate) system: Option<String>,
    /// Continue the text as it is, without the model's chat template.
    #[arg(long)]
    pub(crate) raw: bool,
    /// Most tokens of the answer.
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_tokens: u32,
    /// 0 takes the likeliest token each time.
    #[arg(long, value_name = "T", default_value_t = 0.0)]
    pub(crate) temperature: f32,
    /// The same seed gives the same answer.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// The answer has to be JSON by the schema in this file.
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
    /// How many answers at a time, for each line of the table.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,2,4,8")]
    pub(crate) batch: Vec<u16>,
    /// Instead: so many clients that ask one request after another, of lengths from an eighth of the
    /// above to all of it.
    #[arg(long, value_name = "N", conflicts_with = "batch", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) clients: Option<u16>,
    /// Instead: answers to texts, with guessed tokens and without, in turn: summaries and edits, and other talk.
    #[arg(long, conflicts_with_all = ["batch", "clients"])]
    pub(crate) texts: bool,
    /// How many requests the clients ask, all together.
    #[arg(long, value_name = "N", default_value_t = 64, requires = "clients", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) requests: u16,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
