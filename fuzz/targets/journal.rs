//! The journal of a state in a folder. Most inputs get right checksums, or nothing behind those would be reached.
#![no_main]

use llmhost_engine::state::LocalStore;
use llmhost_fuzz::{file, folder, parts};

/// Each line with its checksum in front, as a journal has it.
fn with_checksums(lines: &[u8]) -> Vec<u8> {
    let line = |line: &[u8]| [format!("{:08x} ", crc32fast::hash(line)).as_bytes(), line, b"\n"].concat();
    lines.split(|byte| *byte == b'\n').flat_map(line).collect()
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [kind, snapshot, journal] = parts(data);
    let _ = file("state.json", snapshot);
    let _ =
        if kind.is_empty() { file("journal.jsonl", &with_checksums(journal)) } else { file("journal.jsonl", journal) };
    let _ = LocalStore::read(&folder(), "p");
});
