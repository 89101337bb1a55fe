//! Waiting for a change of a project's files.

use std::path::{Path, PathBuf};
use std::time::Duration;

use llmhost_authoring::Project;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::failure::Failure;

/// An editor writes a file in several steps.
const PAUSE: Duration = Duration::from_millis(60);

/// The files of a project, watched.
pub(super) struct Changes {
    // Watches as long as it lives.
    _watcher: RecommendedWatcher,
    changed: mpsc::UnboundedReceiver<()>,
}

impl Changes {
    /// Watches a project and a pipeline file from now on.
    pub(super) fn of(project: &Project, pipeline: &Path) -> Result<Self, Failure> {
        let (tell, changed) = mpsc::unbounded_channel();
        let watched = project.clone();
        let is_change = move |event: &Event| {
            // To read a file is no change of it; every build does.
            let touched = !matches!(event.kind, EventKind::Access(_));
            event.need_rescan() || touched && event.paths.iter().any(|path| watched.is_source(path))
        };
        let told = move |event: notify::Result<Event>| {
            if event.is_ok_and(|event| is_change(&event)) {
                // Nobody listens any more where the command has ended.
                let _ = tell.send(());
            }
        };
        let failed = |error: notify::Error| Failure::Other {
            message: format!("{} cannot be watched: {error}", project.folder.display()),
            help: "If the system has no free watches, raise fs.inotify.max_user_watches.".to_owned(),
            status: 1,
        };
        let mut watcher = notify::recommended_watcher(told).map_err(failed)?;
        watcher.watch(&project.folder, RecursiveMode::Recursive).map_err(failed)?;
        let pipeline = std::path::absolute(pipeline).unwrap_or_else(|_| PathBuf::from(pipeline));
        if !pipeline.starts_with(&project.folder) {
            watcher.watch(&pipeline, RecursiveMode::NonRecursive).map_err(failed)?;
        }
        Ok(Self { _watcher: watcher, changed })
    }

    /// Returns at the next change, or at once where there was one since the last.
    pub(super) async fn next(&mut self) -> Result<(), Failure> {
        let ended = || Failure::Other {
            message: "the project's files can no longer be watched".to_owned(),
            help: "Start the command again.".to_owned(),
            status: 1,
        };
        self.changed.recv().await.ok_or_else(ended)?;
        while let Ok(Some(())) = timeout(PAUSE, self.changed.recv()).await {}
        Ok(())
    }
}
