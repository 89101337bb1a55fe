//! Keys and values in rows of a few lengths, as on a GPU, give what they give by the page.

mod common;

use common::{answer, copied, engine, options, request, tokens};
use llmhost_inference::Engine;
use llmhost_inference::engine::{Options, Request, Speculate};

const MIB: usize = 1 << 20;

/// Rows of 320, 1,088 and 4,160 places.
const MODEL: &str = "tiny-wide";

fn tiered() -> Options {
    Options { tiers: true, max_batch: 8, ..options() }
}

fn together(engine: &Engine, requests: Vec<Request>) -> Vec<Vec<u32>> {
    let streams: Vec<_> = requests.into_iter().map(|request| engine.generate(request).expect("accepted")).collect();
    streams.into_iter().map(|stream| stream.collect_blocking().expect("answered").tokens).collect()
}

#[test]
fn a_long_context_takes_as_many_short_requests_as_memory_holds() {
    let folder = copied("tiny");
    let path = folder.path().join("config.json");
    let mut config: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).expect("a file")).expect("JSON");
    config["max_position_embeddings"] = 131_072.into();
    std::fs::write(&path, config.to_string()).expect("written");
    // One request of the whole context would take all of it.
    let settings = Options { cache_bytes: Some(85 * MIB), max_batch: 32, ..tiered() };
    let engine = Engine::load(folder.path(), &settings).expect("it loads");
    let stats = engine.stats();
    assert_eq!((stats.context, stats.slots), (131_072, 32));
    let ask = |seed| request(tokens(seed, 3 + seed as usize % 40), 60);
    let found = together(&engine, (0..32).map(ask).collect());
    let small = self::engine("tiny", &options());
    for (seed, found) in (0..).zip(found) {
        assert_eq!(found, answer(&small, ask(seed)).tokens, "{seed}");
    }
    let stats = engine.stats();
    let many: u64 = stats.batch_sizes[24..].iter().sum();
    assert!(many > 30, "they ran together: {:?}", stats.batch_sizes);
    // Rows of 576 places, 512 bytes a token.
    assert!(stats.held_bytes <= 32 * 576 * 512 && stats.paused == 0, "{stats:?}");
}

#[test]
fn requests_grow_from_row_to_row_beside_each_other() {
    let rows = engine(MODEL, &tiered());
    let pages = engine(MODEL, &Options { max_batch: 8, ..options() });
    let asks = || -> Vec<Request> {
        let sizes = [(5, 40), (300, 60), (1080, 40), (310, 12), (2, 330), (1500, 5), (700, 9), (319, 3)];
        (0..).zip(sizes).map(|(seed, (prompt, answer))| request(tokens(seed, prompt), answer)).collect()
    };
    let (found, expected) = (together(&rows, asks()), together(&pages, asks()));
    for (place, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_eq!(found, expected, "{place}");
    }
    // Again, with what was kept of them, and with others between.
    assert_eq!(together(&rows, asks()), expected);
    let stats = rows.stats();
    assert!(stats.reused_tokens > 1000 && stats.failed == 0, "{stats:?}");
}

#[test]
fn answers_that_outgrow_the_memory_of_rows_wait_for_each_other_and_none_fails() {
    let bytes = 4096 * 4160 * 5 / 4 + 4096;
    let tight = engine(MODEL, &Options { cache_bytes: Some(bytes), ..tiered() });
    assert_eq!(tight.stats().context, 4096);
    let roomy = engine(MODEL, &options());
    // Rows of 1,088 places each, of which three fit.
    let ask = |seed| request(tokens(seed, 280 + seed as usize), 90);
    let found = together(&tight, (0..6).map(ask).collect());
    for (seed, found) in (0..).zip(found) {
        assert_eq!(found, answer(&roomy, ask(seed)).tokens, "{seed}");
    }
    let stats = tight.stats();
    assert_eq!((stats.active, stats.queued, stats.finished, stats.failed), (0, 0, 6, 0));
    assert!(stats.held_bytes <= stats.cache_bytes, "{stats:?}");
    let one = answer(&tight, request(tokens(1, 3900), 100));
    assert_eq!(one.tokens, answer(&roomy, request(tokens(1, 3900), 100)).tokens, "one has all of it");
}

#[test]
fn guesses_and_prompts_that_begin_alike_work_in_rows_too() {
    let rows = engine(MODEL, &Options { speculate: Speculate::Always, ..tiered() });
    let pages = engine(MODEL, &Options { speculate: Speculate::Off, ..options() });
    let text = tokens(9, 200);
    let ask = |seed: u32| request([text.clone(), text[..90].to_vec(), tokens(seed, 3)].concat(), 60);
    let found = together(&rows, (0..5).map(ask).collect());
    for (seed, found) in (0..).zip(found) {
        assert_eq!(found, answer(&pages, ask(seed)).tokens, "{seed}");
    }
    let stats = rows.stats();
    assert!(stats.proposed_tokens > 0, "{stats:?}");
}

#[test]
fn steps_with_tensors_of_their_own_give_the_same_answers() {
    let own = engine(MODEL, &Options { own_tensors: true, ..tiered() });
    let pages = engine(MODEL, &Options { max_batch: 8, ..options() });
    let asks = || -> Vec<Request> {
        let sizes = [(5, 40), (300, 60), (1080, 40), (310, 12), (2, 330), (30, 20), (700, 9), (319, 3)];
        (0..).zip(sizes).map(|(seed, (prompt, answer))| request(tokens(seed, prompt), answer)).collect()
    };
    assert_eq!(together(&own, asks()), together(&pages, asks()));
}

#[test]
fn rows_of_both_sides_of_a_threshold_step_apart() {
    let rows = engine("tiny-longrope", &tiered());
    let pages = engine("tiny-longrope", &options());
    // Some cross the threshold of 32, some are kept between others that go on.
    let sizes = [(5, 60), (40, 3), (20, 30), (60, 50), (31, 2), (8, 10), (33, 40), (12, 12), (3, 20), (25, 25)];
    let asks = || -> Vec<Request> {
        (0..).zip(sizes).map(|(seed, (prompt, answer))| request(tokens(seed, prompt), answer)).collect()
    };
    let found = together(&rows, asks());
    for (place, (found, ask)) in found.into_iter().zip(asks()).enumerate() {
        assert_eq!(found, answer(&pages, ask).tokens, "{place}");
    }
}
