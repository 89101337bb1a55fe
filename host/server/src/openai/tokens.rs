//! `/tokenize` and `/detokenize`: what the model makes of a text, as vLLM has them.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

use super::fields::Rest;
use super::messages;
use super::read::parse;
use super::template::{self, TemplateFields};
use super::tools::{self, ToolFields};
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
    tools: ToolFields,
    #[serde(flatten)]
    template: TemplateFields,
    /// Last: it gets what the others leave.
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
    request.rest.check(&[TOKENIZE, tools::FIELDS, template::FIELDS])?;
    let model = shared.model(request.model.as_deref()).await?;
    let info = model.info();
    let (prompt, tools, special) = match (request.prompt, request.messages) {
        (Some(text), None) => {
            if let Some(name) = request.tools.any().or(request.template.any()) {
                let message = format!("{name} is for messages, and the request has a prompt; remove it");
                return Err(ApiError::invalid(message, Some(name)));
            }
            (Prompt::Text(text), None, request.add_special_tokens.unwrap_or(true))
        }
        // The template writes them itself.
        (None, Some(messages)) => {
            let messages = messages::read(info, &messages)?;
            let rendering = request.template.read(&messages)?;
            let tools = request.tools.read()?;
            (Prompt::Messages { messages, rendering }, tools, request.add_special_tokens.unwrap_or(false))
        }
        _ => return Err(ApiError::invalid("the request needs either prompt or messages", Some("prompt"))),
    };
    let tokens = model.backend().tokenize(prompt, tools, special).await?;
    Ok(Json(json!({ "tokens": tokens, "count": tokens.len(), "max_model_len": info.context })))
}

pub(crate) async fn detokenize(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Json<Value>, ApiError> {
    let request: Detokenize = parse(&body)?;
    request.rest.check(&[DETOKENIZE])?;
    let model = shared.model(request.model.as_deref()).await?;
    let prompt = model.backend().detokenize(request.tokens).await?;
    Ok(Json(json!({ "prompt": prompt })))
}
