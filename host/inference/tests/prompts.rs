//! Log-probabilities of a prompt's tokens: those of a plain run over the whole text, however it is cut, and whatever
//! runs beside it.

#![allow(missing_docs)]

mod common;

use common::{answer, copied, engine, options, request, run_python, tokens};
use llmhost_inference::Engine;
use llmhost_inference::engine::{NamedTensor, Options, Prompt, PromptToken};

/// Logits of each place of a text, `[tokens][vocabulary]`, from one run of the graph.
async fn rows(engine: &Engine, tokens: &[u32]) -> Vec<Vec<f64>> {
    let outputs = engine.run(common::whole_text(engine, tokens)).await.expect("the graph runs");
    let logits: &NamedTensor = outputs.iter().find(|output| output.name == "logits").expect("logits");
    let vocabulary = *logits.shape.last().expect("three dimensions");
    logits.numbers().chunks(vocabulary).map(<[f64]>::to_vec).collect()
}

/// Logarithms of the probabilities.
fn logarithms(row: &[f64]) -> Vec<f64> {
    let norm = row.iter().map(|logit| logit.exp()).sum::<f64>().ln();
    row.iter().map(|logit| logit - norm).collect()
}

fn check(name: &str, found: &[PromptToken], prompt: &[u32], rows: &[Vec<f64>], top: usize, tolerance: f64) {
    assert_eq!(found.iter().map(|token| token.id).collect::<Vec<_>>(), prompt, "{name}");
    assert_eq!(found[0].logprobs, None, "{name}: nothing is before the first");
    for (place, (token, row)) in found[1..].iter().zip(rows).enumerate() {
        let expected = logarithms(row);
        let logprobs = token.logprobs.as_ref().expect("log-probabilities");
        let near = |token: u32, found: f32| (f64::from(found) - expected[token as usize]).abs() < tolerance;
        assert!(near(token.id, logprobs.chosen), "{name}, token {}: {logprobs:?}", place + 1);
        assert!(logprobs.top.len() == top && logprobs.top.iter().all(|(token, found)| near(*token, *found)), "{name}");
        let most = expected.iter().fold(f64::NEG_INFINITY, |most, next| most.max(*next));
        assert!(logprobs.top.first().is_none_or(|(_, first)| (f64::from(*first) - most).abs() < tolerance), "{name}");
    }
}

#[tokio::test]
async fn they_are_those_of_one_run_over_the_whole_text() {
    let prompt = tokens(1, 100);
    for (name, chunk, tolerance) in
        [("tiny", 512, 1e-4), ("tiny", 7, 1e-4), ("tiny-plain", 7, 1e-4), ("tiny-fp16", 32, 2e-2)]
    {
        let engine = engine(name, &Options { chunk, ..options() });
        let rows = rows(&engine, &prompt).await;
        for top in [0, 3] {
            let found = engine.prompt_logprobs(&Prompt::Tokens(prompt.clone()), top).await.expect("found");
            check(name, &found, &prompt, &rows, top as usize, tolerance);
        }
    }
}

#[tokio::test]
async fn a_full_context_and_a_single_token_are_prompts_too() {
    let engine = engine("tiny", &Options { context: Some(64), ..options() });
    let full = tokens(2, 64);
    let found = engine.prompt_logprobs(&Prompt::Tokens(full.clone()), 1).await.expect("found");
    check("tiny", &found, &full, &rows(&engine, &full).await, 1, 1e-4);
    let one = engine.prompt_logprobs(&Prompt::Tokens(vec![9]), 1).await.expect("found");
    assert_eq!(one, [PromptToken { id: 9, logprobs: None }]);
    let error = engine.prompt_logprobs(&Prompt::Tokens(tokens(2, 65)), 1).await.expect_err("too long").to_string();
    assert!(error.contains("the prompt has 65 tokens") && error.contains("the context has 64"), "{error}");
    let error = engine.prompt_logprobs(&Prompt::Tokens(full), 101).await.expect_err("too many").to_string();
    assert!(error.contains("logprobs"), "{error}");
    let encoder = common::engine("tiny-embeddings", &options());
    let error = encoder.prompt_logprobs(&Prompt::Text("a".into()), 1).await.expect_err("no decoder").to_string();
    assert!(error.contains("this model cannot give log-probabilities of a prompt: it is a encoder"), "{error}");
}

#[tokio::test]
async fn nothing_comes_from_the_cache_and_the_answer_after_it_takes_it_from_there() {
    let engine = engine("tiny", &Options { max_batch: 1, ..options() });
    let prompt = tokens(3, 60);
    let fresh = answer_of(&engine, &prompt, 8).await;
    for _ in 0..2 {
        let found = engine.prompt_logprobs(&Prompt::Tokens(prompt.clone()), 0).await.expect("found");
        assert_eq!(found.iter().filter(|token| token.logprobs.is_some()).count(), 59, "of all but the first");
    }
    let before = engine.stats().reused_tokens;
    assert_eq!(answer_of(&engine, &prompt, 8).await, fresh);
    assert_eq!(engine.stats().reused_tokens - before, 59, "the last token runs again");
    let stats = engine.stats();
    assert_eq!((stats.finished, stats.failed, stats.active, stats.queued), (4, 0, 0, 0));
}

async fn answer_of(engine: &Engine, prompt: &[u32], count: usize) -> Vec<u32> {
    let stream = engine.generate(request(prompt.to_vec(), count)).expect("accepted");
    stream.collect().await.expect("answered").tokens
}

#[tokio::test(flavor = "multi_thread")]
async fn prompts_and_answers_run_beside_each_other() {
    let engine = engine("tiny", &Options { chunk: 16, ..options() });
    let alone = answer_of(&engine, &tokens(50, 20), 40).await;
    let answers: Vec<_> = (0..4).map(|_| engine.generate(request(tokens(50, 20), 40)).expect("accepted")).collect();
    let prompts: Vec<Vec<u32>> = (0..6).map(|seed| tokens(seed, 90)).collect();
    let asked: Vec<Prompt> = prompts.iter().cloned().map(Prompt::Tokens).collect();
    let found = futures::future::join_all(asked.iter().map(|prompt| engine.prompt_logprobs(prompt, 2))).await;
    for (prompt, found) in prompts.iter().zip(found) {
        check("tiny", &found.expect("found"), prompt, &rows(&engine, prompt).await, 2, 1e-4);
    }
    for stream in answers {
        assert_eq!(stream.collect().await.expect("answered").tokens, alone);
    }
}

/// Makes a graph give the logits of the last token alone.
const LAST_ONLY: &str = "
import sys, onnx
from onnx import helper, numpy_helper
import numpy as np
path = sys.argv[1]
model = onnx.load(path)
graph = model.graph
for node in graph.node:
    for at, name in enumerate(node.output):
        if name == 'logits':
            node.output[at] = 'every_logit'
graph.initializer.append(numpy_helper.from_array(np.array([-1], np.int64), 'the_last'))
graph.node.append(helper.make_node('Gather', ['every_logit', 'the_last'], ['logits'], axis=1))
logits = next(output for output in graph.output if output.name == 'logits')
logits.type.tensor_type.shape.dim[1].ClearField('dim_param')
logits.type.tensor_type.shape.dim[1].dim_value = 1
onnx.save(model, path)
";

#[tokio::test]
async fn a_graph_of_last_logits_alone_runs_token_by_token() {
    let folder = copied("tiny");
    run_python(&["-c", LAST_ONLY, &folder.path().join("model.onnx").display().to_string()], "");
    let last = Engine::load(folder.path(), &options()).expect("it loads");
    let whole = engine("tiny", &options());
    let prompt = tokens(4, 50);
    let found = last.prompt_logprobs(&Prompt::Tokens(prompt.clone()), 2).await.expect("found");
    check("last", &found, &prompt, &rows(&whole, &prompt).await, 2, 1e-4);
    assert_eq!(answer_of(&last, &prompt, 9).await, answer_of(&whole, &prompt, 9).await);
}

#[test]
fn the_token_that_ends_an_answer_is_told_where_asked_for() {
    let engine = engine("tiny", &options());
    let free = answer(&engine, request(tokens(5, 9), 6));
    let ends = |end_logprobs| {
        let sampling = llmhost_inference::sampling::SamplingParams { logprobs: Some(1), ..Default::default() };
        let stop_tokens = vec![free.tokens[3]];
        llmhost_inference::Request { sampling, stop_tokens, end_logprobs, ..request(tokens(5, 9), 6) }
    };
    let (told, not) = (answer(&engine, ends(true)), answer(&engine, ends(false)));
    assert!(free.tokens[..3].iter().all(|token| *token != free.tokens[3]), "it ends at the fourth: {:?}", free.tokens);
    assert_eq!((told.tokens.len(), told.logprobs.len(), not.tokens.len()), (4, 4, 3));
    assert_eq!((told.tokens.last(), &told.text), (free.tokens.get(3), &not.text));
}
