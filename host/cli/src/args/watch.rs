//! Arguments of commands whose run can be followed in a browser.

use std::path::PathBuf;

use clap::Args;

/// How a run can be followed.
#[derive(Debug, Args)]
pub(crate) struct Watching {
    /// Serve a page on this machine that shows the run: states, logs, failures and a timeline. It prints the address.
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) watch: bool,
    /// Write the same page to this file when the run ends [default with --watch: report.html].
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub(crate) report: Option<PathBuf>,
}

impl Watching {
    /// Whether events have to be kept.
    pub(crate) fn is_on(&self) -> bool {
        self.watch || self.report.is_some()
    }
}
