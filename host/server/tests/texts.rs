//! Embeddings and scores over a model that is a script.
#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::Arc;

use async_trait::async_trait;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use futures::stream::BoxStream;
use llmhost_server::{
    Backend, EmbedInput, EmbedRequest, Event, Failure, GenerateRequest, ModelInfo, Pair, Prompt, Settings, Stats,
    Tools, router,
};
use serde_json::{Value, json};
use tower::ServiceExt;

/// Counts characters and words.
struct Counts(ModelInfo);

#[async_trait]
impl Backend for Counts {
    fn info(&self) -> &ModelInfo {
        &self.0
    }

    fn stats(&self) -> Stats {
        Stats::default()
    }

    async fn generate(&self, _: GenerateRequest) -> Result<BoxStream<'static, Result<Event, Failure>>, Failure> {
        Err(Failure::Internal("it only counts".into()))
    }

    async fn embed(&self, request: EmbedRequest) -> Result<(Vec<Vec<f32>>, usize), Failure> {
        let texts = request.inputs.iter().map(|input| match input {
            EmbedInput::Text(text) => (text.split(' ').count(), vec![text.len() as f32, 0.5]),
            EmbedInput::Tokens(tokens) => (tokens.len(), vec![3.0, tokens[0] as f32, 9.0]),
        });
        let (tokens, vectors): (Vec<usize>, Vec<_>) = texts.unzip();
        Ok((vectors, tokens.iter().sum()))
    }

    async fn tokenize(&self, _: Prompt, _: Option<Tools>, _: bool) -> Result<Vec<u32>, Failure> {
        Err(Failure::Internal("nobody asks it".into()))
    }

    async fn detokenize(&self, _: Vec<u32>) -> Result<String, Failure> {
        Err(Failure::Internal("nobody asks it".into()))
    }

    /// How much longer the second text is.
    async fn score(&self, pairs: Vec<Pair>) -> Result<(Vec<f32>, usize), Failure> {
        if pairs.iter().any(|(_, other)| &**other == "long") {
            return Err(Failure::invalid("the text at index 0 has 9 tokens, and the context has 8", None));
        }
        let scores = pairs.iter().map(|(one, other)| other.len() as f32 - one.len() as f32).collect();
        Ok((scores, 7 * pairs.len()))
    }
}

async fn ask(path: &str, body: Value) -> (StatusCode, Value) {
    let info = ModelInfo { name: "counts".into(), embeds: true, ..ModelInfo::default() };
    let request = Request::post(path).header("content-type", "application/json").body(Body::from(body.to_string()));
    let response = router(Arc::new(Counts(info)), Settings::default()).oneshot(request.unwrap()).await.unwrap();
    let status = response.status();
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap())
}

#[tokio::test]
async fn embeddings_come_as_numbers_or_as_bytes() {
    let ask = |body| ask("/v1/embeddings", body);
    let (_, answer) = ask(json!({ "input": ["a bc", "d"] })).await;
    assert_eq!(answer["data"][1]["embedding"], json!([1.0, 0.5]));
    assert_eq!(answer["usage"]["total_tokens"], 3);
    for (input, vectors, tokens) in [
        (json!([4, 9, 9]), json!([[3.0, 4.0, 9.0]]), 3),
        (json!([[4, 9], [5]]), json!([[3.0, 4.0, 9.0], [3.0, 5.0, 9.0]]), 3),
    ] {
        let (_, answer) = ask(json!({ "input": input, "user": "somebody" })).await;
        let found: Value = answer["data"].as_array().unwrap().iter().map(|one| one["embedding"].clone()).collect();
        assert_eq!((&found, &answer["usage"]["prompt_tokens"]), (&vectors, &json!(tokens)), "{answer}");
    }
    let (_, whole) = ask(json!({ "input": [4], "dimensions": 3 })).await;
    assert_eq!(whole["data"][0]["embedding"], json!([3.0, 4.0, 9.0]));
    let (_, cut) = ask(json!({ "input": [4], "dimensions": 2 })).await;
    let cut: Vec<f64> = serde_json::from_value(cut["data"][0]["embedding"].clone()).unwrap();
    assert!(cut.len() == 2 && (cut[0] - 0.6).abs() < 1e-6 && (cut[1] - 0.8).abs() < 1e-6, "{cut:?}");
    let (_, answer) = ask(json!({ "input": "a bc", "encoding_format": "base64" })).await;
    assert_eq!(answer["data"][0]["embedding"], "AACAQAAAAD8=");
    for (body, param) in [
        (json!({ "input": [] }), "input"),
        (json!({ "input": "" }), "input"),
        (json!({ "input": [[]] }), "input"),
        (json!({ "input": "a", "dimensions": 7 }), "dimensions"),
        (json!({ "input": "a", "dimensions": 0 }), "dimensions"),
    ] {
        let (status, answer) = ask(body).await;
        assert_eq!((status, &answer["error"]["param"]), (StatusCode::BAD_REQUEST, &json!(param)), "{answer}");
    }
    for (body, words) in [
        (json!({ "input": [-1] }), "a list of tokens"),
        (json!({ "input": ["a", 1] }), "a list of tokens"),
        (json!({ "input": "a", "truncate_prompt_tokens": 5 }), "truncate_prompt_tokens is not supported"),
    ] {
        let (status, answer) = ask(body).await;
        assert!(status == StatusCode::BAD_REQUEST && answer.to_string().contains(words), "{answer}");
    }
}

#[tokio::test]
async fn documents_come_back_with_the_best_first() {
    let ask = |body| ask("/v1/rerank", body);
    let documents = json!(["aaa", { "text": "aaaaa" }, "bbb", "a"]);
    let (status, answer) = ask(json!({ "model": "counts", "query": "aa", "documents": documents })).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let result = |index: usize, score: f32| json!({ "index": index, "relevance_score": score });
    assert_eq!(answer["results"], json!([result(1, 3.0), result(0, 1.0), result(2, 1.0), result(3, -1.0)]));
    assert_eq!(answer["usage"], json!({ "prompt_tokens": 28, "total_tokens": 28 }));
    assert_eq!(answer["model"], "counts");
    let (_, answer) = ask(json!({ "query": "aa", "documents": documents, "top_n": 1, "return_documents": true })).await;
    let best = json!([{ "index": 1, "relevance_score": 3.0, "document": { "text": "aaaaa" } }]);
    assert_eq!(answer["results"], best);
    let (_, answer) = ask(json!({ "query": "aa", "documents": ["a"], "top_n": 9 })).await;
    assert_eq!(answer["results"].as_array().unwrap().len(), 1);
    for (body, words) in [
        (json!({ "query": "", "documents": ["a"] }), "query has an empty text"),
        (json!({ "query": "a", "documents": [] }), "documents has 0 texts"),
        (json!({ "query": "a", "documents": [""] }), "documents has an empty text"),
        (json!({ "query": "a", "documents": vec!["a"; 2049] }), "documents has 2049 texts"),
        (json!({ "query": "a", "documents": [7] }), "a document must be a string"),
        (json!({ "query": "a", "documents": ["a"], "top_n": 0 }), "top_n is 0"),
        (json!({ "query": "a", "documents": ["a"], "topn": 1 }), "unknown field `topn`"),
        (json!({ "query": "a", "documents": ["long"] }), "the context has 8"),
    ] {
        let (status, answer) = ask(body).await;
        assert!(status == StatusCode::BAD_REQUEST && answer.to_string().contains(words), "{words} in {answer}");
    }
    assert_eq!(ask(json!({ "model": "x", "query": "a", "documents": ["a"] })).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn pairs_are_scored_in_their_order() {
    let ask = |body| ask("/v1/score", body);
    for (one, other, scores) in [
        (json!("a"), json!("aaa"), vec![2.0]),
        (json!("a"), json!(["aa", "aaaa"]), vec![1.0, 3.0]),
        (json!(["a", "aa"]), json!(["aa", "aa"]), vec![1.0, 0.0]),
    ] {
        let (status, answer) = ask(json!({ "text_1": one, "text_2": other })).await;
        assert_eq!((status, &answer["object"]), (StatusCode::OK, &json!("list")), "{answer}");
        let data: Vec<_> =
            answer["data"].as_array().unwrap().iter().map(|one| one["score"].as_f64().unwrap()).collect();
        assert_eq!(data, scores);
        assert_eq!(answer["data"][0]["object"], "score");
        assert_eq!(answer["usage"]["total_tokens"], 7 * scores.len());
    }
    for (body, words) in [
        (json!({ "text_1": ["a", "b"], "text_2": "a" }), "text_1 has 2 texts and text_2 has 1"),
        (json!({ "text_1": "a", "text_2": [] }), "text_2 has 0 texts"),
        (json!({ "text_1": "", "text_2": "a" }), "text_1 has an empty text"),
        (json!({ "text_1": "a", "text_2": 7 }), "must each be a string"),
        (json!({ "text_1": "a" }), "missing field `text_2`"),
    ] {
        let (status, answer) = ask(body).await;
        assert!(status == StatusCode::BAD_REQUEST && answer.to_string().contains(words), "{words} in {answer}");
    }
}
