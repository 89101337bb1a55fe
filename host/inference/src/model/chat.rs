//! Chat templates: the Jinja that turns a conversation into the text a model was trained on.
//!
//! The environment is that of Hugging Face's `apply_chat_template`: blocks trimmed, Python's string
//! methods, `raise_exception`, `strftime_now`, `tojson` in Python's spelling, `break` and
//! `continue`. A template comes with the model, so it is foreign text: it can compute, no more.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde};
use minijinja::{Environment, ErrorKind, Value};
use serde::{Deserialize, Serialize};

use super::config::json;
use super::error::ModelError;
use super::python_json;

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user`, `assistant`, `tool`.
    pub role: String,
    /// A string, or parts as the template wants them.
    pub content: serde_json::Value,
    /// Other fields, such as `tool_calls`, handed to the template as they are.
    #[serde(flatten)]
    pub more: serde_json::Map<String, serde_json::Value>,
}

impl Message {
    /// A turn of plain text.
    pub fn new(role: &str, content: &str) -> Self {
        Self { role: role.to_owned(), content: content.into(), more: serde_json::Map::new() }
    }
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
}

/// A compiled template.
#[derive(Debug, Clone)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    bos: String,
    eos: String,
}

const NAME: &str = "chat";
const REFUSAL: &str = "refused: ";

impl ChatTemplate {
    /// Reads chat_template.jinja, else `chat_template` of tokenizer_config.json. A model that has
    /// neither has no template.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, ModelError> {
        let (file, config_file) = (folder.join("chat_template.jinja"), folder.join("tokenizer_config.json"));
        let config = json(&config_file)?;
        let unreadable =
            |error: std::io::Error| ModelError::Unreadable { path: file.clone(), reason: error.to_string() };
        let (source, path) = match std::fs::read_to_string(&file) {
            Ok(source) => (Some(source), file.clone()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                (inside(&config["chat_template"]), config_file)
            }
            Err(error) => return Err(unreadable(error)),
        };
        let Some(source) = source else { return Ok(None) };
        let token = |name: &str| match &config[name] {
            serde_json::Value::String(text) => text.clone(),
            other => other["content"].as_str().unwrap_or_default().to_owned(),
        };
        Self::new(source, token("bos_token"), token("eos_token"))
            .map(Some)
            .map_err(|reason| ModelError::Invalid { path, reason })
    }

    /// Compiles a template.
    pub fn new(source: String, bos: String, eos: String) -> Result<Self, String> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|error| error.to_string())?);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", raise_exception);
        environment.add_function("strftime_now", strftime_now);
        environment.add_filter("tojson", tojson);
        environment.add_template_owned(NAME, without_marks(source)).map_err(|error| error.to_string())?;
        Ok(Self { environment, bos, eos })
    }

    /// The prompt of a conversation, ready for the answer. `tools` as in OpenAI's API, or null.
    pub fn render(&self, messages: &[Message], tools: &serde_json::Value) -> Result<String, ChatError> {
        let template = self.environment.get_template(NAME).expect("compiled with this name");
        let context = minijinja::context! {
            messages => Value::from(Serde(messages)),
            tools => Value::from(Serde(tools)),
            add_generation_prompt => true,
            bos_token => &self.bos,
            eos_token => &self.eos,
        };
        template.render(context).map_err(|error| {
            let detail = error.detail().unwrap_or_default();
            match detail.strip_prefix(REFUSAL) {
                Some(reason) => ChatError::Refused(reason.to_owned()),
                None => ChatError::Failed(error.to_string()),
            }
        })
    }
}

/// A string, or a list of named templates of which `default` is taken.
fn inside(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Array(list) => {
            let default = list.iter().find(|entry| entry["name"] == "default").or_else(|| list.first())?;
            default["template"].as_str().map(str::to_owned)
        }
        _ => None,
    }
}

/// `{% generation %}` marks the parts to train on; it changes no text, and Jinja does not know it.
fn without_marks(source: String) -> String {
    let mut source = source;
    for name in ["generation", "endgeneration"] {
        for (open, close) in [("{%", "%}"), ("{%-", "%}"), ("{%", "-%}"), ("{%-", "-%}")] {
            let plain = format!("{open} {name} {close}");
            let empty = format!("{open} if true {close}{open} endif {close}");
            source = source.replace(&plain, &empty);
        }
    }
    source
}

fn raise_exception(message: String) -> Result<String, minijinja::Error> {
    Err(minijinja::Error::new(ErrorKind::InvalidOperation, format!("{REFUSAL}{message}")))
}

fn tojson(value: Value, options: Kwargs) -> Result<Value, minijinja::Error> {
    let indent: Option<usize> = options.get("indent")?;
    let bad = |error: serde_json::Error| minijinja::Error::new(ErrorKind::BadSerialization, error.to_string());
    let value = serde_json::to_value(&value).map_err(bad)?;
    Ok(Value::from_safe_string(python_json::dumps(&value, indent)))
}

/// Today in UTC, by Python's format codes; those that no template uses are left as they are.
fn strftime_now(format: String) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    const DAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let (days, clock) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (month_name, day_name) = (MONTHS[month as usize - 1], DAYS[(days % 7) as usize]);
    let mut text = String::new();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            text.push(letter);
            continue;
        }
        match letters.next() {
            Some('Y') => text.push_str(&year.to_string()),
            Some('y') => text.push_str(&format!("{:02}", year % 100)),
            Some('m') => text.push_str(&format!("{month:02}")),
            Some('d') => text.push_str(&format!("{day:02}")),
            Some('B') => text.push_str(month_name),
            Some('b') => text.push_str(&month_name[..3]),
            Some('A') => text.push_str(day_name),
            Some('a') => text.push_str(&day_name[..3]),
            Some('H') => text.push_str(&format!("{:02}", clock / 3600)),
            Some('M') => text.push_str(&format!("{:02}", clock / 60 % 60)),
            Some('S') => text.push_str(&format!("{:02}", clock % 60)),
            Some('%') | None => text.push('%'),
            Some(other) => text.extend(['%', other]),
        }
    }
    text
}

/// Year, month and day of a day counted from 1970-01-01 (Howard Hinnant's `civil_from_days`).
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
#[path = "chat_tests.rs"]
mod tests;
