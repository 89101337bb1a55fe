//! `/v1/responses`: answers as items, and conversations that the server keeps.

mod items;
mod request;
mod store;
mod stream;
mod tools;

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::stream::{StreamExt, select_all};
use serde_json::{Value, json};

#[cfg(test)]
pub(super) use self::request::FIELDS;
use self::request::Request;
use self::store::Kept;
pub(crate) use self::store::Responses;
use self::stream::{Made, Writer};
use super::fields::near;
use super::read::parse;
use super::types;
use crate::error::ApiError;
use crate::serve::Shared;

/// Most items of an input on one page.
const MOST_LISTED: usize = 100;
const LISTED: usize = 20;

pub(crate) async fn create(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Response, ApiError> {
    let request: Request = parse(&body)?;
    request.check()?;
    let mut input = match &request.previous_response_id {
        None => Vec::new(),
        Some(id) => shared.responses.get(id).ok_or_else(|| ApiError::no_previous_response(id))?.context(),
    };
    input.extend(request.items()?);
    let model = shared.model(request.model.as_deref()).await?;
    let generate = request.generate(model.info(), &input)?;
    let mut fields = request.repeated()?;
    fields.insert("model".to_owned(), model.info().name.as_str().into());
    let writer = Writer {
        id: format!("resp_{}", uuid::Uuid::new_v4().simple()),
        created_at: types::now(),
        fields,
        input,
        is_stored: request.is_stored(),
        shared: Arc::clone(&shared),
        made: Made::default(),
    };
    let events = select_all(super::stream::start(&shared, &model, generate, 1).await?).boxed();
    match request.is_streamed() {
        true => Ok(stream::send(events, writer)),
        false => Ok(Json(stream::whole(events, writer).await?).into_response()),
    }
}

/// A response that is kept.
fn kept(shared: &Shared, id: &str) -> Result<Arc<Kept>, ApiError> {
    shared.responses.get(id).ok_or_else(|| missing(id))
}

fn missing(id: &str) -> ApiError {
    let message = format!(
        "there is no response '{id}' here; it was not stored, was deleted, or was removed to make room for newer ones"
    );
    ApiError::not_found(message, "response_not_found")
}

type Asked = Query<Vec<(String, String)>>;

pub(crate) async fn retrieve(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Query(asked): Asked,
) -> Result<Response, ApiError> {
    for (name, value) in &asked {
        match name.as_str() {
            "include" | "include[]" => {}
            "stream" | "include_obfuscation" if value == "false" => {}
            "stream" | "include_obfuscation" | "starting_after" => {
                let message = format!("{name} is not supported; a stored response is returned whole");
                return Err(ApiError::invalid(message, Some(name)));
            }
            _ => return Err(unknown(name, &["include", "stream"])),
        }
    }
    let kept = kept(&shared, &id)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], kept.response.clone()).into_response())
}

pub(crate) async fn delete(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    match shared.responses.remove(&id) {
        true => Ok(Json(json!({ "id": id, "object": "response", "deleted": true }))),
        false => Err(missing(&id)),
    }
}

pub(crate) async fn input_items(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Query(asked): Asked,
) -> Result<Json<Value>, ApiError> {
    let (mut limit, mut is_ascending, mut after) = (LISTED, false, None);
    for (name, value) in &asked {
        let wrong = |what: &str| Err(ApiError::invalid(format!("{name} is '{value}'; {what}"), Some(name)));
        match name.as_str() {
            "limit" => match value.parse() {
                Ok(number) if (1..=MOST_LISTED).contains(&number) => limit = number,
                _ => return wrong("it must be 1 to 100"),
            },
            "order" => match value.as_str() {
                "asc" => is_ascending = true,
                "desc" => is_ascending = false,
                _ => return wrong("it must be asc or desc"),
            },
            "after" => after = Some(value),
            "include" | "include[]" => {}
            _ => return Err(unknown(name, &["limit", "order", "after", "include"])),
        }
    }
    let kept = kept(&shared, &id)?;
    let mut items: Vec<_> = kept.input.iter().collect();
    if !is_ascending {
        items.reverse();
    }
    let begin = match after {
        None => 0,
        // The last of this id: whoever reads page after page comes to an end.
        Some(after) => match items.iter().rposition(|item| item.id == *after) {
            Some(index) => index + 1,
            None => return Err(ApiError::invalid(format!("after is '{after}'; there is no such item"), Some("after"))),
        },
    };
    let has_more = items.len() > begin + limit;
    let page: Vec<Value> = items.into_iter().skip(begin).take(limit).map(|item| item.value()).collect();
    let end = |item: Option<&Value>| item.map_or(Value::Null, |item| item["id"].clone());
    let (first, last) = (end(page.first()), end(page.last()));
    Ok(Json(json!({ "object": "list", "data": page, "first_id": first, "last_id": last, "has_more": has_more })))
}

fn unknown(name: &str, known: &[&str]) -> ApiError {
    let message = match near(name, known.iter().copied()) {
        Some(near) => format!("there is no parameter '{name}'; did you mean '{near}'?"),
        None => format!("this request has no parameter '{name}'; remove it"),
    };
    ApiError::invalid(message, Some(name))
}
