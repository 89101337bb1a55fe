//! `/livez` (`/health` is the same), `/readyz`, `/version`, `/metrics`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::models::Served;
use crate::serve::Shared;

/// The process answers.
pub(crate) async fn live() -> &'static str {
    "ok\n"
}

/// Which llmhost this is.
pub(crate) async fn version() -> Json<Value> {
    Json(json!({ "version": env!("CARGO_PKG_VERSION") }))
}

/// The model is loaded and warm, and requests are taken.
pub(crate) async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    if shared.is_leaving() {
        return (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "ready": false, "reason": "shutting down" })))
            .into_response();
    }
    let models = shared.models();
    let one = |model: &Served| json!({ "ready": true, "model": model.info(), "now": model.backend().stats() });
    Json(models.first().map(one)).into_response()
}

/// For Prometheus.
pub(crate) async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], shared.metrics.text(&shared.models())).into_response()
}
