//! A place in the file that is converted: a value, with the path that leads there.

use crate::yaml::{Node, Value};

/// A value and its path.
#[derive(Clone, Debug)]
pub(crate) struct At<'a> {
    pub(crate) path: String,
    pub(crate) node: &'a Node,
}

impl<'a> At<'a> {
    /// The value of a key, unless it is null.
    pub(crate) fn get(&self, key: &str) -> Option<At<'a>> {
        let Value::Map(entries) = &self.node.value else { return None };
        let (_, node) = entries.iter().find(|(name, node)| name == key && node.value != Value::Null)?;
        Some(At { path: join(&self.path, key), node })
    }

    /// The value at a path of keys.
    pub(crate) fn find(&self, path: &str) -> Option<At<'a>> {
        path.split('.').try_fold(self.clone(), |at, key| at.get(key))
    }

    /// The entries of a map.
    pub(crate) fn entries(&self) -> Vec<(&'a str, At<'a>)> {
        let Value::Map(entries) = &self.node.value else { return Vec::new() };
        entries.iter().map(|(name, node)| (name.as_str(), At { path: join(&self.path, name), node })).collect()
    }

    /// The items of a list.
    pub(crate) fn items(&self) -> Vec<At<'a>> {
        let Value::List(items) = &self.node.value else { return Vec::new() };
        items.iter().enumerate().map(|(at, node)| At { path: format!("{}[{at}]", self.path), node }).collect()
    }

    pub(crate) fn is_list(&self) -> bool {
        matches!(self.node.value, Value::List(_))
    }

    /// A text, or what is written as one.
    pub(crate) fn text(&self) -> Option<&'a str> {
        match &self.node.value {
            Value::Scalar(text, _) => Some(text),
            _ => None,
        }
    }

    /// A whole number that is not negative.
    pub(crate) fn number(&self) -> Option<i64> {
        self.text()?.parse().ok().filter(|number| (0..=i64::from(u32::MAX)).contains(number))
    }

    /// A truth value, as YAML writes it.
    pub(crate) fn flag(&self) -> Option<bool> {
        match (&self.node.value, self.text()?) {
            (Value::Scalar(_, true), "true" | "True" | "TRUE" | "yes" | "on") => Some(true),
            (Value::Scalar(_, true), "false" | "False" | "FALSE" | "no" | "off") => Some(false),
            _ => None,
        }
    }

    /// A list of texts.
    pub(crate) fn texts(&self) -> Option<Vec<&'a str>> {
        if !self.is_list() {
            return None;
        }
        self.items().iter().map(At::text).collect()
    }

    /// A map of texts.
    pub(crate) fn pairs(&self) -> Option<Vec<(&'a str, &'a str)>> {
        if !matches!(self.node.value, Value::Map(_)) {
            return None;
        }
        self.entries().iter().map(|(name, at)| Some((*name, at.text()?))).collect()
    }

    /// Everything below, as TOML; numbers and truth values as such.
    pub(crate) fn toml(&self) -> toml::Value {
        toml_of(self.node)
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn toml_of(node: &Node) -> toml::Value {
    match &node.value {
        Value::Null => toml::Value::from(""),
        Value::Scalar(text, true) => match text.as_str() {
            "true" => true.into(),
            "false" => false.into(),
            // A number that would be written otherwise stays a text: 1.30, 0644.
            _ => match text.parse::<i64>() {
                Ok(number) if number.to_string() == *text => number.into(),
                _ => match text.parse::<f64>() {
                    Ok(number) if number.is_finite() && number.to_string() == *text => number.into(),
                    _ => crate::document::literal(text).into(),
                },
            },
        },
        Value::Scalar(text, false) => crate::document::literal(text).into(),
        Value::List(items) => items.iter().map(toml_of).collect::<Vec<_>>().into(),
        Value::Map(entries) => {
            let table = entries.iter().filter(|(_, node)| node.value != Value::Null);
            toml::Value::Table(table.map(|(name, node)| (crate::document::literal(name), toml_of(node))).collect())
        }
    }
}
