//! Calls of tools and reasoning in a model's text.
//!
//! Each family of models writes calls in its own way. [`formats`] is the table of these ways, [`reader`] takes an answer
//! apart as it comes, and [`grammar`] holds an answer to calls that fit their schemas. The crates that do parts of this
//! bring an HTTP server's types, a parser of Python or a client with them, and none of them writes the grammars.

mod formats;
mod gemma;
mod grammar;
#[cfg(test)]
mod grammar_tests;
mod harmony;
mod json;
mod object;
mod python;
mod reader;
#[cfg(test)]
mod reader_tests;

use llmhost_inference::model::Model;

pub(crate) use grammar::{Begins, Guarantee, held_by};
pub(crate) use reader::{Held, Known, Part, Reader};

use formats::{Format, Kind, Reasoning};

/// How a model writes calls and reasoning.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Formats {
    pub(crate) tools: Option<&'static Format>,
    pub(crate) reasoning: Option<&'static Reasoning>,
}

impl Formats {
    /// As the model's chat template has them.
    pub(crate) fn of(template: &str) -> Self {
        Self { tools: formats::tools_of(template), reasoning: formats::reasoning_of(template) }
    }

    /// Sets them by name, where a name is given; `none` for neither.
    pub(crate) fn named(self, tools: Option<&str>, reasoning: Option<&str>) -> Result<Self, String> {
        let tools = match tools {
            None => self.tools,
            Some(name) => formats::tools_by_name(name)?,
        };
        let reasoning = match reasoning {
            None => self.reasoning,
            Some(name) => formats::reasoning_by_name(name)?,
        };
        Ok(Self { tools, reasoning })
    }

    /// The special tokens whose names have to be in the text.
    pub(crate) fn special(&self, model: &Model, with_tools: bool) -> Vec<u32> {
        let tools = self.tools.filter(|format| with_tools || format.kind == Kind::Harmony);
        let marks = tools.map_or(&[][..], |format| format.marks);
        let marks = marks.iter().chain(self.reasoning.map_or(&[][..], |reasoning| reasoning.marks));
        marks.filter_map(|mark| special(model, mark)).collect()
    }
}

/// The number of a special token.
pub(crate) fn special(model: &Model, mark: &str) -> Option<u32> {
    let tokenizer = model.tokenizer.as_ref()?;
    tokenizer.id(mark).filter(|id| tokenizer.is_special(*id))
}
