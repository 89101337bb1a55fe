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
    Json(json!({ "object": "list", "data": [described(shared.backend.info())] }))
}

pub(crate) async fn model(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
) -> Result<Json<Value>, ApiError> {
    check(shared.backend.info(), Some(&name))?;
    Ok(Json(described(shared.backend.info())))
}

/// Whether a request names the model that is here, or none.
pub(super) fn check(info: &ModelInfo, asked: Option<&str>) -> Result<(), ApiError> {
    match asked.filter(|asked| !asked.is_empty() && *asked != info.name) {
        None => Ok(()),
        Some(asked) => {
            let message = format!("there is no model '{asked}' here; this server has '{}'", info.name);
            Err(ApiError::not_found(message, "model_not_found"))
        }
    }
}
