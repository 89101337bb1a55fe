//! Ctrl-C and SIGTERM: the first stops the run in an orderly way, the second at once.

use llmhost_engine::run::Cancel;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::Console;

/// Listens from now on.
pub(crate) fn listen(console: &Console) -> Cancel {
    let cancel = Cancel::default();
    // A process that cannot listen keeps the system's own behaviour.
    if let (Ok(interrupt), Ok(terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
        tokio::spawn(serve(interrupt, terminate, cancel.clone(), console.clone()));
    }
    cancel
}

async fn serve(mut interrupt: Signal, mut terminate: Signal, cancel: Cancel, console: Console) {
    either(&mut interrupt, &mut terminate).await;
    cancel.cancel();
    // Not here: a terminal that takes nothing any more must not keep the second from being heard.
    tokio::task::spawn_blocking(move || {
        console.note("Stopping: running calls finish and the state is saved. Press Ctrl-C again to exit now.");
    });
    either(&mut interrupt, &mut terminate).await;
    std::process::exit(130);
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
