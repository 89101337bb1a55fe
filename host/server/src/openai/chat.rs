//! `/v1/chat/completions`

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::fields::Rest;
use super::messages;
use super::read::parse;
use super::stream::{self, Answer, Shape};
use super::template::{self, TemplateFields};
use super::tools::{self, ToolFields};
use super::types::{self, Common};
use crate::error::ApiError;
use crate::serve::Shared;
use crate::{Finish, GenerateRequest, LogProb, Prompt, TokenEvent, ToolCallPart};

#[derive(Deserialize)]
struct Request {
    messages: Vec<Value>,
    logprobs: Option<bool>,
    top_logprobs: Option<usize>,
    #[serde(flatten)]
    tools: ToolFields,
    #[serde(flatten)]
    template: TemplateFields,
    #[serde(flatten)]
    common: Common,
    /// Last: it gets what the others leave.
    #[serde(flatten)]
    rest: Rest,
}

pub(super) const FIELDS: &[&str] = &["messages", "logprobs", "top_logprobs"];

struct Pieces {
    id: String,
    created: u64,
    model: String,
}

impl Pieces {
    fn around(&self, object: &str, choices: Vec<Value>) -> Value {
        json!({ "id": self.id, "object": object, "created": self.created, "model": self.model, "choices": choices })
    }
}

fn logprobs(of: &[LogProb]) -> Value {
    match of {
        [] => Value::Null,
        some => json!({ "content": some.iter().map(types::logprob).collect::<Vec<_>>() }),
    }
}

impl Shape for Pieces {
    fn piece(&self, choices: Vec<Value>) -> Value {
        self.around("chat.completion.chunk", choices)
    }

    fn first(&self, index: usize) -> Option<Value> {
        Some(
            json!({ "index": index, "delta": { "role": "assistant", "content": "" }, "logprobs": null, "finish_reason": null }),
        )
    }

    fn token(&self, index: usize, token: &TokenEvent) -> Value {
        let logprobs = logprobs(token.logprob.as_slice());
        json!({ "index": index, "delta": { "content": token.text }, "logprobs": logprobs, "finish_reason": null })
    }

    fn reasoning(&self, index: usize, token: &TokenEvent) -> Option<Value> {
        let delta = json!({ "reasoning_content": token.text });
        Some(json!({ "index": index, "delta": delta, "logprobs": null, "finish_reason": null }))
    }

    fn call(&self, index: usize, part: &ToolCallPart) -> Option<Value> {
        let delta = json!({ "tool_calls": [tools::delta(part)] });
        Some(json!({ "index": index, "delta": delta, "logprobs": null, "finish_reason": null }))
    }

    fn last(&self, index: usize, finish: Finish) -> Value {
        json!({ "index": index, "delta": {}, "logprobs": null, "finish_reason": types::finish_reason(finish) })
    }
}

fn message(answer: &Answer) -> Value {
    let content = Some(&answer.text).filter(|text| !text.is_empty() || answer.calls.is_empty());
    let mut message = json!({ "role": "assistant", "content": content, "refusal": null });
    if !answer.reasoning.is_empty() {
        message["reasoning_content"] = answer.reasoning.as_str().into();
    }
    if !answer.calls.is_empty() {
        message["tool_calls"] = answer.calls.iter().map(tools::whole).collect();
    }
    message
}

pub(crate) async fn chat(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Response, ApiError> {
    let request: Request = parse(&body)?;
    request.rest.check(&[FIELDS, tools::FIELDS, template::FIELDS, types::FIELDS])?;
    let model = shared.model(request.common.model.as_deref()).await?;
    let info = model.info();
    let wanted = request.logprobs.unwrap_or(false).then(|| request.top_logprobs.unwrap_or(0));
    let messages = messages::read(info, &request.messages)?;
    let rendering = request.template.read(&messages)?;
    let prompt = Prompt::Messages { messages, rendering };
    let generate = GenerateRequest { tools: request.tools.read()?, ..request.common.request(prompt, wanted)? };
    let choices = stream::start(&shared, &model, generate, request.common.choices()?).await?;
    let pieces = Pieces {
        id: format!("chatcmpl-{}", uuid::Uuid::new_v4().simple()),
        created: types::now(),
        model: info.name.clone(),
    };
    if request.common.stream == Some(true) {
        return Ok(stream::send(&shared, choices, pieces, request.common.include_usage()));
    }
    let answers = stream::gather(&shared, choices).await?;
    let usage = types::usage(stream::together(answers.iter().map(|answer| answer.usage)));
    let choices = answers.into_iter().enumerate().map(|(index, answer)| {
        json!({
            "index": index,
            "message": message(&answer),
            "logprobs": logprobs(&answer.logprobs),
            "finish_reason": types::finish_reason(answer.finish),
        })
    });
    let mut whole = pieces.around("chat.completion", choices.collect());
    whole["usage"] = usage;
    Ok(Json(whole).into_response())
}
