//! Answers are right, whatever runs beside them.

mod common;

use common::{answer, engine, options, plain_loop, request, tokens};
use llmhost_inference::engine::{Finish, Options, Prompt, Request};
use llmhost_inference::sampling::{Grammar, SamplingParams};

const LAYOUTS: [&str; 3] = ["tiny", "tiny-plain", "tiny-fp16"];

#[tokio::test]
async fn greedy_tokens_are_those_of_a_plain_loop() {
    for name in LAYOUTS {
        let engine = engine(name, &Options { chunk: 16, ..options() });
        for (seed, length) in [(1, 1), (2, 2), (3, 15), (4, 16), (5, 17), (6, 50)] {
            let prompt = tokens(seed, length);
            let expected = plain_loop(&engine, &prompt, 24).await;
            let got = engine.generate(request(prompt, 24)).expect("accepted");
            let got = got.collect().await.expect("answered");
            assert_eq!(got.tokens, expected, "{name}, a prompt of {length}");
        }
    }
}

#[test]
fn the_two_cache_layouts_agree() {
    let [shared, plain] = ["tiny", "tiny-plain"].map(|name| engine(name, &options()));
    for seed in 0..5 {
        let request = || request(tokens(seed, 20 + seed as usize), 40);
        assert_eq!(answer(&shared, request()).tokens, answer(&plain, request()).tokens);
    }
}

#[test]
fn an_answer_does_not_depend_on_its_neighbours() {
    for name in LAYOUTS {
        let engine = engine(name, &Options { chunk: 16, ..options() });
        let sampled = |seed: u32| Request {
            sampling: SamplingParams {
                temperature: if seed.is_multiple_of(2) { 0.0 } else { 0.9 },
                seed: Some(u64::from(seed)),
                top_p: 0.95,
                repetition_penalty: 1.1,
                ..SamplingParams::default()
            },
            ..request(tokens(seed, 3 + 9 * seed as usize % 70), 10 + seed as usize % 30)
        };
        let alone: Vec<_> = (0..24).map(|seed| answer(&engine, sampled(seed)).tokens).collect();
        let streams: Vec<_> = (0..24).map(|seed| engine.generate(sampled(seed)).expect("accepted")).collect();
        for (seed, stream) in streams.into_iter().enumerate() {
            let together = stream.collect_blocking().expect("answered").tokens;
            assert_eq!(together, alone[seed], "{name}, request {seed}");
        }
        let sizes = engine.stats().batch_sizes;
        assert!(sizes[3] > 0, "they ran together: {sizes:?}");
    }
}

#[test]
fn a_shared_beginning_is_computed_once_and_changes_nothing() {
    for name in LAYOUTS {
        let (with, without) = (engine(name, &options()), engine(name, &Options { reuse: false, ..options() }));
        let beginning = tokens(77, 60);
        for seed in 0..8 {
            let prompt = [beginning.clone(), tokens(seed, 10)].concat();
            let (got, expected) = (answer(&with, request(prompt.clone(), 16)), answer(&without, request(prompt, 16)));
            assert_eq!(got.tokens, expected.tokens, "{name}");
            assert_eq!(got.usage.reused >= 60, seed > 0, "{name}: {:?}", got.usage);
            assert_eq!(expected.usage.reused, 0);
        }
        // At the same time: later ones copy from the first while it runs.
        let prompt = |seed: u32| [beginning.clone(), tokens(100 + seed, 5)].concat();
        let streams: Vec<_> = (0..4).map(|seed| with.generate(request(prompt(seed), 30)).expect("accepted")).collect();
        for (seed, stream) in (0..).zip(streams) {
            let got = stream.collect_blocking().expect("answered");
            assert_eq!(got.tokens, answer(&without, request(prompt(seed), 30)).tokens, "{name}");
            assert!(got.usage.reused >= 60, "{name}: {:?}", got.usage);
        }
    }
}

#[test]
fn the_same_prompt_again_is_hardly_computed() {
    let engine = engine("tiny", &options());
    let first = answer(&engine, request(tokens(5, 40), 8));
    let again = answer(&engine, request(tokens(5, 40), 8));
    assert_eq!((first.tokens, first.usage.reused), (again.tokens, 0));
    assert_eq!(again.usage.reused, 39);
}

#[test]
fn a_seed_gives_the_same_answer_and_another_seed_another() {
    let engine = engine("tiny", &options());
    let sampled = |seed| Request {
        sampling: SamplingParams { temperature: 1.0, seed: Some(seed), ..SamplingParams::default() },
        ..request(tokens(9, 12), 40)
    };
    let one = answer(&engine, sampled(1)).tokens;
    assert_eq!(one, answer(&engine, sampled(1)).tokens);
    assert_ne!(one, answer(&engine, sampled(2)).tokens);
}

#[test]
fn stop_strings_and_tokens_end_an_answer() {
    let engine = engine("tiny", &options());
    let whole = answer(&engine, request(tokens(3, 9), 60));
    // A stop string that lies across tokens somewhere in the middle.
    let middle: Vec<char> = whole.text.chars().collect();
    let stop: String = middle[middle.len() / 2..].iter().take(3).collect();
    let place = whole.text.find(&stop).expect("a part of it");
    let stopped = answer(&engine, Request { stop: vec![stop.clone()], ..request(tokens(3, 9), 60) });
    assert_eq!((stopped.text.as_str(), stopped.finish), (&whole.text[..place], Finish::String(stop)));

    let token = whole.tokens[7];
    let first = whole.tokens.iter().position(|other| *other == token).expect("it is there");
    let stopped = answer(&engine, Request { stop_tokens: vec![token], ..request(tokens(3, 9), 60) });
    assert_eq!((stopped.tokens.as_slice(), stopped.finish), (&whole.tokens[..first], Finish::Token(token)));

    let never = answer(&engine, Request { stop: vec!["\u{1}never".into()], ..request(tokens(3, 9), 60) });
    assert_eq!((never.text, never.finish), (whole.text, Finish::Length));
}

#[test]
fn logprobs_fit_the_choice() {
    let engine = engine("tiny", &options());
    let sampling = SamplingParams { logprobs: Some(3), ..SamplingParams::default() };
    let got = answer(&engine, Request { sampling, ..request(tokens(4, 9), 12) });
    assert_eq!(got.logprobs.len(), got.tokens.len());
    for (token, logprobs) in got.tokens.iter().zip(&got.logprobs) {
        assert_eq!(logprobs.top[0], (*token, logprobs.chosen), "greedy takes the likeliest");
        assert!(logprobs.top.len() == 3 && logprobs.top.is_sorted_by(|a, b| a.1 >= b.1) && logprobs.chosen <= 0.0);
    }
}

#[test]
fn a_grammar_rules_the_answer() {
    let engine = engine("tiny", &options());
    let sampling = SamplingParams { temperature: 1.0, seed: Some(3), ..SamplingParams::default() };
    let with = |grammar: Grammar| Request {
        max_tokens: Some(200),
        sampling: sampling.clone(),
        grammar: Some(grammar),
        ..Request::new(Prompt::Text("Answer: ".into()))
    };
    let got = answer(&engine, with(Grammar::Regex("(yes|no), [0-9]{3}".into())));
    assert!(got.text.len() >= 7 && (got.text.starts_with("yes, ") || got.text.starts_with("no, ")), "{}", got.text);

    let schema = serde_json::json!({
        "type": "object", "additionalProperties": false, "required": ["city", "big"],
        "properties": {"city": {"enum": ["Paris", "Rome"]}, "big": {"type": "boolean"}}
    });
    let got = answer(&engine, with(Grammar::JsonSchema(schema)));
    let value: serde_json::Value = serde_json::from_str(&got.text).expect("valid JSON");
    assert!(value["city"].is_string() && value["big"].is_boolean(), "{value}");

    let broken = engine.generate(with(Grammar::Regex("(".into()))).expect_err("no grammar");
    assert!(broken.to_string().contains("grammar is not valid"), "{broken}");
}

#[test]
fn json_ends_where_the_model_would_rather_write_line_ends() {
    let engine = engine("tiny", &options());
    let tokenizer = engine.model().tokenizer.clone().expect("a tokenizer");
    let blank = |id: &u32| tokenizer.bytes(*id).is_some_and(|text| !text.is_empty() && text.trim_ascii().is_empty());
    let logit_bias = (0..).take(tokenizer.vocabulary()).filter(blank).map(|id| (id, 100.0)).collect();
    let sampling = SamplingParams { logit_bias, ..SamplingParams::default() };
    let schema = serde_json::json!({
        "type": "object", "additionalProperties": false, "required": ["a", "b"],
        "properties": {"a": {"type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 2}, "b": {"const": 1}}
    });
    let request = |grammar| Request {
        max_tokens: Some(480),
        sampling: sampling.clone(),
        grammar: Some(grammar),
        ..Request::new(Prompt::Text("x".into()))
    };
    let got = answer(&engine, request(Grammar::JsonSchema(schema.clone())));
    assert!(got.tokens.len() < 480 && got.finish != Finish::Length, "{:?} {:?}", got.finish, got.text);
    let value: serde_json::Value = serde_json::from_str(&got.text).expect("valid JSON");
    assert!(value["a"].is_array() && value["b"] == 1, "{value}");
    let mut unbounded = schema.clone();
    unbounded["x-guidance"] = serde_json::json!({ "whitespace_flexible": true });
    let got = answer(&engine, request(Grammar::JsonSchema(unbounded)));
    assert_eq!(got.finish, Finish::Length, "this model does not end by itself: {:?}", got.text);
    // The bound takes nothing from those who write JSON as people do.
    for text in [
        serde_json::to_string(&value).expect("JSON"),
        serde_json::to_string_pretty(&value).expect("JSON"),
        "{\"a\": [true, false], \"b\": 1}".to_owned(),
        "{\r\n\t\"a\": [\r\n\t\ttrue,\r\n\t\tfalse\r\n\t],\r\n\t\"b\": 1\r\n}".to_owned(),
    ] {
        let grammars = llmhost_inference::sampling::Grammars::new(tokenizer.clone(), engine.model().config.eos.clone());
        let mut mask = grammars.mask(&Grammar::JsonSchema(schema.clone())).expect("a grammar");
        for token in tokenizer.encode(&text, false).expect("tokens") {
            mask.accept(token).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        }
    }
}

#[test]
fn text_comes_in_whole_characters() {
    let engine = engine("tiny", &options());
    let tokenizer = engine.model().tokenizer.clone().expect("a tokenizer");
    for text in ["Grüße, 世界! 👩‍👩‍👧‍👦 🏳️‍🌈", "fn main() { println!(\"{}\", 1); }\n\t", "日本語の文章。한국어 العربية"]
    {
        let ids = tokenizer.encode(text, false).expect("tokens");
        let mut stream = llmhost_inference::tokens::Detokenizer::new(tokenizer.clone());
        let pieces: Vec<String> = ids.iter().map(|id| stream.push(*id)).collect();
        assert!(pieces.iter().all(|piece| !piece.contains('\u{fffd}')), "{pieces:?}");
        assert_eq!(pieces.concat(), text);
        assert_eq!(tokenizer.decode(&ids), text);
    }
}
