//! Waiting for a change of a project's files.

use std::path::{Path, PathBuf};
use std::time::Duration;

use llmhost_authoring::Project;
use notify_debouncer_mini::notify::{RecommendedWatcher, RecursiveMode};
use notify_debouncer_mini::{DebounceEventResult, Debouncer, new_debouncer};
use tokio::sync::mpsc;

use crate::failure::Failure;

/// An editor writes a file in several steps.
const PAUSE: Duration = Duration::from_millis(60);

/// The files of a project, watched.
pub(super) struct Changes {
    // Watches as long as it lives.
    _watcher: Debouncer<RecommendedWatcher>,
    changed: mpsc::UnboundedReceiver<()>,
}

impl Changes {
    /// Watches a project and a pipeline file from now on.
    pub(super) fn of(project: &Project, pipeline: &Path) -> Result<Self, Failure> {
        let (tell, changed) = mpsc::unbounded_channel();
        let watched = project.clone();
        let told = move |events: DebounceEventResult| {
            if events.is_ok_and(|events| events.iter().any(|event| watched.is_source(&event.path))) {
                // Nobody listens any more where the command has ended.
                let _ = tell.send(());
            }
        };
        let failed = |error: notify_debouncer_mini::notify::Error| Failure::Other {
            message: format!("{} cannot be watched: {error}", project.folder.display()),
            help: "Where the system allows no more watches, raise fs.inotify.max_user_watches.".to_owned(),
            status: 1,
        };
        let mut watcher = new_debouncer(PAUSE, told).map_err(failed)?;
        watcher.watcher().watch(&project.folder, RecursiveMode::Recursive).map_err(failed)?;
        let pipeline = std::path::absolute(pipeline).unwrap_or_else(|_| PathBuf::from(pipeline));
        if !pipeline.starts_with(&project.folder) {
            watcher.watcher().watch(&pipeline, RecursiveMode::NonRecursive).map_err(failed)?;
        }
        Ok(Self { _watcher: watcher, changed })
    }

    /// Returns at the next change, or at once where there was one since the last.
    pub(super) async fn next(&mut self) -> Result<(), Failure> {
        let ended = || Failure::Other {
            message: "the project's files cannot be watched any more".to_owned(),
            help: "Start the command again.".to_owned(),
            status: 1,
        };
        self.changed.recv().await.ok_or_else(ended)?;
        while self.changed.try_recv().is_ok() {}
        Ok(())
    }
}
