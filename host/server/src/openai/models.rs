//! `/v1/models`

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::serve::Shared;

pub(crate) async fn models(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(json!({ "object": "list", "data": shared.models.listed() }))
}

/// Says what there is of it, and loads nothing.
pub(crate) async fn model(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
) -> Result<Json<Value>, ApiError> {
    shared.models.find(Some(&name))?;
    let mut all = shared.models.listed().into_iter();
    let found = all.find(|one| one["id"] == name.as_str());
    Ok(Json(found.unwrap_or_default()))
}
