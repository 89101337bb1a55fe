//! A model that thinks, calls tools and follows schemas, by what it is told.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::stream::{BoxStream, StreamExt};
use llmhost_server::{
    Backend, Constraint, EmbedRequest, Event, Failure, Finish, GenerateRequest, LogProb, Message, ModelInfo, Pair,
    Prompt, Stats, TokenEvent, ToolCallPart, ToolChoice, Tools, Usage,
};
use serde_json::{Value, json};

/// What it does stands in the last message:
///
/// - the answers of tools are repeated;
/// - `weather` calls a tool for each of the cities Paris and Oslo that the message names, where there are tools;
/// - `think` thinks before it answers;
/// - `blank` answers with blanks alone;
/// - `explode` fails after a word, `refuse` at once, `busy` because of others;
/// - anything else is repeated.
///
/// An answer that must be JSON is the smallest one by its schema.
pub(crate) struct Assistant {
    info: ModelInfo,
    /// What it was asked last.
    pub(crate) asked: Arc<Mutex<Option<GenerateRequest>>>,
}

impl Assistant {
    pub(crate) fn new() -> Self {
        let info = ModelInfo {
            name: "assistant".into(),
            provider: "cpu".into(),
            context: 4096,
            generates: true,
            chats: true,
            ..ModelInfo::default()
        };
        Self { info, asked: Arc::default() }
    }
}

/// The smallest value by a schema.
fn smallest(schema: &Value, root: &Value) -> Value {
    if let Some(place) = schema["$ref"].as_str().and_then(|place| place.strip_prefix('#')) {
        return smallest(root.pointer(place).unwrap(), root);
    }
    if let Some(one) = schema["enum"].get(0).or(schema.get("const")) {
        return one.clone();
    }
    if let Some(one) = schema["anyOf"].get(0) {
        return smallest(one, root);
    }
    match schema["type"].as_str() {
        Some("string") => json!("Paris"),
        Some("integer" | "number") => json!(21),
        Some("boolean") => json!(true),
        Some("array") => json!([smallest(&schema["items"], root)]),
        Some("null") => Value::Null,
        _ => {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            required.map(|name| (name.to_owned(), smallest(&schema["properties"][name], root))).collect()
        }
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_inclusive(' ').map(str::to_owned).collect()
}

fn token(text: String, top: Option<usize>) -> TokenEvent {
    let one = |token: &str| LogProb { token: token.into(), bytes: token.into(), logprob: -0.5, top: vec![] };
    let logprob = top.map(|top| LogProb { top: vec![one("other"); top], ..one(&text) });
    TokenEvent { text, logprob }
}

/// The calls of an answer, in parts as models write them.
fn calls(tools: &Tools, text: &str) -> Vec<Event> {
    let name = |tool: &Value| tool["function"]["name"].as_str().unwrap().to_owned();
    let wanted = match &tools.choice {
        ToolChoice::Named(wanted) => wanted.clone(),
        _ => name(&tools.definitions[0]),
    };
    let tool = tools.definitions.iter().find(|tool| name(tool) == wanted).unwrap();
    let schema = &tool["function"]["parameters"];
    let cities: Vec<&str> = ["Paris", "Oslo"].into_iter().filter(|city| text.contains(city)).collect();
    let cities = if cities.is_empty() { vec!["Paris"] } else { cities };
    let most = if tools.parallel { cities.len() } else { 1 };
    // Models write line ends around calls, and servers cut tokens without a text out of them.
    let blanks = ["", "\n"].map(|text| Event::Token(token(text.to_owned(), Some(0)))).to_vec();
    let each = cities.into_iter().take(most).enumerate().flat_map(|(index, city)| {
        let mut arguments = smallest(schema, schema);
        if arguments.get("city").is_some() {
            arguments["city"] = city.into();
        }
        let id = Some(format!("call_{}_{index}", text.len()));
        let first = ToolCallPart { index, id, name: Some(wanted.clone()), arguments: String::new() };
        let parts = words(&arguments.to_string().replace(':', ": "));
        let rest = parts.into_iter().map(move |arguments| ToolCallPart { index, arguments, ..ToolCallPart::default() });
        blanks.clone().into_iter().chain(std::iter::once(first).chain(rest).map(Event::ToolCall))
    });
    each.collect()
}

fn answer(request: &GenerateRequest, messages: &[Message]) -> Vec<Result<Event, Failure>> {
    let last = messages.last().unwrap();
    let text = last.content.clone().unwrap_or_default();
    let says = |text: &str| {
        let all = words(text).into_iter().map(|word| Ok(Event::Token(token(word, request.top_logprobs))));
        all.collect::<Vec<_>>()
    };
    if last.role == "tool" {
        let found = messages.iter().filter(|message| message.role == "tool").filter_map(|one| one.content.as_deref());
        return says(&format!("The tools say: {}", found.collect::<Vec<_>>().join(", ")));
    }
    let tools = request.tools.as_ref().filter(|tools| tools.choice != ToolChoice::None);
    if let Some(tools) = tools.filter(|tools| tools.choice != ToolChoice::Auto || text.contains("weather")) {
        return calls(tools, &text).into_iter().map(Ok).collect();
    }
    match &request.constraint {
        Some(Constraint::Json) => return says("{\"city\": \"Paris\"}"),
        Some(Constraint::JsonSchema(schema)) => return says(&smallest(schema, schema).to_string()),
        _ => {}
    }
    if text.contains("explode") {
        return [says("Half "), vec![Err(Failure::Internal("it exploded".into()))]].concat();
    }
    let thought = if text.contains("think") { words("Let me see.") } else { Vec::new() };
    let thought = thought.into_iter().map(|word| Ok(Event::Reasoning(token(word, request.top_logprobs))));
    if text.contains("blank") {
        return vec![Ok(Event::Token(token("\n\n".to_owned(), request.top_logprobs)))];
    }
    thought.chain(says(&format!("You said: {text}"))).collect()
}

#[async_trait]
impl Backend for Assistant {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn stats(&self) -> Stats {
        Stats::default()
    }

    async fn generate(&self, request: GenerateRequest) -> Result<BoxStream<'static, Result<Event, Failure>>, Failure> {
        *self.asked.lock().unwrap() = Some(request.clone());
        let Prompt::Messages { messages, .. } = &request.prompt else {
            return Err(Failure::invalid("it only chats", Some("prompt")));
        };
        match messages.last().unwrap().content.as_deref() {
            Some("refuse") => return Err(Failure::invalid("the context has 4096", Some("input"))),
            Some("busy") => return Err(Failure::Busy),
            _ => {}
        }
        let mut events = answer(&request, messages);
        let most = request.max_tokens.unwrap_or(usize::MAX);
        let called = events.iter().any(|event| matches!(event, Ok(Event::ToolCall(_))));
        let finish = match () {
            () if events.len() > most => Finish::Length,
            () if called => Finish::ToolCalls,
            () => Finish::Stop,
        };
        events.truncate(most);
        let prompt_tokens = messages.iter().filter_map(|message| message.content.as_deref()).flat_map(words).count();
        let usage = Usage { prompt_tokens, cached_tokens: prompt_tokens / 2, completion_tokens: events.len() };
        events.push(Ok(Event::Done { finish, usage }));
        Ok(futures::stream::iter(events).boxed())
    }

    async fn embed(&self, _: EmbedRequest) -> Result<(Vec<Vec<f32>>, usize), Failure> {
        Err(Failure::invalid("it only chats", None))
    }

    async fn score(&self, _: Vec<Pair>) -> Result<(Vec<f32>, usize), Failure> {
        Err(Failure::invalid("it only chats", None))
    }

    async fn tokenize(&self, _: Prompt, _: Option<Tools>, _: bool) -> Result<Vec<u32>, Failure> {
        Err(Failure::invalid("it only chats", None))
    }

    async fn detokenize(&self, _: Vec<u32>) -> Result<String, Failure> {
        Err(Failure::invalid("it only chats", None))
    }
}
