//! The functions that a request lets the model call, and calls as OpenAI's clients read them.

use serde::Deserialize;
use serde_json::{Value, json};

use super::fields::near;
use crate::error::ApiError;
use crate::{ToolCallPart, ToolChoice, Tools};

pub(super) const MOST_TOOLS: usize = 128;
pub(super) const LONGEST_NAME: usize = 64;

/// Whether this may be the name of a function.
pub(super) fn is_name(name: &str) -> bool {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.');
    (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(fits)
}

/// Fields of a request that are about tools.
#[derive(Deserialize)]
pub(super) struct ToolFields {
    tools: Option<Vec<Value>>,
    tool_choice: Option<Value>,
    parallel_tool_calls: Option<bool>,
}

impl ToolFields {
    /// The tools, checked; none where there are none.
    pub(super) fn read(&self) -> Result<Option<Tools>, ApiError> {
        let definitions = self.tools.as_deref().unwrap_or_default();
        if definitions.len() > MOST_TOOLS {
            let message = format!("there are {} tools; at most {MOST_TOOLS} are allowed", definitions.len());
            return Err(ApiError::invalid(message, Some("tools")));
        }
        let mut names: Vec<&str> = Vec::new();
        for (at, tool) in definitions.iter().enumerate() {
            let name =
                checked(tool).map_err(|reason| ApiError::invalid(format!("tools[{at}]{reason}"), Some("tools")))?;
            if names.contains(&name) {
                let message =
                    format!("tools[{at}].function.name is '{name}', like that of another tool; use different names");
                return Err(ApiError::invalid(message, Some("tools")));
            }
            names.push(name);
        }
        let choice = match &self.tool_choice {
            None => ToolChoice::Auto,
            Some(choice) => {
                chosen(choice, &names).map_err(|message| ApiError::invalid(message, Some("tool_choice")))?
            }
        };
        let parallel = self.parallel_tool_calls.unwrap_or(true);
        Ok((!names.is_empty()).then(|| Tools { definitions: definitions.to_vec(), choice, parallel }))
    }
}

/// A tool's name; else what is wrong with the tool, to be read behind its place.
fn checked(tool: &Value) -> Result<&str, String> {
    match tool["type"].as_str() {
        Some("function") => {}
        Some(other) => return Err(format!(".type is '{other}'; only 'function' is supported")),
        None => return Err(".type is missing; it must be 'function'".to_owned()),
    }
    let function = &tool["function"];
    let Some(name) = function["name"].as_str() else { return Err(".function.name is missing".to_owned()) };
    if !is_name(name) {
        return Err(format!(
            ".function.name is '{name}'; a name has 1 to {LONGEST_NAME} letters, digits, '_', '-' and '.'"
        ));
    }
    if !matches!(function["strict"], Value::Null | Value::Bool(_)) {
        return Err(format!(".function.strict of '{name}' must be true or false"));
    }
    let parameters = &function["parameters"];
    if !parameters.is_null() && !parameters.is_object() {
        return Err(format!(".function.parameters of '{name}' must be a JSON Schema, an object"));
    }
    match &parameters["type"] {
        Value::Null => Ok(name),
        Value::String(kind) if kind == "object" => Ok(name),
        other => Err(format!(".function.parameters of '{name}' has the type {other}; arguments are an object")),
    }
}

fn chosen(choice: &Value, names: &[&str]) -> Result<ToolChoice, String> {
    let known = |name: &str| match names.contains(&name) {
        true => Ok(ToolChoice::Named(name.to_owned())),
        false => Err(match near(name, names.iter().copied()) {
            Some(near) => format!("tool_choice names '{name}', which is not in tools; did you mean '{near}'?"),
            None => format!("tool_choice names '{name}', which is not in tools"),
        }),
    };
    let wanted = "it must be 'auto', 'none', 'required' or { \"type\": \"function\", \"function\": { \"name\": ... } }";
    match (choice, choice["function"]["name"].as_str()) {
        (Value::Null, _) => Ok(ToolChoice::Auto),
        (Value::String(word), _) => match word.as_str() {
            "auto" => Ok(ToolChoice::Auto),
            "none" => Ok(ToolChoice::None),
            "required" if names.is_empty() => Err("tool_choice is 'required' and there are no tools".to_owned()),
            "required" => Ok(ToolChoice::Required),
            other => Err(format!("tool_choice is '{other}'; {wanted}")),
        },
        (_, Some(name)) if choice["type"] == "function" => known(name),
        (other, _) => Err(format!("tool_choice is {other}; {wanted}")),
    }
}

/// A call, whole.
pub(super) fn whole(call: &ToolCallPart) -> Value {
    json!({
        "id": call.id,
        "type": "function",
        "function": { "name": call.name, "arguments": call.arguments },
    })
}

/// A part of a call. Only the first has the id, the type and the name.
pub(super) fn delta(part: &ToolCallPart) -> Value {
    let mut delta = json!({ "index": part.index, "function": { "arguments": part.arguments } });
    if let (Some(id), Some(name)) = (&part.id, &part.name) {
        delta["id"] = id.as_str().into();
        delta["type"] = "function".into();
        delta["function"]["name"] = name.as_str().into();
    }
    delta
}
