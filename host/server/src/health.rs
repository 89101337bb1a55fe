//! `/livez` (`/health` is the same), `/readyz`, `/version`, `/metrics`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::serve::Shared;

/// The process answers.
pub(crate) async fn live() -> &'static str {
    "ok\n"
}

/// Which llmhost this is.
pub(crate) async fn version() -> Json<Value> {
    Json(json!({ "version": env!("CARGO_PKG_VERSION") }))
}

/// The models that are to be there from the start are loaded and warm, and requests are taken.
pub(crate) async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    if shared.is_leaving() {
        return (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "ready": false, "reason": "shutting down" })))
            .into_response();
    }
    let is_ready = shared.models.is_ready();
    let mut body = json!({ "ready": is_ready });
    if let Some(first) = shared.models().first() {
        body["model"] = json!(first.info());
        body["now"] = json!(first.backend().stats());
    }
    body["models"] = json!(shared.models.conditions());
    if is_ready {
        return Json(body).into_response();
    }
    body["reason"] = json!("models are being loaded");
    (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
}

/// For Prometheus.
pub(crate) async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], shared.models.metrics.text(&shared.models())).into_response()
}
