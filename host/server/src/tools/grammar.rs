//! The grammar of an answer that calls tools: names that there are, and arguments that fit their schemas.

use llmhost_inference::sampling::with_bounded_whitespace;
use serde_json::{Map, Value, json};

use super::formats::{Format, Kind, Reasoning};
use super::{Formats, harmony};
use crate::{Constraint, ToolChoice, Tools};

/// What holds an answer to its tools.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Guarantee {
    /// Places in the list of tools, and the schemas of their arguments.
    pub(crate) schemas: Vec<(usize, Value)>,
    /// A grammar in llguidance's Lark.
    pub(crate) grammar: String,
}

/// Where an answer begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begins {
    /// With what the model says.
    Answer,
    /// In the middle of what it thinks.
    Reasoning,
}

/// The field of a request that holds its answer to a grammar, where one does.
pub(crate) fn held_by(tools: Option<&Tools>, constraint: Option<&Constraint>) -> Option<&'static str> {
    let hold = |tools: &&Tools| match tools.choice {
        ToolChoice::None => false,
        ToolChoice::Auto => tools.definitions.iter().any(is_strict),
        ToolChoice::Required | ToolChoice::Named(_) => true,
    };
    constraint.map(|_| "response_format").or_else(|| tools.filter(hold).map(|_| "tools"))
}

fn is_strict(tool: &Value) -> bool {
    tool["function"]["strict"] == true
}

impl Guarantee {
    /// What an answer needs for its tools and constraint together; `None` where nothing more than the constraint itself
    /// is needed. `special` gives the number of a special token.
    pub(crate) fn of(
        formats: Formats,
        tools: Option<&Tools>,
        constraint: Option<&Constraint>,
        begins: Begins,
        special: &dyn Fn(&str) -> Option<u32>,
    ) -> Option<Self> {
        let (forced, name) = match tools.map(|tools| &tools.choice) {
            None | Some(ToolChoice::Auto | ToolChoice::None) => (false, None),
            Some(ToolChoice::Required) => (true, None),
            Some(ToolChoice::Named(name)) => (true, Some(name.as_str())),
        };
        let tools = tools.filter(|tools| tools.choice != ToolChoice::None);
        let definitions = tools.map_or(&[][..], |tools| &tools.definitions);
        held_by(tools, constraint)?;
        let harmony = formats.tools.is_some_and(|format| format.kind == Kind::Harmony);
        if definitions.is_empty() && !harmony && begins == Begins::Answer {
            return None;
        }
        let (mut schemas, mut calls) = (Vec::new(), Vec::new());
        for (at, tool) in definitions.iter().enumerate() {
            let function = &tool["function"];
            let called = function["name"].as_str().unwrap_or_default();
            if name.is_some_and(|name| name != called) {
                continue;
            }
            let guaranteed = forced || is_strict(tool);
            let schema = match guaranteed {
                true => arguments_schema(&function["parameters"]),
                false => arguments_schema(&json!({ "type": "object" })),
            };
            if guaranteed {
                schemas.push((at, schema.clone()));
            }
            calls.push((called.to_owned(), schema));
        }
        let grammar = if harmony {
            let answer = (!forced).then_some(if constraint.is_some() { "answer" } else { "free" });
            let rules = harmony::rules(&calls, answer, |text| atom(text, special));
            rules + &constraint.filter(|_| !forced).map(constrained).unwrap_or_default()
        } else {
            let answer = if forced { None } else { Some(constraint) };
            let reasoning = formats.reasoning.map(|reasoning| (reasoning, begins));
            // One that a name forces is one.
            let many = tools.is_some_and(|tools| tools.parallel) && name.is_none();
            Rules { format: formats.tools, reasoning, answer, many, special }.write(&calls)
        };
        Some(Self { schemas, grammar })
    }
}

/// The schema of a tool's arguments: an object, written without blanks that a model could go on with for ever.
pub(crate) fn arguments_schema(parameters: &Value) -> Value {
    let mut schema = parameters.as_object().cloned().unwrap_or_default();
    if schema.is_empty() {
        schema.insert("properties".to_owned(), Map::new().into());
        schema.insert("additionalProperties".to_owned(), false.into());
    }
    schema.entry("type").or_insert_with(|| "object".into());
    let form = json!({ "whitespace_flexible": false, "item_separator": ", ", "key_separator": ": " });
    schema.insert("x-guidance".to_owned(), form);
    schema.into()
}

/// A text of the grammar, or the special token of this name.
fn atom(text: &str, special: &dyn Fn(&str) -> Option<u32>) -> String {
    match special(text) {
        Some(token) => format!("<[{token}]>"),
        None => Value::from(text).to_string(),
    }
}

struct Rules<'a> {
    format: Option<&'static Format>,
    reasoning: Option<(&'static Reasoning, Begins)>,
    /// What may stand where no call does; none where a call has to be. Within, the constraint of it.
    answer: Option<Option<&'a Constraint>>,
    many: bool,
    special: &'a dyn Fn(&str) -> Option<u32>,
}

impl Rules<'_> {
    fn write(&self, calls: &[(String, Value)]) -> String {
        let think = self.think();
        let Some(format) = self.format.filter(|_| !calls.is_empty()) else {
            let answer = self.answer.flatten().map(constrained).unwrap_or_default();
            return format!("start: {} answer\n{answer}{}", think.0, think.1);
        };
        let wire = format.wire;
        let (common, rest) = wire.call.split_once("{name}").unwrap_or((wire.call, ""));
        let (behind_name, behind) = rest.split_once("{arguments}").unwrap_or((rest, ""));
        let head = format!("{}{common}", wire.before);
        let mut rules = think.1 + "NUMBER: /[0-9]{1,4}/\n";
        let mut names = Vec::new();
        for (at, (name, schema)) in calls.iter().enumerate() {
            let before = self.atoms(&format!("{name}{behind_name}"));
            let after = self.atoms(behind);
            rules += &format!("call_{at}: {before} arguments_{at} {after}\narguments_{at}: %json {schema}\n");
            names.push(format!("call_{at}"));
        }
        rules += &format!("call: {}\n", names.join(" | "));
        let next = match self.many {
            true => format!("({} call)*", self.atoms(&format!("{}{common}", wire.between))),
            false => String::new(),
        };
        let more = format!("call {next} {}", self.atoms(wire.after));
        let answer = match self.answer {
            None => format!("{} {more}", self.atoms(&head)),
            Some(Some(constraint)) => {
                rules += &constrained(constraint);
                format!("(answer | {} {more})", self.beside_objects(format, &head))
            }
            Some(None) => self.free(format, &head, &more, &mut rules),
        };
        format!("start: {} {answer}\n{rules}", think.0)
    }

    /// What begins a call where an object may stand instead. Without a mark, both begin with a brace and perhaps with
    /// the same key, which are texts of their own, because the lexer takes the longest text and does not go back. The
    /// rest is one text for the same reason: an object that goes on with `: "` is a call, and never one of the answer.
    fn beside_objects(&self, format: &Format, head: &str) -> String {
        let end = head.find(':').filter(|_| format.kind == Kind::Bare).unwrap_or(0);
        let (brace, key) = head[..end].split_at(end.min(1));
        [brace, key, &head[end..]].map(|text| self.atoms(text)).join(" ")
    }

    /// Text that goes on until the mark of a call.
    fn free(&self, format: &Format, head: &str, more: &str, rules: &mut String) -> String {
        if format.kind == Kind::Bare {
            *rules += "said: /([ \\n]*[^{ \\n](.|\\n)*)?/\n";
            return format!("(said | {} {more})", self.atoms(head));
        }
        let mark = format.first_mark();
        *rules += &format!("said: FREE\nlead[lazy]: FREE {}\n", Value::from(mark));
        // Where the mark is a special token, other tokens may still spell its text, which is a call to the reader.
        let spelled = format!("lead {} {more}", self.atoms(&head[mark.len()..]));
        match self.first_special(format, head) {
            Some((token, rest)) => format!("(said (<[{token}]> {} {more})? | {spelled})", self.atoms(rest)),
            None => format!("(said | {spelled})"),
        }
    }

    /// The first special token of a call, and what follows it.
    fn first_special<'t>(&self, format: &Format, head: &'t str) -> Option<(u32, &'t str)> {
        let special = format.marks.iter().filter_map(|mark| Some((mark, (self.special)(mark)?)));
        let (at, length, token) =
            special.filter_map(|(mark, token)| Some((head.find(*mark)?, mark.len(), token))).min()?;
        Some((token, &head[at + length..]))
    }

    /// What the model may think first, and the rules of that.
    fn think(&self) -> (String, String) {
        let mut rules = "FREE: /(.|\\n)*/\n".to_owned();
        let Some((reasoning, begins)) = self.reasoning else { return (String::new(), rules) };
        // As with the marks of calls: other tokens may spell the text of a special one, and lazy rules come before
        // free text, which would take the mark as well.
        rules += &format!("spelled[lazy]: FREE {}\n", Value::from(reasoning.close));
        rules += &match (self.special)(reasoning.close) {
            Some(token) => format!("free: FREE\nthought: spelled | free <[{token}]>\n"),
            None => "thought: spelled\n".to_owned(),
        };
        rules += "LINES: /\\n{0,2}/\n";
        let think = match begins {
            Begins::Reasoning => "thought LINES".to_owned(),
            Begins::Answer => {
                rules += &format!("think[lazy]: /\\s*/ {}\n", Value::from(reasoning.open));
                match reasoning.marks.iter().any(|mark| (self.special)(mark).is_some()) {
                    true => format!("((think | {}) thought LINES)?", self.pieces(reasoning.open, reasoning.marks)),
                    false => "(think thought LINES)?".to_owned(),
                }
            }
        };
        (think, rules)
    }

    fn atoms(&self, text: &str) -> String {
        self.pieces(text, self.format.map_or(&[], |format| format.marks))
    }

    /// A text as the grammar has it: special tokens by their numbers, the rest as text.
    fn pieces(&self, text: &str, marks: &[&str]) -> String {
        let (mut out, mut rest) = (Vec::new(), text);
        while !rest.is_empty() {
            let special = marks.iter().filter(|mark| (self.special)(mark).is_some()).copied();
            let found = special.chain(["{number}"]).filter_map(|mark| Some((rest.find(mark)?, mark))).min();
            let (at, mark) = found.unwrap_or((rest.len(), ""));
            if at > 0 {
                out.push(Value::from(&rest[..at]).to_string());
            }
            match mark {
                "" => {}
                "{number}" => out.push("NUMBER".to_owned()),
                mark => out.push(atom(mark, self.special)),
            }
            rest = &rest[at + mark.len()..];
        }
        out.join(" ")
    }
}

fn constrained(constraint: &Constraint) -> String {
    match constraint {
        Constraint::Json => json_answer(json!({ "type": "object" })),
        Constraint::JsonSchema(schema) => json_answer(schema.clone()),
        Constraint::Regex(pattern) => format!("answer: /{}/\n", pattern.replace('/', "\\/")),
    }
}

/// An answer by a schema, with as few line ends as one without tools has.
fn json_answer(schema: Value) -> String {
    format!("answer: %json {}\n", with_bounded_whitespace(schema))
}
