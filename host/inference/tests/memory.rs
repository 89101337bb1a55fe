//! Requests take the memory of the tokens that they use.

mod common;

use common::{answer, copied, engine, options, request, tokens};
use llmhost_inference::Engine;
use llmhost_inference::engine::Options;

const MIB: usize = 1 << 20;

/// A copy of a model, made for so many tokens by its config.json.
fn with_context(name: &str, context: usize) -> tempfile::TempDir {
    let place = copied(name);
    let path = place.path().join("config.json");
    let mut config: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).expect("a file")).expect("JSON");
    config["max_position_embeddings"] = context.into();
    std::fs::write(&path, config.to_string()).expect("written");
    place
}

#[test]
fn a_model_with_a_long_context_takes_as_many_short_requests_as_memory_holds() {
    let folder = with_context("tiny", 131_072);
    let settings = Options { cache_bytes: Some(64 * MIB), max_batch: 32, ..options() };
    let engine = Engine::load(folder.path(), &settings).expect("it loads");
    let stats = engine.stats();
    assert_eq!((stats.context, stats.slots, stats.cache_tokens), (131_072, 32, 131_072));
    let ask = |seed| request(tokens(seed, 3 + seed as usize % 40), 60);
    let streams: Vec<_> = (0..32).map(|seed| engine.generate(ask(seed)).expect("accepted")).collect();
    let small = self::engine("tiny", &options());
    for (seed, stream) in (0..).zip(streams) {
        assert_eq!(stream.collect_blocking().expect("answered").tokens, answer(&small, ask(seed)).tokens, "{seed}");
    }
    let stats = engine.stats();
    assert!(stats.batch_sizes[31] > 30, "all 32 ran together: {:?}", stats.batch_sizes);
    assert!(stats.held_bytes < 8 * MIB && stats.paused == 0, "{stats:?}");
    let error = engine.generate(request(tokens(1, 5), 131_072)).expect_err("too long").to_string();
    assert!(error.contains("the context has 131072"), "{error}");
}

#[test]
fn a_request_longer_than_the_memory_is_refused() {
    let folder = with_context("tiny", 131_072);
    let settings = Options { cache_bytes: Some(MIB), ..options() };
    let engine = Engine::load(folder.path(), &settings).expect("it loads");
    // 64 bytes of a token in each of 8 parts: 2,048 tokens to a MiB.
    let error = engine.generate(request(tokens(1, 2048), 1)).expect_err("too long").to_string();
    assert_eq!(error, "the prompt has 2048 tokens and 1 are requested, and the context has 2048");
    assert_eq!(answer(&engine, request(tokens(1, 100), 5)).tokens.len(), 5);
    let settings = Options { context: Some(4096), ..settings };
    let error = Engine::load(folder.path(), &settings).expect_err("no room").to_string();
    assert!(error.contains("need 2097152 bytes, and 1048576 are available"), "{error}");
}

#[test]
fn answers_that_outgrow_the_memory_wait_for_each_other_and_none_fails() {
    // 16 pages for each part, of 64 tokens each; every answer comes to 8 pages.
    let settings = Options { cache_bytes: Some(16 * 8 * 4096), max_batch: 8, ..options() };
    for (name, reuse) in [("tiny", true), ("tiny", false), ("tiny-longrope", true)] {
        let tight = engine(name, &Options { reuse, ..settings.clone() });
        let roomy = engine(name, &options());
        let ask = |seed| request(tokens(seed, 10 + seed as usize), 480);
        let streams: Vec<_> = (0..6).map(|seed| tight.generate(ask(seed)).expect("accepted")).collect();
        for (seed, stream) in (0..).zip(streams) {
            let (got, expected) = (stream.collect_blocking().expect("answered"), answer(&roomy, ask(seed)));
            assert_eq!((got.tokens, got.usage.completion), (expected.tokens, 480), "{name}, {seed}");
        }
        let stats = tight.stats();
        assert!(stats.paused > 0, "{name}: {stats:?}");
        assert_eq!((stats.active, stats.queued, stats.finished, stats.failed), (0, 0, 6, 0), "{name}");
    }
}

#[test]
fn kept_prompts_go_before_a_request_waits_the_oldest_first() {
    let settings = Options { cache_bytes: Some(16 * 8 * 4096), max_batch: 8, ..options() };
    let engine = engine("tiny", &settings);
    // Each takes 4 pages of each part: the first goes for the fifth.
    for seed in 0..5 {
        answer(&engine, request(tokens(seed, 250), 2));
    }
    let reused = |seed| answer(&engine, request(tokens(seed, 250), 2)).usage.reused;
    assert_eq!([4, 3, 2, 1].map(reused), [249; 4]);
    assert_eq!(reused(0), 0, "it had to go");
    assert_eq!(engine.stats().paused, 0);
}
