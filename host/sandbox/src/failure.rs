//! What wasmtime says when a run ends badly, in the engine's words.

use llmhost_engine::plugin::PluginError;
use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::limits::Hit;

/// Frames of a backtrace that are kept.
const FRAMES: usize = 32;

/// Sorts an error of wasmtime into limits and crashes.
pub(crate) fn explain(error: &wasmtime::Error) -> PluginError {
    let backtrace = error.downcast_ref::<WasmBacktrace>().map(frames).unwrap_or_default();
    let hit = error.downcast_ref::<Hit>().cloned().or_else(|| limit_of(error));
    if let Some(Hit { limit, detail }) = hit {
        return PluginError::LimitHit { limit, detail, backtrace };
    }
    PluginError::Trapped { reason: reason(error, &backtrace), backtrace }
}

/// Limits that wasmtime itself keeps.
fn limit_of(error: &wasmtime::Error) -> Option<Hit> {
    if error.downcast_ref::<Trap>() == Some(&Trap::StackOverflow) {
        return Some(Hit::stack());
    }
    // The type of this error is private to wasmtime; a test holds the text.
    error.root_cause().to_string().contains("fuel allocated for hostcalls").then(Hit::call_bytes)
}

fn reason(error: &wasmtime::Error, backtrace: &[String]) -> String {
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return format!("it ended itself with exit({})", exit.0);
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => {
            "it came upon an 'unreachable' instruction: a panic, an abort or a failed assertion".to_owned()
        }
        // Compilers keep a second stack in memory; running over its end looks like this.
        Some(Trap::MemoryOutOfBounds) if is_recursion(backtrace) => {
            "its own stack ran over, in a recursion that does not end".to_owned()
        }
        Some(Trap::MemoryOutOfBounds) => "it used memory outside of its own".to_owned(),
        Some(trap) => trap.to_string().trim_start_matches("wasm trap: ").to_owned(),
        None => error.root_cause().to_string(),
    }
}

/// Whether one function called itself in all the frames that there are, and there are many.
fn is_recursion(backtrace: &[String]) -> bool {
    backtrace.len() >= 8 && backtrace.iter().all(|frame| *frame == backtrace[0])
}

fn frames(backtrace: &WasmBacktrace) -> Vec<String> {
    let name = |frame: &wasmtime::FrameInfo| match frame.func_name() {
        // The alternate form leaves out the hash at the end.
        Some(name) => format!("{:#}", rustc_demangle::demangle(name)),
        None => format!("function {}", frame.func_index()),
    };
    backtrace.frames().iter().take(FRAMES).map(name).collect()
}
