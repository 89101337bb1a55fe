//! Answers are the same whether their tokens are guessed or not, and guesses are tried.
#![allow(missing_docs)]

mod common;

use common::{answer, engine, options, request, tokens};
use llmhost_inference::Engine;
use llmhost_inference::engine::{Options, Prompt, Request, Speculate};
use llmhost_inference::sampling::{Grammar, SamplingParams};

const LAYOUTS: [&str; 3] = ["tiny", "tiny-plain", "tiny-fp16"];

/// An engine that tries every guess, and one that makes none.
fn both(name: &str, options: &Options) -> [Engine; 2] {
    [Speculate::Always, Speculate::Off].map(|speculate| engine(name, &Options { speculate, ..options.clone() }))
}

/// A prompt that says some tokens twice, so that its end stood in it before.
fn repeating(seed: u32) -> Vec<u32> {
    let piece = tokens(seed, 12 + seed as usize % 9);
    [tokens(seed + 500, 5), piece.clone(), piece.clone(), piece[..6].to_vec()].concat()
}

fn sampled(seed: u32, temperature: f32) -> SamplingParams {
    SamplingParams { temperature, seed: Some(seed.into()), ..SamplingParams::default() }
}

/// Requests of every kind that changes how tokens are chosen or where an answer ends.
fn requests() -> Vec<(&'static str, Request)> {
    let with = |seed: u32, sampling: SamplingParams| Request { sampling, ..request(repeating(seed), 60) };
    let mut all: Vec<_> = (0..6).map(|seed| ("greedy", request(repeating(seed), 80))).collect();
    // Few tokens to choose from, so that guesses are right often.
    let narrow: Vec<(u32, f32)> = (20..26).map(|token| (token, 100.0)).collect();
    for seed in 0..6 {
        all.push(("sampled", with(seed, sampled(seed, 0.8))));
        all.push(("narrow", with(seed, SamplingParams { logit_bias: narrow.clone(), ..sampled(seed, 1.0) })));
        let penalties = SamplingParams { repetition_penalty: 1.2, frequency_penalty: 0.5, ..sampled(seed, 0.0) };
        all.push(("penalties", with(seed, SamplingParams { logit_bias: narrow.clone(), ..penalties })));
        let logprobs = SamplingParams { logprobs: Some(2), top_p: 0.9, top_k: 5, ..sampled(seed, 0.7) };
        all.push(("log-probabilities", with(seed, logprobs)));
        all.push(("short", Request { max_tokens: Some(1 + seed as usize), ..with(seed, sampled(seed, 0.0)) }));
        let digits = Grammar::Regex("(ab, ){20}[0-9]{10}".to_owned());
        let prompt = Prompt::Text("ab, ab, ab, ".to_owned());
        all.push((
            "grammar",
            Request { grammar: Some(digits), prompt, ignore_eos: false, ..with(seed, sampled(seed, 1.0)) },
        ));
    }
    all
}

#[test]
fn every_kind_of_request_is_answered_the_same_with_guesses_and_without() {
    for name in LAYOUTS {
        let [with, without] = both(name, &Options { chunk: 32, ..options() });
        for (kind, request) in requests() {
            let (got, expected) = (answer(&with, request.clone()), answer(&without, request.clone()));
            assert_eq!(got.tokens, expected.tokens, "{name}, {kind}");
            assert_eq!((&got.text, &got.finish), (&expected.text, &expected.finish), "{name}, {kind}");
            assert_eq!(got.usage.completion, expected.usage.completion, "{name}, {kind}");
            assert_eq!(got.logprobs.len(), expected.logprobs.len(), "{name}, {kind}");
            // It ends wherever a stop string or token is, in the middle of a guess or not.
            let place = expected.tokens.len() / 2;
            let token = expected.tokens[place];
            let stopped = Request { stop_tokens: vec![token], ..request.clone() };
            assert_eq!(answer(&with, stopped.clone()).tokens, answer(&without, stopped).tokens, "{name}, {kind}");
            let stop: String = expected.text.chars().skip(expected.text.chars().count() / 2).take(3).collect();
            let stopped = Request { stop: vec![stop], ..request };
            assert_eq!(answer(&with, stopped.clone()).text, answer(&without, stopped).text, "{name}, {kind}");
        }
        let (with, without) = (with.stats(), without.stats());
        assert!(with.proposed_tokens > 1000 && with.accepted_tokens > 300, "{name}: {with:?}");
        assert!(with.batch_sizes[0] < without.batch_sizes[0], "{name}: fewer runs were needed");
        assert_eq!(with.generated_tokens, without.generated_tokens, "{name}");
        assert_eq!((without.proposed_tokens, without.accepted_tokens), (0, 0));
    }
}

#[test]
fn answers_beside_each_other_come_and_go_and_are_the_same() {
    for name in LAYOUTS {
        for speculate in [Speculate::Always, Speculate::Auto] {
            let with = engine(name, &Options { chunk: 16, speculate, ..options() });
            let without = engine(name, &Options { chunk: 16, speculate: Speculate::Off, ..options() });
            let of = |seed: u32| {
                let sampling = sampled(seed, if seed.is_multiple_of(2) { 0.0 } else { 0.8 });
                // Prompts that begin alike, and prompts of nothing that repeats.
                let prompt = match seed % 3 {
                    0 => [repeating(1), tokens(seed, 4)].concat(),
                    1 => repeating(seed),
                    _ => tokens(seed, 3 + 7 * seed as usize % 60),
                };
                Request { sampling, ..request(prompt, 8 + 11 * seed as usize % 70) }
            };
            let expected: Vec<_> = (0..24).map(|seed| answer(&without, of(seed)).tokens).collect();
            let streams: Vec<_> = (0..24).map(|seed| with.generate(of(seed)).expect("accepted")).collect();
            for (seed, stream) in streams.into_iter().enumerate() {
                let got = stream.collect_blocking().expect("answered").tokens;
                assert_eq!(got, expected[seed], "{name}, {speculate:?}, request {seed}");
            }
            let stats = with.stats();
            assert_eq!((stats.active, stats.queued, stats.finished), (0, 0, 24));
        }
    }
}

#[test]
fn guesses_stay_within_the_context() {
    for name in LAYOUTS {
        let [with, without] = both(name, &Options { context: Some(64), ..options() });
        for seed in 0..6 {
            let open = || Request { max_tokens: None, ..request(repeating(seed), 1) };
            let (got, expected) = (answer(&with, open()), answer(&without, open()));
            assert_eq!(got.tokens, expected.tokens, "{name}");
            assert_eq!(got.usage.prompt + got.usage.completion, 64, "{name}");
        }
    }
}

#[test]
fn the_next_turn_of_a_conversation_finds_what_was_guessed_right() {
    for name in LAYOUTS {
        let [with, without] = both(name, &options());
        for seed in 0..4 {
            let first = answer(&with, request(repeating(seed), 40));
            let prompt = [repeating(seed), first.tokens.clone(), tokens(seed + 90, 7)].concat();
            let (got, expected) = (answer(&with, request(prompt.clone(), 30)), answer(&without, request(prompt, 30)));
            assert_eq!(got.tokens, expected.tokens, "{name}");
            assert!(got.usage.reused >= repeating(seed).len() + 39, "{name}: {:?}", got.usage);
        }
    }
}

#[test]
fn where_kernels_round_by_the_width_of_a_run_greedy_answers_and_seeds_are_not_guessed_for() {
    // Its weights have 4 bits, and the processor multiplies one row by them otherwise than several.
    let name = "smollm2-135m-instruct-int4";
    let [with, without] = both(name, &Options { context: Some(512), reuse: false, ..options() });
    let prompt = Prompt::Text("one two three one two three one two".to_owned());
    let request =
        |sampling| Request { max_tokens: Some(24), sampling, ignore_eos: true, ..Request::new(prompt.clone()) };
    let seeded = || request(sampled(3, 0.7));
    assert_eq!(answer(&with, seeded()).tokens, answer(&without, seeded()).tokens);
    let auto = engine(name, &Options { context: Some(512), reuse: false, ..options() });
    let greedy = || request(SamplingParams::default());
    assert_eq!(answer(&auto, greedy()).tokens, answer(&without, greedy()).tokens);
    if auto.report().provider.as_str() == "cpu" {
        assert_eq!(auto.stats().proposed_tokens, 0, "a greedy answer stays what it is");
    }
    // Who says so gets guesses.
    assert_eq!(answer(&with, greedy()).tokens.len(), 24);
    assert!(with.stats().proposed_tokens > 0, "guesses are tried");
}
