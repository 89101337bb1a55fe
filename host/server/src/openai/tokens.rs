//! `/tokenize` and `/detokenize`: what the model makes of a text, as vLLM has them.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::fields::Rest;
use super::messages;
use super::read::parse;
use crate::Prompt;
use crate::error::ApiError;
use crate::serve::Shared;

#[derive(Deserialize)]
struct Tokenize {
    model: Option<String>,
    prompt: Option<String>,
    messages: Option<Vec<Value>>,
    add_special_tokens: Option<bool>,
    #[serde(flatten)]
    rest: Rest,
}

pub(super) const TOKENIZE: &[&str] = &["model", "prompt", "messages", "add_special_tokens"];

#[derive(Deserialize)]
struct Detokenize {
    model: Option<String>,
    tokens: Vec<u32>,
    #[serde(flatten)]
    rest: Rest,
}

pub(super) const DETOKENIZE: &[&str] = &["model", "tokens"];

pub(crate) async fn tokenize(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Json<Value>, ApiError> {
    let request: Tokenize = parse(&body)?;
    request.rest.check(&[TOKENIZE])?;
    let model = shared.model(request.model.as_deref()).await?;
    let info = model.info();
    let (prompt, special) = match (request.prompt, request.messages) {
        (Some(text), None) => (Prompt::Text(text), request.add_special_tokens.unwrap_or(true)),
        // The template writes them itself.
        (None, Some(messages)) => {
            let messages = messages::read(info, &messages)?;
            (
                Prompt::Messages { messages, variables: Map::new(), continues: false },
                request.add_special_tokens.unwrap_or(false),
            )
        }
        _ => return Err(ApiError::invalid("the request needs either prompt or messages", Some("prompt"))),
    };
    let tokens = model.backend().tokenize(prompt, special).await?;
    Ok(Json(json!({ "tokens": tokens, "count": tokens.len(), "max_model_len": info.context })))
}

pub(crate) async fn detokenize(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Json<Value>, ApiError> {
    let request: Detokenize = parse(&body)?;
    request.rest.check(&[DETOKENIZE])?;
    let model = shared.model(request.model.as_deref()).await?;
    let prompt = model.backend().detokenize(request.tokens).await?;
    Ok(Json(json!({ "prompt": prompt })))
}
