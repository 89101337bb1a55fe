//! What the server asks of whatever runs the model.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::{Signature, Tensor};

/// A model that runs.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// What it is. Does not change while it runs.
    fn info(&self) -> &ModelInfo;

    /// How it does now.
    fn stats(&self) -> Stats;

    /// Starts generating. Dropping the stream cancels. The last event of a stream that went well is
    /// [`Event::Done`].
    async fn generate(&self, request: GenerateRequest) -> Result<BoxStream<'static, Result<Event, Failure>>, Failure>;

    /// An embedding for each input, and how many tokens they had together.
    async fn embed(&self, request: EmbedRequest) -> Result<(Vec<Vec<f32>>, usize), Failure>;

    /// A score for each pair of texts, and how many tokens they had together. A model that does not
    /// score fails with the reason.
    async fn score(&self, pairs: Vec<Pair>) -> Result<(Vec<f32>, usize), Failure>;

    /// The tokens of a prompt, with the tools that it offers; `special` says whether those that the model wants
    /// around a text are added.
    async fn tokenize(&self, prompt: Prompt, tools: Option<Tools>, special: bool) -> Result<Vec<u32>, Failure>;

    /// The text of tokens, special ones included.
    async fn detokenize(&self, tokens: Vec<u32>) -> Result<String, Failure>;

    /// The tokens of a prompt, each with its log-probability and those of the `top` likeliest in its place.
    async fn prompt_logprobs(&self, _prompt: Prompt, _top: usize) -> Result<Vec<PromptToken>, Failure> {
        Err(Failure::invalid("this model cannot return log-probabilities of a prompt", Some("echo")))
    }

    /// What it takes and gives as named tensors.
    fn signature(&self) -> Result<Signature, Failure> {
        Err(Failure::invalid("this model does not accept tensors", Some("model")))
    }

    /// Runs on named tensors.
    async fn infer(&self, _inputs: Vec<Tensor>) -> Result<Vec<Tensor>, Failure> {
        Err(Failure::invalid("this model does not accept tensors", Some("model")))
    }

    /// The prompt for what stands between two texts.
    async fn infill(&self, _before: String, _behind: String) -> Result<Infill, Failure> {
        Err(Failure::invalid("this model does not support suffix", Some("suffix")))
    }
}

/// What a model is.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ModelInfo {
    /// The name that requests call it by.
    pub name: String,
    /// Seconds since 1970 when it was loaded.
    pub loaded_at: u64,
    /// What runs it: `cpu`, `cuda`.
    pub provider: String,
    /// Nodes of the graph that each execution provider ran when the model was warmed up.
    pub nodes: BTreeMap<String, usize>,
    /// Version of ONNX Runtime.
    pub runtime: String,
    /// Why it is not a GPU that runs it, where one was looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// Most tokens of prompt and answer together.
    pub context: usize,
    /// The sampling temperature that the model's makers recommend, where they do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f32>,
    /// Whether it generates text.
    pub generates: bool,
    /// Whether it takes messages: it has a chat template.
    pub chats: bool,
    /// Whether it makes embeddings.
    pub embeds: bool,
    /// Whether it scores pairs of texts.
    pub reranks: bool,
}

/// How the model does now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Stats {
    /// Requests that wait.
    pub waiting: usize,
    /// Requests that are in the batch.
    pub running: usize,
    /// Share of the key/value cache in use, 0 to 1.
    pub cache_used: f64,
    /// Prompt tokens that were found in the cache instead of computed, since the start.
    pub reused_tokens: u64,
    /// Tokens that were guessed from texts and checked, since the start.
    pub proposed_tokens: u64,
    /// Of those, the ones that answers took.
    pub accepted_tokens: u64,
    /// Tokens that a draft model guessed and that were checked, since the start.
    pub draft_proposed_tokens: u64,
    /// Of those, the ones that answers took.
    pub draft_accepted_tokens: u64,
}

/// What to generate from.
#[derive(Debug, Clone, PartialEq)]
pub enum Prompt {
    /// Text as it is.
    Text(String),
    /// Tokens as they are.
    Tokens(Vec<u32>),
    /// Messages, brought into the model's form by its chat template.
    Messages {
        /// The turns.
        messages: Vec<Message>,
        /// How the template writes them.
        rendering: Rendering,
    },
}

/// How a chat template writes messages.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rendering {
    /// Variables of the template, such as `enable_thinking`.
    pub variables: serde_json::Map<String, serde_json::Value>,
    /// Whether the last message, the assistant's, is the beginning of the answer and goes on.
    pub continues: bool,
    /// Whether the names of special tokens in messages of users and results of tools are these tokens, and not text.
    pub parse_special: bool,
}

/// Functions that a model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct Tools {
    /// Their definitions, each `{"type": "function", "function": {"name", "description", "parameters", "strict"}}`.
    pub definitions: Vec<serde_json::Value>,
    /// Which of them are called.
    pub choice: ToolChoice,
    /// Whether an answer may call more than one.
    pub parallel: bool,
}

/// Which tools an answer calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// The model decides.
    #[default]
    Auto,
    /// None; the model is not told of them.
    None,
    /// At least one.
    Required,
    /// The one of this name.
    Named(String),
}

/// A message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user`, `assistant`, or what else the template knows.
    pub role: String,
    /// Its text; none where it only calls tools.
    pub content: Option<String>,
    /// Other fields, such as `tool_calls`, `tool_call_id`, `name` and `reasoning_content`, for the template.
    #[serde(flatten)]
    pub more: serde_json::Map<String, serde_json::Value>,
}

/// Two texts to score. They are shared: one query stands beside thousands of documents.
pub type Pair = (Arc<str>, Arc<str>);

/// What to make embeddings of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbedRequest {
    /// An embedding is made of each.
    pub inputs: Vec<EmbedInput>,
    /// Which of the model's prompts to put in front of texts; its default one where nothing is said.
    pub prompt_name: Option<String>,
}

/// Something to make an embedding of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmbedInput {
    /// A text.
    Text(String),
    /// Tokens of the model's own vocabulary, as they are.
    Tokens(Vec<u32>),
}

/// One answer to be generated.
#[derive(Debug, Clone)]
pub struct GenerateRequest {
    /// What from.
    pub prompt: Prompt,
    /// Most tokens of the answer; as many as fit where nothing is said.
    pub max_tokens: Option<usize>,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// When to stop before the model does.
    pub stop: Stop,
    /// Log-probabilities wanted: of the chosen token, and of so many others.
    pub top_logprobs: Option<usize>,
    /// What the answer must look like.
    pub constraint: Option<Constraint>,
    /// What it may call; only with [`Prompt::Messages`].
    pub tools: Option<Tools>,
}

/// How tokens are chosen. Where nothing is said, as the model's own configuration has it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sampling {
    /// 0 takes the likeliest.
    pub temperature: Option<f32>,
    /// Only the likeliest so many.
    pub top_k: Option<usize>,
    /// Only the likeliest that have this share together.
    pub top_p: Option<f32>,
    /// Only those with this share of the likeliest one's probability.
    pub min_p: Option<f32>,
    /// Above 1 makes what was there less likely.
    pub repetition_penalty: Option<f32>,
    /// Taken from the logit of what was generated.
    pub presence_penalty: f32,
    /// As above, times how often it was.
    pub frequency_penalty: f32,
    /// The same seed gives the same answer.
    pub seed: Option<u64>,
    /// Added to the logits of tokens.
    pub logit_bias: BTreeMap<u32, f32>,
}

/// When to stop.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stop {
    /// Texts that end the answer, and are not part of it.
    pub texts: Vec<String>,
    /// Tokens that do.
    pub tokens: Vec<u32>,
    /// Whether the model's own end counts for nothing: answers of equal length, to measure by.
    pub ignore_eos: bool,
}

/// What an answer must look like.
#[derive(Debug, Clone, PartialEq)]
pub enum Constraint {
    /// Any JSON object.
    Json,
    /// JSON by this schema.
    JsonSchema(serde_json::Value),
    /// Text that this regular expression matches as a whole.
    Regex(String),
}

/// Part of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A token of the answer's text was generated.
    Token(TokenEvent),
    /// A token of what the model thinks before it answers.
    Reasoning(TokenEvent),
    /// A part of a call of a tool.
    ToolCall(ToolCallPart),
    /// It is over.
    Done {
        /// Why.
        finish: Finish,
        /// What it took.
        usage: Usage,
    },
}

/// A token.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TokenEvent {
    /// Text that can be shown now: whole characters, maybe none.
    pub text: String,
    /// Where asked for.
    pub logprob: Option<LogProb>,
}

/// A part of a call. The first part of each call has its id and name; the arguments of all parts, one after
/// another, are a JSON object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolCallPart {
    /// Which call of the answer, from 0.
    pub index: usize,
    /// The call's identifier, unique among all calls: `call_…`.
    pub id: Option<String>,
    /// The function's name.
    pub name: Option<String>,
    /// Text of the arguments.
    pub arguments: String,
}

/// Log-probability of a token.
#[derive(Debug, Clone, PartialEq)]
pub struct LogProb {
    /// The token's text.
    pub token: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Natural logarithm of its probability.
    pub logprob: f32,
    /// The likeliest ones, the likeliest first.
    pub top: Vec<LogProb>,
}

/// A token of a prompt.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PromptToken {
    /// Its text; of a special token, as it is written.
    pub token: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether it is a mark that may not be in the text.
    pub is_special: bool,
    /// Natural logarithm of its probability; the first has none.
    pub logprob: Option<f32>,
    /// The likeliest ones in its place, the likeliest first.
    pub top: Vec<LogProb>,
}

/// A prompt for the text between two others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Infill {
    /// The prompt.
    pub tokens: Vec<u32>,
    /// Tokens that end the answer, beside those of the model.
    pub ends: Vec<u32>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The model ended it, or a stop text or token did.
    Stop,
    /// It has as many tokens as allowed.
    Length,
    /// It ended after calls of tools.
    ToolCalls,
}

/// What an answer took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Of these, found in the cache.
    pub cached_tokens: usize,
    /// Tokens of the answer.
    pub completion_tokens: usize,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The request cannot be met, whoever asks.
    #[error("{message}")]
    Invalid {
        /// What is wrong.
        message: String,
        /// The field that it is about.
        param: Option<&'static str>,
    },
    /// Too many wait already.
    #[error("the queue is full; try again in a moment")]
    Busy,
    /// The server is about to end.
    #[error("the server is shutting down")]
    Draining,
    /// It went wrong in here.
    #[error("{0}")]
    Internal(String),
}

impl Failure {
    /// A request that cannot be met.
    pub fn invalid(message: impl Into<String>, param: Option<&'static str>) -> Self {
        Self::Invalid { message: message.into(), param }
    }
}
