//! The messages of a conversation, as clients send them.

use serde_json::{Map, Value, json};

use super::fields::near;
use super::object::Object;
use crate::error::ApiError;
use crate::{Message, ModelInfo};

/// Who may say something, as OpenAI's API has it.
const ROLES: &[&str] = &["system", "developer", "user", "assistant", "tool", "function"];

/// What a template may read beside the role and the content, all texts but for the calls.
const TEXTS: &[&str] = &["name", "tool_call_id", "reasoning_content", "reasoning", "thinking"];
const THOUGHTS: &[&str] = &["reasoning_content", "reasoning", "thinking"];
const CALLS: &str = "tool_calls";

/// What clients keep in an answer for themselves and send back with it. It says nothing that is not elsewhere in it.
const KEPT: &[&str] = &["parsed", "provider_specific_fields"];

/// Fields that the answers of other servers have, and that say nothing where they are null or empty: with what to send
/// instead.
const EMPTY: &[(&str, &str)] = &[
    ("refusal", "send its text as content"),
    ("audio", "send its text as content"),
    ("annotations", "remove it"),
    ("function_call", "send it in tool_calls, with an id"),
];

/// The messages of a request to a model that takes them.
pub(super) fn read(info: &ModelInfo, messages: &[Value]) -> Result<Vec<Message>, ApiError> {
    if !info.chats {
        let message = format!("'{}' has no chat template; use /v1/completions", info.name);
        return Err(ApiError::invalid(message, Some("model")));
    }
    if messages.is_empty() {
        return Err(ApiError::invalid("messages is empty", Some("messages")));
    }
    messages.iter().enumerate().map(|(index, message)| one(index, message)).collect()
}

fn one(index: usize, message: &Value) -> Result<Message, ApiError> {
    let message = Object::new(format!("messages[{index}]"), message)?;
    let role = message.needs("role")?;
    if !ROLES.contains(&role) {
        let help = match near(role, ROLES.iter().copied()) {
            Some(near) => format!("did you mean '{near}'?"),
            None => format!("it must be one of {}", ROLES.join(", ")),
        };
        return Err(message.wrong("role", format_args!("is '{role}'; {help}")));
    }
    for (name, instead) in EMPTY {
        if message.get(name).is_some_and(|value| *value != json!([])) {
            return Err(message.wrong(name, format_args!("is not supported; {instead}")));
        }
    }
    let empty: Vec<&str> = EMPTY.iter().map(|(name, _)| *name).collect();
    message.only(&[&["role", "content", CALLS], TEXTS, KEPT, &empty].concat())?;

    // Clients send all fields of an answer back. Templates ask whether a field is there, and not what is in it.
    let mut more = Map::new();
    for name in TEXTS {
        if let Some(text) = message.text(name)? {
            more.insert((*name).to_owned(), text.into());
        }
    }
    let calls = message.objects(CALLS)?;
    if !calls.is_empty() && role != "assistant" {
        return Err(message.wrong(CALLS, format_args!("is in a message of the role '{role}'; only 'assistant' calls")));
    }
    if !calls.is_empty() {
        let calls: Result<Vec<Value>, ApiError> = calls.iter().map(call).collect();
        more.insert(CALLS.to_owned(), calls?.into());
    }
    let thinks = THOUGHTS.iter().any(|name| more.contains_key(*name));
    let content = match content(&message)? {
        None if more.contains_key(CALLS) => None,
        // An answer that ended within its thoughts.
        None if thinks => Some(String::new()),
        None => return Err(message.wrong("content", "is missing")),
        some => some,
    };
    Ok(Message { role: role.to_owned(), content, more })
}

/// The text of a message; none where it has none.
fn content(message: &Object<'_>) -> Result<Option<String>, ApiError> {
    match message.get("content") {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Array(_)) => {
            let parts = message.objects("content")?;
            parts.iter().map(part).collect::<Result<String, ApiError>>().map(Some)
        }
        Some(_) => Err(message.wrong("content", "must be a string or a list of parts")),
    }
}

fn part<'a>(part: &Object<'a>) -> Result<&'a str, ApiError> {
    let kind = part.needs("type")?;
    if kind != "text" {
        return Err(part.wrong("type", format_args!("is '{kind}'; only text is supported")));
    }
    // A hint to caches of other servers; this one finds what prompts have in common by itself.
    part.only(&["type", "text", "cache_control"])?;
    part.needs("text")
}

/// A call of an earlier answer, as templates read it.
fn call(call: &Object<'_>) -> Result<Value, ApiError> {
    // Those of a stream have an index.
    call.only(&[&["id", "type", "function", "index"], KEPT].concat())?;
    let id = call.needs("id")?;
    let kind = call.needs("type")?;
    if kind != "function" {
        return Err(call.wrong("type", format_args!("is '{kind}'; only 'function' is supported")));
    }
    let function = call.object("function")?;
    function.only(&[&["name", "arguments", "parsed_arguments"], KEPT].concat())?;
    let name = function.needs("name")?;
    let arguments = match function.get("arguments") {
        None => return Err(function.wrong("arguments", "is missing")),
        Some(arguments @ (Value::String(_) | Value::Object(_))) => arguments,
        Some(_) => return Err(function.wrong("arguments", "must be a string with JSON")),
    };
    Ok(json!({ "id": id, "type": kind, "function": { "name": name, "arguments": arguments } }))
}
