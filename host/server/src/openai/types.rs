//! What chat and text completions have in common.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::read::within;
use crate::error::ApiError;
use crate::{Constraint, Finish, GenerateRequest, LogProb, Prompt, Sampling, Stop, Usage};

const MOST_CHOICES: usize = 16;
const MOST_STOPS: usize = 16;
const MOST_LOGPROBS: usize = 20;

/// Fields that both kinds of completion take.
#[derive(Deserialize)]
pub(super) struct Common {
    pub(super) model: Option<String>,
    max_tokens: Option<i64>,
    max_completion_tokens: Option<i64>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    top_k: Option<i64>,
    min_p: Option<f32>,
    repetition_penalty: Option<f32>,
    presence_penalty: Option<f32>,
    frequency_penalty: Option<f32>,
    seed: Option<i64>,
    logit_bias: Option<BTreeMap<String, f32>>,
    stop: Option<OneOrMany>,
    stop_token_ids: Option<Vec<u32>>,
    ignore_eos: Option<bool>,
    n: Option<i64>,
    #[serde(default)]
    pub(super) stream: Option<bool>,
    pub(super) stream_options: Option<StreamOptions>,
    response_format: Option<ResponseFormat>,
}

/// Their names, to compare misspelt ones with.
pub(super) const FIELDS: &[&str] = &[
    "model",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "logit_bias",
    "stop",
    "stop_token_ids",
    "ignore_eos",
    "n",
    "stream",
    "stream_options",
    "response_format",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StreamOptions {
    #[serde(default)]
    pub(super) include_usage: bool,
    /// Pads pieces so that their sizes tell nothing; there is no padding here, with it or without.
    #[serde(rename = "include_obfuscation")]
    _obfuscation: Option<IgnoredAny>,
    /// Benchmarks send it, and read the usage of the last piece; the pieces before have none.
    #[serde(rename = "continuous_usage_stats")]
    _continuous: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum ResponseFormat {
    Text,
    JsonObject,
    JsonSchema { json_schema: NamedSchema },
}

/// Every answer is held to the schema, `strict` or not.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedSchema {
    schema: Value,
    #[serde(rename = "name")]
    _name: Option<IgnoredAny>,
    #[serde(rename = "description")]
    _description: Option<IgnoredAny>,
    #[serde(rename = "strict")]
    _strict: Option<IgnoredAny>,
}

impl Common {
    pub(super) fn include_usage(&self) -> bool {
        self.stream_options.as_ref().is_some_and(|options| options.include_usage)
    }

    /// Whether no token is wanted, only the prompt. Says so once: the rest of the request is read as any other.
    pub(super) fn take_nothing(&mut self) -> bool {
        let is_nothing = self.max_completion_tokens.or(self.max_tokens) == Some(0);
        if is_nothing {
            (self.max_completion_tokens, self.max_tokens) = (None, None);
        }
        is_nothing
    }

    /// How many answers are wanted.
    pub(super) fn choices(&self) -> Result<usize, ApiError> {
        match self.n.unwrap_or(1) {
            n if (1..=MOST_CHOICES as i64).contains(&n) => Ok(n as usize),
            n => Err(ApiError::invalid(format!("n is {n}; it must be 1 to {MOST_CHOICES}"), Some("n"))),
        }
    }

    /// The request for the model.
    pub(super) fn request(&self, prompt: Prompt, top_logprobs: Option<usize>) -> Result<GenerateRequest, ApiError> {
        let max_tokens = match self.max_completion_tokens.or(self.max_tokens) {
            Some(most) if most < 1 => {
                return Err(ApiError::invalid(
                    format!("max_tokens is {most}; it must be 1 or more"),
                    Some("max_tokens"),
                ));
            }
            most => most.map(|most| most as usize),
        };
        if top_logprobs.is_some_and(|top| top > MOST_LOGPROBS) {
            let message = format!("logprobs is limited to {MOST_LOGPROBS} tokens");
            return Err(ApiError::invalid(message, Some("top_logprobs")));
        }
        Ok(GenerateRequest {
            prompt,
            max_tokens,
            sampling: self.sampling()?,
            stop: self.stop()?,
            top_logprobs,
            constraint: match &self.response_format {
                None | Some(ResponseFormat::Text) => None,
                Some(ResponseFormat::JsonObject) => Some(Constraint::Json),
                Some(ResponseFormat::JsonSchema { json_schema }) => {
                    Some(Constraint::JsonSchema(json_schema.schema.clone()))
                }
            },
            tools: None,
        })
    }

    fn sampling(&self) -> Result<Sampling, ApiError> {
        within("temperature", self.temperature, 0.0, 2.0)?;
        within("top_p", self.top_p, 0.0, 1.0)?;
        within("min_p", self.min_p, 0.0, 1.0)?;
        within("repetition_penalty", self.repetition_penalty, 0.1, 10.0)?;
        within("presence_penalty", self.presence_penalty, -2.0, 2.0)?;
        within("frequency_penalty", self.frequency_penalty, -2.0, 2.0)?;
        let mut logit_bias = BTreeMap::new();
        for (token, bias) in self.logit_bias.iter().flatten() {
            let id = token.parse().map_err(|_| {
                ApiError::invalid(format!("logit_bias: '{token}' is not a token id"), Some("logit_bias"))
            })?;
            within("logit_bias", Some(*bias), -100.0, 100.0)?;
            logit_bias.insert(id, *bias);
        }
        Ok(Sampling {
            temperature: self.temperature,
            // Others' clients say 0 or -1 for no limit.
            top_k: self.top_k.and_then(|k| usize::try_from(k).ok()).filter(|k| *k > 0),
            top_p: self.top_p,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
            presence_penalty: self.presence_penalty.unwrap_or(0.0),
            frequency_penalty: self.frequency_penalty.unwrap_or(0.0),
            seed: self.seed.map(|seed| seed as u64),
            logit_bias,
        })
    }

    fn stop(&self) -> Result<Stop, ApiError> {
        let texts = match &self.stop {
            None => Vec::new(),
            Some(OneOrMany::One(text)) => vec![text.clone()],
            Some(OneOrMany::Many(texts)) => texts.clone(),
        };
        if texts.len() > MOST_STOPS || texts.iter().any(String::is_empty) {
            let message = format!("stop accepts up to {MOST_STOPS} strings, none of them empty");
            return Err(ApiError::invalid(message, Some("stop")));
        }
        let tokens = self.stop_token_ids.clone().unwrap_or_default();
        Ok(Stop { texts, tokens, ignore_eos: self.ignore_eos == Some(true) })
    }
}

pub(super) fn finish_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
    }
}

pub(super) fn usage(usage: Usage) -> Value {
    json!({
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": { "cached_tokens": usage.cached_tokens },
    })
}

/// A token's log-probabilities as chat completions have them.
pub(super) fn logprob(of: &LogProb) -> Value {
    let one = |of: &LogProb| json!({ "token": of.token, "logprob": of.logprob, "bytes": of.bytes });
    let mut value = one(of);
    value["top_logprobs"] = of.top.iter().map(one).collect();
    value
}

pub(super) fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map(|since| since.as_secs()).unwrap_or_default()
}
