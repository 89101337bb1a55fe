//! `--watch` and `--report`: a run on the page of its plan, while it goes on and afterwards.

mod record;
mod server;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use llmhost_engine::graph::draw::{Follow, Notes, run_page};
use llmhost_engine::plan::Plan;
use llmhost_engine::run::Report;
use llmhost_engine::secret::shown;
use serde::Serialize;

use crate::app::Console;
use crate::args::Watching;
use crate::failure::Failure;
use crate::view::JsonLine;
pub(crate) use record::Recorder;
use server::Server;

/// The report's file where none is named.
const REPORT: &str = "report.html";

/// The last event of a run.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Ended {
    RunEnded { ok: bool, interrupted: bool },
}

/// A run that is followed.
pub(crate) struct Watch {
    recorder: Arc<Recorder>,
    plan: Arc<Plan>,
    /// What its page shows besides.
    notes: Notes,
    server: Option<Server>,
    report: PathBuf,
}

impl Watch {
    /// Starts to follow the run of a plan; with `--watch` on a page, whose address is printed.
    pub(crate) async fn start(
        args: &Watching,
        recorder: &Arc<Recorder>,
        (plan, notes): (&Arc<Plan>, Notes),
        console: &Console,
    ) -> Result<Self, Failure> {
        recorder.restart();
        let server = match args.watch {
            true => Some(Server::start(Arc::clone(recorder), page(plan, &notes, Follow::Live("events"))).await?),
            false => None,
        };
        if let Some(server) = &server {
            let url = server.url();
            match console {
                Console::Text(_) => console.note(&format!("Watch the run at {url}")),
                Console::Json(json) => json.line(&JsonLine::Watch { url: &url }),
            }
        }
        let report = args.report.clone().unwrap_or_else(|| PathBuf::from(REPORT));
        Ok(Self { recorder: Arc::clone(recorder), plan: Arc::clone(plan), notes, server, report })
    }

    /// Tells the page how the run ended, and writes the report. A report that cannot be written does not undo the run: it is
    /// said, and that is all.
    pub(crate) async fn end(self, report: &Report, console: &Console) {
        for failure in &report.failures {
            self.recorder.push(&JsonLine::failure(failure));
        }
        self.recorder.push(&Ended::RunEnded { ok: report.is_ok(), interrupted: report.interrupted });
        let page = page(&self.plan, &self.notes, Follow::Recorded(&self.recorder.lines()));
        match write(&self.report, &page) {
            Ok(()) => console.note(&format!("Wrote the report of the run to {}.", self.report.display())),
            Err(error) => {
                console.note(&format!("Cannot write the report to {}: {error}.", self.report.display()));
            }
        }
        if let Some(server) = self.server {
            server.finish().await;
        }
    }
}

/// The page of a run, without the values of secrets.
fn page(plan: &Plan, notes: &Notes, follow: Follow<'_>) -> String {
    shown(&run_page(plan, notes, follow)).into_owned()
}

fn write(path: &Path, page: &str) -> std::io::Result<()> {
    std::fs::write(path, page)
}
