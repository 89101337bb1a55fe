//! `/v1/rerank`, as Jina and Cohere have it, and `/v1/score`, as vLLM has it.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::read::parse;
use super::types::now;
use crate::error::ApiError;
use crate::serve::Shared;

/// Pairs of texts in a request, at most.
const MOST_PAIRS: usize = 2048;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rerank {
    model: Option<String>,
    query: String,
    documents: Vec<Document>,
    top_n: Option<usize>,
    #[serde(default)]
    return_documents: bool,
    /// Says who asks; nothing here depends on it.
    #[serde(rename = "user")]
    _user: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a document must be a string, or an object with a text")]
enum Document {
    Text(String),
    Object { text: String },
}

impl Document {
    fn text(self) -> Arc<str> {
        match self {
            Self::Text(text) | Self::Object { text } => text.into(),
        }
    }
}

pub(crate) async fn rerank(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Json<Value>, ApiError> {
    let request: Rerank = parse(&body)?;
    let model = shared.model(request.model.as_deref()).await?;
    let info = model.info();
    filled(&request.query, "query")?;
    if request.top_n == Some(0) {
        return Err(ApiError::invalid("top_n is 0; it must be 1 or more", Some("top_n")));
    }
    let documents: Vec<Arc<str>> = request.documents.into_iter().map(Document::text).collect();
    counted(documents.len(), "documents")?;
    documents.iter().try_for_each(|document| filled(document, "documents"))?;
    let query: Arc<str> = request.query.into();
    let pairs = documents.iter().map(|document| (Arc::clone(&query), Arc::clone(document))).collect();
    let (scores, tokens) = model.backend().score(pairs).await?;
    let mut order: Vec<(usize, f32)> = scores.into_iter().enumerate().collect();
    // Stable: what scores alike stays in the order of the request.
    order.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    order.truncate(request.top_n.unwrap_or(usize::MAX));
    let result = |(index, score): (usize, f32)| {
        let mut result = json!({ "index": index, "relevance_score": score });
        if request.return_documents {
            result["document"] = json!({ "text": &*documents[index] });
        }
        result
    };
    Ok(Json(json!({
        "id": format!("rerank-{}", uuid::Uuid::new_v4().simple()), "model": info.name,
        "results": order.into_iter().map(result).collect::<Vec<_>>(),
        "usage": { "prompt_tokens": tokens, "total_tokens": tokens },
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Score {
    model: Option<String>,
    text_1: Texts,
    text_2: Texts,
    /// Says who asks; nothing here depends on it.
    #[serde(rename = "user")]
    _user: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "text_1 and text_2 must each be a string or a list of strings")]
enum Texts {
    One(String),
    Many(Vec<String>),
}

impl Texts {
    fn read(self, param: &'static str) -> Result<Vec<Arc<str>>, ApiError> {
        let texts = match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        };
        counted(texts.len(), param)?;
        texts.iter().try_for_each(|text| filled(text, param))?;
        Ok(texts.into_iter().map(Into::into).collect())
    }
}

pub(crate) async fn score(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Json<Value>, ApiError> {
    let request: Score = parse(&body)?;
    let model = shared.model(request.model.as_deref()).await?;
    let info = model.info();
    let (mut ones, others) = (request.text_1.read("text_1")?, request.text_2.read("text_2")?);
    if ones.len() == 1 {
        ones = vec![ones.swap_remove(0); others.len()];
    }
    if ones.len() != others.len() {
        let message = format!(
            "text_1 has {} texts and text_2 has {}; text_1 must have one, or the same number",
            ones.len(),
            others.len()
        );
        return Err(ApiError::invalid(message, Some("text_1")));
    }
    let (scores, tokens) = model.backend().score(ones.into_iter().zip(others).collect()).await?;
    let one = |(index, score)| json!({ "index": index, "object": "score", "score": score });
    Ok(Json(json!({
        "id": format!("score-{}", uuid::Uuid::new_v4().simple()), "object": "list", "created": now(), "model": info.name,
        "data": scores.into_iter().enumerate().map(one).collect::<Vec<_>>(),
        "usage": { "prompt_tokens": tokens, "total_tokens": tokens },
    })))
}

fn filled(text: &str, param: &'static str) -> Result<(), ApiError> {
    match text.is_empty() {
        true => Err(ApiError::invalid(format!("{param} has an empty text"), Some(param))),
        false => Ok(()),
    }
}

fn counted(count: usize, param: &'static str) -> Result<(), ApiError> {
    match count {
        1..=MOST_PAIRS => Ok(()),
        _ => Err(ApiError::invalid(format!("{param} has {count} texts; 1 to {MOST_PAIRS} are allowed"), Some(param))),
    }
}
