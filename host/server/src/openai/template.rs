//! Fields of a request that are about the chat template.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::ApiError;
use crate::{Message, Rendering};

#[derive(Deserialize)]
pub(super) struct TemplateFields {
    continue_final_message: Option<bool>,
    add_generation_prompt: Option<bool>,
    /// Variables of the chat template.
    chat_template_kwargs: Option<Map<String, Value>>,
    reasoning_effort: Option<String>,
    parse_special: Option<bool>,
}

pub(super) const FIELDS: &[&str] =
    &["continue_final_message", "add_generation_prompt", "chat_template_kwargs", "reasoning_effort", "parse_special"];

impl TemplateFields {
    /// How the template writes these messages.
    pub(super) fn read(&self, messages: &[Message]) -> Result<Rendering, ApiError> {
        let continues = self.continues(messages)?;
        let mut variables = self.variables()?;
        if !continues && self.add_generation_prompt == Some(false) {
            variables.entry("add_generation_prompt").or_insert(false.into());
        }
        Ok(Rendering { variables, continues, parse_special: self.parse_special == Some(true) })
    }

    /// The first of the fields that is there.
    pub(super) fn any(&self) -> Option<&'static str> {
        let there = [
            self.continue_final_message.is_some(),
            self.add_generation_prompt.is_some(),
            self.chat_template_kwargs.is_some(),
            self.reasoning_effort.is_some(),
            self.parse_special.is_some(),
        ];
        FIELDS.iter().zip(there).find_map(|(name, is_there)| is_there.then_some(*name))
    }

    /// Whether the last message continues. By default it does if it is the assistant's and has text.
    fn continues(&self, messages: &[Message]) -> Result<bool, ApiError> {
        let last = messages.last();
        let begun = last.is_some_and(|last| {
            last.role == "assistant"
                && !last.more.contains_key("tool_calls")
                && last.content.as_ref().is_some_and(|text| !text.is_empty())
        });
        let refused = |message: &str| Err(ApiError::invalid(message, Some("continue_final_message")));
        match (self.continue_final_message, self.add_generation_prompt) {
            (Some(true), _) if !begun => {
                refused("continue_final_message continues a last message of the assistant that has text; add one")
            }
            (Some(true), Some(true)) => {
                refused("continue_final_message and add_generation_prompt are both true; send one of them")
            }
            (None, Some(true)) | (Some(false), _) => Ok(false),
            _ => Ok(begun),
        }
    }

    /// Variables of the chat template.
    fn variables(&self) -> Result<Map<String, Value>, ApiError> {
        let mut variables = self.chat_template_kwargs.clone().unwrap_or_default();
        if let Some(name) = ["messages", "tools"].into_iter().find(|name| variables.contains_key(*name)) {
            let message = format!("chat_template_kwargs has '{name}'; send it as a field of the request");
            return Err(ApiError::invalid(message, Some("chat_template_kwargs")));
        }
        if let Some(effort) = &self.reasoning_effort {
            variables.entry("reasoning_effort").or_insert_with(|| effort.as_str().into());
        }
        Ok(variables)
    }
}
