//! `/admin/models`: what is loaded, and what is to be. For who has the administrators' key.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::Value;

use crate::error::ApiError;
use crate::models::Refused;
use crate::serve::Shared;

/// The routes, without the check of the key.
pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/admin/models", get(list))
        .route("/admin/models/{name}/load", post(load))
        .route("/admin/models/{name}/unload", post(unload))
        .route("/admin/models/{name}/reload", post(reload))
}

async fn list(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(shared.models.details())
}

/// Loads a model where it is not loaded, however short ago that failed.
async fn load(State(shared): State<Arc<Shared>>, Path(name): Path<String>) -> Result<Json<Value>, ApiError> {
    let place = shared.models.find(Some(&name))?;
    let failed = |reason| ApiError::conflict(format!("'{name}' was not loaded: {reason}"), "load_failed");
    shared.models.load(place).await.map_err(|failure| failed(failure.reason))?;
    Ok(Json(shared.models.detail(place)))
}

/// Frees the memory of a model that no request uses.
async fn unload(State(shared): State<Arc<Shared>>, Path(name): Path<String>) -> Result<Json<Value>, ApiError> {
    let place = shared.models.find(Some(&name))?;
    shared.models.unload(place).await.map_err(|why| ApiError::conflict(why, "model_in_use"))?;
    Ok(Json(shared.models.detail(place)))
}

/// Loads a model anew beside what is there of it.
async fn reload(State(shared): State<Arc<Shared>>, Path(name): Path<String>) -> Result<Json<Value>, ApiError> {
    let place = shared.models.find(Some(&name))?;
    shared.models.reload(place).await.map_err(|refused| match refused {
        Refused::Now(why) => ApiError::conflict(why, "model_loading"),
        Refused::Failed(failure) => {
            let message = format!("'{name}' was not reloaded and is as it was: {}", failure.reason);
            ApiError::conflict(message, "reload_failed")
        }
    })?;
    Ok(Json(shared.models.detail(place)))
}
