//! A panic says its message and place.
//!
//! Where the target has no standard error, the standard library says nothing of a panic, and the host sees only that
//! the plugin ended. So the message goes to the log, from where the host takes it into its report of the crash.

use std::panic::set_hook;
use std::sync::Once;

use crate::log::{Level, write};

/// Has panics written to the log from now on: `panicked at src/lib.rs:38:24:` and the message.
pub(crate) fn speak() {
    static ONCE: Once = Once::new();
    // A test of the plugin's author runs without a host, and on a target that has standard error.
    if cfg!(not(target_arch = "wasm32")) {
        return;
    }
    ONCE.call_once(|| set_hook(Box::new(|panic| write(Level::Debug, &panic.to_string()))));
}
