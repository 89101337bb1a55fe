//! The snapshot of a state in a folder.
#![no_main]

use llmhost_engine::state::LocalStore;
use llmhost_fuzz::{file, folder};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = file("state.json", data);
    let _ = LocalStore::read(&folder(), "p");
});
