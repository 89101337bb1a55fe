//! `/v1/models`

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use crate::ModelInfo;
use crate::error::ApiError;
use crate::serve::Shared;

fn described(info: &ModelInfo) -> Value {
    json!({
        "id": info.name, "object": "model", "created": info.loaded_at, "owned_by": "llmhost",
        "context_length": info.context,
    })
}

pub(crate) async fn models(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let all: Vec<Value> = shared.models().iter().map(|model| described(model.info())).collect();
    Json(json!({ "object": "list", "data": all }))
}

pub(crate) async fn model(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(described(shared.model(Some(&name)).await?.info())))
}
