//! Tokens out of the likeliest ones that the graph finds are those that the whole rows give.

mod common;

use common::{copied, engine, options, request, run_python, tokens};
use llmhost_inference::Engine;
use llmhost_inference::engine::{Options, Request, Speculate};
use llmhost_inference::sampling::SamplingParams;

fn within(likeliest: bool) -> Options {
    Options { likeliest: Some(likeliest), ..options() }
}

/// Ways to choose: some need a few tokens, some every one.
fn ways() -> Vec<SamplingParams> {
    let seeded = SamplingParams { seed: Some(5), ..SamplingParams::default() };
    let drawn = SamplingParams { temperature: 0.8, ..seeded.clone() };
    vec![
        SamplingParams::default(),
        SamplingParams { top_k: 20, ..drawn.clone() },
        SamplingParams { top_k: 40, top_p: 0.9, ..drawn.clone() },
        SamplingParams { top_k: 100, ..drawn.clone() },
        SamplingParams { top_k: 10, min_p: 0.1, ..drawn.clone() },
        SamplingParams { top_p: 0.9, ..drawn.clone() },
        drawn.clone(),
        SamplingParams { logprobs: Some(3), ..SamplingParams::default() },
        SamplingParams { repetition_penalty: 1.3, ..SamplingParams::default() },
        SamplingParams { presence_penalty: 0.5, top_k: 20, ..drawn.clone() },
        SamplingParams { logit_bias: vec![(7, 5.0)], ..SamplingParams::default() },
    ]
}

/// Together where the numbers are 32-bit floats; of fewer bits one may change with who runs beside.
fn answers(engine: &Engine, together: bool) -> Vec<Vec<u32>> {
    let ask =
        |(at, sampling): (u32, SamplingParams)| Request { sampling, ..request(tokens(at, 3 + 9 * at as usize), 40) };
    if !together {
        return (0..).zip(ways()).map(|one| common::answer(engine, ask(one)).tokens).collect();
    }
    let streams: Vec<_> = (0..).zip(ways()).map(|one| engine.generate(ask(one)).expect("accepted")).collect();
    streams.into_iter().map(|stream| stream.collect_blocking().expect("answered").tokens).collect()
}

#[test]
fn answers_are_the_same_with_the_likeliest_tokens_found_in_the_graph() {
    type Variant = fn(Options) -> Options;
    let variants: [(&str, Variant); 4] = [
        ("tiny", |options| options),
        ("tiny-fp16", |options| options),
        ("tiny", |options| Options { tiers: true, own_tensors: true, ..options }),
        ("tiny", |options| Options { speculate: Speculate::Always, ..options }),
    ];
    for (name, variant) in variants {
        let (few, whole) = (engine(name, &variant(within(true))), engine(name, &variant(within(false))));
        let together = name == "tiny";
        assert_eq!(answers(&few, together), answers(&whole, together), "{name}");
        let (few, whole) = (few.stats(), whole.stats());
        // Of eleven ways four need a few tokens, and ties are rare.
        assert!(few.short_rows > few.generated_tokens / 4, "{name}: {few:?}");
        assert!(few.short_rows < few.generated_tokens / 2, "{name}: {few:?}");
        assert_eq!(whole.short_rows, 0, "{name}");
    }
}

#[test]
fn rows_of_bfloat16_are_told_apart_or_read_whole() {
    // Eight bits of fraction: many of 384 logits are equal.
    let folder = copied("tiny");
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/layouts/rewrite.py");
    run_python(&[program, &folder.path().join("model.onnx").display().to_string(), "bf16"], "");
    let load = |likeliest| Engine::load(folder.path(), &within(likeliest)).expect("it loads");
    let (few, whole) = (load(true), load(false));
    assert_eq!(answers(&few, false), answers(&whole, false));
    assert!(few.stats().short_rows > 0);
}

#[test]
fn callers_who_run_the_graph_see_what_its_file_has() {
    let engine = engine("tiny", &within(true));
    let names: Vec<&str> = engine.outputs().iter().map(|output| output.name.as_str()).collect();
    assert!(names.contains(&"logits") && names.iter().all(|name| !name.starts_with("llmhost")), "{names:?}");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let found = runtime.block_on(engine.run(common::whole_text(&engine, &tokens(1, 7)))).expect("it runs");
    assert!(found.iter().all(|output| !output.name.starts_with("llmhost")));
    let expected = runtime.block_on(common::plain_loop(&engine, &tokens(1, 7), 5));
    assert_eq!(common::answer(&engine, request(tokens(1, 7), 5)).tokens, expected);
}
