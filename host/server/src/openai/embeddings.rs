//! `/v1/embeddings`

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

use super::fields::Rest;
use super::models::check;
use super::read::parse;
use crate::error::ApiError;
use crate::serve::Shared;

/// As many texts as OpenAI takes.
const MOST_TEXTS: usize = 2048;

#[derive(Deserialize)]
struct Request {
    model: Option<String>,
    input: Input,
    #[serde(default)]
    encoding_format: Format,
    dimensions: Option<usize>,
    #[serde(flatten)]
    rest: Rest,
}

const FIELDS: &[&str] = &["model", "input", "encoding_format", "dimensions"];

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize, Default, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Float,
    Base64,
}

pub(crate) async fn embeddings(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Json<Value>, ApiError> {
    let request: Request = parse(&body)?;
    request.rest.check(&[FIELDS])?;
    let info = shared.backend.info();
    check(info, request.model.as_deref())?;
    if !info.embeds {
        return Err(ApiError::invalid(format!("'{}' makes no embeddings", info.name), Some("model")));
    }
    let texts = match request.input {
        Input::One(text) => vec![text],
        Input::Many(texts) => texts,
    };
    if texts.is_empty() || texts.len() > MOST_TEXTS {
        return Err(ApiError::invalid(
            format!("input has {} texts; 1 to {MOST_TEXTS} are taken", texts.len()),
            Some("input"),
        ));
    }
    if texts.iter().any(String::is_empty) {
        return Err(ApiError::invalid("input has an empty text in it", Some("input")));
    }
    let (vectors, tokens) = shared.backend.embed(texts).await?;
    let length = vectors.first().map_or(0, Vec::len);
    if request.dimensions.is_some_and(|wanted| wanted != length) {
        let message = format!("this model's embeddings have {length} dimensions, and no others");
        return Err(ApiError::invalid(message, Some("dimensions")));
    }
    let data: Vec<Value> = vectors
        .into_iter()
        .enumerate()
        .map(|(index, vector)| {
            let embedding = match request.encoding_format {
                Format::Float => json!(vector),
                Format::Base64 => json!(base64(&vector)),
            };
            json!({ "object": "embedding", "index": index, "embedding": embedding })
        })
        .collect();
    Ok(Json(json!({
        "object": "list", "data": data, "model": info.name,
        "usage": { "prompt_tokens": tokens, "total_tokens": tokens },
    })))
}

/// Little-endian 32-bit floats: what OpenAI's own client asks for.
fn base64(vector: &[f32]) -> String {
    use base64::Engine;
    let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
