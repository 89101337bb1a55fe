//! `/v1/embeddings`

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

use super::fields::Rest;
use super::read::parse;
use crate::error::ApiError;
use crate::serve::Shared;
use crate::{EmbedInput, EmbedRequest};

/// As many texts as OpenAI takes.
const MOST_TEXTS: usize = 2048;

#[derive(Deserialize)]
struct Request {
    model: Option<String>,
    input: Input,
    #[serde(default)]
    encoding_format: Format,
    dimensions: Option<usize>,
    /// One of the model's own prompts; not OpenAI's.
    prompt_name: Option<String>,
    #[serde(flatten)]
    rest: Rest,
}

pub(super) const FIELDS: &[&str] = &["model", "input", "encoding_format", "dimensions", "prompt_name"];

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "input must be a string, a list of strings, a list of tokens, or a list of lists of tokens"
)]
enum Input {
    Text(String),
    Texts(Vec<String>),
    Tokens(Vec<u32>),
    ManyTokens(Vec<Vec<u32>>),
}

impl Input {
    fn read(self) -> Result<Vec<EmbedInput>, ApiError> {
        let inputs: Vec<EmbedInput> = match self {
            Self::Text(text) => vec![EmbedInput::Text(text)],
            Self::Texts(texts) => texts.into_iter().map(EmbedInput::Text).collect(),
            Self::Tokens(tokens) => vec![EmbedInput::Tokens(tokens)],
            Self::ManyTokens(many) => many.into_iter().map(EmbedInput::Tokens).collect(),
        };
        let empty = |input: &EmbedInput| match input {
            EmbedInput::Text(text) => text.is_empty(),
            EmbedInput::Tokens(tokens) => tokens.is_empty(),
        };
        match inputs.len() {
            1..=MOST_TEXTS if inputs.iter().any(empty) => {
                Err(ApiError::invalid("input contains an empty text", Some("input")))
            }
            1..=MOST_TEXTS => Ok(inputs),
            count => {
                Err(ApiError::invalid(format!("input has {count} texts; 1 to {MOST_TEXTS} are allowed"), Some("input")))
            }
        }
    }
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
    let model = shared.model(request.model.as_deref()).await?;
    let info = model.info();
    if !info.embeds {
        return Err(ApiError::invalid(format!("'{}' does not create embeddings", info.name), Some("model")));
    }
    if request.dimensions == Some(0) {
        return Err(ApiError::invalid("dimensions is 0; it must be 1 or more", Some("dimensions")));
    }
    let inputs = request.input.read()?;
    let (mut vectors, tokens) =
        model.backend().embed(EmbedRequest { inputs, prompt_name: request.prompt_name }).await?;
    if let Some(wanted) = request.dimensions {
        vectors.iter_mut().try_for_each(|vector| shorten(vector, wanted))?;
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

/// Keeps the first dimensions, and gives the rest the length one again (Matryoshka embeddings).
fn shorten(vector: &mut Vec<f32>, wanted: usize) -> Result<(), ApiError> {
    let length = vector.len();
    if wanted > length {
        let message = format!("dimensions is {wanted}, and this model's embeddings have {length}");
        return Err(ApiError::invalid(message, Some("dimensions")));
    }
    if wanted < length {
        vector.truncate(wanted);
        let size = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
        if size > 0.0 {
            vector.iter_mut().for_each(|number| *number /= size);
        }
    }
    Ok(())
}

/// Little-endian 32-bit floats: what OpenAI's own client asks for.
fn base64(vector: &[f32]) -> String {
    use base64::Engine;
    let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
