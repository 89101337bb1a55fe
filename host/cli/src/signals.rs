//! Ctrl-C and SIGTERM: the first stops the run in an orderly way, the second at once.

use llmhost_engine::run::Cancel;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::Console;

/// Listens from now on.
pub(crate) fn listen(console: &Console) -> Cancel {
    let cancel = Cancel::default();
    let (stop, console) = (cancel.clone(), console.clone());
    tokio::spawn(async move {
        // A process that cannot listen keeps the system's own behaviour.
        let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
        let mut stopping = false;
        loop {
            tokio::select! {
                result = tokio::signal::ctrl_c() => if result.is_err() { return },
                _ = terminate.recv() => {}
            }
            if stopping {
                std::process::exit(130);
            }
            stopping = true;
            stop.cancel();
            console.note("Stopping: what is running finishes and is recorded. Once more to leave at once.");
        }
    });
    cancel
}
