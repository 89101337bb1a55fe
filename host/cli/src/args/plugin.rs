//! `llmhost plugin …`.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use llmhost_authoring::Language;

use super::key_value;

#[derive(Debug, Subcommand)]
pub(crate) enum Plugin {
    /// Make a project for a plugin, or for a provider of own kinds of resources: its source, the interfaces that it uses,
    /// and an example.
    New(New),
    /// Write the interfaces of a project anew, or those for another list.
    Wit(Wit),
    /// Build the project in a folder to a component. What is needed for it is installed into the cache folder, where
    /// it can be.
    Build(Build),
    /// Build the project in a folder again whenever a file changes, and show what changes in the plan.
    Dev(Dev),
    /// Say what a plugin does, what it wants granted, and what its `with` table takes.
    Inspect {
        /// A built-in plugin's name, a component file, or the address of a published plugin.
        plugin: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Run the cases beside a plugin: files that say what it is given and what it has to do.
    Test(PluginTest),
    /// Plan one plugin without a pipeline file, or apply it in an emulator.
    Run(PluginRun),
    /// Run the plugins of a trace again, with the answers that are in it: the same calls in the same
    /// order, and the same outputs, or the first difference. Needs no network and no credentials.
    Replay(Replay),
    /// Publish a plugin in an OCI registry, in the layout that wkg uses too.
    ///
    /// Credentials are those that docker login keeps.
    Push(Push),
    /// Fetch a plugin from an OCI registry, or from an HTTPS server, and say which digest pins it.
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
    /// Let an AWS emulator answer, and not the case.
    #[arg(long)]
    pub(crate) emulate: bool,
    /// Write what the plugin does into the cases that fail.
    #[arg(long, conflicts_with = "emulate")]
    pub(crate) update: bool,
    /// Write a report in the XML format of JUnit.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Print a line of JSON for each case.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `llmhost plugin dev`
#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// The project's folder.
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
    /// The pipeline that is planned with it [default: pipeline.toml, in the project].
    #[arg(long, value_name = "FILE")]
    pub(crate) pipeline: Option<PathBuf>,
    /// End after the first time.
    #[arg(long)]
    pub(crate) once: bool,
}

/// `llmhost plugin new`
#[derive(Debug, Args)]
pub(crate) struct New {
    /// What the plugin is called: lower-case letters, digits and hyphens.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// The language that it is written in.
    #[arg(long = "lang", value_name = "LANGUAGE", value_parser = language())]
    pub(crate) language: Language,
    /// Interfaces that the plugin may use, beside s3:bucket, which the first step declares: ec2:security-group,sts.
    #[arg(long, value_name = "LIST", conflicts_with = "provider")]
    pub(crate) uses: Vec<String>,
    /// Make a provider, which brings kinds of resources of its own, and not a plugin.
    #[arg(long)]
    pub(crate) provider: bool,
    /// Where to put it [default: a folder of this name].
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// `llmhost plugin wit`
#[derive(Debug, Args)]
pub(crate) struct Wit {
    /// The project's folder.
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Interfaces that the plugin may use from now on [default: those of llmhost-plugin.toml].
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
    /// Its options: a JSON object, or @FILE with one, or @FILE.toml.
    #[arg(long, value_name = "OPTIONS")]
    pub(crate) with: Option<String>,
    /// Apply it, in an AWS emulator that is gone afterwards.
    #[arg(long)]
    pub(crate) apply: bool,
    /// Grant this, and not everything that the plugin says that it needs. Can be repeated.
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
    /// Where to: oci://host/name:tag.
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
    /// Where from: oci://host/name:tag, with @sha256:… or in place of the tag, or https://host/file.wasm#sha256=….
    #[arg(value_name = "ADDRESS")]
    pub(crate) address: String,
    /// Write the component into this file, too [default: into the cache alone].
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
    /// Run this component, or built-in plugin, in a step's place of the recorded one.
    #[arg(long = "plugin", value_name = "STEP=PLUGIN", value_parser = key_value)]
    pub(crate) plugins: Vec<(String, String)>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
