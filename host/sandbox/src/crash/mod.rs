//! What a run that ended badly says: the guest's own message, its own frames, and what it did last.

mod frames;
mod message;
mod places;

use llmhost_engine::crash::Crash;
use llmhost_engine::plugin::PluginError;
use wasmtime::component::ResourceTableError;
use wasmtime::{ThrownException, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::limits::Hit;
use crate::state::Run;

/// Sorts an error of wasmtime into limits and crashes. `component` gives the bytes that were compiled, for
/// the line tables in them; `refused` is why the guest was refused memory last.
pub(crate) fn explain(
    error: &wasmtime::Error,
    run: &Run,
    refused: Option<&Hit>,
    component: impl FnOnce() -> Option<Vec<u8>>,
) -> PluginError {
    let seen = error.downcast_ref::<WasmBacktrace>().map(frames::Frames::of).unwrap_or_default();
    let hit = error.downcast_ref::<Hit>().cloned().or_else(|| limit_of(error, refused));
    let reason = match &hit {
        Some(hit) => hit.detail.clone(),
        None => reason(error, &seen),
    };
    let said = last_words(run, reason);
    let (frames, hidden_frames) = seen.own(hit.is_none() && said.message.is_some(), component);
    let crash = Crash { frames, hidden_frames, ..said };
    match hit {
        // It says what to do itself; whatever was written before was no cry for help.
        Some(Hit { limit, .. }) => {
            let crash = Crash { message: None, advice: OVER_A_LIMIT.to_owned(), ..crash };
            PluginError::LimitHit { limit, crash: Box::new(crash) }
        }
        None => PluginError::Trapped(Box::new(crash)),
    }
}

/// A limit that was hit while no code of the guest ran.
pub(crate) fn stopped(Hit { limit, detail }: Hit, run: &Run) -> PluginError {
    let crash = Crash { message: None, advice: OVER_A_LIMIT.to_owned(), ..last_words(run, detail) };
    PluginError::LimitHit { limit, crash: Box::new(crash) }
}

/// What is known of a run from what it wrote and called.
fn last_words(run: &Run, reason: String) -> Crash {
    let (output, calls) = run.last();
    let message = message::find(&output);
    let advice = if message.is_some() { SPOKE } else { SILENT }.to_owned();
    Crash { reason, message, output, calls, advice, ..Crash::default() }
}

const SPOKE: &str = "This is an error in the plugin: fix it there, or send this text to the plugin's author. \
                     -v shows everything that the plugin writes; --trace writes a file that repeats the run.";
const SILENT: &str = "This is an error in the plugin, which gave no message. Plugins in Rust give one with \
                      llmhost_plugin::export!, others if they keep standard error: \"When a plugin crashes\" in \
                      docs/writing-plugins.md. -v shows everything that the plugin writes.";
const OVER_A_LIMIT: &str = "Raise the limit if the plugin needs more; otherwise this is an error in the plugin.";

/// Limits that wasmtime itself keeps.
fn limit_of(error: &wasmtime::Error, refused: Option<&Hit>) -> Option<Hit> {
    if error.downcast_ref::<Trap>() == Some(&Trap::StackOverflow) {
        return Some(Hit::stack());
    }
    if matches!(error.downcast_ref(), Some(ResourceTableError::Full)) {
        return Some(Hit::handles());
    }
    let cause = error.root_cause().to_string();
    // The types of these errors are private to wasmtime, or generic; tests hold the texts.
    if cause.contains("GC heap out of memory") {
        return refused.cloned();
    }
    cause.contains("fuel allocated for hostcalls").then(Hit::call_bytes)
}

fn reason(error: &wasmtime::Error, seen: &frames::Frames) -> String {
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return format!("it exited with code {}", exit.0);
    }
    if error.is::<ThrownException>() {
        return "it threw an exception that nothing caught".to_owned();
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => {
            "it reached an 'unreachable' instruction: a panic, an abort or a failed assertion".to_owned()
        }
        // Compilers keep a second stack in memory; running over its end looks like this.
        Some(Trap::MemoryOutOfBounds) if seen.is_recursion() => {
            "its stack overflowed, in an endless recursion".to_owned()
        }
        Some(Trap::MemoryOutOfBounds) => "it accessed memory outside of its own".to_owned(),
        Some(trap) => trap.to_string().trim_start_matches("wasm trap: ").to_owned(),
        None => error.root_cause().to_string(),
    }
}
