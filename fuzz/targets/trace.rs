//! The trace of a run.
#![no_main]

use llmhost_engine::trace::Recording;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = Recording::read(text);
});
