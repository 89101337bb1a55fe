//! `/openapi.json`: every path of this server, in OpenAPI 3.1.
//!
//! | file | what |
//! |---|---|
//! | `schema` | words that the others are written in |
//! | `generate` | chat and text completions |
//! | `responses` | responses, and what is kept of them |
//! | `admin` | the administrators' paths |
//! | `texts` | embeddings, scores, tokens |
//! | `server` | models, health, figures |
//! | `tensors` | the Open Inference Protocol |
//!
//! `tests/openapi.rs` compares it with the router, and the tests beside this file with the fields that the
//! handlers take: who adds a path or a field to the server adds it here.

mod admin;
mod generate;
mod responses;
mod schema;
mod server;
mod tensors;
#[cfg(test)]
mod tests;
mod texts;

use axum::Json;
use serde_json::{Map, Value, json};

/// The document.
pub(crate) async fn document() -> Json<Value> {
    Json(whole())
}

fn whole() -> Value {
    let paths: Map<String, Value> =
        [generate::paths(), responses::paths(), texts::paths(), server::paths(), tensors::paths(), admin::paths()]
            .into_iter()
            .flatten()
            .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "llmhost",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Models on ONNX Runtime, behind the API of OpenAI's clients. Fields \
                that the server does not support are refused by name.",
            "license": { "name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE") },
        },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": { "type": "http", "scheme": "bearer", "description": "Only if the server has an API key." },
            },
            "schemas": schema::shared(),
            "responses": {
                "Error": {
                    "description": "The error, with its field.",
                    "content": { "application/json": { "schema": schema::named("Error") } },
                },
            },
        },
    })
}
