//! The pipeline file that is written, with its comments.

use std::fmt::Write;

use toml::{Table, Value};

/// A pipeline file in the making.
#[derive(Debug, Default)]
pub(crate) struct Document {
    /// Comments at its head.
    pub(crate) head: Vec<String>,
    pub(crate) name: String,
    pub(crate) region: String,
    pub(crate) tags: Table,
    pub(crate) existing: Vec<Existing>,
    pub(crate) steps: Vec<Step>,
}

/// What is looked up.
#[derive(Debug, PartialEq)]
pub(crate) struct Existing {
    pub(crate) name: String,
    pub(crate) keys: Table,
}

/// A step of the file.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) uses: &'static str,
    pub(crate) comments: Vec<String>,
    pub(crate) after: Vec<String>,
    pub(crate) with: Vec<Entry>,
}

/// An option of a step.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: &'static str,
    pub(crate) value: Value,
    /// Stands behind it.
    pub(crate) comment: Option<String>,
}

impl Step {
    pub(crate) fn new(name: impl Into<String>, uses: &'static str) -> Self {
        Self { name: name.into(), uses, comments: Vec::new(), after: Vec::new(), with: Vec::new() }
    }

    pub(crate) fn set(&mut self, key: &'static str, value: impl Into<Value>) -> &mut Self {
        self.put(key, value, None)
    }

    pub(crate) fn set_with(&mut self, key: &'static str, value: impl Into<Value>, comment: &str) -> &mut Self {
        self.put(key, value, Some(comment.to_owned()))
    }

    fn put(&mut self, key: &'static str, value: impl Into<Value>, comment: Option<String>) -> &mut Self {
        let value = value.into();
        match self.with.iter_mut().find(|entry| entry.key == key) {
            Some(entry) => (entry.value, entry.comment) = (value, comment),
            None => self.with.push(Entry { key, value, comment }),
        }
        self
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.with.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }
}

impl Document {
    /// A name for a step or a look-up that no other has: from a name of others, in the characters that one may have.
    pub(crate) fn free_name(&self, wanted: &str, prefix: &str) -> String {
        let allowed = |c: char| match c.to_ascii_lowercase() {
            c if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_' => c,
            _ => '-',
        };
        let mut base: String = wanted.chars().map(allowed).take(48).collect();
        if !base.starts_with(|c: char| c.is_ascii_lowercase()) {
            base = format!("{prefix}-{base}");
        }
        let base = base.trim_end_matches('-');
        let is_taken = |name: &str| {
            RESERVED.contains(&name)
                || self.steps.iter().any(|step| step.name == name)
                || self.existing.iter().any(|existing| existing.name == name)
        };
        let numbered = (2..).map(|number| format!("{base}-{number}"));
        std::iter::once(base.to_owned()).chain(numbered).find(|name| !is_taken(name)).expect("there are many numbers")
    }

    /// A reference to what exists already, looked up by these keys.
    pub(crate) fn existing(&mut self, wanted: &str, prefix: &str, keys: &[(&str, &str)], attribute: &str) -> String {
        let keys: Table = keys.iter().map(|(key, value)| ((*key).to_owned(), literal(value).into())).collect();
        let known = self.existing.iter().find(|existing| existing.keys == keys);
        let name = match known {
            Some(existing) => existing.name.clone(),
            None => {
                let name = self.free_name(wanted, prefix);
                self.existing.push(Existing { name: name.clone(), keys });
                name
            }
        };
        format!("${{existing.{name}.{attribute}}}")
    }

    /// The file.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        comments(&mut text, &self.head);
        let _ = writeln!(text, "[pipeline]\nname   = {}\nregion = {}", quoted(&self.name), quoted(&self.region));
        if !self.tags.is_empty() {
            let _ = writeln!(text, "tags   = {}", Value::Table(self.tags.clone()));
        }
        for existing in &self.existing {
            let _ = writeln!(text, "\n[existing.{}]", existing.name);
            // What it is stands first.
            let (kind, rest): (Vec<_>, Vec<_>) = existing.keys.iter().partition(|(key, _)| *key == "kind");
            for (key, value) in kind.into_iter().chain(rest) {
                let _ = writeln!(text, "{} = {value}", bare(key));
            }
        }
        for step in &self.steps {
            text.push('\n');
            comments(&mut text, &step.comments);
            let _ = writeln!(text, "[steps.{}]\nuses = {}", step.name, quoted(step.uses));
            if !step.after.is_empty() {
                let after: Vec<Value> = step.after.iter().map(|name| Value::from(name.as_str())).collect();
                let _ = writeln!(text, "after = {}", Value::from(after));
            }
            if !step.with.is_empty() {
                let _ = writeln!(text, "[steps.{}.with]", step.name);
            }
            for Entry { key, value, comment } in &step.with {
                let comment = comment.as_ref().map(|comment| format!("  # {}", one_line(comment))).unwrap_or_default();
                let _ = writeln!(text, "{key} = {}{comment}", written(value));
            }
        }
        text
    }
}

/// Words that references begin with.
const RESERVED: [&str; 6] = ["vars", "each", "env", "existing", "secrets", "pipeline"];

fn comments(text: &mut String, lines: &[String]) {
    for line in lines {
        let _ = writeln!(text, "{}", format!("# {}", one_line(line)).trim_end());
    }
}

/// A comment that cannot end: names in it are a stranger's.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn bare(key: &str) -> String {
    let is_bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if is_bare { key.to_owned() } else { quoted(key) }
}

/// Long lists get a line for each entry.
fn written(value: &Value) -> String {
    match value {
        Value::Array(items) if items.len() > 1 && value.to_string().len() > 90 => {
            let lines: String = items.iter().map(|item| format!("    {item},\n")).collect();
            format!("[\n{lines}]")
        }
        _ => value.to_string(),
    }
}

/// A text of the source as the pipeline has it: `${` is no reference there.
pub(crate) fn literal(text: &str) -> String {
    text.replace("${", "$${")
}
