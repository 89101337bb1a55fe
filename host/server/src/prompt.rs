//! From a request's messages to the prompt, the grammar of the answer and its reader.

use std::collections::BTreeMap;
use std::time::SystemTime;

use llmhost_inference::model::{self, Model};
use llmhost_inference::sampling::{Grammar, GrammarError};
use llmhost_inference::tokens::Tokenizer;
use llmhost_inference::{Engine, engine};
use serde_json::{Map, Value, json};

use crate::openai::near;
use crate::tools::{Begins, Formats, Guarantee, Held, Known, Reader, special};
use crate::{Constraint, Failure, Message, Prompt, Rendering, ToolChoice, Tools};

/// A request's prompt and what belongs to its answer.
pub(crate) struct Prepared {
    pub(crate) prompt: engine::Prompt,
    pub(crate) grammar: Option<Grammar>,
    /// Special tokens that the answer's text has by name.
    pub(crate) keep: Vec<u32>,
    /// None where an answer is one text.
    pub(crate) reader: Option<Reader>,
}

/// Prepares a request for the engine.
pub(crate) fn prepare(
    engine: &Engine,
    formats: Formats,
    prompt: Prompt,
    tools: Option<&Tools>,
    constraint: Option<Constraint>,
) -> Result<Prepared, Failure> {
    let model = engine.model();
    let plain = |prompt, constraint: Option<Constraint>| Prepared {
        prompt,
        grammar: constraint.map(grammar),
        keep: Vec::new(),
        reader: None,
    };
    let (messages, rendering) = match prompt {
        Prompt::Text(text) => return Ok(plain(engine::Prompt::Text(text), constraint)),
        Prompt::Tokens(tokens) => return Ok(plain(engine::Prompt::Tokens(tokens), constraint)),
        Prompt::Messages { messages, rendering } => (messages, rendering),
    };
    let tools = offered(tools);
    let text = text(model, formats, messages, &rendering, tools)?;
    let begins = match formats.reasoning.is_some_and(|reasoning| Reader::prompt_thinks(reasoning, &text)) {
        true => Begins::Reasoning,
        false => Begins::Answer,
    };
    let guarantee = Guarantee::of(formats, tools, constraint.as_ref(), begins, &|mark| special(model, mark));
    let held = match (&guarantee, &constraint) {
        (None, _) => Held::Nowhere,
        (Some(_), None) => Held::BehindText,
        (Some(_), Some(_)) => Held::AtBeginning,
    };
    let grammar = match guarantee {
        None => constraint.map(grammar),
        Some(guarantee) => {
            // What is wrong with a schema is said with its place before all are one grammar.
            if let Some(Constraint::JsonSchema(schema)) = &constraint {
                let checked = engine.check_grammar(&Grammar::JsonSchema(schema.clone()));
                checked.map_err(|error| Failure::invalid(error.to_string(), Some("response_format")))?;
            }
            for (at, schema) in guarantee.schemas {
                let checked = engine.check_grammar(&Grammar::JsonSchema(schema));
                checked.map_err(|error| unsatisfiable(at, tools, &error))?;
            }
            Some(Grammar::Lark(guarantee.grammar))
        }
    };
    let known = tools.map(|tools| Known {
        schemas: tools.definitions.iter().map(schema).collect::<BTreeMap<_, _>>(),
        most: (!tools.parallel).then_some(1),
        held,
    });
    let keep = formats.special(model, known.is_some());
    let reader = Reader::new(formats, &text, known);
    Ok(Prepared { prompt: engine::Prompt::Rendered(text), grammar, keep, reader })
}

/// The tools that the prompt offers to the model.
fn offered(tools: Option<&Tools>) -> Option<&Tools> {
    tools.filter(|tools| tools.choice != ToolChoice::None && !tools.definitions.is_empty())
}

/// The text of a conversation, and of the tools where there are some.
pub(crate) fn text(
    model: &Model,
    formats: Formats,
    messages: Vec<Message>,
    rendering: &Rendering,
    tools: Option<&Tools>,
) -> Result<String, Failure> {
    match offered(tools) {
        None => render(model, messages, rendering, &Value::Null),
        Some(tools) => with_tools(model, formats, messages, rendering, tools),
    }
}

fn schema(tool: &Value) -> (String, Value) {
    let function = &tool["function"];
    (function["name"].as_str().unwrap_or_default().to_owned(), function["parameters"].clone())
}

fn grammar(constraint: Constraint) -> Grammar {
    match constraint {
        Constraint::Json => Grammar::JsonSchema(json!({ "type": "object" })),
        Constraint::JsonSchema(schema) => Grammar::JsonSchema(schema),
        Constraint::Regex(regex) => Grammar::Regex(regex),
    }
}

fn unsatisfiable(at: usize, tools: Option<&Tools>, error: &GrammarError) -> Failure {
    let name = tools.and_then(|tools| tools.definitions[at]["function"]["name"].as_str()).unwrap_or_default();
    let reason = match error {
        GrammarError::Schema { place, reason } => format!("at {place}: {reason}"),
        GrammarError::Endless(definition) => format!("'{definition}' requires itself without end"),
        error => error.to_string(),
    };
    let message =
        format!("tools[{at}].function.parameters of '{name}' cannot be enforced: {reason}; correct the schema");
    Failure::invalid(message, Some("tools"))
}

/// The text of a conversation with tools. A template that does not write them is no use.
fn with_tools(
    model: &Model,
    formats: Formats,
    messages: Vec<Message>,
    rendering: &Rendering,
    tools: &Tools,
) -> Result<String, Failure> {
    let refused = |why: &str| Failure::invalid(format!("this model does not support tools: {why}"), Some("tools"));
    let text = render(model, messages.clone(), rendering, &Value::Array(tools.definitions.clone()))?;
    let without = render(model, messages, rendering, &Value::Null);
    if without.is_ok_and(|without| without == text) {
        return Err(refused("its chat template does not write them; remove tools, or use another model"));
    }
    if formats.tools.is_none() {
        return Err(refused("the server does not know the format of its calls; start it with --tool-format NAME"));
    }
    Ok(text)
}

/// The text of a conversation, up to where the model answers, or where its last message goes on.
pub(crate) fn render(
    model: &Model,
    messages: Vec<Message>,
    rendering: &Rendering,
    tools: &Value,
) -> Result<String, Failure> {
    let template =
        model.chat.as_ref().ok_or_else(|| Failure::invalid("the model has no chat template", Some("model")))?;
    check_variables(template, &rendering.variables)?;
    // The names of special tokens are looked for where they are to be text.
    let tokenizer = model.tokenizer.as_deref().filter(|_| !rendering.parse_special);
    let mut messages: Vec<_> = messages.into_iter().map(|message| turn(message, tokenizer)).collect();
    let mut variables = rendering.variables.clone();
    // Behind the last message, where templates put what ends it, a text that is nowhere else.
    let mark = rendering.continues.then(|| format!("[{}]", uuid::Uuid::new_v4().simple()));
    if let (Some(mark), Some(last)) = (&mark, messages.last_mut()) {
        last.content = format!("{}{mark}", last.content.as_str().unwrap_or_default()).into();
        variables.insert("add_generation_prompt".to_owned(), false.into());
    }
    let chat = model::Chat { messages: &messages, tools, variables: &variables, now: SystemTime::now() };
    let text = template.render_chat(&chat).map_err(|error| Failure::invalid(error.to_string(), Some("messages")))?;
    let Some(mark) = mark else { return Ok(text) };
    let end = text.rfind(&mark).ok_or_else(|| {
        let message = "the model's chat template does not write the last message, so the message cannot be continued; \
                       end with a message of the user";
        Failure::invalid(message, Some("messages"))
    })?;
    Ok(text[..end].to_owned())
}

/// Variables that clients send to every model, whatever its template reads.
const EVERYWHERE: &[&str] = &["enable_thinking", "reasoning_effort", "add_generation_prompt"];

/// Fails by the first variable that the template would ignore.
fn check_variables(template: &model::ChatTemplate, variables: &Map<String, Value>) -> Result<(), Failure> {
    let is_read = |name: &str| EVERYWHERE.contains(&name) || template.may_read(name);
    let Some(name) = variables.keys().find(|name| !is_read(name)) else { return Ok(()) };
    let known = template.looks_up();
    let help = match near(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean '{near}'?"),
        None => "remove it".to_owned(),
    };
    let message = format!("chat_template_kwargs has '{name}', which the model's chat template does not read; {help}");
    Err(Failure::invalid(message, Some("chat_template_kwargs")))
}

/// A message as templates expect it. Texts of users and results of tools are text whatever is in them: the name of
/// a special token there would end the turn, and begin another of whoever wrote it.
fn turn(message: Message, tokenizer: Option<&Tokenizer>) -> model::Message {
    let is_foreign = ["user", "tool", "function"].contains(&message.role.as_str());
    let content = match (message.content, tokenizer) {
        (Some(text), Some(tokenizer)) if is_foreign => tokenizer.as_text(&text).into_owned().into(),
        (content, _) => content.map_or(Value::Null, Value::String),
    };
    let mut turn = model::Message { role: message.role, content, more: message.more };
    model::parse_arguments(&mut turn);
    turn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_get_arguments_as_an_object_and_no_content_as_null() {
        let message = json!({ "role": "assistant", "tool_calls": [{ "function": { "arguments": "{\"a\": 1}" } }] });
        let message: Message = serde_json::from_value(message).expect("a message");
        let turn = turn(message, None);
        assert_eq!(turn.content, Value::Null);
        assert_eq!(turn.more["tool_calls"][0]["function"]["arguments"], json!({ "a": 1 }));
    }
}
