//! Tools as responses have them: the function's fields beside its type.

use serde_json::{Map, Value, json};

use crate::error::ApiError;
use crate::openai::fields::near;
use crate::openai::object::Object;
use crate::openai::tools::{LONGEST_NAME, MOST_TOOLS, is_name};
use crate::{ToolChoice, Tools};

/// The functions that a request offers, and which of them are called; none where it offers none.
pub(super) fn read(
    tools: Option<&Value>,
    choice: Option<&Value>,
    parallel: Option<bool>,
) -> Result<Option<Tools>, ApiError> {
    let list = match tools {
        None => &[][..],
        Some(Value::Array(list)) => list,
        Some(_) => return Err(ApiError::invalid("tools must be a list", Some("tools"))),
    };
    if list.len() > MOST_TOOLS {
        let message = format!("there are {} tools; at most {MOST_TOOLS} are allowed", list.len());
        return Err(ApiError::invalid(message, Some("tools")));
    }
    let mut names = Vec::with_capacity(list.len());
    let mut definitions = Vec::with_capacity(list.len());
    for (index, value) in list.iter().enumerate() {
        let tool = Object::new(format!("tools[{index}]"), value)?;
        let (name, definition) = definition(&tool)?;
        if names.contains(&name) {
            return Err(tool.wrong("name", format_args!("is '{name}', as that of a tool before")));
        }
        names.push(name);
        definitions.push(definition);
    }
    let choice = chosen(choice, &names)?;
    Ok((!definitions.is_empty()).then_some(Tools { definitions, choice, parallel: parallel.unwrap_or(true) }))
}

/// A function's name, and its definition as chat completions have it.
fn definition<'a>(tool: &Object<'a>) -> Result<(&'a str, Value), ApiError> {
    match tool.needs("type")? {
        "function" => {}
        other => {
            let help = "the server has no built-in tools; it supports functions, which the client runs";
            return Err(tool.wrong("type", format_args!("is '{other}', which is not supported; {help}")));
        }
    }
    if tool.get("function").is_some() {
        let help =
            "belongs to /v1/chat/completions; put its fields (name, description, parameters, strict) next to type";
        return Err(tool.wrong("function", help));
    }
    tool.only(&["type", "name", "description", "parameters", "strict"])?;
    let name = tool.needs("name")?;
    if !is_name(name) {
        let help = format_args!("must be 1 to {LONGEST_NAME} letters, digits, _, - or .");
        return Err(tool.wrong("name", help));
    }
    let mut function = Map::from_iter([("name".to_owned(), name.into())]);
    if let Some(text) = tool.text("description")? {
        function.insert("description".to_owned(), text.into());
    }
    if let Some(schema) = tool.get("parameters") {
        let schema = Object::new(tool.place("parameters"), schema)?;
        if let Some(kind) = schema.text("type")?.filter(|kind| *kind != "object") {
            return Err(schema.wrong("type", format_args!("is '{kind}'; arguments are an object")));
        }
        function.insert("parameters".to_owned(), schema.value());
    }
    if let Some(strict) = tool.flag("strict")? {
        function.insert("strict".to_owned(), strict.into());
    }
    Ok((name, json!({ "type": "function", "function": function })))
}

fn chosen(choice: Option<&Value>, names: &[&str]) -> Result<ToolChoice, ApiError> {
    let wrong = |message: String| Err(ApiError::invalid(message, Some("tool_choice")));
    let name = match choice {
        None => return Ok(ToolChoice::Auto),
        Some(Value::String(text)) => match text.as_str() {
            "auto" => return Ok(ToolChoice::Auto),
            "none" => return Ok(ToolChoice::None),
            "required" if names.is_empty() => return wrong("tool_choice is 'required', and there are no tools".into()),
            "required" => return Ok(ToolChoice::Required),
            other => {
                let known = "it must be auto, none, required or { \"type\": \"function\", \"name\": ... }";
                return wrong(format!("tool_choice is '{other}'; {known}"));
            }
        },
        Some(value) => {
            let choice = Object::new("tool_choice", value)?;
            let kind = choice.needs("type")?;
            if kind != "function" {
                let help = "which is not supported; it must be function";
                return Err(choice.wrong("type", format_args!("is '{kind}', {help}")));
            }
            choice.only(&["type", "name"])?;
            choice.needs("name")?
        }
    };
    match (names.contains(&name), near(name, names.iter().copied())) {
        (true, _) => Ok(ToolChoice::Named(name.to_owned())),
        (false, Some(near)) => wrong(format!("tool_choice names '{name}', which is no tool; did you mean '{near}'?")),
        (false, None) => wrong(format!("tool_choice names '{name}', which is not a tool of this request")),
    }
}
