//! The functions that a request lets the model call, and calls as OpenAI's clients read them.

use serde::Deserialize;
use serde_json::{Value, json};

use super::fields::near;
use super::object::Object;
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

pub(super) const FIELDS: &[&str] = &["tools", "tool_choice", "parallel_tool_calls"];

impl ToolFields {
    /// The first of the fields that is there.
    pub(super) fn any(&self) -> Option<&'static str> {
        let there = [self.tools.is_some(), self.tool_choice.is_some(), self.parallel_tool_calls.is_some()];
        FIELDS.iter().zip(there).find_map(|(name, is_there)| is_there.then_some(*name))
    }

    /// The tools, checked; none where there are none.
    pub(super) fn read(&self) -> Result<Option<Tools>, ApiError> {
        let definitions = self.tools.as_deref().unwrap_or_default();
        if definitions.len() > MOST_TOOLS {
            let message = format!("there are {} tools; at most {MOST_TOOLS} are allowed", definitions.len());
            return Err(ApiError::invalid(message, Some("tools")));
        }
        let mut names: Vec<&str> = Vec::new();
        for (at, tool) in definitions.iter().enumerate() {
            let function = function(at, tool)?;
            let name = checked(&function)?;
            if names.contains(&name) {
                let help = format_args!("is '{name}', like that of another tool; use different names");
                return Err(function.wrong("name", help));
            }
            names.push(name);
        }
        let choice = match &self.tool_choice {
            None => ToolChoice::Auto,
            Some(choice) => chosen(choice, &names)?,
        };
        let parallel = self.parallel_tool_calls.unwrap_or(true);
        Ok((!names.is_empty()).then(|| Tools { definitions: definitions.to_vec(), choice, parallel }))
    }
}

/// Templates of some models write what a function returns.
const FUNCTION: &[&str] = &["name", "description", "parameters", "strict", "return"];

/// The function of a tool.
fn function(at: usize, tool: &Value) -> Result<Object<'_>, ApiError> {
    let tool = Object::new(format!("tools[{at}]"), tool)?;
    match tool.text("type")? {
        Some("function") => {}
        Some(other) => return Err(tool.wrong("type", format_args!("is '{other}'; only 'function' is supported"))),
        None => return Err(tool.wrong("type", "is missing; it must be 'function'")),
    }
    if let Some(name) = FUNCTION.iter().find(|name| tool.get(name).is_some()) {
        return Err(
            tool.wrong(name, format_args!("is a field of the function; send it as {}.{name}", tool.place("function")))
        );
    }
    tool.only(&["type", "function"])?;
    let function = tool.object("function")?;
    function.only(FUNCTION)?;
    Ok(function)
}

/// A function's name, where nothing is wrong with the function.
fn checked<'a>(function: &Object<'a>) -> Result<&'a str, ApiError> {
    let name = function.needs("name")?;
    if !is_name(name) {
        let help = format_args!("is '{name}'; a name has 1 to {LONGEST_NAME} letters, digits, '_', '-' and '.'");
        return Err(function.wrong("name", help));
    }
    function.text("description")?;
    function.flag("strict")?;
    match function.get("parameters") {
        None => Ok(name),
        Some(Value::Object(parameters)) => match parameters.get("type") {
            None | Some(Value::Null) => Ok(name),
            Some(Value::String(kind)) if kind == "object" => Ok(name),
            Some(other) => {
                let help = format_args!("of '{name}' has the type {other}; arguments are an object");
                Err(function.wrong("parameters", help))
            }
        },
        Some(_) => Err(function.wrong("parameters", format_args!("of '{name}' must be a JSON Schema, an object"))),
    }
}

fn chosen(choice: &Value, names: &[&str]) -> Result<ToolChoice, ApiError> {
    let wrong = |message: String| Err(ApiError::invalid(message, Some("tool_choice")));
    let wanted = "it must be 'auto', 'none', 'required' or { \"type\": \"function\", \"function\": { \"name\": ... } }";
    match (choice, choice["function"]["name"].as_str()) {
        (Value::Null, _) => Ok(ToolChoice::Auto),
        (Value::String(word), _) => match word.as_str() {
            "auto" => Ok(ToolChoice::Auto),
            "none" => Ok(ToolChoice::None),
            "required" if names.is_empty() => wrong("tool_choice is 'required' and there are no tools".to_owned()),
            "required" => Ok(ToolChoice::Required),
            other => wrong(format!("tool_choice is '{other}'; {wanted}")),
        },
        (_, Some(name)) if choice["type"] == "function" => {
            let choice = Object::new("tool_choice", choice)?;
            choice.only(&["type", "function"])?;
            choice.object("function")?.only(&["name"])?;
            match (names.contains(&name), near(name, names.iter().copied())) {
                (true, _) => Ok(ToolChoice::Named(name.to_owned())),
                (false, Some(near)) => {
                    wrong(format!("tool_choice names '{name}', which is not in tools; did you mean '{near}'?"))
                }
                (false, None) => wrong(format!("tool_choice names '{name}', which is not in tools")),
            }
        }
        (other, _) => wrong(format!("tool_choice is {other}; {wanted}")),
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
