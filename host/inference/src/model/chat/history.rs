//! Turns as templates read them.

use minijinja::Value;
use serde_json::Map;

use super::{Message, dict};

/// Names under which a turn's reasoning may come. Most templates read the first, some the second.
const REASONING: [&str; 3] = ["reasoning_content", "thinking", "reasoning"];

/// A turn with its reasoning under the names that templates read, as Hugging Face's transformers passes it.
pub(super) fn turn(message: &Message) -> Value {
    let mut all = Map::new();
    let reasoning = REASONING.iter().filter_map(|name| message.more.get(*name)).find(|text| !text.is_null());
    if let Some(text) = reasoning {
        all.insert("thinking".to_owned(), text.clone());
    }
    all.insert("role".to_owned(), message.role.as_str().into());
    all.insert("content".to_owned(), message.content.clone());
    all.extend(message.more.iter().map(|(name, value)| (name.clone(), value.clone())));
    if let Some(text) = reasoning {
        all.insert("reasoning_content".to_owned(), text.clone());
    }
    dict::value(&all.into())
}

/// Parses the arguments of a turn's tool calls, as vLLM does. Clients of OpenAI's API send them as a string of JSON, and
/// templates expect an object; no arguments are an empty one. A string that is no JSON object stays as it is.
pub fn parse_arguments(message: &mut Message) {
    let calls = message.more.get_mut("tool_calls").and_then(serde_json::Value::as_array_mut);
    for call in calls.into_iter().flatten() {
        let Some(function) = call.get_mut("function").and_then(serde_json::Value::as_object_mut) else { continue };
        let arguments = function.entry("arguments").or_insert(serde_json::Value::Null);
        let object = match arguments {
            serde_json::Value::Null => Some(Map::new()),
            serde_json::Value::String(text) if text.trim().is_empty() => Some(Map::new()),
            serde_json::Value::String(text) => serde_json::from_str(text).ok(),
            _ => None,
        };
        if let Some(object) = object {
            *arguments = object.into();
        }
    }
}
