//! A call as a JSON object: its name and its arguments, taken out as they come.

use super::json;

/// Keys under which families have a call's name and arguments.
const NAMES: [&str; 2] = ["name", "tool_name"];
const ARGUMENTS: [&str; 3] = ["arguments", "parameters", "args"];

/// What came out of an object.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Got {
    /// Nothing until more text comes.
    Nothing,
    /// Something was read; there may be more.
    Progress,
    Name(String),
    /// A part of the arguments' text.
    Arguments(String),
    /// The object is over.
    End,
    /// This is no call.
    Broken,
}

#[derive(Debug, Default)]
enum Phase {
    #[default]
    Open,
    Key,
    Colon,
    Begin,
    Value,
    Next,
}

/// Reads one object.
#[derive(Debug, Default)]
pub(super) struct Object {
    phase: Phase,
    depth: usize,
    key: String,
    value: json::Value,
    /// The value's text, where it is not passed on as it comes.
    text: String,
    passes: bool,
    has_name: bool,
    has_arguments: bool,
    /// Arguments that came before the name.
    early: String,
}

impl Object {
    /// Takes what it can off the front of a text.
    pub(super) fn step(&mut self, text: &mut String) -> Got {
        if !matches!(self.phase, Phase::Value) {
            let blank = text.len() - text.trim_start().len();
            text.drain(..blank);
        }
        let Some(first) = text.chars().next() else { return Got::Nothing };
        match self.phase {
            Phase::Open => match first {
                '{' => self.go(text, 1, Phase::Key),
                _ => Got::Broken,
            },
            Phase::Key => match first {
                '}' => self.close(text),
                ',' => self.go(text, 1, Phase::Key),
                '"' => match json::Value::default().end(text) {
                    None => Got::Nothing,
                    Some(end) => {
                        self.key = serde_json::from_str(&text[..end]).unwrap_or_default();
                        self.go(text, end, Phase::Colon)
                    }
                },
                _ => Got::Broken,
            },
            Phase::Colon => match first {
                ':' => self.go(text, 1, Phase::Begin),
                _ => Got::Broken,
            },
            // OpenAI's own form has both one level down.
            Phase::Begin if self.key == "function" && first == '{' && self.depth == 0 => {
                self.depth = 1;
                self.go(text, 1, Phase::Key)
            }
            Phase::Begin => {
                self.value = json::Value::default();
                self.text.clear();
                self.passes = ARGUMENTS.contains(&self.key.as_str()) && matches!(first, '{' | '[');
                self.phase = Phase::Value;
                Got::Progress
            }
            Phase::Value => self.read_value(text),
            Phase::Next => match first {
                ',' => self.go(text, 1, Phase::Key),
                '}' => self.close(text),
                _ => Got::Broken,
            },
        }
    }

    fn go(&mut self, text: &mut String, taken: usize, phase: Phase) -> Got {
        text.drain(..taken);
        self.phase = phase;
        Got::Progress
    }

    fn read_value(&mut self, text: &mut String) -> Got {
        let end = self.value.end(text);
        let part: String = text.drain(..end.unwrap_or(text.len())).collect();
        if end.is_some() {
            self.phase = Phase::Next;
        }
        if self.passes {
            return self.arguments(part);
        }
        self.text.push_str(&part);
        if end.is_none() {
            return Got::Progress;
        }
        let key = self.key.as_str();
        let value: serde_json::Value = serde_json::from_str(&self.text).unwrap_or_default();
        match value {
            serde_json::Value::String(name) if NAMES.contains(&key) || key == "function" => self.name(name),
            // Some models write the arguments' text as a string.
            serde_json::Value::String(text) if ARGUMENTS.contains(&key) => self.arguments(text),
            _ => Got::Progress,
        }
    }

    fn name(&mut self, name: String) -> Got {
        if self.has_name {
            return Got::Broken;
        }
        self.has_name = true;
        Got::Name(name)
    }

    fn arguments(&mut self, part: String) -> Got {
        self.has_arguments = true;
        match self.has_name {
            true => Got::Arguments(std::mem::take(&mut self.early) + &part),
            false => {
                self.early.push_str(&part);
                Got::Progress
            }
        }
    }

    fn close(&mut self, text: &mut String) -> Got {
        if !self.has_name && self.depth == 0 {
            return Got::Broken;
        }
        // What was held until the name was known, or nothing at all, comes before the end.
        let early = std::mem::take(&mut self.early);
        if !early.is_empty() && self.has_name {
            return Got::Arguments(early);
        }
        self.early = early;
        if self.depth > 0 {
            self.depth -= 1;
            return self.go(text, 1, Phase::Next);
        }
        if !self.has_arguments {
            self.has_arguments = true;
            return Got::Arguments("{}".to_owned());
        }
        text.drain(..1);
        Got::End
    }
}
