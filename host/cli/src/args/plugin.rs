//! `llmhost plugin …`.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use llmhost_authoring::Language;

use super::key_value;

#[derive(Debug, Subcommand)]
pub(crate) enum Plugin {
    /// Create a project for a plugin or a provider: source, interfaces and an
    /// example.
    New(New),
    /// Write the interfaces of a project again, or for another list.
    Wit(Wit),
    /// Build the project in a folder to a component. Tools that it needs are installed in the cache
    /// folder.
    Build(Build),
    /// Build the project in a folder again whenever a file changes, and show what changes in the plan.
    Dev(Dev),
    /// Show what a plugin does, the grants that it needs, and the options of its `with` table.
    Inspect {
        /// A built-in plugin's name, a component file, or the address of a published plugin.
        plugin: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Run the test cases of a plugin: files with its input and the expected result.
    Test(PluginTest),
    /// Plan one plugin without a pipeline file, or apply it on an emulator.
    Run(PluginRun),
    /// Run the plugins of a trace again with the recorded answers, and show the first difference in
    /// calls or outputs. Needs no network and no credentials.
    Replay(Replay),
    /// Publish a plugin in an OCI registry, in the layout of wkg.
    ///
    /// Uses the credentials of docker login.
    Push(Push),
    /// Fetch a plugin from an OCI registry or an HTTPS server, and print its digest.
    Pull(Pull),
}

/// `llmhost plugin test`
#[derive(Debug, Args)]
pub(crate) struct PluginTest {
    /// A project's folder, a component file, or a built-in plugin's name.
    #[arg(value_name = "PLUGIN", default_value = ".")]
    pub(crate) plugin: String,
    /// The folder with the cases [default: cases, beside the component].
    #[arg(long, value_name = "FOLDER")]
    pub(crate) cases: Option<PathBuf>,
    /// Only this case. Can be repeated.
    #[arg(long, value_name = "CASE")]
    pub(crate) only: Vec<String>,
    /// Use an AWS emulator instead of the answers in the case.
    #[arg(long)]
    pub(crate) emulate: bool,
    /// Update the cases that fail with the actual result.
    #[arg(long, conflicts_with = "emulate")]
    pub(crate) update: bool,
    /// Write a report in the XML format of JUnit.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Print one line of JSON per case.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `llmhost plugin dev`
#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// The project's folder.
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
    /// The pipeline to plan [default: pipeline.toml in the project].
    #[arg(long, value_name = "FILE")]
    pub(crate) pipeline: Option<PathBuf>,
    /// Exit after the first plan.
    #[arg(long)]
    pub(crate) once: bool,
}

/// `llmhost plugin new`
#[derive(Debug, Args)]
pub(crate) struct New {
    /// The name of the plugin: lower-case letters, digits and hyphens.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// The programming language.
    #[arg(long = "lang", value_name = "LANGUAGE", value_parser = language())]
    pub(crate) language: Language,
    /// Interfaces that the plugin can use, besides s3:bucket, such as ec2:security-group,sts.
    #[arg(long, value_name = "LIST", conflicts_with = "provider")]
    pub(crate) uses: Vec<String>,
    /// Create a provider, which adds kinds of resources, instead of a plugin.
    #[arg(long)]
    pub(crate) provider: bool,
    /// The folder to create [default: a folder with this name].
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// `llmhost plugin wit`
#[derive(Debug, Args)]
pub(crate) struct Wit {
    /// The project's folder.
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Interfaces that the plugin can use [default: those of llmhost-plugin.toml].
    #[arg(long, value_name = "LIST")]
    pub(crate) uses: Vec<String>,
}

/// `llmhost plugin build`
#[derive(Debug, Args)]
pub(crate) struct Build {
    /// The project's folder.
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `llmhost plugin run`
#[derive(Debug, Args)]
pub(crate) struct PluginRun {
    /// A project's folder, a component file, a built-in plugin's name, or the address of a published plugin.
    #[arg(value_name = "PLUGIN")]
    pub(crate) plugin: String,
    /// The options: a JSON object, or @FILE with one, or @FILE.toml.
    #[arg(long, value_name = "OPTIONS")]
    pub(crate) with: Option<String>,
    /// Apply it on an AWS emulator, which is stopped afterwards.
    #[arg(long)]
    pub(crate) apply: bool,
    /// Grant only this, instead of everything that the plugin asks for. Can be repeated.
    #[arg(long, value_name = "GRANT")]
    pub(crate) allow: Vec<String>,
    /// The region.
    #[arg(long, value_name = "REGION", default_value = "us-east-1")]
    pub(crate) region: String,
    /// Print lines of JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

fn language() -> impl TypedValueParser<Value = Language> {
    PossibleValuesParser::new(Language::ALL.iter().map(|language| language.name()))
        .map(|name| Language::named(&name).expect("it is one of them"))
}

/// `llmhost plugin push`
#[derive(Debug, Args)]
pub(crate) struct Push {
    /// The component.
    #[arg(value_name = "FILE")]
    pub(crate) plugin: PathBuf,
    /// The address to publish to: oci://host/name:tag.
    #[arg(value_name = "ADDRESS")]
    pub(crate) address: String,
    /// Sign it with this ed25519 key of OpenSSH: a private key, or a public one whose private key an agent
    /// or a hardware key holds.
    #[arg(long, value_name = "KEY")]
    pub(crate) sign: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `llmhost plugin pull`
#[derive(Debug, Args)]
pub(crate) struct Pull {
    /// The address: oci://host/name:tag, with @sha256:… after or instead of the tag, or
    /// https://host/file.wasm#sha256=….
    #[arg(value_name = "ADDRESS")]
    pub(crate) address: String,
    /// Also write the component to this file [default: only to the cache].
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
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
    /// Run this component or built-in plugin instead of the recorded one of a step.
    #[arg(long = "plugin", value_name = "STEP=PLUGIN", value_parser = key_value)]
    pub(crate) plugins: Vec<(String, String)>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
