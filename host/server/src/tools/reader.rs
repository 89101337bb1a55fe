//! An answer taken apart as it comes: what the model thinks, what it says, and which tools it calls.
//!
//! Whatever way the text is cut into pieces, the parts are the same put together. Text that may be the beginning of a
//! mark is held back. What looks like a call and is none is text.

mod begins;

use std::collections::BTreeMap;

use serde_json::Value;

use self::begins::{Bare, Mark};
use super::Formats;
use super::formats::{Format, Kind, Reasoning, Tags};
use super::harmony::Harmony;
use super::object::{Got, Object};
use super::{gemma, json, python};
use crate::ToolCallPart;

/// A longer name is none.
const LONGEST_NAME: usize = 512;

/// A part of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    Text(String),
    Reasoning(String),
    Call(ToolCallPart),
}

/// Which tools an answer may call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// The schemas of their arguments, by name.
    pub(crate) schemas: BTreeMap<String, Value>,
    /// Most calls.
    pub(crate) most: Option<usize>,
    pub(crate) held: Held,
}

/// Where a grammar writes the calls of an answer. What else looks like one is text to the grammar, with arguments that
/// nothing holds to their schema, and has to be text to the reader.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Held {
    /// There is no grammar: calls may stand anywhere, in any form that the family writes.
    #[default]
    Nowhere,
    /// Behind text, up to the end.
    BehindText,
    /// At the beginning, instead of an answer by a constraint.
    AtBeginning,
}

/// Reads one answer.
#[derive(Debug)]
pub(crate) enum Reader {
    Marked(Box<Marked>),
    Harmony(Box<Harmony>),
}

impl Reader {
    /// For an answer behind this prompt. `known` are the tools, where the answer may call any.
    pub(crate) fn new(formats: Formats, prompt: &str, known: Option<Known>) -> Option<Self> {
        let harmony = formats.tools.is_some_and(|format| format.kind == Kind::Harmony);
        let tools = formats.tools.filter(|_| known.is_some());
        match (tools, formats.reasoning) {
            _ if harmony => Some(Self::Harmony(Box::new(Harmony::new(known)))),
            (None, None) => None,
            (tools, reasoning) => Some(Self::Marked(Box::new(Marked::new(tools, reasoning, prompt, known)))),
        }
    }

    /// Takes more of the text.
    pub(crate) fn push(&mut self, text: &str) -> Vec<Part> {
        match self {
            Self::Marked(marked) => marked.push(text),
            Self::Harmony(harmony) => harmony.push(text),
        }
    }

    /// What was held back, once no more text comes.
    pub(crate) fn finish(&mut self) -> Vec<Part> {
        match self {
            Self::Marked(marked) => marked.finish(),
            Self::Harmony(harmony) => harmony.finish(),
        }
    }

    /// Whether what comes now is reasoning, as far as is known.
    pub(crate) fn thinks(&self) -> bool {
        match self {
            Self::Marked(marked) => matches!(marked.state, State::Reasoning),
            Self::Harmony(harmony) => harmony.thinks(),
        }
    }

    /// Whether what comes now is a call, as far as is known.
    pub(crate) fn calls(&self) -> bool {
        match self {
            Self::Marked(marked) => !matches!(marked.state, State::Text | State::Reasoning),
            Self::Harmony(harmony) => harmony.calls_now(),
        }
    }

    /// Whether the answer has called a tool.
    pub(crate) fn has_called(&self) -> bool {
        match self {
            Self::Marked(marked) => marked.calls.count > 0,
            Self::Harmony(harmony) => harmony.calls.count > 0,
        }
    }

    /// Whether the model was thinking where the prompt ends.
    pub(crate) fn prompt_thinks(reasoning: &Reasoning, prompt: &str) -> bool {
        let prompt = prompt.trim_end();
        prompt.ends_with(reasoning.open.trim_end())
    }
}

/// Numbers calls, and drops those that are too many.
#[derive(Debug, Default)]
pub(super) struct Calls {
    pub(super) count: usize,
    most: Option<usize>,
    short_ids: bool,
}

impl Calls {
    pub(super) fn new(most: Option<usize>, short_ids: bool) -> Self {
        Self { count: 0, most, short_ids }
    }

    pub(super) fn begin(&mut self, name: &str) -> Option<Part> {
        self.count += 1;
        let id = uuid::Uuid::new_v4().simple().to_string();
        let id = if self.short_ids { id[..9].to_owned() } else { format!("call_{id}") };
        let (id, name) = (Some(id), Some(name.to_owned()));
        self.part(ToolCallPart { index: self.count - 1, id, name, arguments: String::new() })
    }

    pub(super) fn arguments(&self, arguments: String) -> Option<Part> {
        let part = ToolCallPart { index: self.count.saturating_sub(1), id: None, name: None, arguments };
        self.part(part).filter(|_| self.count > 0)
    }

    fn part(&self, part: ToolCallPart) -> Option<Part> {
        self.most.is_none_or(|most| part.index < most).then_some(Part::Call(part))
    }
}

#[derive(Debug)]
enum State {
    Text,
    Reasoning,
    /// Where a call may begin or the calls end.
    Calls,
    Name,
    Object(Box<Object>),
    Arguments(json::Value),
    Gemma,
    Python,
    /// Behind the arguments.
    Close,
    Key,
    Value(Option<json::Value>),
}

/// Reads answers whose parts stand between marks.
#[derive(Debug)]
pub(crate) struct Marked {
    tools: Option<&'static Format>,
    reasoning: Option<&'static Reasoning>,
    known: Known,
    state: State,
    calls: Calls,
    /// What was not read yet.
    text: String,
    /// What was read of a call before its name was known.
    raw: String,
    /// Blanks that belong to the text if more of it comes.
    blanks: String,
    /// Whether any text of this part came.
    begun: bool,
    /// Whether blanks before the text belong to it.
    keeps_blanks: bool,
    /// Whether text was said; only before it there is reasoning, and a call without a mark.
    said: bool,
    /// Whether the model has thought; where a grammar holds the answer, it does so once.
    thought: bool,
    /// Whether this part began with what begins no call without a mark.
    plain: bool,
    /// The keys of the call that is read, counted.
    keys: usize,
    key: String,
    name: String,
    out: Vec<Part>,
}

impl Marked {
    fn new(
        tools: Option<&'static Format>,
        reasoning: Option<&'static Reasoning>,
        prompt: &str,
        known: Option<Known>,
    ) -> Self {
        let thinks = reasoning.is_some_and(|reasoning| Reader::prompt_thinks(reasoning, prompt));
        let known = known.unwrap_or_default();
        Self {
            calls: Calls::new(known.most, tools.is_some_and(|format| format.short_ids)),
            tools,
            reasoning,
            known,
            state: if thinks { State::Reasoning } else { State::Text },
            text: String::new(),
            raw: String::new(),
            blanks: String::new(),
            begun: false,
            keeps_blanks: !thinks,
            said: false,
            thought: thinks,
            plain: false,
            keys: 0,
            key: String::new(),
            name: String::new(),
            out: Vec::new(),
        }
    }

    fn push(&mut self, text: &str) -> Vec<Part> {
        self.text.push_str(text);
        while self.step(false) {}
        std::mem::take(&mut self.out)
    }

    fn finish(&mut self) -> Vec<Part> {
        while self.step(true) {}
        // A call that broke off before its name is text.
        let rest = std::mem::take(&mut self.raw) + &std::mem::take(&mut self.text);
        match self.state {
            State::Reasoning => self.say(&rest, true),
            State::Text => self.say(&rest, false),
            _ if self.name.is_empty() => self.say(&rest, false),
            _ => {}
        }
        let blanks = std::mem::take(&mut self.blanks);
        if !blanks.is_empty() && matches!(self.state, State::Text) && self.calls.count == 0 {
            self.out.push(Part::Text(blanks));
        }
        std::mem::take(&mut self.out)
    }

    /// Reads on; false where more text is needed.
    fn step(&mut self, at_end: bool) -> bool {
        match &mut self.state {
            State::Text => self.text(at_end),
            State::Reasoning => self.reasoning(),
            State::Calls => self.between(),
            State::Name => self.name(),
            State::Object(_) => self.object(),
            State::Arguments(_) => self.json_arguments(),
            State::Gemma => self.gemma(),
            State::Python => self.python(at_end),
            State::Close => self.close(),
            State::Key => self.key(),
            State::Value(_) => self.value(at_end),
        }
    }

    /// Gives out text without the blanks before and behind it.
    fn say(&mut self, text: &str, thinking: bool) {
        let text = std::mem::take(&mut self.blanks) + text;
        let text = if self.begun || self.keeps_blanks { text.as_str() } else { text.trim_start() };
        let shown = text.trim_end();
        self.blanks = text[shown.len()..].to_owned();
        if shown.is_empty() {
            return;
        }
        self.begun = true;
        self.said |= !thinking;
        let part = if thinking { Part::Reasoning(shown.to_owned()) } else { Part::Text(shown.to_owned()) };
        self.out.push(part);
    }

    fn enter(&mut self, state: State) {
        if matches!(state, State::Text | State::Reasoning) {
            (self.begun, self.keeps_blanks, self.plain) = (false, false, false);
        }
        self.thought |= matches!(state, State::Reasoning);
        self.blanks.clear();
        self.state = state;
    }

    fn text(&mut self, at_end: bool) -> bool {
        match self.bare(at_end) {
            Bare::Object => {
                self.raw.clear();
                self.name.clear();
                self.state = State::Object(Box::default());
                return true;
            }
            Bare::Unknown => return false,
            Bare::Text => {}
        }
        let marks = self.marks();
        let found = marks.iter().filter_map(|(mark, kind)| Some((self.text.find(mark)?, *mark, *kind)));
        let Some((at, mark, kind)) = found.min_by_key(|(at, mark, _)| (*at, usize::MAX - mark.len())) else {
            let keep =
                if at_end { 0 } else { marks.iter().map(|(mark, _)| overlap(&self.text, mark)).max().unwrap_or(0) };
            let shown: String = self.text.drain(..self.text.len() - keep).collect();
            if !shown.is_empty() {
                self.say(&shown, false);
            }
            return false;
        };
        let before: String = self.text.drain(..at).collect();
        self.say(&before, false);
        let begins_only = match kind {
            Mark::Reasoning => true,
            Mark::Around => false,
            Mark::Begin | Mark::Open => self.known.held == Held::AtBeginning,
        };
        if begins_only && self.said {
            // Said just now: the mark is a part of the text.
            let mark: String = self.text.drain(..mark.len()).collect();
            self.say(&mark, false);
            return true;
        }
        self.raw = self.text.drain(..mark.len()).collect();
        // The bracket of a list belongs to the list.
        if mark.ends_with('[') {
            self.text.insert(0, '[');
            self.raw.pop();
        }
        self.name.clear();
        match kind {
            Mark::Reasoning => self.enter(State::Reasoning),
            Mark::Around => {}
            Mark::Begin => self.state = State::Calls,
            Mark::Open => self.state = State::Name,
        }
        if matches!(kind, Mark::Reasoning | Mark::Around) {
            self.raw.clear();
        }
        true
    }

    fn reasoning(&mut self) -> bool {
        let close = self.reasoning.map_or("", |format| format.close);
        match self.text.find(close) {
            Some(at) => {
                let thought: String = self.text.drain(..at).collect();
                self.say(&thought, true);
                self.text.drain(..close.len());
                self.enter(State::Text);
                true
            }
            None => {
                let keep = overlap(&self.text, close);
                let shown: String = self.text.drain(..self.text.len() - keep).collect();
                self.say(&shown, true);
                false
            }
        }
    }

    /// Takes from the front of the text; until a call's name is known it is remembered.
    fn take(&mut self, length: usize) -> String {
        let taken: String = self.text.drain(..length).collect();
        if self.name.is_empty() {
            self.raw.push_str(&taken);
        }
        taken
    }

    fn skip(&mut self, also: &[char]) {
        let rest = self.text.trim_start_matches(|letter: char| letter.is_whitespace() || also.contains(&letter));
        let length = self.text.len() - rest.len();
        self.take(length);
    }

    /// What looked like a call is text.
    fn broken(&mut self) -> bool {
        let raw = std::mem::take(&mut self.raw);
        self.state = State::Text;
        if self.name.is_empty() {
            self.keeps_blanks |= !self.said;
            self.say(&raw, false);
            // What stands where a call without a mark would is not looked at again.
            self.said |= !raw.is_empty();
        } else {
            self.enter(State::Text);
        }
        true
    }

    fn leave(&mut self) -> bool {
        self.raw.clear();
        self.enter(State::Text);
        true
    }

    /// Forgets the call before.
    fn forget(&mut self) {
        if !self.name.is_empty() {
            self.name.clear();
            self.raw.clear();
        }
    }

    fn between(&mut self) -> bool {
        let Some(format) = self.tools else { return self.broken() };
        let takes_objects = matches!(format.kind, Kind::Object | Kind::Bare | Kind::Python | Kind::Tagged(_));
        self.skip(if takes_objects { &['[', ']', ',', ';'] } else { &[] });
        if self.text.is_empty() {
            return false;
        }
        let marks = [format.open, format.close, format.end];
        let starts = |text: &str, mark: &str| !mark.is_empty() && text.starts_with(mark);
        if takes_objects && self.text.starts_with('{') {
            self.forget();
            self.state = State::Object(Box::default());
        } else if starts(&self.text, format.open) {
            self.forget();
            self.take(format.open.len());
            self.state = State::Name;
        } else if starts(&self.text, format.end) {
            self.take(format.end.len());
            return self.leave();
        } else if starts(&self.text, format.close) {
            self.take(format.close.len());
            // Where nothing marks the end of all calls, that of one does.
            if format.end.is_empty() && format.begin.is_empty() {
                return self.leave();
            }
        } else if format.kind == Kind::Python && self.text.starts_with(char::is_alphabetic) {
            self.forget();
            self.state = State::Python;
        } else if marks.iter().any(|mark| mark.starts_with(self.text.as_str())) {
            return false;
        } else {
            return self.broken();
        }
        true
    }

    fn name(&mut self) -> bool {
        let Some(format) = self.tools else { return self.broken() };
        let tags = if let Kind::Tagged(tags) = format.kind { Some(tags) } else { None };
        let end = match (tags, format.name_end) {
            // Where nothing marks a name's end, the first key or the call's end does.
            (Some(tags), "") => {
                self.skip(&[]);
                if self.text.starts_with('{') {
                    self.state = State::Object(Box::default());
                    return true;
                }
                [tags.key_open, format.close, "\n"].iter().filter_map(|mark| self.text.find(mark)).min()
            }
            (_, mark) => self.text.find(mark),
        };
        let Some(end) = end else {
            return if self.text.len() > LONGEST_NAME { self.broken() } else { false };
        };
        let name = called(&self.text[..end]).to_owned();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return self.broken();
        }
        self.take(end + format.name_end.len());
        self.begin(name);
        self.state = match format.kind {
            Kind::Tagged(_) => {
                self.keys = 0;
                self.arguments("{".to_owned());
                State::Key
            }
            Kind::Gemma => {
                self.text.insert_str(0, format.name_end);
                State::Gemma
            }
            _ => State::Arguments(json::Value::default()),
        };
        true
    }

    fn begin(&mut self, name: String) {
        self.out.extend(self.calls.begin(&name));
        self.blanks.clear();
        self.raw.clear();
        self.name = name;
    }

    fn arguments(&mut self, text: String) {
        self.out.extend(self.calls.arguments(text));
    }

    fn object(&mut self) -> bool {
        let before = if self.name.is_empty() { self.text.clone() } else { String::new() };
        let bare = self.tools.is_some_and(|format| format.kind == Kind::Bare);
        let State::Object(object) = &mut self.state else { return self.broken() };
        let got = object.step(&mut self.text);
        let taken = before.len().saturating_sub(self.text.len());
        self.raw.push_str(&before[..taken]);
        match got {
            Got::Nothing => return false,
            Got::Progress => {}
            Got::Name(name) if bare && !self.known.schemas.contains_key(&name) => return self.broken(),
            Got::Name(name) => self.begin(name),
            Got::Arguments(text) => self.arguments(text),
            Got::End => self.state = State::Calls,
            Got::Broken => return self.broken(),
        }
        true
    }

    fn json_arguments(&mut self) -> bool {
        if let State::Arguments(value) = &mut self.state {
            if value.is_new() {
                let blank = self.text.len() - self.text.trim_start().len();
                self.text.drain(..blank);
                match self.text.chars().next() {
                    None => return false,
                    Some('{') => {}
                    Some(_) => {
                        self.arguments("{}".to_owned());
                        self.state = State::Close;
                        return true;
                    }
                }
            }
            if self.text.is_empty() {
                return false;
            }
            let end = value.end(&self.text);
            let part: String = self.text.drain(..end.unwrap_or(self.text.len())).collect();
            if end.is_some() {
                self.state = State::Close;
            }
            self.arguments(part);
        }
        true
    }

    fn gemma(&mut self) -> bool {
        let close = self.tools.map_or("", |format| format.close);
        let Some(end) = self.text.find(close) else { return false };
        let text: String = self.text.drain(..end).collect();
        self.text.drain(..close.len());
        self.arguments(gemma::arguments(&text).unwrap_or(text));
        self.leave()
    }

    fn python(&mut self, at_end: bool) -> bool {
        let end = self.tools.map_or("", |format| format.end);
        let Some(at) = self.text.find(end).or(at_end.then_some(self.text.len())) else { return false };
        let Some(calls) = python::calls(&self.text[..at]) else { return self.broken() };
        self.text.drain(..(at + end.len()).min(self.text.len()));
        for (name, arguments) in calls {
            self.begin(name);
            self.arguments(arguments);
        }
        self.leave()
    }

    fn close(&mut self) -> bool {
        let Some(format) = self.tools else { return self.broken() };
        self.skip(&['`']);
        if self.text.is_empty() && !format.close.is_empty() {
            return false;
        }
        if self.text.starts_with(format.close) {
            self.text.drain(..format.close.len());
        } else if format.close.starts_with(self.text.as_str()) {
            return false;
        }
        if format.begin.is_empty() {
            return self.leave();
        }
        self.enter(State::Calls);
        true
    }

    fn tags(&self) -> Option<(&'static Format, Tags)> {
        self.tools.and_then(|format| if let Kind::Tagged(tags) = format.kind { Some((format, tags)) } else { None })
    }

    fn key(&mut self) -> bool {
        let Some((format, tags)) = self.tags() else { return self.broken() };
        self.skip(&[]);
        if self.text.is_empty() {
            return false;
        }
        if self.text.starts_with(tags.key_open) {
            let (from, open) = (tags.key_open.len(), &self.text[tags.key_open.len()..]);
            let Some(end) = open.find(tags.key_close) else { return false };
            // Of attributes behind a key only the key counts.
            self.key = open[..end].split('"').next().unwrap_or_default().trim().to_owned();
            let mut taken = from + end + tags.key_close.len();
            if !tags.value_open.is_empty() {
                let behind = &self.text[taken..];
                match behind.find(tags.value_open) {
                    Some(at) => taken += at + tags.value_open.len(),
                    None => return false,
                }
            }
            self.text.drain(..taken);
            let is_text = self.known.schemas.get(&self.name).is_some_and(|schema| is_text(schema, &self.key));
            self.state = State::Value((!is_text).then(json::Value::default));
            return true;
        }
        if self.text.starts_with(format.close) {
            self.text.drain(..format.close.len());
        } else if tags.key_open.starts_with(self.text.as_str()) || format.close.starts_with(self.text.as_str()) {
            return false;
        }
        self.arguments("}".to_owned());
        if format.begin.is_empty() {
            return self.leave();
        }
        self.enter(State::Calls);
        true
    }

    fn value(&mut self, at_end: bool) -> bool {
        let Some((_, tags)) = self.tags() else { return self.broken() };
        let State::Value(json) = &self.state else { return self.broken() };
        // In JSON the mark that ends a value may stand in a string.
        let blank = self.text.len() - self.text.trim_start().len();
        let begins_json = json.is_some() && self.text[blank..].starts_with(['{', '[', '"']);
        let inner = match begins_json {
            true => json.clone().and_then(|mut value| value.end(&self.text[blank..])).map(|end| end + blank),
            false => Some(0),
        };
        let Some(inner) = inner.or(at_end.then_some(0)) else { return false };
        let Some(end) = self.text[inner..].find(tags.value_close).map(|at| at + inner) else { return false };
        let text: String = self.text.drain(..end).collect();
        self.text.drain(..tags.value_close.len());
        let text = text.strip_prefix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\n').unwrap_or(text);
        let value = json.is_some().then(|| serde_json::from_str(text.trim()).ok()).flatten();
        let value = value.unwrap_or_else(|| Value::String(text.to_owned()));
        let comma = if self.keys > 0 { ", " } else { "" };
        self.keys += 1;
        self.arguments(format!("{comma}{}: {value}", Value::from(self.key.as_str())));
        self.state = State::Key;
        true
    }
}

/// A function's name out of what families write around it.
fn called(text: &str) -> &str {
    let text = text.split_once("[CALL_ID]").map_or(text, |(name, _)| name);
    let text = text.rsplit_once("<｜tool▁sep｜>").map_or(text, |(_, name)| name).trim();
    let text = text.strip_prefix("functions.").unwrap_or(text);
    match text.rsplit_once(':') {
        Some((name, number)) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => text,
    }
}

/// Whether a tool's argument is a text, which stands between tags as it is.
fn is_text(schema: &Value, key: &str) -> bool {
    let property = &schema["properties"][key];
    property["type"] == "string" || property["enum"].as_array().is_some_and(|all| all.iter().all(Value::is_string))
}

/// Bytes of the longest end of a text that is a beginning of a mark.
pub(super) fn overlap(text: &str, mark: &str) -> usize {
    let lengths = mark.char_indices().map(|(at, _)| at).rev();
    lengths.filter(|length| text.ends_with(&mark[..*length])).max().unwrap_or(0)
}
