//! What the compiler of JSON Schema does not say: that a definition never ends, and where it failed.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

/// Looks at parts of a schema, all together; a larger one is left to the compiler.
const MOST_LOOKS: usize = 200_000;
/// How long the place of an error is looked for.
const SEARCH: Duration = Duration::from_millis(200);
/// Parts of a schema that hold a schema each by a name.
const NAMED: [&str; 2] = ["properties", "patternProperties"];
/// Those that hold a list of them, or one.
const LISTED: [&str; 6] = ["allOf", "anyOf", "oneOf", "prefixItems", "items", "additionalProperties"];
/// Data, and definitions that count only where something refers to them.
const NO_SCHEMAS: [&str; 6] = ["$defs", "definitions", "const", "enum", "default", "examples"];

/// Whitespace between two tokens of JSON: compact output has one space or none, indented output a
/// line end and its indentation. Without a bound, a model may write line ends until `max_tokens`.
const WHITESPACE: &str = r"\x20|\r?\n\n?[\x20\t]{0,40}";

/// The schema with a bound on whitespace, unless it sets options of its own for that.
pub fn with_bounded_whitespace(schema: Value) -> Value {
    let mut map = match schema {
        Value::Object(map) => map,
        // The schema that everything fits.
        Value::Bool(true) => Map::new(),
        other => return other,
    };
    let options = map.entry("x-guidance").or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(options) = options
        && !options.contains_key("whitespace_flexible")
    {
        options.entry("whitespace_pattern").or_insert_with(|| WHITESPACE.into());
    }
    Value::Object(map)
}

/// The reference to a definition that needs itself again at each try to end it, so that no JSON fits.
/// A list or tree that may stop is none.
pub(super) fn endless(schema: &Value) -> Option<&str> {
    let looks = Cell::new(0);
    let mut open = vec![schema];
    let mut definitions = BTreeMap::new();
    while let Some(node) = open.pop() {
        looks.set(looks.get() + 1);
        if looks.get() > MOST_LOOKS {
            return None;
        }
        match node {
            Value::Array(list) => open.extend(list),
            Value::Object(map) => {
                if let Some(reference) = map.get("$ref").and_then(Value::as_str)
                    && let (Some(target), false) = (target(schema, reference), definitions.contains_key(reference))
                {
                    definitions.insert(reference, target);
                    open.push(target);
                }
                open.extend(map.iter().filter(|(key, _)| !NO_SCHEMAS.contains(&key.as_str())).map(|(_, value)| value));
            }
            _ => {}
        }
    }
    // Whatever ends without the others first, then what ends by these, until nothing is added.
    let mut unended = Unended { definitions, looks };
    loop {
        let ending: Vec<&str> =
            unended.definitions.iter().filter(|(_, target)| unended.ends(target)).map(|(name, _)| *name).collect();
        if unended.looks.get() > MOST_LOOKS {
            return None;
        }
        if ending.is_empty() {
            return unended.definitions.into_keys().next();
        }
        for name in ending {
            unended.definitions.remove(name);
        }
    }
}

/// What a reference within the schema means.
pub(super) fn target<'a>(schema: &'a Value, reference: &str) -> Option<&'a Value> {
    schema.pointer(reference.strip_prefix('#')?)
}

/// Definitions of which it is not known that they end.
struct Unended<'a> {
    definitions: BTreeMap<&'a str, &'a Value>,
    looks: Cell<usize>,
}

impl Unended<'_> {
    /// Whether some JSON of finite length may fit, as far as references are concerned.
    fn ends(&self, schema: &Value) -> bool {
        self.looks.set(self.looks.get() + 1);
        let Value::Object(schema) = schema else { return true };
        if self.looks.get() > MOST_LOOKS || schema.contains_key("const") || schema.contains_key("enum") {
            return true;
        }
        let list = |key: &str| schema.get(key).and_then(Value::as_array);
        let reference = schema.get("$ref").and_then(Value::as_str);
        reference.is_none_or(|reference| !self.definitions.contains_key(reference))
            && list("allOf").is_none_or(|all| all.iter().all(|one| self.ends(one)))
            && ["anyOf", "oneOf"].into_iter().filter_map(list).all(|any| any.iter().any(|one| self.ends(one)))
            && match schema.get("type").and_then(Value::as_str) {
                Some("object") => self.object_ends(schema),
                Some("array") => self.array_ends(schema),
                _ => true,
            }
    }

    fn object_ends(&self, schema: &Map<String, Value>) -> bool {
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let property = |name: &str| {
            schema.get("properties").and_then(|all| all.get(name)).or_else(|| schema.get("additionalProperties"))
        };
        required.filter_map(property).all(|one| self.ends(one))
    }

    fn array_ends(&self, schema: &Map<String, Value>) -> bool {
        let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0) as usize;
        let first = schema.get("prefixItems").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let rest = schema.get("items").filter(|_| least > first.len());
        first.iter().take(least).chain(rest).all(|one| self.ends(one))
    }
}

/// The smallest part of a schema that fails for the same reason: its place, and what is said of it.
pub(super) fn place(schema: &Value, reason: String, fails: impl Fn(Value) -> Option<String>) -> (String, String) {
    let until = Instant::now() + SEARCH;
    let (mut at, mut node, mut reason) = ("#".to_owned(), schema, reason);
    let mut depth = 0;
    // References may lead in a circle.
    while depth < 64 {
        depth += 1;
        let smaller = parts(schema, node, &at).into_iter().find_map(|(at, part)| {
            if Instant::now() > until {
                return None;
            }
            let said = fails(alone(schema, part))?;
            reason.ends_with(&said).then_some((at, part, said))
        });
        match smaller {
            Some(smaller) => (at, node, reason) = smaller,
            None => break,
        }
    }
    (at, reason)
}

/// The schemas that a schema is made of, with their places.
fn parts<'a>(root: &'a Value, node: &'a Value, at: &str) -> Vec<(String, &'a Value)> {
    let mut parts = Vec::new();
    if let Some(reference) = node.get("$ref").and_then(Value::as_str) {
        parts.extend(target(root, reference).map(|target| (reference.to_owned(), target)));
    }
    for key in NAMED {
        let named = node.get(key).and_then(Value::as_object).into_iter().flatten();
        // As JSON pointers are written.
        let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
        parts.extend(named.map(|(name, part)| (format!("{at}/{key}/{}", escaped(name)), part)));
    }
    for key in LISTED {
        match node.get(key) {
            Some(Value::Array(list)) => {
                let places = list.iter().enumerate().map(|(index, part)| (format!("{at}/{key}/{index}"), part));
                parts.extend(places);
            }
            Some(part) => parts.push((format!("{at}/{key}"), part)),
            None => {}
        }
    }
    parts
}

/// A part as a schema of its own, with the definitions that it may refer to.
fn alone(root: &Value, part: &Value) -> Value {
    let mut alone = part.clone();
    if let Some(map) = alone.as_object_mut() {
        for key in ["$defs", "definitions"] {
            if let Some(definitions) = root.get(key) {
                map.insert(key.to_owned(), definitions.clone());
            }
        }
    }
    alone
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn whitespace_is_bounded_where_the_schema_does_not_say_otherwise() {
        let bounded = json!({ "x-guidance": { "whitespace_pattern": WHITESPACE } });
        for (schema, expected) in [
            (json!({}), bounded.clone()),
            (json!(true), bounded),
            (json!(false), json!(false)),
            (
                json!({ "x-guidance": { "coerce_one_of": true } }),
                json!({ "x-guidance": { "coerce_one_of": true, "whitespace_pattern": WHITESPACE } }),
            ),
        ] {
            assert_eq!(with_bounded_whitespace(schema), expected);
        }
        for options in [json!({ "whitespace_flexible": false }), json!({ "whitespace_pattern": " " }), json!(7)] {
            let schema = json!({ "x-guidance": options });
            assert_eq!(with_bounded_whitespace(schema.clone()), schema);
        }
    }

    fn node(inner: Value) -> Value {
        json!({ "type": "object", "properties": { "next": inner }, "required": ["next"] })
    }

    #[test]
    fn only_what_cannot_stop_is_endless() {
        let to_a = || json!({ "$ref": "#/$defs/a" });
        for (definition, found) in [
            (to_a(), true),
            (node(to_a()), true),
            (json!({ "allOf": [to_a(), { "type": "object" }] }), true),
            (json!({ "anyOf": [to_a(), node(to_a())] }), true),
            (json!({ "type": "array", "items": to_a(), "minItems": 1 }), true),
            (json!({ "type": "array", "prefixItems": [{}, to_a()], "minItems": 2 }), true),
            (json!({ "type": "object", "additionalProperties": to_a(), "required": ["x"] }), true),
            (node(json!({ "anyOf": [to_a(), { "type": "null" }] })), false),
            (json!({ "type": "object", "properties": { "next": to_a() } }), false),
            (json!({ "type": "array", "items": to_a() }), false),
            (json!({ "type": "array", "prefixItems": [{}, to_a()], "minItems": 1 }), false),
            (json!({ "enum": [1], "anyOf": [to_a()] }), false),
            (json!({ "$ref": "#/$defs/none" }), false),
        ] {
            let schema = json!({ "$defs": { "a": definition }, "type": "array", "items": to_a() });
            assert_eq!(endless(&schema), found.then_some("#/$defs/a"), "{schema}");
        }
        assert_eq!(endless(&json!({ "$ref": "#" })), Some("#"));
        // A definition that nobody refers to harms nobody.
        assert_eq!(endless(&json!({ "$defs": { "a": to_a() } })), None);
        // One after another, each by the next.
        let chain = (0..200).map(|n| (format!("d{n}"), node(json!({ "$ref": format!("#/$defs/d{}", n + 1) }))));
        let mut definitions: Map<String, Value> = chain.collect();
        let to_first = json!({ "$ref": "#/$defs/d0" });
        definitions.insert("d200".to_owned(), json!({ "type": "null" }));
        assert_eq!(endless(&json!({ "$defs": definitions, "anyOf": [to_first] })), None);
        definitions.insert("d200".to_owned(), to_first.clone());
        assert!(endless(&json!({ "$defs": definitions, "anyOf": [to_first] })).is_some());
    }

    #[test]
    fn a_schema_made_to_take_long_is_given_up() {
        let many: Map<String, Value> = (0..3000)
            .map(|n| (format!("d{:05}", n), node(json!({ "$ref": format!("#/$defs/d{:05}", n + 1) }))))
            .collect();
        let schema = json!({ "$defs": many, "$ref": "#/$defs/d00000" });
        let began = Instant::now();
        endless(&schema);
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }
}
