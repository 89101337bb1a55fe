//! `ignore_changes`: fields of a step's resources in which what is there may differ from the file.

use std::fmt;
use std::ops::Range;

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::reader::{Problems, Table};
use super::targets::path;
use super::template::Part;
use crate::names::ResourceAddress;
use crate::run::{ADDRESS_ANNOTATION, ADDRESS_TAG, PIPELINE_ANNOTATION, PIPELINE_TAG};

/// One entry of `ignore_changes`.
#[derive(Debug, Clone)]
pub struct Ignored {
    /// As the file has it.
    pub text: String,
    /// Where the file has it. An entry of a step that is repeated, or a pipeline, stands once for all of its steps.
    pub span: Range<usize>,
}

/// A place in the spec of a resource: `tags.team`, `rules[0].port`.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldPath(Vec<Part>);

/// Reads the entries of a step.
pub(super) fn read(found: &Table<'_>, problems: &mut Problems) -> Vec<Ignored> {
    let why = "write the field names here; they cannot come from variables";
    let mut all = Vec::new();
    for (text, span) in found.literals("ignore_changes", why, problems) {
        if parse(&text).is_none() {
            problems.add("bad-field", span, format!("'{text}' is not the path of a field"), "not understood");
            problems.help(
                "write a field of the step's resources, as plans name it: \"tags\", \"labels.team\", or with the kind \
                 and name of one resource: \"eks.node-group/main.scaling\"",
            );
            continue;
        }
        all.push(Ignored { text, span });
    }
    all
}

impl Ignored {
    /// The field of a resource that is meant, whether there is such a field or not; nothing where the entry is about
    /// another resource.
    pub(crate) fn path_in(&self, address: &ResourceAddress) -> Option<FieldPath> {
        let (kind, name) = (address.kind(), address.name());
        let of_kind = self.text.strip_prefix(kind);
        let of_one = of_kind.and_then(|rest| rest.strip_prefix('/')?.strip_prefix(name));
        let rest = [of_one, of_kind].into_iter().flatten().find_map(|rest| rest.strip_prefix('.'));
        parse(rest.unwrap_or(&self.text))
    }
}

fn parse(text: &str) -> Option<FieldPath> {
    let (first, rest) = path(text)?;
    Some(FieldPath(std::iter::once(Part::Key(first)).chain(rest).collect()))
}

impl FieldPath {
    /// The top-level field that it is in.
    pub(crate) fn top(&self) -> &str {
        match self.0.first() {
            Some(Part::Key(key)) => key,
            _ => "",
        }
    }

    /// Whether it is a top-level field itself.
    pub(crate) fn is_top(&self) -> bool {
        self.0.len() == 1
    }

    /// What a spec has there. `null` is nothing.
    pub(crate) fn of<'v>(&self, spec: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(spec, |value, part| part.of(value)).filter(|value| !value.is_null())
    }

    /// Puts what one spec has there into another; llmhost's own tags stay as they are in that one. Whether that
    /// changes it.
    pub(crate) fn copy(&self, from: &Value, to: &mut Value) -> bool {
        let before = self.of(to).cloned();
        match self.of(from) {
            Some(value) => {
                let mut value = value.clone();
                before.iter().for_each(|before| keep_own(before, &mut value));
                if before.as_ref() == Some(&value) {
                    return false;
                }
                place(&self.0, to, value)
            }
            None => before.is_some() && remove(&self.0, to),
        }
    }
}

/// As plans write it.
impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in self.0.iter().enumerate() {
            match part {
                Part::Key(key) if at == 0 => f.write_str(key)?,
                part => write!(f, "{part}")?,
            }
        }
        Ok(())
    }
}

impl Serialize for FieldPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The tags and annotations that say whose a resource is: they follow a rename, whatever is ignored.
fn keep_own(before: &Value, value: &mut Value) {
    let (Value::Object(before), Value::Object(fields)) = (before, value) else { return };
    for (key, old) in before {
        match fields.get_mut(key) {
            _ if [ADDRESS_TAG, PIPELINE_TAG, ADDRESS_ANNOTATION, PIPELINE_ANNOTATION].contains(&key.as_str()) => {
                fields.insert(key.clone(), old.clone());
            }
            Some(new) => keep_own(old, new),
            None => {}
        }
    }
}

/// Tables that are not there are made; entries of lists are not.
fn place(path: &[Part], to: &mut Value, value: Value) -> bool {
    let [part, rest @ ..] = path else {
        *to = value;
        return true;
    };
    match part {
        Part::Key(key) => {
            if to.is_null() {
                *to = Value::Object(serde_json::Map::new());
            }
            let Value::Object(fields) = to else { return false };
            place(rest, fields.entry(key.clone()).or_insert(Value::Null), value)
        }
        Part::Index(at) => to.get_mut(at).is_some_and(|item| place(rest, item, value)),
    }
}

fn remove(path: &[Part], from: &mut Value) -> bool {
    match path {
        [Part::Key(key)] => from.as_object_mut().is_some_and(|fields| fields.remove(key).is_some()),
        [Part::Key(key), rest @ ..] => from.get_mut(key).is_some_and(|inner| remove(rest, inner)),
        // What else is in the list would move up.
        [Part::Index(_)] | [] => false,
        [Part::Index(at), rest @ ..] => from.get_mut(at).is_some_and(|inner| remove(rest, inner)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_entry_names_a_field_of_every_resource_of_one_kind_or_of_one_alone() {
        let address: ResourceAddress = "gpu/eks.node-group/main.a".parse().expect("an address");
        for (text, path) in [
            ("tags", "tags"),
            ("scaling.desired_size", "scaling.desired_size"),
            ("eks.node-group.tags", "tags"),
            ("eks.node-group/main.a.scaling.desired_size", "scaling.desired_size"),
            ("eks.node-group/other.tags", "eks.node-group/other.tags"),
            ("rules[0].port", "rules[0].port"),
            ("labels[\"app.example/name\"]", "labels.app.example/name"),
        ] {
            let ignored = Ignored { text: text.to_owned(), span: 0..0 };
            assert_eq!(ignored.path_in(&address).expect("a path").to_string(), path, "{text}");
        }
        for text in ["", ".", "a..b", "a[", "a[x]", "a."] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_there_takes_the_place_of_what_is_declared_and_nothing_else_does() {
        let there = json!({ "size": 5, "tags": { "team": "a", "llmhost:address": "old/k/n" }, "rules": [{ "port": 1 }], "none": null });
        for (path, declared, kept) in [
            ("size", json!({ "size": 2 }), json!({ "size": 5 })),
            ("size", json!({}), json!({ "size": 5 })),
            ("size", json!({ "size": 5 }), json!({ "size": 5 })),
            ("tags.team", json!({ "tags": { "team": "b", "x": "1" } }), json!({ "tags": { "team": "a", "x": "1" } })),
            ("tags.x", json!({ "tags": { "team": "b", "x": "1" } }), json!({ "tags": { "team": "b" } })),
            ("tags.team", json!({}), json!({ "tags": { "team": "a" } })),
            (
                "tags",
                json!({ "tags": { "team": "b", "llmhost:address": "new/k/n" } }),
                json!({ "tags": { "team": "a", "llmhost:address": "new/k/n" } }),
            ),
            (
                "rules[0].port",
                json!({ "rules": [{ "port": 2, "to": 3 }] }),
                json!({ "rules": [{ "port": 1, "to": 3 }] }),
            ),
            ("rules[1]", json!({ "rules": [{ "port": 1 }, 7] }), json!({ "rules": [{ "port": 1 }, 7] })),
            ("none", json!({ "none": 1 }), json!({})),
            ("none", json!({ "none": null }), json!({ "none": null })),
        ] {
            let mut spec = declared.clone();
            let changed = parse(path).expect("a path").copy(&there, &mut spec);
            assert_eq!((&spec, changed), (&kept, declared != kept), "{path} in {declared}");
        }
    }
}
