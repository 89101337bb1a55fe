//! ONNX Runtime's own log, forwarded to `tracing`.
//!
//! The last error line is kept: where a provider does not start, the call returns a general
//! sentence and the log alone has the name of the missing library.

use std::sync::{Arc, Mutex};

use ort::logging::{LogLevel, LoggerFunction};

static LAST: Mutex<Option<String>> = Mutex::new(None);

/// The function to give to the environment.
pub(super) fn logger() -> LoggerFunction {
    Arc::new(|level, _category, _id, place, message| match level {
        LogLevel::Error | LogLevel::Fatal => {
            *LAST.lock().unwrap_or_else(|broken| broken.into_inner()) = Some(message.to_owned());
            tracing::error!(target: "onnxruntime", place, "{message}");
        }
        LogLevel::Warning => tracing::warn!(target: "onnxruntime", place, "{message}"),
        LogLevel::Info => tracing::info!(target: "onnxruntime", place, "{message}"),
        LogLevel::Verbose => tracing::trace!(target: "onnxruntime", place, "{message}"),
    })
}

/// The last error line since the last call.
pub(super) fn take_last_error() -> Option<String> {
    LAST.lock().unwrap_or_else(|broken| broken.into_inner()).take()
}
