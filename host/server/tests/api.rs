//! The API over a model that is a script: what clients send, and what they get.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use common::{Script, ask, says};
use llmhost_server::{Prompt, Settings, router};
use serde_json::{Value, json};
use tower::ServiceExt;

async fn chat(body: Value) -> (StatusCode, Value) {
    let (status, text) = ask(Script::new(), Settings::default(), "/v1/chat/completions", body.to_string()).await;
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

fn data(text: &str) -> Vec<Value> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
    lines.map(|line| serde_json::from_str(line).unwrap_or(Value::String(line.to_owned()))).collect()
}

#[tokio::test]
async fn a_chat_is_streamed_with_its_usage_at_the_end() {
    let body = json!({ "messages": says("one two"), "stream": true, "stream_options": { "include_usage": true } });
    let (status, text) = ask(Script::new(), Settings::default(), "/v1/chat/completions", body.to_string()).await;
    assert_eq!(status, StatusCode::OK);
    let pieces = data(&text);
    assert_eq!(pieces[0]["choices"][0]["delta"]["role"], "assistant");
    let said: String = pieces.iter().filter_map(|piece| piece["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(said, "two one ");
    let last = &pieces[pieces.len() - 3];
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
    let usage = &pieces[pieces.len() - 2];
    assert_eq!((&usage["choices"], &usage["usage"]["completion_tokens"]), (&json!([]), &json!(2)));
    assert_eq!(pieces.last().unwrap(), "[DONE]");
    let ids: std::collections::BTreeSet<_> = pieces.iter().filter_map(|piece| piece["id"].as_str()).collect();
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn a_stream_that_fails_says_so_in_the_stream() {
    let body = json!({ "messages": says("explode now"), "stream": true });
    let (_, text) = ask(Script::new(), Settings::default(), "/v1/chat/completions", body.to_string()).await;
    let pieces = data(&text);
    assert_eq!(pieces.last().unwrap()["error"]["message"], "it exploded");
    assert!(!text.contains("[DONE]"));
    let (status, answer) = chat(json!({ "messages": says("explode now") })).await;
    assert_eq!((status, &answer["error"]["type"]), (StatusCode::INTERNAL_SERVER_ERROR, &json!("server_error")));
}

#[tokio::test]
async fn completions_take_texts_and_tokens() {
    for (prompt, texts, prompt_tokens) in [
        (json!("a b"), vec!["b a "], 2),
        (json!(["a b", "c d e"]), vec!["b a ", "e d c "], 5),
        (json!([1, 2]), vec!["2 1 "], 2),
        (json!([[1, 2], [3]]), vec!["2 1 ", "3 "], 3),
    ] {
        let body = json!({ "prompt": prompt }).to_string();
        let (status, text) = ask(Script::new(), Settings::default(), "/v1/completions", body).await;
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(status, StatusCode::OK, "{text}");
        let found: Vec<_> =
            answer["choices"].as_array().unwrap().iter().map(|choice| choice["text"].as_str().unwrap()).collect();
        assert_eq!(found, texts);
        assert_eq!(answer["usage"]["prompt_tokens"], prompt_tokens);
    }
}

#[tokio::test]
async fn a_history_and_the_templates_variables_reach_the_model() {
    let call = json!([{ "id": "c1", "type": "function", "function": { "name": "time", "arguments": "{}" } }]);
    let script = Script::new();
    let asked = Arc::clone(&script.asked);
    let body = json!({
        "messages": [
            { "role": "user", "content": "now?", "name": "ann" },
            { "role": "assistant", "content": null, "tool_calls": call, "reasoning_content": "hm", "refusal": null },
            { "role": "tool", "content": [{ "type": "text", "text": "12:00" }], "tool_call_id": "c1" },
            { "role": "assistant", "content": "noon", "tool_calls": [], "function_call": null },
        ],
        "tools": null,
        "chat_template_kwargs": { "enable_thinking": false },
        "reasoning_effort": "low",
    });
    let (status, text) = ask(script, Settings::default(), "/v1/chat/completions", body.to_string()).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let Some(Prompt::Messages { messages, rendering }) = asked.lock().unwrap().take() else { panic!("messages") };
    assert_eq!(Value::from(rendering.variables), json!({ "enable_thinking": false, "reasoning_effort": "low" }));
    assert_eq!(
        serde_json::to_value(messages).unwrap(),
        json!([
            { "role": "user", "content": "now?", "name": "ann" },
            { "role": "assistant", "content": null, "tool_calls": call, "reasoning_content": "hm" },
            { "role": "tool", "content": "12:00", "tool_call_id": "c1" },
            { "role": "assistant", "content": "noon" },
        ])
    );
    let script = Script::new();
    let asked = Arc::clone(&script.asked);
    let body = json!({
        "messages": says("a"),
        "chat_template_kwargs": { "reasoning_effort": "high" },
        "reasoning_effort": "low",
    });
    ask(script, Settings::default(), "/v1/chat/completions", body.to_string()).await;
    let Some(Prompt::Messages { rendering, .. }) = asked.lock().unwrap().take() else { panic!("messages") };
    assert_eq!(rendering.variables["reasoning_effort"], "high");
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said_with_the_field() {
    let long = "word ".repeat(100);
    for (with, status, words) in [
        (json!({ "max_tokens": 0 }), 400, "max_tokens is 0"),
        (json!({ "max_tokens": -5 }), 400, "max_tokens is -5"),
        (json!({ "temperature": 3.0 }), 400, "temperature is 3"),
        (json!({ "temperature": "hot" }), 400, "the request is wrong"),
        (json!({ "top_p": 1.5 }), 400, "top_p"),
        (json!({ "n": 0 }), 400, "n is 0"),
        (json!({ "n": 1000 }), 400, "n is 1000"),
        (json!({ "stop": [""] }), 400, "stop"),
        (json!({ "logprobs": true, "top_logprobs": 99 }), 400, "limited to 20"),
        (json!({ "logit_bias": { "x": 1 } }), 400, "'x' is not a token id"),
        (json!({ "messages": [] }), 400, "messages is empty"),
        (json!({ "messages": [{ "role": "user", "content": [{ "type": "image_url" }] }] }), 400, "only text"),
        (json!({ "tools": [{}] }), 400, "tools[0].type is missing"),
        (json!({ "chat_template_kwargs": [] }), 400, "the request is wrong"),
        (json!({ "chat_template_kwargs": { "tools": [] } }), 400, "chat_template_kwargs has 'tools'"),
        (json!({ "model": "gpt-4" }), 404, "there is no model 'gpt-4' here"),
        (json!({ "messages": says(&long) }), 400, "longer than the context"),
        (json!({ "response_format": { "type": "xml" } }), 400, "unknown variant"),
    ] {
        let mut body = json!({ "messages": says("a") });
        body.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        let (found, answer) = chat(body).await;
        let message = answer["error"]["message"].as_str().unwrap();
        assert_eq!(found.as_u16(), status, "{message}");
        assert!(message.contains(words), "{words} in {message}");
    }
    let ask = |body: Vec<u8>| ask(Script::new(), Settings::default(), "/v1/chat/completions", body);
    for (body, status, words) in [
        (b"".to_vec(), 400, "no body"),
        (b"{\"messages\": [".to_vec(), 400, "not JSON"),
        (b"{\"messages\": \"\xff\"}".to_vec(), 400, "not UTF-8"),
        (b"[]".to_vec(), 400, "the request is wrong"),
        (vec![b' '; 10 << 20], 413, "more than 2097152 bytes"),
    ] {
        let (found, text) = ask(body).await;
        assert!(found.as_u16() == status && text.contains(words), "{found} {text}");
    }
}

#[tokio::test]
async fn a_full_queue_and_a_wrong_path_have_their_own_status() {
    let busy = Script { busy: true, ..Script::new() };
    let body = json!({ "messages": says("a") }).to_string();
    let (status, text) = ask(busy, Settings::default(), "/v1/chat/completions", body).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert!(text.contains("rate_limit_error"), "{text}");
    let (status, text) = ask(Script::new(), Settings::default(), "/v1/nowhere", "").await;
    assert_eq!((status, text.contains("/v1/nowhere")), (StatusCode::NOT_FOUND, true));
    let (status, text) = ask(Script::new(), Settings::default(), "/v1/models", "").await;
    assert_eq!((status, text.contains("POST")), (StatusCode::METHOD_NOT_ALLOWED, true));
}

#[tokio::test]
async fn who_has_no_key_gets_nothing_and_health_needs_none() {
    let settings = || Settings { api_key: Some("right".into()), ..Settings::default() };
    let get = |path: &'static str, key: Option<&'static str>| async move {
        let mut request = Request::get(path);
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let response =
            router(Arc::new(Script::new()), settings()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert!(response.headers().contains_key("x-request-id"));
        response.status().as_u16()
    };
    assert_eq!(get("/v1/models", None).await, 401);
    assert_eq!(get("/v1/models", Some("wrong")).await, 401);
    assert_eq!(get("/v1/models", Some("right")).await, 200);
    for path in ["/", "/livez", "/health", "/version", "/readyz", "/metrics"] {
        assert_eq!(get(path, None).await, 200, "{path}");
    }
    for path in ["/tokenize", "/detokenize"] {
        let (status, _) = ask(Script::new(), settings(), path, r#"{"prompt":"a"}"#).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[tokio::test]
async fn a_request_keeps_its_own_id_where_it_is_a_sane_one() {
    for (given, kept) in [("abc-1", true), ("a b", false)] {
        let request = Request::get("/livez").header("x-request-id", given).body(Body::empty()).unwrap();
        let response = router(Arc::new(Script::new()), Settings::default()).oneshot(request).await.unwrap();
        assert_eq!(response.headers()["x-request-id"] == given, kept);
    }
}

#[tokio::test]
async fn the_figures_say_what_happened() {
    let app = router(Arc::new(Script::new()), Settings::default());
    let body = json!({ "messages": says("one two three") }).to_string();
    let request = Request::post("/v1/chat/completions")
        .header("content-type", "application/json")
        .body(Body::from(body))
        .unwrap();
    app.clone().oneshot(request).await.unwrap();
    let response = app.oneshot(Request::get("/metrics").body(Body::empty()).unwrap()).await.unwrap();
    let text = String::from_utf8(to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap();
    for line in [
        "llmhost_requests_total{path=\"/v1/chat/completions\",status=\"200\"} 1",
        "llmhost_time_to_first_token_seconds_count{model=\"script\"} 1",
        "llmhost_inter_token_latency_seconds_count{model=\"script\"} 2",
        "llmhost_tokens_total{model=\"script\",of=\"prompt\"} 3",
        "llmhost_tokens_total{model=\"script\",of=\"generated\"} 3",
        "llmhost_queue_depth{model=\"script\"} 0",
        "llmhost_speculative_proposed_tokens_total{model=\"script\",source=\"ngram\"} 7",
        "llmhost_speculative_accepted_tokens_total{model=\"script\",source=\"ngram\"} 5",
        "llmhost_speculative_proposed_tokens_total{model=\"script\",source=\"draft\"} 9",
        "llmhost_speculative_accepted_tokens_total{model=\"script\",source=\"draft\"} 8",
        // What endpoint pickers of the Gateway API read.
        "vllm:num_requests_waiting 0\n",
        "vllm:num_requests_running 0\n",
        "vllm:kv_cache_usage_perc 0\n# EOF\n",
        "llmhost_model_info{name=\"script\",provider=\"CPUExecutionProvider\"} 1",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    // Parsers of Prometheus' older text know these types alone, and refuse the whole text for another.
    for line in text.lines().filter(|line| line.starts_with("# TYPE ")) {
        let kind = line.rsplit(' ').next().unwrap();
        assert!(["counter", "gauge", "histogram", "summary", "untyped"].contains(&kind), "{line}");
    }
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_ended() {
    let slow = || Script { pause: Duration::from_millis(50), ..Script::new() };
    let settings = || Settings { request_timeout: Duration::from_millis(80), ..Settings::default() };
    let body = |stream| json!({ "messages": says(&"word ".repeat(50)), "stream": stream }).to_string();
    let (status, _) = ask(slow(), settings(), "/v1/chat/completions", body(false)).await;
    assert_eq!(status, StatusCode::GATEWAY_TIMEOUT);
    let (_, text) = ask(slow(), settings(), "/v1/chat/completions", body(true)).await;
    assert!(text.contains("took too long"), "{text}");
}
