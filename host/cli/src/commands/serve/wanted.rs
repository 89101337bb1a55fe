//! Which models a server is to have: from flags, or from a file with a table for each.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use llmhost_inference::Device;
use llmhost_models::Address;
use llmhost_server::{LoadAt, ModelSpec};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use crate::args::{self, Fetching, Running, Serve};
use crate::commands::model::not_fetched;
use crate::failure::Failure;

/// A model, and how it comes and runs.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) spec: ModelSpec,
    pub(super) source: String,
    pub(super) fetching: Fetching,
    pub(super) running: Running,
    /// Whether the context is that of several models, and one with a lower limit takes its own.
    pub(super) shorten: bool,
    /// Bytes for keys and values.
    pub(super) cache: Option<u64>,
    /// How it writes calls of tools and reasoning, where its chat template does not say.
    pub(super) tool_format: Option<String>,
    pub(super) reasoning_format: Option<String>,
}

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    models: HashMap<Spanned<String>, Table>,
}

/// One model of the file. What it does not say is as the flags have it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    source: Spanned<String>,
    draft: Option<Spanned<String>>,
    #[serde(default)]
    aliases: Vec<Spanned<String>>,
    #[serde(default)]
    load: When,
    #[serde(default)]
    default: bool,
    weights: Option<String>,
    device: Option<Device>,
    threads: Option<std::num::NonZeroU16>,
    spin: Option<u32>,
    context: Option<u32>,
    max_batch: Option<std::num::NonZeroU16>,
    queue: Option<u32>,
    #[serde(default, deserialize_with = "bytes")]
    cache: Option<u64>,
    tool_format: Option<String>,
    reasoning_format: Option<String>,
    verify: Option<bool>,
    region: Option<String>,
    endpoint_url: Option<String>,
    profile: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum When {
    #[default]
    Start,
    FirstUse,
}

/// A number, or a text with a unit.
fn bytes<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    struct Bytes;
    impl serde::de::Visitor<'_> for Bytes {
        type Value = u64;

        fn expecting(&self, text: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            text.write_str("bytes, as a number or a string such as \"2GiB\"")
        }

        fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<u64, E> {
            let wrong = || E::invalid_value(serde::de::Unexpected::Signed(number), &self);
            u64::try_from(number).ok().filter(|bytes| *bytes > 0).ok_or_else(wrong)
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<u64, E> {
            args::bytes(text).map_err(E::custom)
        }
    }
    from.deserialize_any(Bytes).map(Some)
}

/// All models, in the order in which they are written.
pub(super) fn read(args: &Serve) -> Result<Vec<Wanted>, Failure> {
    if args.running.draft.draft.is_some() && (args.file.is_some() || args.models.len() > 1) {
        let help =
            "Write draft = \"ADDRESS\" into the table of the model that it guesses for, in the file for --models.";
        return Err(Failure::usage("--draft is for one model, and several are to be served", help));
    }
    let mut all = match &args.file {
        Some(path) => of_file(args, path)?,
        None => of_flags(args)?,
    };
    if all.len() > 1 {
        // Threads that wait in a loop take the cores from the other models'.
        all.iter_mut().for_each(|wanted| wanted.running.spin = wanted.running.spin.or(Some(0)));
    } else {
        all.iter_mut().for_each(|wanted| wanted.shorten = false);
    }
    Ok(all)
}

fn of_flags(args: &Serve) -> Result<Vec<Wanted>, Failure> {
    let wanted = |text: &String| {
        let (name, source) = match (split(text), &args.name) {
            (Some((name, source)), _) => (name.to_owned(), source),
            (None, Some(name)) => (name.clone(), text.as_str()),
            (None, None) => (name_of(text), text.as_str()),
        };
        for address in args.running.draft.draft.as_deref().into_iter().chain([source]) {
            Address::parse(address).map_err(not_fetched)?;
        }
        let spec = ModelSpec { name, queue: args.queue as usize, ..ModelSpec::default() };
        let (fetching, running) = (args.fetching.clone(), args.running.clone());
        let (tool_format, reasoning_format) = (args.tool_format.clone(), args.reasoning_format.clone());
        let (source, shorten, cache) = (source.to_owned(), true, None);
        Ok(Wanted { spec, source, fetching, running, shorten, cache, tool_format, reasoning_format })
    };
    if args.models.len() > 1 && args.name.is_some() {
        let help = "Write --model NAME=ADDRESS for each instead.";
        return Err(Failure::usage("--name is for one model, and there are several", help));
    }
    args.models.iter().map(wanted).collect()
}

/// `NAME=ADDRESS`. A folder or an address may have a `=` of its own.
fn split(text: &str) -> Option<(&str, &str)> {
    let (name, source) = text.split_once('=')?;
    let is_name = !name.is_empty() && !name.contains(['/', ':']) && !Path::new(text).is_dir();
    is_name.then_some((name, source))
}

/// The last part of an address: what people call the model.
fn name_of(address: &str) -> String {
    let last = address.trim_end_matches('/').rsplit('/').next().unwrap_or(address);
    if last.is_empty() || last == "." { "model".to_owned() } else { last.to_owned() }
}

fn of_file(args: &Serve, path: &Path) -> Result<Vec<Wanted>, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::usage(format!("cannot read the models of {shown}: {error}"), "Check the path after --models.")
    })?;
    let wrong = |at: Option<usize>, message: &str, help: &str| {
        let line = at.map(|at| text[..at.min(text.len())].matches('\n').count() + 1);
        let line = line.map(|line| format!(" line {line}")).unwrap_or_default();
        Failure::usage(format!("{shown}{line}: {message}"), help)
    };
    let file: File = toml::from_str(&text).map_err(|error| {
        let at = error.span().map(|span| span.start);
        wrong(at, error.message(), "Each model is a table [models.NAME] with a source; the README has an example.")
    })?;
    let mut tables: Vec<(Spanned<String>, Table)> = file.models.into_iter().collect();
    tables.sort_by_key(|(name, _)| name.span().start);
    let mut names: HashMap<String, String> = HashMap::new();
    let mut all = Vec::new();
    for (name, mut table) in tables {
        let own = std::iter::once(&name).chain(&table.aliases);
        for one in own {
            if one.get_ref().is_empty() {
                return Err(wrong(Some(one.span().start), "a name or alias is empty", "Write a name."));
            }
            if let Some(other) = names.insert(one.get_ref().clone(), name.get_ref().clone()) {
                let message = format!("the name '{}' is already used by '{other}'", one.get_ref());
                return Err(wrong(Some(one.span().start), &message, "Each name and alias must identify one model."));
            }
        }
        let address = |written: &Spanned<String>, what: &str| {
            let at = Some(written.span().start);
            let address = resolved(path, written.get_ref());
            match Address::parse(&address).map_err(|error| wrong(at, &error.to_string(), error.advice()))? {
                Address::Folder(folder) if !folder.is_dir() => {
                    let help = format!("A {what} is a folder, seen from this file's own, or s3://bucket/prefix.");
                    Err(wrong(at, &format!("there is no folder {}", folder.display()), &help))
                }
                Address::Folder(_) | Address::S3 { .. } => Ok(address),
            }
        };
        let source = address(&table.source, "source")?;
        table.draft = match table.draft.take() {
            Some(draft) => Some(Spanned::new(draft.span(), address(&draft, "draft")?)),
            None => None,
        };
        all.push(wanted(args, name.into_inner(), source, table));
    }
    Ok(all)
}

/// A folder's path is seen from the file's own folder.
fn resolved(file: &Path, source: &str) -> String {
    match source.contains("://") || source.is_empty() {
        true => source.to_owned(),
        false => {
            file.parent().map_or_else(|| PathBuf::from(source), |folder| folder.join(source)).display().to_string()
        }
    }
}

fn wanted(args: &Serve, name: String, source: String, table: Table) -> Wanted {
    let load = match table.load {
        When::Start => LoadAt::Start,
        When::FirstUse => LoadAt::FirstUse,
    };
    let aliases = table.aliases.into_iter().map(Spanned::into_inner).collect();
    let queue = table.queue.unwrap_or(args.queue) as usize;
    let (mut fetching, mut running) = (args.fetching.clone(), args.running.clone());
    fetching.verify = table.verify.unwrap_or(fetching.verify);
    fetching.region = table.region.or(fetching.region);
    fetching.endpoint_url = table.endpoint_url.or(fetching.endpoint_url);
    fetching.profile = table.profile.or(fetching.profile);
    running.draft.draft = table.draft.map(Spanned::into_inner);
    running.weights = table.weights.or(running.weights);
    running.device = table.device.unwrap_or(running.device);
    running.threads = table.threads.map(Into::into).or(running.threads);
    running.spin = table.spin.or(running.spin);
    let shorten = table.context.is_none();
    running.context = table.context.or(running.context);
    running.max_batch = table.max_batch.map_or(running.max_batch, Into::into);
    let spec = ModelSpec { name, aliases, load, queue, is_default: table.default };
    let tool_format = table.tool_format.or_else(|| args.tool_format.clone());
    let reasoning_format = table.reasoning_format.or_else(|| args.reasoning_format.clone());
    Wanted { spec, source, fetching, running, shorten, cache: table.cache, tool_format, reasoning_format }
}
