//! A draft model changes no answer, whatever it guesses, and takes no memory that requests need.
#![allow(missing_docs)]

mod common;

use std::path::Path;
use std::time::Duration;

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

#[test]
fn where_memory_ends_the_draft_model_goes_first_and_requests_go_on() {
    let copy = copied("tiny");
    // 16 pages for each part, of 64 tokens each; every answer comes to 8 pages, and its draft to as many.
    let settings = Options { cache_bytes: Some(16 * 8 * 4096), max_batch: 8, ..with(Speculate::Always) };
    for (name, draft) in [("tiny", copy.path().to_owned()), ("tiny", folder("tiny-wide"))] {
        let (tight, roomy) = (drafted(name, &draft, &settings), engine(name, &options()));
        let limit = tight.stats().cache_bytes;
        let ask = |seed| request(tokens(seed, 10 + seed as usize), 480);
        let first = tight.generate(ask(0)).expect("accepted");
        while tight.stats().draft_proposed_tokens == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        let streams: Vec<_> = (1..6).map(|seed| tight.generate(ask(seed)).expect("accepted")).collect();
        for (seed, stream) in (0..).zip([first].into_iter().chain(streams)) {
            let got = stream.collect_blocking().expect("answered");
            assert_eq!(got.tokens, answer(&roomy, ask(seed)).tokens, "{name}, {seed}");
            assert!(tight.stats().held_bytes <= limit, "{:?}", tight.stats());
        }
        let stats = tight.stats();
        assert!(stats.paused > 0, "{stats:?}");
        assert_eq!((stats.active, stats.queued, stats.finished, stats.failed), (0, 0, 6, 0), "{name}");
    }
}

#[test]
fn what_a_draft_model_reads_counts_with_the_memory_of_requests() {
    let copy = copied("tiny");
    let with = drafted("tiny", copy.path(), &with(Speculate::Always));
    let without = engine("tiny", &self::with(Speculate::Off));
    // The first token is the prompt's, and the draft model has nothing to do with it.
    let short = || request(tokens(1, 300), 1);
    assert_eq!(answer(&with, short()).tokens, answer(&without, short()).tokens);
    assert_eq!(with.stats().held_bytes, without.stats().held_bytes);
    let long = || request(tokens(1, 300), 60);
    assert_eq!(answer(&with, long()).tokens, answer(&without, long()).tokens);
    assert_eq!(with.stats().held_bytes, 2 * without.stats().held_bytes, "both have read the same");
}

#[test]
fn a_draft_model_that_fails_ends_no_request() {
    let copy = copied("tiny");
    let prompt = tokens(5, 30);
    common::fails_on(copy.path(), prompt[20]);
    let with = drafted("tiny", copy.path(), &with(Speculate::Always));
    let without = engine("tiny", &self::with(Speculate::Off));
    for seed in 0..8 {
        let ask = || request([tokens(seed, 9), prompt.clone()].concat(), 40);
        let beside = with.generate(request(tokens(seed + 70, 4), 60)).expect("accepted");
        assert_eq!(answer(&with, ask()).tokens, answer(&without, ask()).tokens);
        let expected = answer(&without, request(tokens(seed + 70, 4), 60));
        assert_eq!(beside.collect_blocking().expect("answered").tokens, expected.tokens);
    }
    assert_eq!(with.stats().failed, 0);
}

#[test]
fn answers_go_on_where_the_context_of_the_draft_model_ends() {
    for name in ["tiny", "tiny-plain"] {
        let copy = copied(name);
        let path = copy.path().join("config.json");
        let mut config: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&path).expect("a file")).expect("JSON");
        config["max_position_embeddings"] = 48.into();
        std::fs::write(&path, config.to_string()).expect("written");
        let with = drafted(name, copy.path(), &with(Speculate::Always));
        let without = engine(name, &self::with(Speculate::Off));
        for seed in 0..10 {
            let ask = || request(tokens(seed, 20 + 6 * seed as usize), 60);
            let beside: Vec<_> = (0..3).map(|more| with.generate(kind(seed + more)).expect("accepted")).collect();
            assert_eq!(answer(&with, ask()).tokens, answer(&without, ask()).tokens, "{name}, {seed}");
            for (more, stream) in (0..).zip(beside) {
                let expected = answer(&without, kind(seed + more));
                assert_eq!(stream.collect_blocking().expect("answered").tokens, expected.tokens, "{name}, {seed}");
            }
        }
        assert!(with.stats().draft_proposed_tokens > 50, "{:?}", with.stats());
    }
}

/// Why a draft is refused.
fn refused(name: &str, draft: &Path) -> String {
    let options = Options { draft: Some(draft.to_owned()), ..options() };
    Engine::load(&folder(name), &options).expect_err("refused").to_string()
}

#[test]
fn drafts_that_cannot_guess_for_a_model_are_refused_in_a_sentence() {
    let at = |draft: &Path| format!("the draft model {} cannot be used: ", draft.display());
    let nowhere = Path::new("/nowhere/at/all");
    assert_eq!(refused("tiny", nowhere), at(nowhere) + "there is no such folder; check the address");
    let other = folder("smollm2-135m-instruct-int4");
    let error = refused("tiny", &other);
    assert!(error.starts_with(&(at(&other) + "its tokenizer has 49152 tokens and the model's has ")), "{error}");
    assert!(error.ends_with("; name a smaller model of the same family"), "{error}");
    let encoder = folder("tiny-embeddings");
    let error = refused("tiny", &encoder);
    assert!(error.contains("it is of the kind 'encoder' and generates no text; name a smaller model"), "{error}");
    let error = refused("tiny", &folder("tiny"));
    assert!(error.contains("it is the model itself, which gains nothing"), "{error}");
    let error = refused("tiny-embeddings", &folder("tiny"));
    assert!(error.contains("the model is of the kind 'encoder' and generates no text; leave the draft out"), "{error}");
    let error = refused("tiny-longrope", &folder("tiny"));
    assert!(error.contains("depends on the length of a run"), "{error}");
    // The same number of tokens, of which two are exchanged.
    let copy = copied("tiny");
    let path = copy.path().join("tokenizer.json");
    let mut tokenizer: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).expect("a file")).expect("JSON");
    let vocabulary = tokenizer["model"]["vocab"].as_object_mut().expect("a vocabulary");
    let (one, other) = (vocabulary["a"].clone(), vocabulary["b"].clone());
    (vocabulary["a"], vocabulary["b"]) = (other, one.clone());
    std::fs::write(&path, tokenizer.to_string()).expect("written");
    let error = refused("tiny", copy.path());
    let expected = format!("its token {one} is \"b\", and the model's is \"a\", so its tokens mean something else");
    assert!(error.contains(&expected), "{error}");
    // Where nothing is guessed it is of no use, and is not even looked for.
    let off = Options { draft: Some(nowhere.to_owned()), speculate: Speculate::Off, ..options() };
    assert_eq!(answer(&engine("tiny", &off), request(tokens(1, 5), 3)).tokens.len(), 3);
}

#[test]
fn a_draft_model_reads_in_pieces_of_any_size() {
    for (name, draft) in [("tiny", "tiny-plain"), ("tiny-plain", "tiny")] {
        for (chunk, max_batch) in [(1, 1), (3, 2)] {
            let settings = Options { chunk, max_batch, ..with(Speculate::Always) };
            let with = drafted(name, &folder(draft), &settings);
            let without = engine(name, &Options { speculate: Speculate::Off, ..settings });
            for seed in 0..4 {
                let ask = || request(tokens(seed, 5 + 40 * seed as usize), 40);
                assert_eq!(answer(&with, ask()).tokens, answer(&without, ask()).tokens, "{name}, {chunk}, {seed}");
            }
        }
    }
}
