//! How likely a text is after another one, as evaluation harnesses ask for it, and as arithmetic of its own has it.
#![allow(missing_docs, clippy::unwrap_used)]

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use llmhost_example_models::{Example, onnxruntime, python};
use llmhost_inference::runtime::Search;
use llmhost_inference::{Device, Engine, Options};
use llmhost_server::{EngineBackend, Settings, router};
use serde_json::{Value, json};
use tower::ServiceExt;

const CONTEXTS: [&str; 10] = [
    "The capital of France is",
    "Question: What is 17 * 3?\nAnswer:",
    "def add(a, b):\n    return",
    "Übersetze 'Guten Morgen' ins Englische:",
    "日本の首都は",
    "🚀 means",
    "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n",
    "a",
    "Once upon a time, there was a king who had three sons, and each of them wanted the crown for himself. The eldest",
    "{\"key\": [1, 2.5, null, true],",
];
const CONTINUATIONS: [&str; 3] = [" Paris", " fifty-one; 51", "\n\tGrüße 世界!"];
/// Apart by 32-bit floats alone.
const TOLERANCE: f64 = 1e-3;

fn expected(folder: &std::path::Path, pairs: &[(&str, &str)]) -> Vec<Value> {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference/loglikelihood.py");
    let mut child = Command::new(python().unwrap());
    let mut child = child.arg(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let task = json!({ "folder": folder, "pairs": pairs });
    child.stdin.take().unwrap().write_all(task.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn complete(app: &Router, body: &Value) -> Value {
    let request = Request::post("/v1/completions").header("content-type", "application/json");
    let request = request.header("host", "127.0.0.1").body(Body::from(body.to_string())).unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&bytes));
    serde_json::from_slice(&bytes).unwrap()
}

/// As lm-evaluation-harness reads it: what is behind the context, without the token that had to be generated.
fn read(choice: &Value, context: usize, generated: usize) -> (Vec<f64>, bool) {
    let numbers = choice["logprobs"]["token_logprobs"].as_array().unwrap();
    let own = context..numbers.len() - generated;
    let found: Vec<f64> = numbers[own.clone()].iter().map(|number| number.as_f64().unwrap()).collect();
    let tops = &choice["logprobs"]["top_logprobs"].as_array().unwrap()[own];
    let most =
        |top: &Value| top.as_object().unwrap().values().map(|one| one.as_f64().unwrap()).fold(f64::MIN, f64::max);
    let greedy = found.iter().zip(tops).all(|(found, top)| *found == most(top));
    (found, greedy)
}

#[tokio::test]
async fn continuations_are_as_likely_as_arithmetic_has_them() {
    let folder = Example::Tiny.folder().unwrap();
    let mut pairs: Vec<(&str, &str)> =
        CONTEXTS.iter().flat_map(|context| CONTINUATIONS.map(|continuation| (*context, continuation))).collect();
    let search = Search { library: Some(onnxruntime().unwrap()), ..Search::default() };
    let options = Options { search, device: Device::Cpu, threads: Some(1), chunk: 16, ..Options::default() };
    let engine = Engine::load(&folder, &options).unwrap();
    let app = router(Arc::new(EngineBackend::new(engine, "tiny")), Settings::default());
    // Those that the model itself would write: few others are greedy where weights are random.
    let mut own = Vec::new();
    for context in CONTEXTS {
        let answer = complete(&app, &json!({ "prompt": context, "max_tokens": 1, "temperature": 0 })).await;
        own.push((context, answer["choices"][0]["text"].as_str().unwrap().to_owned()));
    }
    own.retain(|(_, text)| !text.is_empty() && !text.contains('\u{fffd}'));
    pairs.extend(own.iter().map(|(context, text)| (*context, text.as_str())));
    let expected = expected(&folder, &pairs);
    let ids: Vec<&Value> = expected.iter().map(|one| &one["ids"]).collect();
    let body = json!({ "prompt": ids, "temperature": 0, "max_tokens": 1, "logprobs": 1, "seed": 1234, "echo": true });
    let answer = complete(&app, &body).await;
    let choices = answer["choices"].as_array().unwrap();
    let (mut worst, mut tokens, mut greedy) = (0_f64, 0, 0);
    for ((choice, expected), (context, continuation)) in choices.iter().zip(&expected).zip(&pairs) {
        let before = usize::try_from(expected["context"].as_u64().unwrap()).unwrap();
        let (found, is_greedy) = read(choice, before, 1);
        let wanted: Vec<f64> = serde_json::from_value(expected["logprobs"].clone()).unwrap();
        assert_eq!(found.len(), wanted.len(), "{context:?} {continuation:?}");
        assert_eq!(json!(is_greedy), expected["greedy"], "{context:?} {continuation:?}");
        worst = found.iter().zip(&wanted).fold(worst, |worst, (found, wanted)| worst.max((found - wanted).abs()));
        let sums: (f64, f64) = (found.iter().sum(), wanted.iter().sum());
        assert!((sums.0 - sums.1).abs() < TOLERANCE, "{context:?} {continuation:?}: {sums:?}");
        (tokens, greedy) = (tokens + found.len(), greedy + usize::from(is_greedy));
        // As text, and without a token of an answer, it is the same.
        let body =
            json!({ "prompt": format!("{context}{continuation}"), "max_tokens": 0, "logprobs": 1, "echo": true });
        let alone = complete(&app, &body).await;
        assert_eq!(read(&alone["choices"][0], before, 0), (found, is_greedy), "{context:?} {continuation:?}");
    }
    assert!(worst < TOLERANCE && choices.len() > 30, "a token is off by {worst}");
    assert!(tokens > 200 && greedy > 0, "{tokens} tokens, {greedy} greedy continuations");
}
