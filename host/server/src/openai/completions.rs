//! `/v1/completions`

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures::stream::{BoxStream, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};

use super::echo::{self, Listed, Written};
use super::fields::Rest;
use super::read::parse;
use super::stream::{self, Shape};
use super::types::{self, Common};
use crate::error::ApiError;
use crate::models::Served;
use crate::serve::Shared;
use crate::{Event, Failure, Finish, Prompt, TokenEvent, Usage};

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

pub(super) const FIELDS: &[&str] = &["prompt", "logprobs", "echo", "suffix"];

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
            count => {
                Err(ApiError::invalid(format!("{count} prompts; 1 to {MOST_PROMPTS} are allowed"), Some("prompt")))
            }
        }
    }
}

struct Pieces {
    id: String,
    created: u64,
    model: String,
    written: Vec<Written>,
}

fn choice(index: usize, text: &str, logprobs: Option<Listed>, finish: Option<Finish>) -> Value {
    json!({ "index": index, "text": text, "logprobs": logprobs, "finish_reason": finish.map(types::finish_reason) })
}

impl Shape for Pieces {
    fn piece(&self, choices: Vec<Value>) -> Value {
        json!({ "id": self.id, "object": "text_completion", "created": self.created, "model": self.model, "choices": choices })
    }

    fn first(&self, index: usize) -> Option<Value> {
        let echo = self.written[index].echo()?;
        Some(choice(index, &echo.text, echo.logprobs.clone(), None))
    }

    fn token(&self, index: usize, token: &TokenEvent) -> Value {
        choice(index, &token.text, self.written[index].answer(token.logprob.as_slice()), None)
    }

    fn last(&self, index: usize, finish: Finish) -> Value {
        choice(index, "", None, Some(finish))
    }
}

pub(crate) async fn completions(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Response, ApiError> {
    let mut request: Request = parse(&body)?;
    request.rest.check(&[FIELDS, types::FIELDS])?;
    let model = shared.model(request.common.model.as_deref()).await?;
    let info = model.info();
    if !info.generates {
        return Err(ApiError::invalid(format!("'{}' does not generate text", info.name), Some("model")));
    }
    let suffix = request.suffix.take().filter(|suffix| !suffix.is_empty());
    if request.echo && suffix.is_some() {
        let message = "echo and suffix cannot be used together";
        return Err(ApiError::invalid(message, Some("echo")));
    }
    // Without an answer there is only the prompt to give.
    let only_prompt = request.echo && request.common.take_nothing();
    let (mut choices, mut written, mut prompt_tokens) = (Vec::new(), Vec::new(), Vec::new());
    let each = request.common.choices()?;
    for prompt in request.prompt.read()? {
        prompt_tokens.push(choices.len());
        let (prompt, ends) = match &suffix {
            Some(suffix) => gap(&model, prompt, suffix).await?,
            None => (prompt, Vec::new()),
        };
        let mut generate = request.common.request(prompt, request.logprobs)?;
        generate.stop.tokens.extend(ends);
        let echo = match request.echo {
            true => Some(echo::of(&shared, &model, &generate).await?),
            false => None,
        };
        written.extend((0..each).map(|_| Written::new(echo.clone())));
        match only_prompt {
            true => {
                let tokens = model.backend().tokenize(generate.prompt, None, true).await?.len();
                choices.extend((0..each).map(|_| nothing(tokens)));
            }
            false => choices.extend(stream::start(&shared, &model, generate, each).await?),
        }
    }
    let pieces = Pieces {
        id: format!("cmpl-{}", uuid::Uuid::new_v4().simple()),
        created: types::now(),
        model: info.name.clone(),
        written,
    };
    if request.common.stream == Some(true) {
        return Ok(stream::send(&shared, choices, pieces, request.common.include_usage()));
    }
    let answers = stream::gather(&shared, choices).await?;
    let mut usage = stream::together(answers.iter().map(|answer| answer.usage));
    // Each prompt counts once, however many choices it has.
    usage.prompt_tokens =
        prompt_tokens.iter().filter_map(|at| answers.get(*at)).map(|one| one.usage.prompt_tokens).sum();
    let choices = answers.iter().zip(&pieces.written).enumerate().map(|(index, (answer, written))| {
        let (text, logprobs) = written.whole(&answer.text, &answer.logprobs);
        choice(index, &text, logprobs, Some(answer.finish))
    });
    let mut whole = pieces.piece(choices.collect());
    whole["usage"] = types::usage(usage);
    Ok(Json(whole).into_response())
}

/// The prompt for what stands between a text and a suffix, and the tokens that end it.
async fn gap(model: &Served, prompt: Prompt, suffix: &str) -> Result<(Prompt, Vec<u32>), ApiError> {
    let Prompt::Text(text) = prompt else {
        return Err(ApiError::invalid("with suffix, the prompt must be a string", Some("suffix")));
    };
    let found = model.backend().infill(text, suffix.to_owned()).await?;
    Ok((Prompt::Tokens(found.tokens), found.ends))
}

/// An answer without a token.
fn nothing(prompt_tokens: usize) -> BoxStream<'static, Result<Event, Failure>> {
    let usage = Usage { prompt_tokens, ..Usage::default() };
    futures::stream::iter([Ok(Event::Done { finish: Finish::Length, usage })]).boxed()
}
