//! The Open Inference Protocol (KServe's version 2) over HTTP: any model as named tensors.
//!
//! | file | what |
//! |---|---|
//! | `infer` | `/v2/models/{name}/infer`: the request, checked against the model, and the answer |
//! | `elements` | elements of tensors in JSON |

mod elements;
mod infer;

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
pub(crate) use infer::infer;
use serde_json::{Value, json};

use crate::TensorInfo;
use crate::error::{ApiError, Message};
use crate::serve::Shared;

/// How many bytes of a body are JSON, where tensors follow as they are.
const JSON_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");

/// Whether a body is said to have tensors as they are. Web pages cannot send this header without asking first.
pub(crate) fn is_binary(path: &str, headers: &HeaderMap) -> bool {
    path.starts_with("/v2/") && headers.contains_key(JSON_LENGTH)
}

/// The version of every model: the server has one of each.
const VERSION: &str = "1";

/// The model that a path names, maybe with its version.
pub(crate) struct Named(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let variables = Path::<HashMap<String, String>>::from_request_parts(parts, state).await;
        let Path(mut variables) = variables.map_err(|error| ApiError::invalid(error.body_text(), None))?;
        let name = variables.remove("name").unwrap_or_default();
        match variables.get("version").filter(|version| *version != VERSION) {
            None => Ok(Self(name)),
            Some(other) => {
                let message = format!("the model '{name}' has no version '{other}'; its only version is {VERSION}");
                Err(ApiError::not_found(message, "model_not_found"))
            }
        }
    }
}

/// Errors of these paths are a word and a sentence.
pub(crate) async fn errors(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let Some(Message(message)) = response.extensions().get().cloned() else { return response };
    let mut plain = (response.status(), Json(json!({ "error": message }))).into_response();
    for (name, value) in response.headers() {
        plain.headers_mut().entry(name).or_insert_with(|| value.clone());
    }
    plain
}

/// What this server is.
pub(crate) async fn server() -> Json<Value> {
    Json(json!({ "name": "llmhost", "version": env!("CARGO_PKG_VERSION"), "extensions": ["binary_tensor_data"] }))
}

/// Whether the process answers.
pub(crate) async fn live() -> Json<Value> {
    Json(json!({ "live": true }))
}

/// Whether requests are taken.
pub(crate) async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let is_ready = !shared.is_leaving() && shared.models.is_ready();
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": is_ready }))).into_response()
}

/// Whether requests for a model are taken. The question itself loads nothing.
pub(crate) async fn model_ready(state: State<Arc<Shared>>, Named(name): Named) -> Result<Response, ApiError> {
    let place = state.models.find(Some(&name))?;
    let is_ready = !state.is_leaving() && state.models.takes_requests(place);
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, Json(json!({ "name": state.models.name(place), "ready": is_ready }))).into_response())
}

/// What a model takes and gives.
pub(crate) async fn model(State(shared): State<Arc<Shared>>, Named(name): Named) -> Result<Json<Value>, ApiError> {
    let model = shared.model(Some(&name)).await?;
    let signature = model.backend().signature()?;
    let tensors = |all: &[TensorInfo]| all.iter().map(described).collect::<Vec<_>>();
    Ok(Json(json!({
        "name": model.info().name, "versions": [VERSION], "platform": "onnxruntime_onnx",
        "inputs": tensors(&signature.inputs), "outputs": tensors(&signature.outputs),
    })))
}

fn described(tensor: &TensorInfo) -> Value {
    // What can be of no datatype of the protocol's cannot be sent either.
    let datatype = tensor.datatype.map_or("UNKNOWN", |datatype| datatype.name());
    json!({ "name": tensor.name, "datatype": datatype, "shape": dimensions(&tensor.shape) })
}

/// Free dimensions are -1.
fn dimensions(shape: &[Option<usize>]) -> Vec<i64> {
    shape.iter().map(|size| size.and_then(|size| i64::try_from(size).ok()).unwrap_or(-1)).collect()
}
