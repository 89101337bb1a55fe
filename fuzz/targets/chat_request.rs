//! Requests to the API of the model server, each of its paths: an answer, never a failure of the server.
#![no_main]

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use llmhost_fuzz::run;
use llmhost_server::{Settings, router};
use tower::ServiceExt;

#[allow(dead_code, reason = "the tests of the server use more of it")]
#[path = "../../host/server/tests/common/assistant.rs"]
mod assistant;

const PATHS: [&str; 10] = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/rerank",
    "/v1/score",
    "/tokenize",
    "/detokenize",
    "/v2/models/assistant/infer",
    "/v2/repository/index",
];
const MOST_BYTES: usize = 64 << 20;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((path, body)) = data.split_first() else { return };
    let path = PATHS[usize::from(*path) % PATHS.len()];
    run(async {
        let server = router(Arc::new(assistant::Assistant::new()), Settings::default());
        let request = Request::post(path).header("host", "127.0.0.1").header("content-type", "application/json");
        let request = request.body(Body::from(body.to_vec())).expect("the parts of a request are good");
        let answer = server.oneshot(request).await.expect("a router always answers");
        let (status, asked) = (answer.status(), String::from_utf8_lossy(body));
        assert!(status.as_u16() < 500 || asked.contains("explode") || asked.contains("refuse"), "{status}");
        let _ = to_bytes(answer.into_body(), MOST_BYTES).await;
    });
});
