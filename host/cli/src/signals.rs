//! Ctrl-C and SIGTERM: the first stops the run in an orderly way, the second at once. A terminal that goes away (SIGHUP)
//! stops it in an orderly way, however often it says so.

use std::time::Duration;

use llmhost_engine::run::Cancel;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::Console;
use crate::view;

/// What the last live row says while a run can be stopped.
const STOPPABLE: &str = "Ctrl-C: finish the calls in flight, then stop. Twice: exit at once.";
/// And while it stops.
const STOPPING: &str = "Stopping after the calls in flight. Ctrl-C again: exit at once.";
/// How long the terminal may take to remove the live rows.
const CLEARING: Duration = Duration::from_millis(200);

/// Listens from now on.
pub(crate) fn listen(console: &Console) -> Cancel {
    let cancel = Cancel::default();
    // A process that cannot listen keeps the system's own behaviour.
    if let (Ok(interrupt), Ok(terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
        // With nohup a run goes on, and listening would end that.
        let hangup = if is_hangup_ignored() { None } else { signal(SignalKind::hangup()).ok() };
        tokio::spawn(serve(interrupt, terminate, hangup, cancel.clone(), console.clone()));
        console.footer(STOPPABLE);
    }
    cancel
}

async fn serve(
    mut interrupt: Signal,
    mut terminate: Signal,
    mut hangup: Option<Signal>,
    cancel: Cancel,
    console: Console,
) {
    let gone = async {
        match &mut hangup {
            Some(hangup) => _ = hangup.recv().await,
            None => std::future::pending().await,
        }
    };
    let is_gone = tokio::select! {
        () = either(&mut interrupt, &mut terminate) => false,
        () = gone => true,
    };
    cancel.cancel();
    // Not here: a terminal that takes nothing any more must not keep the second from being heard.
    tokio::task::spawn_blocking(move || {
        let why = if is_gone { "The terminal closed. Stopping" } else { "Stopping" };
        console.footer(STOPPING);
        console.note(&format!(
            "{why}: waits end, calls in flight finish, and everything is recorded. Press Ctrl-C again to exit at once."
        ));
    });
    either(&mut interrupt, &mut terminate).await;
    // Nor here: a terminal that takes nothing any more must not keep the process from its end.
    let clear = tokio::task::spawn_blocking(|| view::screen().clear());
    let _ = tokio::time::timeout(CLEARING, clear).await;
    std::process::exit(130);
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// Whether whoever started this process wants it to outlive its terminal. Only Linux tells; elsewhere nobody does.
fn is_hangup_ignored() -> bool {
    /// SIGHUP is signal 1, the lowest bit.
    const HANGUP: u64 = 1;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & HANGUP != 0)
}
