//! What the system counts as taken stays within the cache's bytes, and falls where prompts go. Alone in
//! its process: the numbers are the whole process's.

mod common;

use common::{answer, engine, options, request, tokens};
use llmhost_inference::engine::Options;

const MIB: usize = 1 << 20;

/// Bytes of this process in memory.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.trim().trim_end_matches("kB").trim().parse::<usize>().expect("a number") * 1024
}

#[test]
fn memory_is_bounded_and_given_back() {
    // 4 KiB a token: 4,096 tokens in 16 MiB.
    let settings = Options { cache_bytes: Some(16 * MIB), max_batch: 16, ..options() };
    let engine = engine("tiny-wide", &settings);
    assert_eq!((engine.stats().context, engine.stats().slots), (4096, 16));
    // What ONNX Runtime takes to compute with comes first.
    answer(&engine, request(tokens(0, 3500), 2));
    answer(&engine, request(tokens(1, 8), 2));
    let before = resident();
    for seed in 2..12 {
        let streams: Vec<_> = (0..4)
            .map(|other| engine.generate(request(tokens(100 * seed + other, 900), 40)).expect("accepted"))
            .collect();
        streams.into_iter().for_each(|stream| _ = stream.collect_blocking().expect("answered"));
        let stats = engine.stats();
        assert!(stats.held_bytes <= 16 * MIB, "{stats:?}");
        // 40 prompts of 3.6 MiB were read in all.
        assert!(resident() < before + 12 * MIB, "{} MiB and then {} MiB", before / MIB, resident() / MIB);
    }
    // One long prompt fills the cache; a short one beside it makes it go.
    answer(&engine, request(tokens(7, 3900), 2));
    let full = (resident(), engine.stats().held_bytes);
    answer(&engine, request(tokens(8, 100), 200));
    let after = (resident(), engine.stats().held_bytes);
    assert!(full.1 > 15 * MIB && after.1 < 3 * MIB, "{full:?} {after:?}");
    assert!(after.0 + 10 * MIB < full.0, "{full:?} {after:?}");
}
