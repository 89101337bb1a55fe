//! YAML as a tree in which every value knows its line, so that a report can name it.
//!
//! The text is a stranger's: nesting, aliases and the number of values are limited, and no value is read twice as large
//! as it is written because of an alias.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle};

/// How deep values may be nested.
const DEEPEST: usize = 64;
/// How many values a text may have, those of aliases included: a file of eksctl has some hundred.
const MOST_VALUES: usize = 50_000;

/// A value with the line that it begins in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// From 1.
    pub(crate) line: usize,
    pub(crate) value: Value,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    /// A text, and whether it stands without quotes: then it may mean a number or a truth value.
    Scalar(String, bool),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// Why a text cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub(crate) struct BadYaml {
    pub(crate) line: usize,
    pub(crate) message: String,
}

/// What is open while a text is read.
enum Open {
    List(usize, usize, Vec<Node>),
    Map {
        line: usize,
        anchor: usize,
        entries: Vec<(String, Node)>,
        /// What `<<` brings: for the keys that the map does not have at its end.
        merged: Vec<(String, Node)>,
        key: Option<String>,
    },
}

/// Reads the documents of a text; empty ones are left out.
pub(crate) fn documents(text: &str) -> Result<Vec<Node>, BadYaml> {
    let mut reader = Reader { anchors: HashMap::new(), open: Vec::new(), documents: Vec::new(), values: 0 };
    for event in Parser::new_from_str(text.strip_prefix('\u{feff}').unwrap_or(text)) {
        // Without the place, which the line says already.
        let (event, span) = event.map_err(|error| bad(error.marker().line(), &error.info()))?;
        reader.event(event, span.start.line())?;
    }
    reader.documents.retain(|document| document.value != Value::Null);
    Ok(reader.documents)
}

struct Reader {
    anchors: HashMap<usize, Node>,
    open: Vec<Open>,
    documents: Vec<Node>,
    values: usize,
}

impl Reader {
    fn event(&mut self, event: Event<'_>, line: usize) -> Result<(), BadYaml> {
        match event {
            Event::DocumentStart(..) => self.anchors.clear(),
            Event::Scalar(text, style, anchor, _) => {
                let is_plain = style == ScalarStyle::Plain;
                let is_null = is_plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let value = if is_null { Value::Null } else { Value::Scalar(text.into_owned(), is_plain) };
                self.put(Node { line, value }, anchor, 1)?;
            }
            Event::Alias(anchor) => {
                let found = self.anchors.get(&anchor).cloned();
                let mut node = found.ok_or_else(|| bad(line, "this alias is inside its own anchor"))?;
                node.line = line;
                let weight = size(&node);
                self.put(node, 0, weight)?;
            }
            Event::SequenceStart(_, anchor, _) => self.begin(Open::List(line, anchor, Vec::new()), line)?,
            Event::MappingStart(_, anchor, _) => {
                let map = Open::Map { line, anchor, entries: Vec::new(), merged: Vec::new(), key: None };
                self.begin(map, line)?;
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List(line, anchor, items)) => {
                    self.put(Node { line, value: Value::List(items) }, anchor, 1)?
                }
                Some(Open::Map { line, anchor, mut entries, merged, .. }) => {
                    fill(&mut entries, merged);
                    self.put(Node { line, value: Value::Map(entries) }, anchor, 1)?;
                }
                None => {}
            },
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, open: Open, line: usize) -> Result<(), BadYaml> {
        if self.open.len() >= DEEPEST {
            return Err(bad(line, "values are nested more than 64 deep"));
        }
        self.open.push(open);
        Ok(())
    }

    /// Takes in a value that counts as so many: one, or all that an alias repeats.
    fn put(&mut self, node: Node, anchor: usize, weight: usize) -> Result<(), BadYaml> {
        let line = node.line;
        self.values += weight;
        if self.values > MOST_VALUES {
            return Err(bad(line, "there are more than 50,000 values, with those that aliases repeat"));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            None => self.documents.push(node),
            Some(Open::List(_, _, items)) => items.push(node),
            Some(Open::Map { entries, merged, key, .. }) => match key.take() {
                None => match node.value {
                    Value::Scalar(text, _) => *key = Some(text),
                    Value::Null => *key = Some(String::new()),
                    _ => return Err(bad(line, "a key must be a string")),
                },
                Some(name) if name == "<<" => merge(merged, node)?,
                Some(name) if entries.iter().any(|(other, _)| *other == name) => {
                    return Err(bad(line, &format!("the key '{name}' is here twice")));
                }
                Some(name) => entries.push((name, node)),
            },
        }
        Ok(())
    }
}

/// How many values a value has, itself included.
fn size(node: &Node) -> usize {
    1 + match &node.value {
        Value::List(items) => items.iter().map(size).sum(),
        Value::Map(entries) => entries.iter().map(|(_, node)| size(node)).sum(),
        _ => 0,
    }
}

/// What `<<` brings: of a list of maps, the first that has a key.
fn merge(merged: &mut Vec<(String, Node)>, node: Node) -> Result<(), BadYaml> {
    match node.value {
        Value::Map(more) => fill(merged, more),
        Value::List(maps) => {
            for map in maps {
                merge(merged, map)?;
            }
        }
        _ => return Err(bad(node.line, "<< takes a map, or a list of maps")),
    }
    Ok(())
}

/// Adds the entries whose keys are absent.
fn fill(entries: &mut Vec<(String, Node)>, more: Vec<(String, Node)>) {
    for (name, value) in more {
        if !entries.iter().any(|(other, _)| *other == name) {
            entries.push((name, value));
        }
    }
}

fn bad(line: usize, message: &str) -> BadYaml {
    BadYaml { line, message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Node {
        let mut all = documents(text).unwrap();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    fn entry<'a>(node: &'a Node, key: &str) -> &'a Node {
        let Value::Map(entries) = &node.value else { panic!("{node:?}") };
        &entries.iter().find(|(name, _)| name == key).unwrap().1
    }

    #[test]
    fn values_know_their_lines_and_whether_they_have_quotes() {
        let node = one("a: 1.30\nb:\n  - 'yes'\n  - ~\n");
        assert_eq!(*entry(&node, "a"), Node { line: 1, value: Value::Scalar("1.30".into(), true) });
        let Value::List(items) = &entry(&node, "b").value else { panic!() };
        assert_eq!(items[0], Node { line: 3, value: Value::Scalar("yes".into(), false) });
        assert_eq!(items[1].value, Value::Null);
    }

    #[test]
    fn anchors_and_merges_are_followed() {
        for more in ["  b: 3\n  <<: *base\n", "  <<: *base\n  b: 3\n"] {
            let node = one(&format!("base: &base {{a: 1, b: 2}}\nmore:\n{more}"));
            let more = entry(&node, "more");
            assert_eq!(entry(more, "a").value, Value::Scalar("1".into(), true));
            assert_eq!(entry(more, "b").value, Value::Scalar("3".into(), true));
        }
        let twice = documents("base: &base {a: 1}\nmore:\n  <<: *base\n  a: 2\n  a: 3\n").unwrap_err();
        assert_eq!((twice.line, twice.message.as_str()), (5, "the key 'a' is here twice"));
    }

    #[test]
    fn bombs_and_towers_are_refused_and_not_built() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let before = format!("*a{}, ", level - 1).repeat(10);
            bomb += &format!("a{level}: &a{level} [{}]\n", before.trim_end_matches(", "));
        }
        let began = std::time::Instant::now();
        let error = documents(&bomb).unwrap_err();
        assert!(error.message.contains("50,000 values"), "{error}");
        assert!(began.elapsed().as_secs() < 5);
        let tower = format!("{}x{}", "[".repeat(2000), "]".repeat(2000));
        assert!(documents(&tower).is_err());
        let tower: String = (0..100).map(|deep| format!("{}a:\n", " ".repeat(deep))).collect();
        assert!(documents(&tower).unwrap_err().message.contains("64 deep"));
    }

    #[test]
    fn what_is_wrong_has_its_line() {
        for (text, line) in [("a: 1\na: 2\n", 2), ("a: [1\nb: 2\n", 2), ("a: *nobody\n", 1), ("? [x]\n: 1\n", 1)] {
            let error = documents(text).unwrap_err();
            assert_eq!(error.line, line, "{text:?}: {error}");
            assert!(!error.message.contains(" at char "), "{error}");
        }
        assert_eq!(documents("---\n---\n# nothing\n").unwrap(), []);
        assert_eq!(documents("a: 1\n---\nb: 2\n").unwrap().len(), 2);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[ \\-:a-c\n\\[\\]{}&*<'\"#|>!%?,~]{0,120}") {
            let _ = documents(&text);
        }
    }
}
