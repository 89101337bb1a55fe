//! What became of each field of a file.

use std::fmt::Write;

use serde::Serialize;

/// What became of each field, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The fields.
    pub fields: Vec<Field>,
}

/// A field of the file, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Its path: `nodeGroups[0].name`.
    pub path: String,
    /// Its line, from 1; 0 where the file has no lines worth naming.
    pub line: usize,
    /// What became of it.
    #[serde(flatten)]
    pub fate: Fate,
}

/// What became of a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "became")]
pub enum Fate {
    /// The pipeline says the same.
    Same {
        /// Where it stands in the pipeline.
        to: String,
    },
    /// The pipeline has it in another form, or always.
    Differs {
        /// What the pipeline has.
        to: String,
    },
    /// The pipeline does not have it.
    Missing {
        /// Why.
        why: String,
        /// What to do about it.
        todo: String,
        /// Whether the cluster itself cannot be made without it.
        needed: bool,
    },
}

impl Report {
    /// The fields that the pipeline does not have.
    pub fn missing(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| matches!(field.fate, Fate::Missing { .. }))
    }

    /// Those without which there is no pipeline.
    pub fn blocking(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| matches!(field.fate, Fate::Missing { needed: true, .. }))
    }

    /// The report as text: what has no counterpart first, then what differs, then the rest.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let place = |field: &Field| match field.line {
            0 => field.path.clone(),
            line => format!("line {line}: {}", field.path),
        };
        let mut section = |title: &str, lines: Vec<String>| {
            if !lines.is_empty() {
                let _ = writeln!(text, "{title}\n{}\n", lines.join("\n"));
            }
        };
        let missing = self.fields.iter().filter_map(|field| match &field.fate {
            Fate::Missing { why, todo, .. } if todo.is_empty() => Some(format!("  {}\n      {why}", place(field))),
            Fate::Missing { why, todo, .. } => Some(format!("  {}\n      {why}\n      -> {todo}", place(field))),
            _ => None,
        });
        section("Not in the pipeline:", missing.collect());
        let differs = self.fields.iter().filter_map(|field| match &field.fate {
            Fate::Differs { to } => Some(format!("  {}\n      {to}", place(field))),
            _ => None,
        });
        section("In another form:", differs.collect());
        let same = self.fields.iter().filter_map(|field| match &field.fate {
            Fate::Same { to } => Some(format!("  {} -> {to}", place(field))),
            _ => None,
        });
        section("The same:", same.collect());
        text.trim_end().to_owned() + "\n"
    }
}
