//! The engine as the server's model.

mod compiles;
mod prompts;
mod tensors;

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use futures::stream::{BoxStream, StreamExt};
use llmhost_inference::model::Model;
use llmhost_inference::sampling::{SampleError, SamplingParams, TokenLogprobs};
use llmhost_inference::tokens::Tokenizer;
use llmhost_inference::{Engine, Event as Step, Request, RequestError, engine};
use serde_json::Value;

use self::compiles::Compiles;
use crate::prompt::{self, Prepared};
use crate::tools::{Formats, Part, Reader, held_by};
use crate::{
    Backend, EmbedInput, EmbedRequest, Event, Failure, Finish, GenerateRequest, Infill, LogProb, ModelInfo, Pair,
    Prompt, PromptToken, Sampling, Signature, Stats, Tensor, TokenEvent, Usage,
};

/// One for all models: they share the cores.
static COMPILES: LazyLock<Compiles> = LazyLock::new(Compiles::of_machine);

/// A model that the engine runs.
pub struct EngineBackend {
    engine: Engine,
    info: ModelInfo,
    formats: Formats,
    compiles: &'static Compiles,
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
            fallback: report
                .fallback
                .as_ref()
                .map(|_| "CUDA is not available; the server's log has the reason".to_owned()),
            context: engine.stats().context,
            temperature: model.config.defaults.temperature,
            generates,
            chats: generates && model.chat.is_some(),
            embeds: model.kind() == "encoder",
            reranks: model.kind() == "reranker",
        };
        let formats = engine.model().chat.as_ref().map(|chat| Formats::of(&chat.text())).unwrap_or_default();
        Self { engine, info, formats, compiles: &COMPILES }
    }

    /// Reads calls of tools and reasoning in these formats instead of those that the chat template seems to have;
    /// `none` for neither. Fails with the names that there are.
    pub fn with_formats(mut self, tools: Option<&str>, reasoning: Option<&str>) -> Result<Self, String> {
        self.formats = self.formats.named(tools, reasoning)?;
        Ok(self)
    }

    /// The names of the formats of calls and of reasoning.
    pub fn formats(&self) -> (Option<&'static str>, Option<&'static str>) {
        (self.formats.tools.map(|format| format.name), self.formats.reasoning.map(|format| format.name))
    }
}

#[async_trait]
impl Backend for EngineBackend {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn stats(&self) -> Stats {
        let now = self.engine.stats();
        let room = now.cache_tokens.max(1);
        Stats {
            waiting: now.queued,
            running: now.active,
            cache_used: now.cached_tokens as f64 / room as f64,
            reused_tokens: now.reused_tokens,
            proposed_tokens: now.proposed_tokens,
            accepted_tokens: now.accepted_tokens,
            draft_proposed_tokens: now.draft_proposed_tokens,
            draft_accepted_tokens: now.draft_accepted_tokens,
        }
    }

    async fn generate(&self, request: GenerateRequest) -> Result<BoxStream<'static, Result<Event, Failure>>, Failure> {
        let engine = self.engine.clone();
        let formats = self.formats;
        let grammar = held_by(request.tools.as_ref(), request.constraint.as_ref());
        let begin = move || {
            let wants_logprobs = request.top_logprobs.is_some();
            let (request, reader) = engine_request(&engine, formats, request)?;
            engine.generate(request).map(|stream| (stream, engine, wants_logprobs, reader)).map_err(failure)
        };
        let (stream, engine, wants_logprobs, mut reader) = match grammar {
            Some(field) => self.compiles.run(field, begin).await?,
            None => aside(begin).await?,
        };
        let events = stream.flat_map(move |step| {
            let spell = |token: u32| spelled(engine.model(), token);
            futures::stream::iter(match step {
                Step::Token { text, id, logprobs } => {
                    let logprob = logprobs.filter(|_| wants_logprobs).map(|of| logprob(id, &of, spell));
                    read(reader.as_mut(), text, logprob).into_iter().map(Ok).collect::<Vec<_>>()
                }
                Step::Done { text, finish, usage, .. } => {
                    let mut rest = match text.is_empty() {
                        true => Vec::new(),
                        false => read(reader.as_mut(), text, None),
                    };
                    rest.extend(reader.as_mut().into_iter().flat_map(Reader::finish).map(event));
                    let called = reader.as_ref().is_some_and(Reader::has_called);
                    let finish = match finish {
                        engine::Finish::Length => Finish::Length,
                        _ if called => Finish::ToolCalls,
                        _ => Finish::Stop,
                    };
                    let usage = Usage {
                        prompt_tokens: usage.prompt,
                        cached_tokens: usage.reused,
                        completion_tokens: usage.completion,
                    };
                    rest.into_iter().map(Ok).chain([Ok(Event::Done { finish, usage })]).collect()
                }
                // A grammar that is too much for its limits as the answer goes on is the request's own.
                Step::Failed(RequestError::Sample(error @ SampleError::Grammar(_))) => {
                    vec![Err(Failure::invalid(error.to_string(), grammar))]
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
            let tokens = match prompt {
                Prompt::Text(text) => tokenizer(engine.model())?.encode(&text, special),
                Prompt::Messages { messages, variables, continues } => {
                    let text = prompt::render(engine.model(), messages, &variables, continues, &Value::Null)?;
                    tokenizer(engine.model())?.encode_rendered(&text, special)
                }
                Prompt::Tokens(tokens) => return Ok(tokens),
            };
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

    async fn prompt_logprobs(&self, prompt: Prompt, top: usize) -> Result<Vec<PromptToken>, Failure> {
        prompts::logprobs(&self.engine, prompt, top).await
    }

    fn signature(&self) -> Result<Signature, Failure> {
        Ok(tensors::signature(&self.engine))
    }

    async fn infer(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, Failure> {
        tensors::infer(&self.engine, inputs).await
    }

    async fn infill(&self, before: String, behind: String) -> Result<Infill, Failure> {
        prompts::infill(self.engine.clone(), before, behind).await
    }
}

/// On a thread of its own: long texts take a while that others need not wait for.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Failure::Internal("the request could not be processed".to_owned())))
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

fn engine_request(
    engine: &Engine,
    formats: Formats,
    request: GenerateRequest,
) -> Result<(Request, Option<Reader>), Failure> {
    // OpenAI's completions have log-probabilities of the end of a text, and their chats have not.
    let end_logprobs = !matches!(request.prompt, Prompt::Messages { .. });
    let (tools, constraint) = (request.tools.as_ref(), request.constraint);
    let Prepared { prompt, grammar, keep, reader } =
        prompt::prepare(engine, formats, request.prompt, tools, constraint)?;
    let request = Request {
        max_tokens: request.max_tokens,
        stop: request.stop.texts,
        stop_tokens: request.stop.tokens,
        ignore_eos: request.stop.ignore_eos,
        sampling: sampling(engine.model(), request.sampling, request.top_logprobs),
        grammar,
        keep,
        end_logprobs,
        ..Request::new(prompt)
    };
    Ok((request, reader))
}

/// The events of a token. One that shows nothing yet is an event all the same, for what it took.
fn read(reader: Option<&mut Reader>, text: String, logprob: Option<LogProb>) -> Vec<Event> {
    let Some(reader) = reader else { return vec![Event::Token(TokenEvent { text, logprob })] };
    let thinks = reader.thinks();
    let mut events: Vec<Event> = reader.push(&text).into_iter().map(event).collect();
    let shows_nothing = events.is_empty();
    let first = events.iter_mut().find_map(|event| match event {
        Event::Token(token) | Event::Reasoning(token) => Some(token),
        Event::ToolCall(_) | Event::Done { .. } => None,
    });
    match first {
        Some(token) => token.logprob = logprob,
        None if shows_nothing => {
            let logprob = logprob.filter(|_| !reader.calls());
            let token = TokenEvent { text: String::new(), logprob };
            events.push(if thinks { Event::Reasoning(token) } else { Event::Token(token) });
        }
        None => {}
    }
    events
}

fn event(part: Part) -> Event {
    match part {
        Part::Text(text) => Event::Token(TokenEvent { text, logprob: None }),
        Part::Reasoning(text) => Event::Reasoning(TokenEvent { text, logprob: None }),
        Part::Call(part) => Event::ToolCall(part),
    }
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

/// A token's text, and the bytes that it stands for: a part of a character has no text of its own, and a special
/// token, which is called as it is written, no bytes.
fn spelled(model: &Model, token: u32) -> (String, Vec<u8>) {
    let Some(tokenizer) = &model.tokenizer else { return Default::default() };
    if tokenizer.is_special(token) {
        return (tokenizer.token(token).unwrap_or_default(), Vec::new());
    }
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
