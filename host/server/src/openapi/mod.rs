//! `/openapi.json`: every path of this server, in OpenAPI 3.1.
//!
//! | file | what |
//! |---|---|
//! | `schema` | words that the others are written in |
//! | `generate` | chat and text completions |
//! | `texts` | embeddings, scores, tokens |
//! | `server` | models, health, figures |
//! | `tensors` | the Open Inference Protocol |
//!
//! `tests/openapi.rs` compares it with the router, and the tests beside this file with the fields that the
//! handlers take: who adds a path or a field to the server adds it here.

mod generate;
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
        [generate::paths(), texts::paths(), server::paths(), tensors::paths()].into_iter().flatten().collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "llmhost",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Models on ONNX Runtime, behind the API that OpenAI's clients speak. \
                A field that would be ignored is refused by its name.",
            "license": { "name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE") },
        },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": { "type": "http", "scheme": "bearer", "description": "Only where the server has an API key." },
            },
            "schemas": schema::shared(),
            "responses": {
                "Error": {
                    "description": "What is wrong, and with which field.",
                    "content": { "application/json": { "schema": schema::named("Error") } },
                },
            },
        },
    })
}
