//! Items: what a response is made from, and what it is made of.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::Message;
use crate::error::ApiError;
use crate::openai::fields::near;
use crate::openai::object::Object;

const ROLES: &[&str] = &["user", "assistant", "system", "developer"];
/// Bytes that an item takes beside its texts.
const OVERHEAD: usize = 256;

/// An item of an input or an output.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) id: String,
    pub(super) status: Status,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    InProgress,
    Completed,
    Incomplete,
}

impl Status {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete => "incomplete",
        }
    }
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// Log-probabilities are an answer's alone.
    Message {
        role: String,
        texts: Vec<String>,
        logprobs: Vec<Value>,
    },
    Reasoning {
        text: String,
    },
    Call {
        call_id: String,
        name: String,
        arguments: String,
    },
    Output {
        call_id: String,
        text: String,
    },
}

impl Kind {
    /// A message of one text.
    pub(super) fn message(role: &str, text: &str) -> Self {
        Self::Message { role: role.to_owned(), texts: vec![text.to_owned()], logprobs: Vec::new() }
    }
}

impl Item {
    /// An item with an identifier of its own.
    pub(super) fn new(kind: Kind, status: Status) -> Self {
        let prefix = match kind {
            Kind::Message { .. } => "msg",
            Kind::Reasoning { .. } => "rs",
            Kind::Call { .. } => "fc",
            Kind::Output { .. } => "fco",
        };
        Self { id: format!("{prefix}_{}", uuid::Uuid::new_v4().simple()), status, kind }
    }

    /// An item as clients send it. Its place stands in errors.
    pub(super) fn read(place: String, value: &Value) -> Result<Self, ApiError> {
        let object = Object::new(place, value)?;
        let kind = match object.text("type")?.unwrap_or("message") {
            "message" => message(&object)?,
            "function_call" => {
                object.only(&["type", "id", "status", "call_id", "name", "arguments"])?;
                Kind::Call {
                    call_id: object.needs("call_id")?.to_owned(),
                    name: object.needs("name")?.to_owned(),
                    arguments: object.needs("arguments")?.to_owned(),
                }
            }
            "function_call_output" => {
                object.only(&["type", "id", "status", "call_id", "output", "name"])?;
                let texts = texts(&object, "output", &["input_text"])?;
                Kind::Output { call_id: object.needs("call_id")?.to_owned(), text: texts.concat() }
            }
            "reasoning" => reasoning(&object)?,
            "item_reference" => {
                let help = "is 'item_reference', which is not supported; send the item, or use previous_response_id";
                return Err(object.wrong("type", help));
            }
            other => {
                let known = "message, reasoning, function_call or function_call_output";
                return Err(object.wrong("type", format_args!("is '{other}'; it must be {known}")));
            }
        };
        let mut item = Self::new(kind, Status::Completed);
        if let Some(id) = object.text("id")? {
            id.clone_into(&mut item.id);
        }
        Ok(item)
    }

    /// What is in it, as clients read it: a message's texts, a reasoning's text.
    pub(super) fn content(&self) -> Option<Vec<Value>> {
        match &self.kind {
            Kind::Message { role, texts, logprobs } if role == "assistant" => {
                let part =
                    |text| json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": logprobs });
                Some(texts.iter().map(part).collect())
            }
            Kind::Message { texts, .. } => {
                Some(texts.iter().map(|text| json!({ "type": "input_text", "text": text })).collect())
            }
            Kind::Reasoning { text } => Some(vec![json!({ "type": "reasoning_text", "text": text })]),
            Kind::Call { .. } | Kind::Output { .. } => None,
        }
    }

    /// The item as clients read it.
    pub(super) fn value(&self) -> Value {
        let mut value = match &self.kind {
            Kind::Message { role, .. } => json!({ "type": "message", "role": role }),
            Kind::Reasoning { .. } => json!({ "type": "reasoning", "summary": [] }),
            Kind::Call { call_id, name, arguments } => {
                json!({ "type": "function_call", "call_id": call_id, "name": name, "arguments": arguments })
            }
            Kind::Output { call_id, text } => {
                json!({ "type": "function_call_output", "call_id": call_id, "output": text })
            }
        };
        value["id"] = self.id.as_str().into();
        value["status"] = self.status.name().into();
        if let Some(content) = self.content() {
            value["content"] = content.into();
        }
        value
    }

    /// How much memory it takes, nearly.
    pub(super) fn bytes(&self) -> usize {
        let texts = match &self.kind {
            Kind::Message { role, texts, .. } => role.len() + texts.iter().map(|text| text.len() + 24).sum::<usize>(),
            Kind::Reasoning { text } => text.len(),
            Kind::Call { call_id, name, arguments } => call_id.len() + name.len() + arguments.len(),
            Kind::Output { call_id, text } => call_id.len() + text.len(),
        };
        OVERHEAD + self.id.len() + texts
    }
}

fn message(object: &Object<'_>) -> Result<Kind, ApiError> {
    object.only(&["type", "id", "status", "role", "content", "phase"])?;
    let role = object.needs("role")?;
    if !ROLES.contains(&role) {
        return Err(object.wrong(
            "role",
            match near(role, ROLES.iter().copied()) {
                Some(near) => format!("is '{role}'; did you mean '{near}'?"),
                None => format!("is '{role}'; it must be one of {}", ROLES.join(", ")),
            },
        ));
    }
    let texts = texts(object, "content", &["input_text", "output_text"])?;
    Ok(Kind::Message { role: role.to_owned(), texts, logprobs: Vec::new() })
}

/// A text, or the texts of parts of these types.
fn texts(object: &Object<'_>, name: &str, types: &[&str]) -> Result<Vec<String>, ApiError> {
    match object.get(name) {
        None => Err(object.wrong(name, "is missing")),
        Some(Value::String(text)) => Ok(vec![text.clone()]),
        Some(_) => object.objects(name)?.iter().map(|part| text_of(part, types)).collect(),
    }
}

fn text_of(part: &Object<'_>, types: &[&str]) -> Result<String, ApiError> {
    let kind = part.needs("type")?;
    if !types.contains(&kind) {
        return Err(part.wrong("type", format_args!("is '{kind}'; only text is taken ({})", types.join(", "))));
    }
    part.only(&["type", "text", "annotations", "logprobs"])?;
    Ok(part.needs("text")?.to_owned())
}

/// What a model thought before. Servers that hide it send a summary, or a text that only they can read.
fn reasoning(object: &Object<'_>) -> Result<Kind, ApiError> {
    object.only(&["type", "id", "status", "content", "summary", "encrypted_content"])?;
    let parts = |name, kind| -> Result<Vec<String>, ApiError> {
        object.objects(name)?.iter().map(|part| text_of(part, &[kind])).collect()
    };
    let (content, summary) = (parts("content", "reasoning_text")?, parts("summary", "summary_text")?);
    if content.is_empty() && object.get("encrypted_content").is_some() {
        let help = "cannot be read, because it is from another server; remove the item";
        return Err(object.wrong("encrypted_content", help));
    }
    Ok(Kind::Reasoning { text: if content.is_empty() { summary.join("\n") } else { content.concat() } })
}

/// The messages that a model's template reads. What an assistant thought, said and called at a time is one message.
pub(super) fn messages(instructions: Option<&str>, items: &[Arc<Item>]) -> Result<Vec<Message>, ApiError> {
    let mut turns = Turns::default();
    if let Some(text) = instructions.filter(|text| !text.is_empty()) {
        turns.add("system", text, Map::new());
    }
    let mut called = HashSet::new();
    for item in items {
        match &item.kind {
            Kind::Message { role, texts, .. } if role == "assistant" => {
                let message = turns.assistant(|open| open.content.is_some() || open.more.contains_key(CALLS));
                message.content = Some(texts.concat());
            }
            Kind::Message { role, texts, .. } => turns.add(role, &texts.concat(), Map::new()),
            Kind::Reasoning { text } if text.is_empty() => {}
            Kind::Reasoning { text } => {
                let message = turns.assistant(|open| open.content.is_some() || open.more.contains_key(CALLS));
                let before = message.more.get(REASONING).and_then(Value::as_str);
                let all = before.map_or_else(|| text.clone(), |before| format!("{before}\n{text}"));
                message.more.insert(REASONING.to_owned(), all.into());
            }
            Kind::Call { call_id, name, arguments } => {
                called.insert(call_id.as_str());
                let message = turns.assistant(|_| false);
                let calls = message.more.entry(CALLS).or_insert_with(|| json!([]));
                let function = json!({ "name": name, "arguments": arguments });
                if let Some(calls) = calls.as_array_mut() {
                    calls.push(json!({ "id": call_id, "type": "function", "function": function }));
                }
            }
            Kind::Output { call_id, text } => {
                if !called.contains(call_id.as_str()) {
                    let message = format!(
                        "input has the output of the call '{call_id}' but not the call; send its function_call item \
                         before it, or the previous_response_id of the response that called"
                    );
                    return Err(ApiError::invalid(message, Some("input")));
                }
                turns.add("tool", text, Map::from_iter([("tool_call_id".to_owned(), call_id.as_str().into())]));
            }
        }
    }
    Ok(turns.end())
}

const CALLS: &str = "tool_calls";
const REASONING: &str = "reasoning_content";

#[derive(Default)]
struct Turns {
    all: Vec<Message>,
    /// The assistant's, to which more may come.
    open: Option<Message>,
}

impl Turns {
    fn add(&mut self, role: &str, text: &str, more: Map<String, Value>) {
        self.close();
        self.all.push(Message { role: role.to_owned(), content: Some(text.to_owned()), more });
    }

    /// The assistant's message; a new one where the open one `is_full`.
    fn assistant(&mut self, is_full: impl Fn(&Message) -> bool) -> &mut Message {
        if self.open.as_ref().is_some_and(is_full) {
            self.close();
        }
        self.open.get_or_insert_with(|| Message { role: "assistant".to_owned(), content: None, more: Map::new() })
    }

    fn close(&mut self) {
        if let Some(mut message) = self.open.take() {
            if !message.more.contains_key(CALLS) {
                message.content.get_or_insert_default();
            }
            self.all.push(message);
        }
    }

    fn end(mut self) -> Vec<Message> {
        self.close();
        self.all
    }
}
