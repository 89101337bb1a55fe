//! gpt-oss's harmony: messages in channels. `analysis` is what the model thinks, `commentary` to a function is a call,
//! and what else it says is text.

use serde_json::Value;

use super::reader::{Calls, Held, Known, Part, overlap};

const MESSAGE: &str = "<|message|>";
/// What ends a message's text; the next message begins with one of the latter two.
const ENDS: [&str; 5] = ["<|end|>", "<|call|>", "<|return|>", "<|start|>", "<|channel|>"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Channel {
    Analysis,
    Call,
    Final,
}

/// Reads one answer.
#[derive(Debug)]
pub(crate) struct Harmony {
    text: String,
    /// The message's channel; none while its head is read.
    channel: Option<Channel>,
    takes_calls: bool,
    /// Whether a grammar writes the answer.
    held: bool,
    /// Whether the grammar ends with this message, so that names of marks in it are text.
    is_last: bool,
    pub(super) calls: Calls,
}

impl Harmony {
    pub(super) fn new(known: Option<Known>) -> Self {
        let takes_calls = known.is_some();
        let known = known.unwrap_or_default();
        let (held, calls) = (known.held != Held::Nowhere, Calls::new(known.most, false));
        Self { text: String::new(), channel: None, takes_calls, held, is_last: false, calls }
    }

    pub(super) fn thinks(&self) -> bool {
        self.channel == Some(Channel::Analysis)
    }

    pub(super) fn calls_now(&self) -> bool {
        self.channel == Some(Channel::Call)
    }

    pub(super) fn push(&mut self, text: &str) -> Vec<Part> {
        self.text.push_str(text);
        let mut out = Vec::new();
        loop {
            match self.channel {
                None => {
                    let Some(at) = self.text.find(MESSAGE) else { return out };
                    let head: String = self.text.drain(..at + MESSAGE.len()).collect();
                    self.channel = Some(self.begin(&head, &mut out));
                }
                Some(channel) if self.is_last => {
                    let shown = std::mem::take(&mut self.text);
                    out.extend(self.part(channel, shown));
                    return out;
                }
                Some(channel) => {
                    let found = ENDS.iter().filter_map(|mark| Some((self.text.find(mark)?, *mark))).min();
                    let keep = ENDS.iter().map(|mark| overlap(&self.text, mark)).max().unwrap_or(0);
                    let end = found.map_or(self.text.len() - keep, |(at, _)| at);
                    let shown: String = self.text.drain(..end).collect();
                    out.extend(self.part(channel, shown));
                    let Some((_, mark)) = found else { return out };
                    // The others belong to the next head.
                    if ENDS[..3].contains(&mark) {
                        self.text.drain(..mark.len());
                    }
                    self.channel = None;
                }
            }
        }
    }

    fn begin(&mut self, head: &str, out: &mut Vec<Part>) -> Channel {
        let function = head.split_once("to=functions.").map(|(_, name)| {
            name.split(|letter: char| letter.is_whitespace() || letter == '<').next().unwrap_or_default()
        });
        self.is_last = self.held && (function.is_some() || head.contains("<|channel|>final"));
        match function.filter(|name| self.takes_calls && !name.is_empty()) {
            Some(name) => {
                out.extend(self.calls.begin(name));
                Channel::Call
            }
            None if head.contains("<|channel|>analysis") => Channel::Analysis,
            None => Channel::Final,
        }
    }

    fn part(&self, channel: Channel, text: String) -> Option<Part> {
        if text.is_empty() {
            return None;
        }
        match channel {
            Channel::Analysis => Some(Part::Reasoning(text)),
            Channel::Final => Some(Part::Text(text)),
            Channel::Call => self.calls.arguments(text),
        }
    }

    pub(super) fn finish(&mut self) -> Vec<Part> {
        let text = std::mem::take(&mut self.text);
        match self.channel {
            Some(channel) => self.part(channel, text).into_iter().collect(),
            // A text that has no head at all is an answer; the beginning of a head is none.
            None if text.starts_with("<|") || text.trim().is_empty() => Vec::new(),
            None => self.part(Channel::Final, text).into_iter().collect(),
        }
    }
}

/// The rules for an answer that calls functions, each with the schema of its arguments. `answer` is the rule of what it
/// may say instead; none where it has to call one.
pub(super) fn rules(calls: &[(String, Value)], answer: Option<&str>, mark: impl Fn(&str) -> String) -> String {
    let (message, channel) = (mark(MESSAGE), mark("<|channel|>"));
    let (end, start, kind) = (mark("<|end|>"), mark("<|start|>"), mark("<|constrain|>"));
    // Without the names of marks, which other tokens may spell: to the reader, each ends the message.
    let names = ENDS.map(|mark| mark.replace('|', "\\|")).join("|");
    let mut rules = format!(
        "FREE: /(.|\\n)*/\nfree: FREE\nUNMARKED: FREE & ~/(.|\\n)*({names})(.|\\n)*/\nunmarked: UNMARKED\n\
         note: {channel} (\"analysis\" | \"commentary\") {message} unmarked {end} {start} \"assistant\"\n"
    );
    let mut last: Vec<String> = answer.iter().map(|answer| format!("{channel} \"final\" {message} {answer}")).collect();
    for (at, (name, schema)) in calls.iter().enumerate() {
        let to = Value::String(format!("commentary to=functions.{name} "));
        rules += &format!(
            "call_{at}: {channel} {to} {kind} \"json\" {message} arguments_{at}\narguments_{at}: %json {schema}\n"
        );
        last.push(format!("call_{at}"));
    }
    format!("start: note* ({})\n{rules}", last.join(" | "))
}
