//! `llmhost fmt`, `completions`, `man` and `cache`

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct Fmt {
    /// The files; - for standard input.
    #[arg(value_name = "FILE", required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// Change nothing; exit with 1 where a file is not formatted.
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_name = "SHELL", value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The folder to write the pages to: one for each command.
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Cache {
    /// List what is in the cache, with sizes.
    List(CacheList),
    /// Remove what is in the cache and not in use. It is made or fetched again when it is needed.
    Clean(CacheClean),
}

#[derive(Debug, Args)]
pub(crate) struct CacheList {
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CacheClean {
    /// Only these: code, models, environments, packages [default: all]. Can be repeated, or a list with commas.
    #[arg(long, value_name = "SORT", value_delimiter = ',', value_enum)]
    pub(crate) only: Vec<Sort>,
    /// Only what was not written for so long: 30d, 12h.
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub(crate) older_than: Option<Duration>,
    /// Show what would be removed, and remove nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What is in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Sort {
    /// Plugins compiled for this machine
    Code,
    /// Models fetched from S3
    Models,
    /// Python environments and other tools that llmhost installed
    Environments,
    /// Plugins, pipelines and charts fetched from registries
    Packages,
}

fn age(text: &str) -> Result<Duration, String> {
    let wrong = || "write it as a number with d, h or m: 30d".to_owned();
    let (number, unit) = text.split_at(text.len() - text.chars().last().map_or(0, char::len_utf8));
    let seconds = match unit {
        "d" => 86_400,
        "h" => 3_600,
        "m" => 60,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}
