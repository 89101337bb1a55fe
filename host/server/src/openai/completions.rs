//! `/v1/completions`

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::fields::Rest;
use super::read::parse;
use super::stream::{self, Shape};
use super::types::{self, Common};
use crate::error::ApiError;
use crate::serve::Shared;
use crate::{Finish, LogProb, Prompt, TokenEvent};

const MOST_PROMPTS: usize = 64;

#[derive(Deserialize)]
struct Request {
    prompt: Prompts,
    logprobs: Option<usize>,
    #[serde(default)]
    echo: bool,
    suffix: Option<String>,
    #[serde(flatten)]
    common: Common,
    /// Last: it gets what the others leave.
    #[serde(flatten)]
    rest: Rest,
}

const FIELDS: &[&str] = &["prompt", "logprobs", "echo", "suffix"];

/// As OpenAI has it: text, tokens, or several of one of them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Prompts {
    Text(String),
    Texts(Vec<String>),
    Tokens(Vec<u32>),
    ManyTokens(Vec<Vec<u32>>),
}

impl Prompts {
    fn read(self) -> Result<Vec<Prompt>, ApiError> {
        let all: Vec<Prompt> = match self {
            Self::Text(text) => vec![Prompt::Text(text)],
            Self::Texts(texts) => texts.into_iter().map(Prompt::Text).collect(),
            Self::Tokens(tokens) => vec![Prompt::Tokens(tokens)],
            Self::ManyTokens(many) => many.into_iter().map(Prompt::Tokens).collect(),
        };
        match all.len() {
            1..=MOST_PROMPTS => Ok(all),
            count => Err(ApiError::invalid(format!("{count} prompts; 1 to {MOST_PROMPTS} are taken"), Some("prompt"))),
        }
    }
}

struct Pieces {
    id: String,
    created: u64,
    model: String,
}

/// The older form: a list for each thing, not a thing for each token.
fn logprobs(of: &[LogProb]) -> Value {
    if of.is_empty() {
        return Value::Null;
    }
    let top = |one: &LogProb| one.top.iter().map(|top| (name(top), json!(top.logprob))).collect::<Value>();
    json!({
        "tokens": of.iter().map(name).collect::<Vec<_>>(),
        "token_logprobs": of.iter().map(|one| one.logprob).collect::<Vec<_>>(),
        "top_logprobs": of.iter().map(top).collect::<Vec<_>>(),
        "text_offset": [],
    })
}

/// A token's text; of a part of a character its bytes, so that different parts have different names.
fn name(of: &LogProb) -> String {
    match std::str::from_utf8(&of.bytes) {
        Ok(_) => of.token.clone(),
        Err(_) => of.bytes.iter().fold("bytes:".to_owned(), |name, byte| format!("{name}\\x{byte:02x}")),
    }
}

fn choice(index: usize, text: &str, of: &[LogProb], finish: Option<Finish>) -> Value {
    json!({ "index": index, "text": text, "logprobs": logprobs(of), "finish_reason": finish.map(types::finish_reason) })
}

impl Shape for Pieces {
    fn piece(&self, choices: Vec<Value>) -> Value {
        json!({ "id": self.id, "object": "text_completion", "created": self.created, "model": self.model, "choices": choices })
    }

    fn first(&self, _: usize) -> Option<Value> {
        None
    }

    fn token(&self, index: usize, token: &TokenEvent) -> Value {
        choice(index, &token.text, token.logprob.as_slice(), None)
    }

    fn last(&self, index: usize, finish: Finish) -> Value {
        choice(index, "", &[], Some(finish))
    }
}

pub(crate) async fn completions(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Response, ApiError> {
    let request: Request = parse(&body)?;
    request.rest.check(&[FIELDS, types::FIELDS])?;
    let model = shared.model(request.common.model.as_deref()).await?;
    let info = model.info();
    if !info.generates {
        return Err(ApiError::invalid(format!("'{}' generates no text", info.name), Some("model")));
    }
    if request.echo || request.suffix.as_ref().is_some_and(|suffix| !suffix.is_empty()) {
        let param = if request.echo { "echo" } else { "suffix" };
        return Err(ApiError::invalid(format!("{param} is not supported"), Some(param)));
    }
    let mut choices = Vec::new();
    let (each, mut prompt_tokens) = (request.common.choices()?, Vec::new());
    for prompt in request.prompt.read()? {
        let generate = request.common.request(prompt, request.logprobs)?;
        prompt_tokens.push(choices.len());
        choices.extend(stream::start(&shared, &model, generate, each).await?);
    }
    let pieces = Pieces {
        id: format!("cmpl-{}", uuid::Uuid::new_v4().simple()),
        created: types::now(),
        model: info.name.clone(),
    };
    if request.common.stream == Some(true) {
        return Ok(stream::send(&shared, choices, pieces, request.common.include_usage()));
    }
    let answers = stream::gather(&shared, choices).await?;
    let mut usage = stream::together(answers.iter().map(|answer| answer.usage));
    // Each prompt counts once, however many choices it has.
    usage.prompt_tokens =
        prompt_tokens.iter().filter_map(|at| answers.get(*at)).map(|one| one.usage.prompt_tokens).sum();
    let choices = answers.iter().enumerate();
    let choices = choices.map(|(index, answer)| choice(index, &answer.text, &answer.logprobs, Some(answer.finish)));
    let mut whole = pieces.piece(choices.collect());
    whole["usage"] = types::usage(usage);
    Ok(Json(whole).into_response())
}
