//! A draft model changes no answer, whatever it guesses, and takes no memory that requests need.
#![allow(missing_docs)]

mod common;

use std::path::Path;

use common::{answer, copied, engine, folder, options, request, tokens};
use llmhost_inference::Engine;
use llmhost_inference::engine::{Options, Prompt, Request, Speculate, Stats};
use llmhost_inference::sampling::{Grammar, SamplingParams};

/// Models with a draft of the same weights, in the same layout and in the other one, and with one of random others.
const ALIKE: [(&str, &str); 3] = [("tiny", "tiny-plain"), ("tiny-plain", "tiny"), ("tiny-fp16", "tiny-plain")];
const RANDOM: [(&str, &str); 2] = [("tiny", "tiny-wide"), ("tiny-plain", "tiny-wide")];

fn drafted(name: &str, draft: &Path, options: &Options) -> Engine {
    engine(name, &Options { draft: Some(draft.to_owned()), ..options.clone() })
}

fn with(speculate: Speculate) -> Options {
    Options { speculate, chunk: 32, ..options() }
}

fn sampled(seed: u32, temperature: f32) -> SamplingParams {
    SamplingParams { temperature, seed: Some(seed.into()), ..SamplingParams::default() }
}

/// A request of some kind, by its number.
fn kind(seed: u32) -> Request {
    let prompt = tokens(seed, 3 + 7 * seed as usize % 90);
    let plain = request(prompt, 8 + 11 * seed as usize % 70);
    match seed % 5 {
        0 | 1 => plain,
        2 => Request { sampling: sampled(seed, 0.8), ..plain },
        3 => Request {
            sampling: SamplingParams { repetition_penalty: 1.2, logprobs: Some(2), ..sampled(seed, 0.0) },
            ..plain
        },
        _ => Request {
            grammar: Some(Grammar::Regex("(ab, ){20}[0-9]{10}".to_owned())),
            prompt: Prompt::Text("ab, ab".to_owned()),
            ignore_eos: false,
            sampling: sampled(seed, 1.0),
            ..plain
        },
    }
}

fn share(stats: &Stats) -> f64 {
    stats.draft_accepted_tokens as f64 / stats.draft_proposed_tokens as f64
}

#[test]
fn answers_are_the_same_with_a_draft_model_whatever_it_guesses() {
    let copy = copied("tiny");
    let drafts = ALIKE.iter().chain(&RANDOM).map(|(name, draft)| (*name, folder(draft)));
    for (name, draft) in drafts.chain([("tiny", copy.path().to_owned())]) {
        let with = drafted(name, &draft, &with(Speculate::Always));
        let without = engine(name, &self::with(Speculate::Off));
        for seed in 0..40 {
            let (got, expected) = (answer(&with, kind(seed)), answer(&without, kind(seed)));
            assert_eq!(got.tokens, expected.tokens, "{name}, {}, {seed}", draft.display());
            assert_eq!((got.text, got.finish), (expected.text, expected.finish), "{name}, {seed}");
            assert_eq!(got.logprobs.len(), expected.logprobs.len(), "{name}, {seed}");
        }
        let (with, without) = (with.stats(), without.stats());
        assert!(with.draft_proposed_tokens > 500, "{name}, {}: {with:?}", draft.display());
        assert_eq!(with.generated_tokens, without.generated_tokens, "{name}");
        assert_eq!((without.draft_proposed_tokens, without.draft_accepted_tokens), (0, 0));
    }
}

/// Greedy answers that only a draft model guesses for: each of other tokens than the one before.
fn shares(name: &str, draft: &Path) -> Stats {
    let engine = drafted(name, draft, &with(Speculate::Always));
    for seed in 0..20 {
        // No token twice, so that nothing repeats.
        let sampling = SamplingParams { presence_penalty: 2.0, ..SamplingParams::default() };
        answer(&engine, Request { sampling, ..request(tokens(seed, 40), 24) });
        answer(&engine, request(tokens(seed + 50, 40), 24));
    }
    engine.stats()
}

#[test]
fn a_draft_of_the_same_weights_is_right_and_a_random_one_is_not() {
    let copy = copied("tiny");
    let (same, other) = (shares("tiny", copy.path()), shares("tiny", &folder("tiny-wide")));
    // Penalties are the request's own, and the draft model does not know them.
    assert!(share(&same) > 0.6, "{same:?}");
    assert!(share(&other) < 0.2, "{other:?}");
}

#[test]
fn answers_beside_each_other_come_and_go_and_are_the_same_with_a_draft_model() {
    let copy = copied("tiny");
    for (name, draft) in
        [("tiny", copy.path().to_owned()), ("tiny", folder("tiny-wide")), ("tiny-plain", folder("tiny"))]
    {
        for speculate in [Speculate::Always, Speculate::Auto] {
            let with = drafted(name, &draft, &with(speculate));
            let without = engine(name, &self::with(Speculate::Off));
            let expected: Vec<_> = (0..30).map(|seed| answer(&without, kind(seed)).tokens).collect();
            let streams: Vec<_> = (0..30).map(|seed| with.generate(kind(seed)).expect("accepted")).collect();
            for (seed, stream) in streams.into_iter().enumerate() {
                let got = stream.collect_blocking().expect("answered").tokens;
                assert_eq!(got, expected[seed], "{name}, {speculate:?}, request {seed}");
            }
            let stats = with.stats();
            assert_eq!((stats.active, stats.queued, stats.finished, stats.failed), (0, 0, 30, 0));
            assert!(speculate == Speculate::Auto || stats.draft_proposed_tokens > 100, "{stats:?}");
        }
    }
}
