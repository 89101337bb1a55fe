//! A server of an assistant, asked without a network.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request};
use llmhost_server::{GenerateRequest, Message, Prompt, Settings, router};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::assistant::Assistant;

/// A server, and what its model was asked last.
pub(crate) struct Server {
    app: Router,
    asked: Arc<std::sync::Mutex<Option<GenerateRequest>>>,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self::with(Settings::default())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let model = Assistant::new();
        let asked = Arc::clone(&model.asked);
        Self { app: router(Arc::new(model), settings), asked }
    }

    pub(crate) async fn text(&self, method: Method, path: &str, body: &str) -> (u16, String) {
        let request = Request::builder().method(method).uri(path).header("host", "127.0.0.1");
        let request = request.header("content-type", "application/json").body(Body::from(body.to_owned())).unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    pub(crate) async fn ask(&self, method: Method, path: &str) -> (u16, Value) {
        let (status, text) = self.text(method, path, "").await;
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub(crate) async fn told(&self, body: &Value) -> (u16, Value) {
        let (status, text) = self.text(Method::POST, "/v1/responses", &body.to_string()).await;
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub(crate) async fn good(&self, body: Value) -> Value {
        let (status, answer) = self.told(&body).await;
        assert_eq!(status, 200, "{body}: {answer}");
        answer
    }

    pub(crate) async fn streamed(&self, mut body: Value) -> Vec<Value> {
        body["stream"] = true.into();
        let (status, text) = self.text(Method::POST, "/v1/responses", &body.to_string()).await;
        assert_eq!(status, 200, "{text}");
        let mut events = Vec::new();
        for event in text.trim_end().split("\n\n") {
            let (name, data) = event.split_once('\n').unwrap();
            let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(name, format!("event: {}", data["type"].as_str().unwrap()));
            assert_eq!(data["sequence_number"], events.len());
            events.push(data);
        }
        events
    }

    /// The request that the model got.
    pub(crate) fn asked(&self) -> GenerateRequest {
        self.asked.lock().unwrap().clone().unwrap()
    }

    pub(crate) fn messages(&self) -> Vec<Message> {
        match self.asked().prompt {
            Prompt::Messages { messages, .. } => messages,
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn weather() -> Value {
    let parameters = json!({
        "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"], "additionalProperties": false,
    });
    json!({ "type": "function", "name": "weather", "description": "now", "parameters": parameters, "strict": true })
}

pub(crate) fn kinds(items: &Value) -> Vec<&str> {
    items.as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap()).collect()
}
