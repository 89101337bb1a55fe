//! Answers: watched for the figures, gathered, or sent on as server-sent events.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use futures::stream::{BoxStream, Stream, StreamExt, select_all};
use serde_json::{Value, json};

use super::types;
use crate::error::{ApiError, Envelope};
use crate::models::Served;
use crate::serve::Shared;
use crate::{Event, Failure, Finish, GenerateRequest, LogProb, TokenEvent, ToolCallPart, Usage};

/// An answer that comes, and the figures of its coming.
struct Watched {
    shared: Arc<Shared>,
    events: BoxStream<'static, Result<Event, Failure>>,
    /// Held until the answer is over, and let go of after its events.
    model: Served,
    last: Instant,
    has_begun: bool,
    has_ended: bool,
}

impl Stream for Watched {
    type Item = Result<Event, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut next = self.events.poll_next_unpin(context);
        if matches!(next, Poll::Ready(None)) && !self.has_ended && *self.shared.cut.borrow() {
            next = Poll::Ready(Some(Err(Failure::Draining)));
        }
        if let Poll::Ready(event) = &next {
            match event {
                Some(Ok(Event::Token(_) | Event::Reasoning(_) | Event::ToolCall(_))) => {
                    let after = self.last.elapsed();
                    match self.has_begun {
                        true => self.model.figures().next_token(after),
                        false => self.model.figures().first_token(after),
                    }
                    (self.has_begun, self.last) = (true, Instant::now());
                }
                Some(Ok(Event::Done { usage, .. })) => {
                    self.model.figures().done(*usage);
                    self.has_ended = true;
                }
                Some(Err(_)) | None => self.has_ended = true,
            }
        }
        next
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.has_ended {
            self.model.figures().cancelled();
        }
    }
}

/// Starts every choice of a request. The seeds differ, so that the choices do.
pub(super) async fn start(
    shared: &Arc<Shared>,
    model: &Served,
    request: GenerateRequest,
    choices: usize,
) -> Result<Vec<BoxStream<'static, Result<Event, Failure>>>, ApiError> {
    let mut all = Vec::with_capacity(choices);
    for choice in 0..choices {
        let mut request = request.clone();
        request.sampling.seed = request.sampling.seed.map(|seed| seed.wrapping_add(choice as u64));
        let began = Instant::now();
        let mut cut = shared.cut.subscribe();
        let events = model.backend().generate(request).await?;
        let events = events.take_until(async move { cut.wait_for(|cut| *cut).await.is_ok() }.boxed()).boxed();
        let shared = Arc::clone(shared);
        all.push(
            Watched { shared, events, model: model.clone(), last: began, has_begun: false, has_ended: false }.boxed(),
        );
    }
    Ok(all)
}

/// A whole answer.
pub(super) struct Answer {
    pub(super) text: String,
    /// What the model thought before it.
    pub(super) reasoning: String,
    /// The calls of tools, each whole: its id, name and arguments.
    pub(super) calls: Vec<ToolCallPart>,
    pub(super) logprobs: Vec<LogProb>,
    pub(super) finish: Finish,
    pub(super) usage: Usage,
}

/// Waits for all choices.
pub(super) async fn gather(
    shared: &Shared,
    choices: Vec<BoxStream<'static, Result<Event, Failure>>>,
) -> Result<Vec<Answer>, ApiError> {
    let all = futures::future::try_join_all(choices.into_iter().map(whole));
    let limit = shared.settings.request_timeout;
    tokio::time::timeout(limit, all).await.map_err(|_| ApiError::timeout())?.map_err(ApiError::from)
}

async fn whole(mut events: BoxStream<'static, Result<Event, Failure>>) -> Result<Answer, Failure> {
    let (mut text, mut reasoning, mut calls, mut logprobs) = (String::new(), String::new(), Vec::new(), Vec::new());
    while let Some(event) = events.next().await {
        match event? {
            Event::Token(token) => {
                text.push_str(&token.text);
                logprobs.extend(token.logprob);
            }
            Event::Reasoning(token) => reasoning.push_str(&token.text),
            Event::ToolCall(part) => add(&mut calls, part),
            Event::Done { finish, usage } => return Ok(Answer { text, reasoning, calls, logprobs, finish, usage }),
        }
    }
    Err(Failure::Internal("the response ended early".to_owned()))
}

/// Puts a part of a call to the others of it.
fn add(calls: &mut Vec<ToolCallPart>, part: ToolCallPart) {
    match calls.iter_mut().find(|call| call.index == part.index) {
        Some(call) => call.arguments.push_str(&part.arguments),
        None => calls.push(part),
    }
}

/// The sum of what all choices took; the prompt is one.
pub(super) fn together(all: impl IntoIterator<Item = Usage>) -> Usage {
    all.into_iter().fold(Usage::default(), |sum, usage| Usage {
        prompt_tokens: usage.prompt_tokens,
        cached_tokens: sum.cached_tokens.max(usage.cached_tokens),
        completion_tokens: sum.completion_tokens + usage.completion_tokens,
    })
}

/// How the pieces of one kind of completion look.
pub(super) trait Shape: Send + Sync + 'static {
    /// The piece around one choice (or none).
    fn piece(&self, choices: Vec<Value>) -> Value;
    /// What comes first, where anything does.
    fn first(&self, index: usize) -> Option<Value>;
    /// A choice with text in it.
    fn token(&self, index: usize, token: &TokenEvent) -> Value;
    /// A choice with what the model thinks; none where this kind of completion has no place for it.
    fn reasoning(&self, _: usize, _: &TokenEvent) -> Option<Value> {
        None
    }
    /// A choice with a part of a call, likewise.
    fn call(&self, _: usize, _: &ToolCallPart) -> Option<Value> {
        None
    }
    /// A choice that ends.
    fn last(&self, index: usize, finish: Finish) -> Value;
}

/// Sends the choices as they come.
pub(super) fn send(
    shared: &Shared,
    choices: Vec<BoxStream<'static, Result<Event, Failure>>>,
    shape: impl Shape,
    include_usage: bool,
) -> Response {
    let deadline = tokio::time::Instant::now() + shared.settings.request_timeout;
    let first: Vec<Value> = (0..choices.len()).filter_map(|index| shape.first(index)).collect();
    let first = first.into_iter().map(|choice| shape.piece(vec![choice])).collect::<Vec<_>>();
    let numbered =
        choices.into_iter().enumerate().map(|(index, events)| events.map(move |event| (index, event)).boxed());
    let state = (select_all(numbered), Vec::new(), shape, false);
    let rest = futures::stream::unfold(state, move |(mut events, mut usages, shape, is_over)| async move {
        if is_over {
            return None;
        }
        let next = tokio::time::timeout_at(deadline, events.next()).await;
        let (pieces, is_over) = match next {
            Err(_) => (vec![failed(&ApiError::timeout())], true),
            Ok(Some((index, Ok(Event::Token(token))))) => {
                // A token that shows nothing yet needs no piece of its own.
                let silent = token.text.is_empty() && token.logprob.is_none();
                (if silent { vec![] } else { vec![shape.piece(vec![shape.token(index, &token)])] }, false)
            }
            Ok(Some((_, Ok(Event::Reasoning(token))))) if token.text.is_empty() => (vec![], false),
            Ok(Some((index, Ok(Event::Reasoning(token))))) => (choice(&shape, shape.reasoning(index, &token)), false),
            Ok(Some((index, Ok(Event::ToolCall(part))))) => (choice(&shape, shape.call(index, &part)), false),
            Ok(Some((index, Ok(Event::Done { finish, usage })))) => {
                usages.push(usage);
                (vec![shape.piece(vec![shape.last(index, finish)])], false)
            }
            Ok(Some((_, Err(failure)))) => (vec![failed(&failure.into())], true),
            Ok(None) => {
                let mut end = Vec::new();
                if include_usage {
                    let mut piece = shape.piece(vec![]);
                    piece["usage"] = types::usage(together(usages.drain(..)));
                    end.push(piece);
                }
                end.push(Value::Null);
                (end, true)
            }
        };
        Some((futures::stream::iter(pieces), (events, usages, shape, is_over)))
    });
    let pieces = futures::stream::iter(first).chain(rest.flatten());
    let events = pieces.map(|piece| {
        let text = if piece.is_null() { "[DONE]".to_owned() } else { piece.to_string() };
        Ok::<_, std::convert::Infallible>(sse::Event::default().data(text))
    });
    // Proxies close connections on which nothing comes for long.
    Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))).into_response()
}

fn choice(shape: &impl Shape, choice: Option<Value>) -> Vec<Value> {
    choice.map(|choice| shape.piece(vec![choice])).into_iter().collect()
}

fn failed(error: &ApiError) -> Value {
    json!(Envelope { error: &error.body })
}
