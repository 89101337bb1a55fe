//! The engine as the server's model.

use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use futures::stream::{BoxStream, StreamExt};
use llmhost_inference::model::{self, Model};
use llmhost_inference::sampling::{Grammar, SamplingParams, TokenLogprobs};
use llmhost_inference::tokens::Tokenizer;
use llmhost_inference::{Engine, Event as Step, Request, RequestError, engine};
use serde_json::{Map, Value, json};

use crate::{
    Backend, Constraint, EmbedInput, EmbedRequest, Event, Failure, Finish, GenerateRequest, LogProb, Message,
    ModelInfo, Pair, Prompt, Sampling, Stats, TokenEvent, Usage,
};

/// A model that the engine runs.
pub struct EngineBackend {
    engine: Engine,
    info: ModelInfo,
}

impl EngineBackend {
    /// Serves an engine's model under a name.
    pub fn new(engine: Engine, name: &str) -> Self {
        let (model, report) = (engine.model(), engine.report());
        let loaded_at = SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default();
        let generates = model.kind() == "decoder";
        let info = ModelInfo {
            name: name.to_owned(),
            loaded_at,
            provider: report.provider.as_str().to_owned(),
            nodes: report.nodes.clone(),
            runtime: report.library.version.clone(),
            // Everybody may ask for it, and the reason names folders of this machine.
            fallback: report.fallback.as_ref().map(|_| "CUDA cannot be used; the server's log says why".to_owned()),
            context: engine.stats().context,
            generates,
            chats: generates && model.chat.is_some(),
            embeds: model.kind() == "encoder",
            reranks: model.kind() == "reranker",
        };
        Self { engine, info }
    }
}

#[async_trait]
impl Backend for EngineBackend {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn stats(&self) -> Stats {
        let now = self.engine.stats();
        let room = (now.slots * now.context).max(1);
        Stats {
            waiting: now.queued,
            running: now.active,
            cache_used: now.cached_tokens as f64 / room as f64,
            reused_tokens: now.reused_tokens,
            proposed_tokens: now.proposed_tokens,
            accepted_tokens: now.accepted_tokens,
        }
    }

    async fn generate(&self, request: GenerateRequest) -> Result<BoxStream<'static, Result<Event, Failure>>, Failure> {
        let engine = self.engine.clone();
        let begun = aside(move || {
            let wants_logprobs = request.top_logprobs.is_some();
            let request = engine_request(engine.model(), request)?;
            engine.generate(request).map(|stream| (stream, engine, wants_logprobs)).map_err(failure)
        });
        let (stream, engine, wants_logprobs) = begun.await?;
        let events = stream.flat_map(move |step| {
            let spell = |token: u32| spelled(engine.model(), token);
            futures::stream::iter(match step {
                Step::Token { text, id, logprobs } => {
                    let logprob = logprobs.filter(|_| wants_logprobs).map(|of| logprob(id, &of, spell));
                    vec![Ok(Event::Token(TokenEvent { text, logprob }))]
                }
                Step::Done { text, finish, usage, .. } => {
                    let rest = (!text.is_empty()).then_some(Ok(Event::Token(TokenEvent { text, logprob: None })));
                    let finish = if finish == engine::Finish::Length { Finish::Length } else { Finish::Stop };
                    let usage = Usage {
                        prompt_tokens: usage.prompt,
                        cached_tokens: usage.reused,
                        completion_tokens: usage.completion,
                    };
                    rest.into_iter().chain([Ok(Event::Done { finish, usage })]).collect()
                }
                Step::Failed(error) => vec![Err(failure(error))],
            })
        });
        Ok(events.boxed())
    }

    async fn embed(&self, request: EmbedRequest) -> Result<(Vec<Vec<f32>>, usize), Failure> {
        let input = |input| match input {
            EmbedInput::Text(text) => engine::EmbedInput::Text(text),
            EmbedInput::Tokens(tokens) => engine::EmbedInput::Tokens(tokens),
        };
        let inputs: Vec<_> = request.inputs.into_iter().map(input).collect();
        let found = self.engine.embed_inputs(&inputs, request.prompt_name.as_deref(), false).await.map_err(failure)?;
        Ok((found.vectors, found.tokens))
    }

    async fn score(&self, pairs: Vec<Pair>) -> Result<(Vec<f32>, usize), Failure> {
        let found = self.engine.score(&pairs).await.map_err(failure)?;
        Ok((found.scores, found.tokens))
    }

    async fn tokenize(&self, prompt: Prompt, special: bool) -> Result<Vec<u32>, Failure> {
        let engine = self.engine.clone();
        aside(move || {
            let text = match prompt {
                Prompt::Text(text) => text,
                Prompt::Messages { messages, variables, .. } => render(engine.model(), messages, &variables)?,
                Prompt::Tokens(tokens) => return Ok(tokens),
            };
            let tokens = tokenizer(engine.model())?.encode(&text, special);
            tokens.map_err(|error| Failure::invalid(error.to_string(), Some("prompt")))
        })
        .await
    }

    async fn detokenize(&self, tokens: Vec<u32>) -> Result<String, Failure> {
        let engine = self.engine.clone();
        aside(move || {
            let tokenizer = tokenizer(engine.model())?;
            if let Some(token) = tokens.iter().find(|token| **token as usize >= tokenizer.vocabulary()) {
                let message = format!("the token {token} is not one of the model's {}", tokenizer.vocabulary());
                return Err(Failure::invalid(message, Some("tokens")));
            }
            Ok(tokenizer.decode_with_special(&tokens))
        })
        .await
    }
}

/// On a thread of its own: long texts take a while that others need not wait for.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Failure::Internal("the request could not be worked on".to_owned())))
}

fn tokenizer(model: &Model) -> Result<&Tokenizer, Failure> {
    model.tokenizer.as_deref().ok_or_else(|| Failure::invalid("the model has no tokenizer", Some("model")))
}

fn failure(error: RequestError) -> Failure {
    let message = error.to_string();
    match error {
        RequestError::Busy { .. } => Failure::Busy,
        RequestError::ShuttingDown => Failure::Draining,
        RequestError::Failed(_) | RequestError::Sample(_) => Failure::Internal(message),
        _ => Failure::Invalid { message, param: None },
    }
}

fn engine_request(model: &Model, request: GenerateRequest) -> Result<Request, Failure> {
    let prompt = match request.prompt {
        Prompt::Text(text) => engine::Prompt::Text(text),
        Prompt::Tokens(tokens) => engine::Prompt::Tokens(tokens),
        Prompt::Messages { messages, variables, .. } => engine::Prompt::Rendered(render(model, messages, &variables)?),
    };
    Ok(Request {
        max_tokens: request.max_tokens,
        stop: request.stop.texts,
        stop_tokens: request.stop.tokens,
        ignore_eos: request.stop.ignore_eos,
        sampling: sampling(model, request.sampling, request.top_logprobs),
        grammar: request.constraint.map(|constraint| match constraint {
            Constraint::Json => Grammar::JsonSchema(json!({ "type": "object" })),
            Constraint::JsonSchema(schema) => Grammar::JsonSchema(schema),
            Constraint::Regex(regex) => Grammar::Regex(regex),
        }),
        ..Request::new(prompt)
    })
}

/// The text of a conversation, up to where the model answers.
fn render(model: &Model, messages: Vec<Message>, variables: &Map<String, Value>) -> Result<String, Failure> {
    let template =
        model.chat.as_ref().ok_or_else(|| Failure::invalid("the model has no chat template", Some("model")))?;
    let messages: Vec<_> = messages.into_iter().map(turn).collect();
    let chat = model::Chat { messages: &messages, tools: &Value::Null, variables, now: SystemTime::now() };
    template.render_chat(&chat).map_err(|error| Failure::invalid(error.to_string(), Some("messages")))
}

/// A message as templates expect it.
fn turn(message: Message) -> model::Message {
    let content = message.content.map_or(Value::Null, Value::String);
    let mut turn = model::Message { role: message.role, content, more: message.more };
    model::parse_arguments(&mut turn);
    turn
}

/// What the request says, else what the model's makers do, else what OpenAI's API does.
fn sampling(model: &Model, asked: Sampling, top_logprobs: Option<usize>) -> SamplingParams {
    let makers = &model.config.defaults;
    SamplingParams {
        temperature: asked.temperature.or(makers.temperature).unwrap_or(1.0),
        top_k: asked.top_k.map(|k| k as u32).or(makers.top_k).unwrap_or(0),
        top_p: asked.top_p.or(makers.top_p).filter(|p| *p > 0.0).unwrap_or(1.0),
        min_p: asked.min_p.or(makers.min_p).unwrap_or(0.0),
        repetition_penalty: asked.repetition_penalty.or(makers.repetition_penalty).unwrap_or(1.0),
        presence_penalty: asked.presence_penalty,
        frequency_penalty: asked.frequency_penalty,
        logit_bias: asked.logit_bias.into_iter().collect(),
        seed: asked.seed,
        logprobs: top_logprobs.map(|top| top as u32),
    }
}

/// A token's text, and the bytes that it stands for: a part of a character has no text of its own.
fn spelled(model: &Model, token: u32) -> (String, Vec<u8>) {
    let Some(tokenizer) = &model.tokenizer else { return Default::default() };
    let text = tokenizer.decode(&[token]);
    let bytes = tokenizer.bytes(token).map_or_else(|| text.clone().into_bytes(), <[u8]>::to_vec);
    (text, bytes)
}

fn logprob(token: u32, of: &TokenLogprobs, spell: impl Fn(u32) -> (String, Vec<u8>)) -> LogProb {
    let one = |token: u32, logprob: f32| {
        let (token, bytes) = spell(token);
        LogProb { token, bytes, logprob, top: Vec::new() }
    };
    let top = of.top.iter().map(|(token, logprob)| one(*token, *logprob)).collect();
    LogProb { top, ..one(token, of.chosen) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_get_arguments_as_an_object_and_no_content_as_null() {
        let message = json!({ "role": "assistant", "tool_calls": [{ "function": { "arguments": "{\"a\": 1}" } }] });
        let message: Message = serde_json::from_value(message).expect("a message");
        let turn = turn(message);
        assert_eq!(turn.content, Value::Null);
        assert_eq!(turn.more["tool_calls"][0]["function"]["arguments"], json!({ "a": 1 }));
    }
}
