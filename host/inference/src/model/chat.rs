//! Chat templates: the Jinja that turns a conversation into the text a model was trained on.
//!
//! A template is rendered as Hugging Face's `apply_chat_template` renders it. It comes with the model, so it is foreign
//! text: it can compute, no more.

mod clock;
mod dict;
mod environment;
mod filters;
mod folder;
mod history;
mod json;
mod methods;
mod python;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

pub use history::parse_arguments;
use minijinja::{Environment, Value};
use serde::{Deserialize, Serialize};
use serde_json::Map;

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user`, `assistant`, `tool`.
    pub role: String,
    /// A string, or parts as the template wants them.
    #[serde(default)]
    pub content: serde_json::Value,
    /// Other fields, such as `tool_calls`, handed to the template as they are.
    #[serde(flatten)]
    pub more: Map<String, serde_json::Value>,
}

impl Message {
    /// A turn of plain text.
    pub fn new(role: &str, content: &str) -> Self {
        Self { role: role.to_owned(), content: content.into(), more: Map::new() }
    }
}

/// What a template is given.
#[derive(Debug, Clone)]
pub struct Chat<'a> {
    /// The turns so far.
    pub messages: &'a [Message],
    /// As in OpenAI's API, or null.
    pub tools: &'a serde_json::Value,
    /// Variables of the template, such as `enable_thinking`. They hide the variables that every template gets, but for
    /// `messages` and `tools`.
    pub variables: &'a Map<String, serde_json::Value>,
    /// For templates that tell the model the date.
    pub now: SystemTime,
}

/// Why a conversation gave no prompt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChatError {
    /// The template itself refused, by `raise_exception`.
    #[error("the model's chat template refuses this conversation: {0}")]
    Refused(String),
    /// The template failed.
    #[error("the model's chat template failed: {0}")]
    Failed(String),
    /// The folder has several templates, and none for this conversation.
    #[error(
        "the model has several chat templates ({0}), and none of them is named default; name one of them default in the \
         model's folder"
    )]
    NoDefault(String),
}

/// A model's compiled templates: most models have one.
#[derive(Debug, Clone)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    /// `bos_token` and its like.
    tokens: BTreeMap<String, String>,
}

const DEFAULT: &str = "default";
const WITH_TOOLS: &str = "tool_use";

impl ChatTemplate {
    /// Compiles a template. `tokens` are variables such as `bos_token`.
    pub fn new(source: &str, tokens: BTreeMap<String, String>) -> Result<Self, String> {
        Self::named([(DEFAULT, source)], tokens)
    }

    /// Compiles templates with names.
    fn named<'a>(
        sources: impl IntoIterator<Item = (&'a str, &'a str)>,
        tokens: BTreeMap<String, String>,
    ) -> Result<Self, String> {
        let mut environment = environment::new()?;
        for (name, source) in sources {
            let added = environment.add_template_owned(name.to_owned(), source::as_read_here(source));
            added.map_err(|error| error.to_string())?;
        }
        Ok(Self { environment, tokens })
    }

    /// The prompt of a conversation, ready for the answer, today. `tools` as in OpenAI's API, or null.
    pub fn render(&self, messages: &[Message], tools: &serde_json::Value) -> Result<String, ChatError> {
        self.render_chat(&Chat { messages, tools, variables: &Map::new(), now: SystemTime::now() })
    }

    /// The prompt of a conversation, ready for the answer.
    pub fn render_chat(&self, chat: &Chat<'_>) -> Result<String, ChatError> {
        let has = |name: &&str| self.environment.get_template(name).is_ok();
        let name = [WITH_TOOLS].into_iter().filter(|_| !chat.tools.is_null()).chain([DEFAULT]).find(has);
        let template = name.and_then(|name| self.environment.get_template(name).ok());
        let template = template.ok_or_else(|| {
            let mut names: Vec<_> = self.environment.templates().map(|(name, _)| name).collect();
            names.sort_unstable();
            ChatError::NoDefault(names.join(", "))
        })?;
        template.render(self.variables(chat)).map_err(|error| {
            let detail = error.detail().unwrap_or_default();
            match detail.strip_prefix(environment::REFUSAL) {
                Some(reason) => ChatError::Refused(reason.to_owned()),
                None => ChatError::Failed(error.to_string()),
            }
        })
    }

    /// The text of the templates, one after another.
    pub fn text(&self) -> String {
        self.environment.templates().map(|(_, template)| template.source().to_owned()).collect()
    }

    /// Whether a template may read a variable: whether it has its name anywhere. A template can set a variable from what
    /// it was given under the same name, so the variables that it looks up and does not set would be too few.
    pub fn may_read(&self, variable: &str) -> bool {
        let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
        let has = |source: &str| source.split(|letter| !is_part(letter)).any(|word| word == variable);
        !variable.is_empty() && self.environment.templates().any(|(_, template)| has(template.source()))
    }

    /// The names of what the templates look up and do not set: variables and functions.
    pub fn looks_up(&self) -> BTreeSet<String> {
        self.environment.templates().flat_map(|(_, template)| template.undeclared_variables(false)).collect()
    }

    fn variables(&self, chat: &Chat<'_>) -> Value {
        let now = chat.now;
        let tokens = self.tokens.iter().map(|(name, text)| (name.clone(), Value::from(text.as_str())));
        let mut all: BTreeMap<String, Value> = tokens.collect();
        all.insert("documents".to_owned(), Value::from(()));
        all.insert("add_generation_prompt".to_owned(), Value::from(true));
        all.insert("strftime_now".to_owned(), Value::from_function(move |format: &str| clock::strftime(now, format)));
        all.extend(chat.variables.iter().map(|(name, value)| (name.clone(), dict::value(value))));
        all.insert("messages".to_owned(), chat.messages.iter().map(history::turn).collect());
        all.insert("tools".to_owned(), dict::value(chat.tools));
        Value::from_pairs(all)
    }
}

#[cfg(test)]
mod tests;
