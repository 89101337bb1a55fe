//! Embeddings and scores of real models, from the request to the answer.
#![allow(missing_docs, clippy::unwrap_used)]

use std::io::Write;
use std::path::Path;
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

fn served(folder: &Path) -> Router {
    let search = Search { library: Some(onnxruntime().unwrap()), ..Search::default() };
    let options = Options { search, device: Device::Cpu, threads: Some(1), ..Options::default() };
    let engine = Engine::load(folder, &options).unwrap();
    router(Arc::new(EngineBackend::new(engine, "tiny")), Settings::default())
}

async fn ask(app: &Router, path: &str, body: Value) -> (u16, Value) {
    let request = Request::post(path).header("content-type", "application/json");
    let request = request.body(Body::from(body.to_string())).unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&to_bytes(response.into_body(), usize::MAX).await.unwrap()).unwrap())
}

fn vector(answer: &Value) -> Vec<f64> {
    serde_json::from_value(answer["data"][0]["embedding"].clone()).unwrap()
}

#[tokio::test]
async fn an_embedding_model_answers_texts_tokens_and_dimensions() {
    let app = served(&Example::TinyEmbeddings.folder().unwrap());
    let (status, whole) = ask(&app, "/v1/embeddings", json!({ "input": [70, 80, 90] })).await;
    assert_eq!((status, &whole["usage"]["total_tokens"]), (200, &json!(3)));
    let (_, cut) = ask(&app, "/v1/embeddings", json!({ "input": [[70, 80, 90]], "dimensions": 8 })).await;
    let (whole, cut) = (vector(&whole), vector(&cut));
    let size = whole[..8].iter().map(|number| number * number).sum::<f64>().sqrt();
    assert!(whole.len() == 32 && cut.len() == 8);
    assert!(cut.iter().zip(&whole).all(|(cut, whole)| (cut - whole / size).abs() < 1e-5), "{cut:?} of {whole:?}");

    let long = "word ".repeat(300);
    let (fits, fails) = (json!({ "input": "a word" }), json!({ "input": ["a", long] }));
    let ((good, _), (bad, answer)) =
        tokio::join!(ask(&app, "/v1/embeddings", fits), ask(&app, "/v1/embeddings", fails));
    let message = answer["error"]["message"].as_str().unwrap();
    assert_eq!((good, bad, &answer["error"]["code"]), (200, 400, &json!("context_length_exceeded")));
    assert!(message.contains("index 1 has") && message.contains("the context has 128"), "{message}");
    for (body, words) in [
        (json!({ "input": [384] }), "the token 384 is not one of the model's 384"),
        (json!({ "input": "a", "dimensions": 33 }), "dimensions is 33, and this model's embeddings have 32"),
        (json!({ "input": "a", "prompt_name": "query" }), "the model has no prompt 'query'; it has none"),
    ] {
        let (status, answer) = ask(&app, "/v1/embeddings", body).await;
        assert!(status == 400 && answer["error"]["message"] == words, "{answer}");
    }
    let (status, answer) = ask(&app, "/v1/rerank", json!({ "query": "a", "documents": ["b"] })).await;
    let reason = "this model does not rerank: it has no sequence classification head";
    assert_eq!((status, &answer["error"]["message"]), (400, &json!(reason)));
}

/// A copy of the tiny encoder with a head of one label.
fn cross_encoder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let whole = Example::TinyEmbeddings.folder().unwrap();
    for name in ["model.onnx", "tokenizer.json"] {
        std::fs::copy(whole.join(name), folder.path().join(name)).unwrap();
    }
    let mut config: Value = serde_json::from_slice(&std::fs::read(whole.join("config.json")).unwrap()).unwrap();
    config["architectures"] = json!(["BertForSequenceClassification"]);
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/../inference/tests/reference/cross_encoder.py");
    let mut child = Command::new(python().unwrap()).arg(program).stdin(Stdio::piped()).spawn().unwrap();
    let task = json!({ "make": { "folder": folder.path(), "labels": 1 } });
    child.stdin.take().unwrap().write_all(task.to_string().as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    folder
}

#[tokio::test]
async fn a_cross_encoder_reranks_as_it_scores() {
    let folder = cross_encoder();
    let app = served(folder.path());
    let documents = ["Paris is the capital.", "A cat", "one two three four"];
    let (status, scored) = ask(&app, "/v1/score", json!({ "text_1": "capital?", "text_2": documents })).await;
    assert_eq!(status, 200, "{scored}");
    let (status, ranked) = ask(&app, "/v1/rerank", json!({ "query": "capital?", "documents": documents })).await;
    assert_eq!((status, &ranked["usage"]), (200, &scored["usage"]), "{ranked}");
    let results = ranked["results"].as_array().unwrap();
    assert_eq!(results.len(), 3);
    let score = |of: &Value| of.as_f64().unwrap();
    for result in results {
        let index = usize::try_from(result["index"].as_u64().unwrap()).unwrap();
        let (found, expected) = (score(&result["relevance_score"]), score(&scored["data"][index]["score"]));
        assert!((found - expected).abs() < 1e-6 && (0.0..=1.0).contains(&found), "{ranked} and {scored}");
    }
    assert!(results.windows(2).all(|two| score(&two[0]["relevance_score"]) >= score(&two[1]["relevance_score"])));
    let (status, answer) = ask(&app, "/v1/embeddings", json!({ "input": "a" })).await;
    assert!(status == 400 && answer.to_string().contains("'tiny' does not create embeddings"), "{answer}");
}
