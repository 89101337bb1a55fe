//! Graphs that compute a row by the length of the run give each row what it would have alone.

mod common;

use common::{answer, copied, engine, options, plain_loop, request, run_python, tokens};
use llmhost_inference::Engine;
use llmhost_inference::engine::{Options, Prompt, Request};

/// Around the model's 32 tokens, in chunks of 16 and in longer ones, up to 300.
const PROMPTS: [usize; 13] = [1, 5, 15, 16, 17, 31, 32, 33, 47, 64, 100, 200, 300];

/// What each prompt makes of the graph alone: the whole text for each token, all of it on one side.
async fn expected(engine: &Engine, count: usize) -> Vec<Vec<u32>> {
    let mut all = Vec::new();
    for (seed, length) in (0..).zip(PROMPTS) {
        all.push(plain_loop(engine, &tokens(seed, length), count).await);
    }
    all
}

#[tokio::test]
async fn prompts_of_any_length_are_answered_as_if_alone() {
    let settings = Options { chunk: 16, max_batch: 8, ..options() };
    let engine = engine("tiny-longrope", &settings);
    let expected = expected(&engine, 40).await;
    let stream = |seed: u32, length| engine.generate(request(tokens(seed, length), 40)).expect("accepted");
    for (seed, length) in (0..).zip(PROMPTS) {
        let got = stream(seed, length).collect().await.expect("answered");
        assert_eq!(got.tokens, expected[seed as usize], "a prompt of {length}, alone");
    }
    for round in 0..3 {
        let streams: Vec<_> = (0..).zip(PROMPTS).map(|(seed, length)| stream(seed, length)).collect();
        for (stream, (expected, length)) in streams.into_iter().zip(expected.iter().zip(PROMPTS)) {
            let got = stream.collect().await.expect("answered");
            assert_eq!(got.tokens, *expected, "a prompt of {length}, among others, round {round}");
        }
    }
    assert!(engine.stats().batch_sizes[2..].iter().sum::<u64>() > 0, "{:?}", engine.stats().batch_sizes);
}

#[tokio::test]
async fn keys_of_one_side_are_of_no_use_on_the_other() {
    let engine = engine("tiny-longrope", &options());
    let long = tokens(3, 60);
    answer_of(&engine, long.clone()).await;
    // Of a text on the other side there is nothing to take over; of one on the same side there is.
    for (prompt, reused) in [(&long[..25], false), (&long[..29], true), (&long[..50], true)] {
        let expected = plain_loop(&engine, prompt, 3).await;
        let got = answer_of(&engine, prompt.to_vec()).await;
        assert_eq!((got.tokens, got.usage.reused > 0), (expected, reused), "{}", prompt.len());
    }
}

async fn answer_of(engine: &Engine, prompt: Vec<u32>) -> llmhost_inference::engine::Generated {
    engine.generate(request(prompt, 3)).expect("accepted").collect().await.expect("answered")
}

#[test]
fn an_answer_goes_on_beyond_the_threshold_with_every_setting() {
    let engine = engine("tiny-longrope", &options());
    let sampled = |seed| Request {
        sampling: llmhost_inference::sampling::SamplingParams {
            temperature: 0.8,
            seed: Some(seed),
            repetition_penalty: 1.1,
            ..Default::default()
        },
        ..request(tokens(9, 28), 30)
    };
    let one = answer(&engine, sampled(1));
    assert_eq!((one.tokens.len(), one.usage.completion, one.usage.prompt), (30, 30, 28));
    assert_eq!(one.tokens, answer(&engine, sampled(1)).tokens);
}

/// Makes a graph compute with the length of the run, in a way that changes nothing and could.
const FRACTION: &str = "
import sys, onnx
import numpy as np
from onnx import helper, numpy_helper
model = onnx.load(sys.argv[1])
graph = model.graph
for node in graph.node:
    for at, name in enumerate(node.input):
        if name == '/model/embed_tokens/output_0':
            node.input[at] = 'scaled'
graph.initializer.append(numpy_helper.from_array(np.array(0, np.float32), 'zero_power'))
at = next(at for at, node in enumerate(graph.node) if node.output[0] == '/model/embed_tokens/output_0')
new = [
    helper.make_node('Shape', ['attention_mask'], ['the_length'], start=1, end=2),
    helper.make_node('Cast', ['the_length'], ['the_fraction'], to=1),
    helper.make_node('Pow', ['the_fraction', 'zero_power'], ['a_one']),
    helper.make_node('Mul', ['/model/embed_tokens/output_0', 'a_one'], ['scaled']),
]
for place, node in enumerate(new):
    graph.node.insert(at + 1 + place, node)
onnx.save(model, sys.argv[1])
";

#[test]
fn a_graph_that_is_not_followed_runs_each_request_alone() {
    let folder = copied("tiny");
    run_python(&["-c", FRACTION, &folder.path().join("model.onnx").display().to_string()], "");
    let alone = engine("tiny", &options());
    let engine = Engine::load(folder.path(), &Options { chunk: 16, ..options() }).expect("it loads");
    let requests = || (0..6).map(|seed| request(tokens(seed, 40), 20));
    let streams: Vec<_> = requests().map(|request| engine.generate(request).expect("accepted")).collect();
    for (stream, request) in streams.into_iter().zip(requests()) {
        assert_eq!(stream.collect_blocking().expect("answered").tokens, answer(&alone, request).tokens);
    }
    let stats = engine.stats();
    assert!(
        stats.batch_sizes[0] > 0 && stats.batch_sizes[1..].iter().all(|count| *count == 0),
        "{:?}",
        stats.batch_sizes
    );
    let text = Request { max_tokens: Some(4), ..Request::new(Prompt::Text("the same again and again".into())) };
    answer(&engine, text.clone());
    assert_eq!(answer(&engine, text).usage.reused, 0);
}
