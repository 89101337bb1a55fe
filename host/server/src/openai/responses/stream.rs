//! What a model generates, as the items of a response and as the events of its coming.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{BoxStream, StreamExt};
use serde_json::{Map, Value, json};

use super::items::{Item, Kind, Status};
use super::store::Kept;
use crate::error::ApiError;
use crate::openai::types;
use crate::serve::Shared;
use crate::{Event, Failure, Finish, TokenEvent, ToolCallPart, Usage};

type Events = BoxStream<'static, Result<Event, Failure>>;

/// A response that is being made.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) id: String,
    pub(super) created_at: u64,
    /// What does not change while it is made.
    pub(super) fields: Map<String, Value>,
    /// What it is made from.
    pub(super) input: Vec<Arc<Item>>,
    /// Whether it is kept when it is whole.
    pub(super) is_stored: bool,
    pub(super) made: Made,
}

/// What there is of it.
#[derive(Default)]
pub(super) struct Made {
    output: Vec<Item>,
    open: Option<Open>,
    /// Blanks, and tokens without text. They belong to a message if one follows: between two calls there is none.
    held: Vec<TokenEvent>,
    events: u64,
    reasoning_tokens: usize,
}

/// The item that grows.
struct Open {
    item: Item,
    /// Which call of the answer it is, where it is one.
    call: Option<usize>,
}

impl Writer {
    /// The events before the first of an item.
    fn begin(&mut self) -> Vec<Value> {
        let response = self.response(Status::InProgress.name());
        ["response.created", "response.in_progress"]
            .into_iter()
            .map(|name| self.event(name, json!({ "response": response })))
            .collect()
    }

    /// What an event of the model brings: events for `out`, and the whole response after the last one.
    fn take(&mut self, event: Event, out: &mut Vec<Value>) -> Result<Option<Value>, Failure> {
        match event {
            // A token that shows nothing yet needs no event of its own.
            Event::Token(token) if token.text.is_empty() && token.logprob.is_none() => {}
            Event::Token(token) if token.text.trim().is_empty() && !self.says() => self.made.held.push(token),
            Event::Token(token) => {
                let held = std::mem::take(&mut self.made.held);
                held.iter().chain([&token]).for_each(|token| self.text(token, out));
            }
            Event::Reasoning(token) => {
                self.made.reasoning_tokens += 1;
                if !token.text.is_empty() {
                    self.reasoning(&token.text, out);
                }
            }
            Event::ToolCall(part) => self.call(part, out)?,
            Event::Done { finish, usage } => return Ok(Some(self.done(finish, usage, out))),
        }
        Ok(None)
    }

    /// Whether the item that grows is a message.
    fn says(&self) -> bool {
        matches!(self.made.open, Some(Open { item: Item { kind: Kind::Message { .. }, .. }, .. }))
    }

    fn text(&mut self, token: &TokenEvent, out: &mut Vec<Value>) {
        if !self.says() {
            self.open(Kind::message("assistant", ""), None, out);
        }
        let new: Vec<Value> = token.logprob.iter().map(types::logprob).collect();
        if let Some(Open { item: Item { kind: Kind::Message { texts, logprobs, .. }, .. }, .. }) = &mut self.made.open {
            if let Some(text) = texts.first_mut() {
                text.push_str(&token.text);
            }
            logprobs.extend(new.iter().cloned());
        }
        let more = json!({ "content_index": 0, "delta": token.text, "logprobs": new });
        out.extend(self.of_open("response.output_text.delta", more));
    }

    fn reasoning(&mut self, delta: &str, out: &mut Vec<Value>) {
        if !matches!(self.made.open, Some(Open { item: Item { kind: Kind::Reasoning { .. }, .. }, .. })) {
            self.open(Kind::Reasoning { text: String::new() }, None, out);
        }
        if let Some(Open { item: Item { kind: Kind::Reasoning { text }, .. }, .. }) = &mut self.made.open {
            text.push_str(delta);
        }
        out.extend(self.of_open("response.reasoning_text.delta", json!({ "content_index": 0, "delta": delta })));
    }

    fn call(&mut self, part: ToolCallPart, out: &mut Vec<Value>) -> Result<(), Failure> {
        if self.made.open.as_ref().and_then(|open| open.call) != Some(part.index) {
            let (Some(call_id), Some(name)) = (part.id, part.name) else {
                return Err(Failure::Internal("a part of a call arrived without its start".to_owned()));
            };
            self.open(Kind::Call { call_id, name, arguments: String::new() }, Some(part.index), out);
        }
        if part.arguments.is_empty() {
            return Ok(());
        }
        if let Some(Open { item: Item { kind: Kind::Call { arguments, .. }, .. }, .. }) = &mut self.made.open {
            arguments.push_str(&part.arguments);
        }
        out.extend(self.of_open("response.function_call_arguments.delta", json!({ "delta": part.arguments })));
        Ok(())
    }

    /// Begins an item, after the end of the one before.
    fn open(&mut self, kind: Kind, call: Option<usize>, out: &mut Vec<Value>) {
        self.close(Status::Completed, out);
        self.made.held.clear();
        let item = Item::new(kind, Status::InProgress);
        let (mut value, mut content) = (item.value(), item.content().into_iter().flatten());
        if let Some(content) = value.get_mut("content") {
            *content = json!([]);
        }
        self.made.open = Some(Open { item, call });
        out.push(
            self.event("response.output_item.added", json!({ "output_index": self.made.output.len(), "item": value })),
        );
        if let Some(part) = content.next() {
            out.extend(self.of_open("response.content_part.added", json!({ "content_index": 0, "part": part })));
        }
    }

    /// Ends the open item, where there is one.
    fn close(&mut self, status: Status, out: &mut Vec<Value>) {
        let Some(open) = &mut self.made.open else { return };
        open.item.status = status;
        let item = open.item.clone();
        let (name, more) = match &item.kind {
            Kind::Message { texts, logprobs, .. } => (
                "response.output_text.done",
                json!({ "content_index": 0, "text": texts.concat(), "logprobs": logprobs }),
            ),
            Kind::Reasoning { text } => ("response.reasoning_text.done", json!({ "content_index": 0, "text": text })),
            Kind::Call { name, arguments, .. } => {
                ("response.function_call_arguments.done", json!({ "name": name, "arguments": arguments }))
            }
            // A model gives no outputs of calls.
            Kind::Output { .. } => return,
        };
        out.extend(self.of_open(name, more));
        for part in item.content().into_iter().flatten() {
            out.extend(self.of_open("response.content_part.done", json!({ "content_index": 0, "part": part })));
        }
        let done = json!({ "output_index": self.made.output.len(), "item": item.value() });
        out.push(self.event("response.output_item.done", done));
        self.made.open = None;
        self.made.output.push(item);
    }

    /// An event about the open item.
    fn of_open(&mut self, name: &str, more: Value) -> Option<Value> {
        let id = self.made.open.as_ref()?.item.id.clone();
        let mut event = self.event(name, json!({ "item_id": id, "output_index": self.made.output.len() }));
        if let (Some(event), Value::Object(more)) = (event.as_object_mut(), more) {
            event.extend(more);
        }
        Some(event)
    }

    fn event(&mut self, name: &str, more: Value) -> Value {
        let mut event = json!({ "type": name, "sequence_number": self.made.events });
        self.made.events += 1;
        if let (Some(event), Value::Object(more)) = (event.as_object_mut(), more) {
            event.extend(more);
        }
        event
    }

    /// The response as it is now.
    fn response(&self, status: &str) -> Value {
        let mut response = json!({
            "id": self.id,
            "object": "response",
            "created_at": self.created_at,
            "completed_at": null,
            "status": status,
            "error": null,
            "incomplete_details": null,
            "output": self.made.output.iter().map(Item::value).collect::<Vec<_>>(),
            "usage": null,
        });
        if let Some(response) = response.as_object_mut() {
            response.extend(self.fields.clone());
        }
        response
    }

    /// The end of an answer; the response is kept where that is wanted.
    fn done(&mut self, finish: Finish, usage: Usage, out: &mut Vec<Value>) -> Value {
        let is_whole = finish != Finish::Length;
        let thought = self.made.output.iter().chain(self.made.open.iter().map(|open| &open.item));
        let only_thinks = thought.into_iter().all(|item| matches!(item.kind, Kind::Reasoning { .. }));
        let has_nothing = self.made.open.is_none() && self.made.output.is_empty();
        // An answer without a word is a message without one: clients look for an item. One that is cut in its thoughts is not.
        if only_thinks && (is_whole || has_nothing) {
            let held = std::mem::take(&mut self.made.held);
            self.open(Kind::message("assistant", ""), None, out);
            held.iter().for_each(|token| self.text(token, out));
        }
        let status = if is_whole { Status::Completed } else { Status::Incomplete };
        self.close(status, out);
        let mut response = self.response(status.name());
        match is_whole {
            true => response["completed_at"] = types::now().into(),
            false => response["incomplete_details"] = json!({ "reason": "max_output_tokens" }),
        }
        response["usage"] = json!({
            "input_tokens": usage.prompt_tokens,
            "input_tokens_details": { "cached_tokens": usage.cached_tokens, "cache_write_tokens": 0 },
            "output_tokens": usage.completion_tokens,
            "output_tokens_details": { "reasoning_tokens": self.made.reasoning_tokens.min(usage.completion_tokens) },
            "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        });
        if self.is_stored {
            self.keep(&response);
        }
        out.push(self.event(&format!("response.{}", status.name()), json!({ "response": response })));
        response
    }

    fn keep(&mut self, response: &Value) {
        let output = std::mem::take(&mut self.made.output).into_iter().map(|mut item| {
            // The response has them; no later one reads them.
            if let Kind::Message { logprobs, .. } = &mut item.kind {
                logprobs.clear();
            }
            Arc::new(item)
        });
        self.shared.responses.keep(Kept {
            id: self.id.clone(),
            response: response.to_string(),
            input: std::mem::take(&mut self.input),
            output: output.collect(),
        });
    }

    /// The last event of an answer that went wrong. What there is of it stays, unfinished.
    fn failed(&mut self, error: &ApiError) -> Value {
        if let Some(Open { mut item, .. }) = self.made.open.take() {
            item.status = Status::Incomplete;
            self.made.output.push(item);
        }
        let mut response = self.response("failed");
        let code = match error.status.as_u16() {
            429 => "rate_limit_exceeded",
            400..=499 => "invalid_prompt",
            _ => "server_error",
        };
        response["error"] = json!({ "code": code, "message": error.message() });
        self.event("response.failed", json!({ "response": response }))
    }
}

/// Waits for the whole response.
pub(super) async fn whole(mut events: Events, mut writer: Writer) -> Result<Value, ApiError> {
    let limit = writer.shared.settings.request_timeout;
    let all = async {
        while let Some(event) = events.next().await {
            if let Some(response) = writer.take(event?, &mut Vec::new())? {
                return Ok(response);
            }
        }
        Err(Failure::Internal("the response ended early".to_owned()))
    };
    tokio::time::timeout(limit, all).await.map_err(|_| ApiError::timeout())?.map_err(ApiError::from)
}

/// Sends the response as it comes.
pub(super) fn send(events: Events, mut writer: Writer) -> Response {
    let deadline = tokio::time::Instant::now() + writer.shared.settings.request_timeout;
    let first = writer.begin();
    let rest = futures::stream::unfold((events, writer, false), move |(mut events, mut writer, is_over)| async move {
        if is_over {
            return None;
        }
        let mut out = Vec::new();
        let taken = match tokio::time::timeout_at(deadline, events.next()).await {
            Err(_) => Err(ApiError::timeout()),
            Ok(None) => Err(Failure::Internal("the response ended early".to_owned()).into()),
            Ok(Some(event)) => event.and_then(|event| writer.take(event, &mut out)).map_err(ApiError::from),
        };
        let is_over = match taken {
            Ok(response) => response.is_some(),
            Err(error) => {
                out.push(writer.failed(&error));
                true
            }
        };
        Some((futures::stream::iter(out), (events, writer, is_over)))
    });
    let events = futures::stream::iter(first).chain(rest.flatten()).map(|event| {
        let name = event["type"].as_str().unwrap_or_default();
        Ok::<_, Infallible>(sse::Event::default().event(name).data(event.to_string()))
    });
    // Proxies close connections on which nothing comes for long.
    Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))).into_response()
}
