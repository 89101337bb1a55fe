//! The request for a response.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::items::{self, Item, Kind, Status};
use super::tools;
use crate::error::ApiError;
use crate::openai::fields::{Neutral, Other, Rest};
use crate::openai::object::Object;
use crate::openai::read::within;
use crate::{Constraint, GenerateRequest, ModelInfo, Prompt, Rendering, Sampling, Stop};

const MOST_LOGPROBS: usize = 20;
const MOST_METADATA: usize = 16;
const MOST_METADATA_NAME: usize = 64;
const MOST_METADATA_TEXT: usize = 512;
const LOGPROBS: &str = "message.output_text.logprobs";
/// Reasoning comes as text; whoever wants to send it back has it there.
const ENCRYPTED_REASONING: &str = "reasoning.encrypted_content";

#[derive(Deserialize)]
pub(super) struct Request {
    pub(super) model: Option<String>,
    input: Option<Value>,
    instructions: Option<String>,
    tools: Option<Value>,
    tool_choice: Option<Value>,
    parallel_tool_calls: Option<bool>,
    text: Option<Value>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    max_output_tokens: Option<i64>,
    top_logprobs: Option<usize>,
    include: Option<Vec<String>>,
    reasoning: Option<Value>,
    stream: Option<bool>,
    stream_options: Option<Value>,
    store: Option<bool>,
    pub(super) previous_response_id: Option<String>,
    metadata: Option<BTreeMap<String, String>>,
    truncation: Option<String>,
    user: Option<String>,
    safety_identifier: Option<String>,
    prompt_cache_key: Option<String>,
    /// Last: it gets what the others leave.
    #[serde(flatten)]
    rest: Rest,
}

pub(in crate::openai) const FIELDS: &[&str] = &[
    "model",
    "input",
    "instructions",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "text",
    "temperature",
    "top_p",
    "max_output_tokens",
    "top_logprobs",
    "include",
    "reasoning",
    "stream",
    "stream_options",
    "store",
    "previous_response_id",
    "metadata",
    "truncation",
    "user",
    "safety_identifier",
    "prompt_cache_key",
];

/// What responses have elsewhere, and what other requests have instead.
const OTHERS: &[Other] = &[
    ("background", Some(Neutral::False), "background responses are not supported; use stream"),
    ("conversation", None, "use previous_response_id, or send the items as input"),
    ("prompt", None, "send the text as instructions and input"),
    ("context_management", None, "remove older items from the input"),
    ("moderation", None, "moderation is not supported"),
    ("prompt_cache_options", None, "prompts with the same start share the cache automatically"),
    ("max_tool_calls", Some(Neutral::Any), "it is for built-in tools"),
    ("messages", None, "send them as input"),
    ("response_format", None, "use text.format"),
    ("reasoning_effort", None, "use reasoning.effort"),
    ("max_tokens", None, "use max_output_tokens"),
    ("max_completion_tokens", None, "use max_output_tokens"),
    ("logprobs", Some(Neutral::False), "use include with message.output_text.logprobs, and top_logprobs"),
    ("n", Some(Neutral::One), "a response has one answer; send several requests"),
    ("stop", None, "/v1/chat/completions has it"),
    ("seed", None, "/v1/chat/completions has it"),
    ("top_k", None, "/v1/chat/completions has it"),
    ("min_p", None, "/v1/chat/completions has it"),
    ("logit_bias", Some(Neutral::Empty), "/v1/chat/completions has it"),
    ("presence_penalty", Some(Neutral::Zero), "/v1/chat/completions has it"),
    ("frequency_penalty", Some(Neutral::Zero), "/v1/chat/completions has it"),
    ("repetition_penalty", Some(Neutral::One), "/v1/chat/completions has it"),
    ("chat_template_kwargs", Some(Neutral::Empty), "/v1/chat/completions has it"),
];

impl Request {
    /// Fails by the first field that would be ignored.
    pub(super) fn check(&self) -> Result<(), ApiError> {
        self.rest.check_with(&[FIELDS], OTHERS)?;
        let is_unknown = |name: &&String| ![LOGPROBS, ENCRYPTED_REASONING].contains(&name.as_str());
        if let Some(name) = self.include.iter().flatten().find(is_unknown) {
            let message = format!("include has '{name}', which is not supported; it may have {LOGPROBS}");
            return Err(ApiError::invalid(message, Some("include")));
        }
        if let Some(other) = self.truncation.as_deref().filter(|truncation| *truncation != "disabled") {
            let message = format!("truncation is '{other}', which is not supported; remove older items from the input");
            return Err(ApiError::invalid(message, Some("truncation")));
        }
        if let Some(options) = &self.stream_options {
            let options = Object::new("stream_options", options)?;
            options.only(&["include_obfuscation"])?;
            if options.flag("include_obfuscation")? == Some(true) {
                return Err(options.wrong("include_obfuscation", "is true, which is not supported; remove it"));
            }
        }
        self.check_metadata()
    }

    fn check_metadata(&self) -> Result<(), ApiError> {
        let Some(metadata) = &self.metadata else { return Ok(()) };
        let is_long = |(name, text): (&String, &String)| {
            name.chars().count() > MOST_METADATA_NAME || text.chars().count() > MOST_METADATA_TEXT
        };
        if metadata.len() > MOST_METADATA || metadata.iter().any(is_long) {
            let message = format!(
                "metadata accepts up to {MOST_METADATA} strings of up to {MOST_METADATA_TEXT} characters, with names of up \
                 to {MOST_METADATA_NAME}"
            );
            return Err(ApiError::invalid(message, Some("metadata")));
        }
        Ok(())
    }

    pub(super) fn is_streamed(&self) -> bool {
        self.stream == Some(true)
    }

    /// Whether the response is kept, for later requests.
    pub(super) fn is_stored(&self) -> bool {
        self.store != Some(false)
    }

    /// The items of the input.
    pub(super) fn items(&self) -> Result<Vec<Arc<Item>>, ApiError> {
        match &self.input {
            None => Err(ApiError::invalid("input is missing; send a string or a list of items", Some("input"))),
            Some(Value::String(text)) => Ok(vec![Arc::new(Item::new(Kind::message("user", text), Status::Completed))]),
            Some(Value::Array(list)) => {
                let read = |(index, value)| Item::read(format!("input[{index}]"), value).map(Arc::new);
                list.iter().enumerate().map(read).collect()
            }
            Some(_) => Err(ApiError::invalid("input must be a string or a list of items", Some("input"))),
        }
    }

    /// The request for the model: everything from `context`, the last items of which are this request's.
    pub(super) fn generate(&self, info: &ModelInfo, context: &[Arc<Item>]) -> Result<GenerateRequest, ApiError> {
        if !info.chats {
            let message = format!("'{}' has no chat template; use /v1/completions", info.name);
            return Err(ApiError::invalid(message, Some("model")));
        }
        let messages = items::messages(self.instructions.as_deref(), context)?;
        if messages.is_empty() {
            return Err(ApiError::invalid("input is empty", Some("input")));
        }
        let max_tokens = match self.max_output_tokens {
            Some(most) if most < 1 => {
                let message = format!("max_output_tokens is {most}; it must be 1 or more");
                return Err(ApiError::invalid(message, Some("max_output_tokens")));
            }
            most => most.map(|most| most as usize),
        };
        within("temperature", self.temperature, 0.0, 2.0)?;
        within("top_p", self.top_p, 0.0, 1.0)?;
        Ok(GenerateRequest {
            prompt: Prompt::Messages { messages, rendering: self.rendering()? },
            max_tokens,
            sampling: Sampling { temperature: self.temperature, top_p: self.top_p, ..Sampling::default() },
            stop: Stop::default(),
            top_logprobs: self.logprobs()?,
            constraint: self.format()?.1,
            tools: tools::read(self.tools.as_ref(), self.tool_choice.as_ref(), self.parallel_tool_calls)?,
        })
    }

    fn logprobs(&self) -> Result<Option<usize>, ApiError> {
        let top = self.top_logprobs.unwrap_or(0);
        if top > MOST_LOGPROBS {
            let message = format!("top_logprobs is {top}; it must be 0 to {MOST_LOGPROBS}");
            return Err(ApiError::invalid(message, Some("top_logprobs")));
        }
        let is_included = self.include.iter().flatten().any(|name| name == LOGPROBS);
        Ok((is_included || top > 0).then_some(top))
    }

    /// How the chat template writes the messages.
    fn rendering(&self) -> Result<Rendering, ApiError> {
        let mut variables = Map::new();
        let Some(reasoning) = &self.reasoning else { return Ok(Rendering::default()) };
        let reasoning = Object::new("reasoning", reasoning)?;
        reasoning.only(&["effort", "summary"])?;
        if let Some(summary) = reasoning.text("summary")?.filter(|summary| *summary != "auto") {
            let help = "which is not supported; reasoning is returned whole, as reasoning_text";
            return Err(reasoning.wrong("summary", format_args!("is '{summary}', {help}")));
        }
        if let Some(effort) = reasoning.text("effort")? {
            variables.insert("reasoning_effort".to_owned(), effort.into());
        }
        Ok(Rendering { variables, ..Rendering::default() })
    }

    /// The form of the answer's text: as the response repeats it, and for the model.
    fn format(&self) -> Result<(Value, Option<Constraint>), ApiError> {
        let plain = json!({ "type": "text" });
        let Some(text) = &self.text else { return Ok((plain, None)) };
        let text = Object::new("text", text)?;
        text.only(&["format", "verbosity"])?;
        if let Some(verbosity) = text.text("verbosity")?.filter(|verbosity| *verbosity != "medium") {
            let help = "which is not supported; ask for it in the instructions, or use max_output_tokens";
            return Err(text.wrong("verbosity", format_args!("is '{verbosity}', {help}")));
        }
        let Some(value) = text.get("format") else { return Ok((plain, None)) };
        let format = Object::new("text.format", value)?;
        let constraint = match format.needs("type")? {
            "text" => {
                format.only(&["type"])?;
                None
            }
            "json_object" => {
                format.only(&["type"])?;
                Some(Constraint::Json)
            }
            "json_schema" => {
                format.only(&["type", "name", "description", "schema", "strict"])?;
                format.needs("name")?;
                format.text("description")?;
                format.flag("strict")?;
                let schema = format.get("schema").ok_or_else(|| format.wrong("schema", "is missing"))?;
                Some(Constraint::JsonSchema(schema.clone()))
            }
            other => {
                let help = "it must be text, json_object or json_schema";
                return Err(format.wrong("type", format_args!("is '{other}'; {help}")));
            }
        };
        Ok((value.clone(), constraint))
    }

    /// What a response repeats of its request.
    pub(super) fn repeated(&self) -> Result<Map<String, Value>, ApiError> {
        let reasoning = self.reasoning.clone().unwrap_or_else(|| json!({ "effort": null, "summary": null }));
        let value = json!({
            "background": false,
            "instructions": self.instructions,
            "max_output_tokens": self.max_output_tokens,
            "max_tool_calls": null,
            "metadata": self.metadata.clone().unwrap_or_default(),
            "parallel_tool_calls": self.parallel_tool_calls.unwrap_or(true),
            "previous_response_id": self.previous_response_id,
            "prompt_cache_key": self.prompt_cache_key,
            "reasoning": reasoning,
            "safety_identifier": self.safety_identifier,
            "service_tier": "default",
            "store": self.is_stored(),
            "temperature": self.temperature,
            "text": { "format": self.format()?.0 },
            "tool_choice": self.tool_choice.clone().unwrap_or_else(|| "auto".into()),
            "tools": self.tools.clone().unwrap_or_else(|| json!([])),
            "top_logprobs": self.top_logprobs.unwrap_or(0),
            "top_p": self.top_p,
            "truncation": "disabled",
            "user": self.user,
        });
        match value {
            Value::Object(fields) => Ok(fields),
            _ => Ok(Map::new()),
        }
    }
}
