//! Defaults that a plugin's schema states, filled in before the plugin sees its options.
//!
//! They are filled in where one place alone says what the value is: under `properties`, `items`,
//! `additionalProperties`, `allOf` and `$ref`. Below `anyOf`, `oneOf` and `if` several could.

use serde_json::{Map, Value, json};

use super::schema::{BadSchema, compile};

/// How many schemas may say something about one value by `$ref` and `allOf`.
const MOST_SCHEMAS: usize = 64;
/// How many values a table may get, and how many one default may bring along: it may hold objects whose options
/// have defaults in their turn.
const MOST_ADDED: usize = 1_000_000;
const MOST_WITHIN: usize = 1_000;
/// How deep defaults may lie within defaults.
const DEEPEST: usize = 32;

/// Fills defaults in; whether there were any to fill in.
pub(super) fn fill(root: &Value, value: &mut Value) -> bool {
    let mut filling = Filling { root, added: 0, most: MOST_ADDED };
    filling.fill(root, value, 0);
    filling.added > 0
}

/// Checks that every default that may be filled in fits its own schema; whether there are any.
pub(super) fn check(root: &Value) -> Result<bool, BadSchema> {
    let mut found = Vec::new();
    collect(root, "", "", &mut found);
    let mut properties = Map::new();
    let mut instance = Map::new();
    for (at, (pointer, option, schema)) in found.iter().enumerate() {
        let mut value = schema["default"].clone();
        let mut filling = Filling { root, added: 0, most: MOST_WITHIN };
        if !filling.fill(schema, &mut value, 0) {
            return Err(BadSchema::EndlessDefault(option.clone()));
        }
        properties.insert(at.to_string(), json!({ "$ref": format!("{ROOT}#{}", escaped(pointer)) }));
        instance.insert(at.to_string(), value);
    }
    if found.is_empty() {
        return Ok(false);
    }
    // One schema for all of them: each default where the schema that states it applies.
    let mut all = root.clone();
    if let Some(all) = all.as_object_mut() {
        all.insert("$id".to_owned(), Value::from(ROOT));
    }
    let together = json!({ "properties": properties, "$defs": { "root": all } });
    // Names of its own that the schema gives itself may no longer lead anywhere; then nothing is checked.
    let Ok(validator) = compile(&together) else { return Ok(true) };
    let instance = Value::Object(instance);
    let Some(error) = validator.iter_errors(&instance).next() else { return Ok(true) };
    let at = error.instance_path().as_str().split('/').nth(1).and_then(|at| at.parse::<usize>().ok());
    let option = at.and_then(|at| found.get(at)).map(|(_, option, _)| option.clone()).unwrap_or_default();
    Err(BadSchema::BadDefault { option, reason: error.to_string() })
}

/// A name for the schema that no plugin uses.
const ROOT: &str = "urn:llmhost:options";

/// Every schema that states a default which may be filled in, with the pointer to it and the path of its option.
fn collect<'a>(schema: &'a Value, pointer: &str, option: &str, found: &mut Vec<(String, String, &'a Value)>) {
    let Some(fields) = schema.as_object() else { return };
    if fields.contains_key("default") && !option.is_empty() {
        found.push((pointer.to_owned(), option.to_owned(), schema));
    }
    for key in ["properties", "$defs", "definitions"] {
        for (name, inner) in fields.get(key).and_then(Value::as_object).into_iter().flatten() {
            let path = match (key, option) {
                ("properties", "") => name.clone(),
                ("properties", option) => format!("{option}.{name}"),
                _ => format!("{name} (in {key})"),
            };
            collect(inner, &format!("{pointer}/{key}/{}", crate::pointer::escaped(name)), &path, found);
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = fields.get(key) {
            collect(inner, &format!("{pointer}/{key}"), &format!("{option}[]"), found);
        }
    }
    for (at, inner) in fields.get("allOf").and_then(Value::as_array).into_iter().flatten().enumerate() {
        collect(inner, &format!("{pointer}/allOf/{at}"), option, found);
    }
}

/// A JSON pointer as the fragment of a URI.
fn escaped(pointer: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'~' | b'-' | b'_' | b'.' | b'$' => (byte as char).to_string(),
        other => format!("%{other:02X}"),
    };
    pointer.bytes().map(escape).collect()
}

struct Filling<'a> {
    root: &'a Value,
    added: usize,
    most: usize,
}

impl<'a> Filling<'a> {
    /// Fills in below a value that a schema speaks of; whether that came to an end. `depth` counts the defaults that
    /// the value lies in.
    fn fill(&mut self, schema: &'a Value, value: &mut Value, depth: usize) -> bool {
        let mut complete = true;
        for schema in self.schemas(schema) {
            match value {
                Value::Object(fields) => complete &= self.fill_object(schema, fields, depth),
                Value::Array(items) => {
                    let inner = schema.get("items").filter(|_| schema.get("prefixItems").is_none());
                    for item in items.iter_mut().take(if inner.is_some() { usize::MAX } else { 0 }) {
                        complete &= inner.is_none_or(|inner| self.fill(inner, item, depth));
                    }
                }
                _ => {}
            }
        }
        complete
    }

    fn fill_object(&mut self, schema: &'a Value, fields: &mut Map<String, Value>, depth: usize) -> bool {
        let mut complete = true;
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, inner) in properties.into_iter().flatten() {
            let mut depth = depth;
            if !fields.contains_key(name)
                && let Some(default) = self.schemas(inner).into_iter().find_map(|schema| schema.get("default"))
            {
                if depth >= DEEPEST || self.added >= self.most {
                    return false;
                }
                self.added += 1;
                depth += 1;
                fields.insert(name.clone(), default.clone());
            }
            if let Some(value) = fields.get_mut(name) {
                complete &= self.fill(inner, value, depth);
            }
        }
        let others = schema.get("additionalProperties").filter(|_| schema.get("patternProperties").is_none());
        if let Some(inner) = others {
            let is_other = |name: &String| properties.is_none_or(|properties| !properties.contains_key(name));
            for (_, value) in fields.iter_mut().filter(|(name, _)| is_other(name)) {
                complete &= self.fill(inner, value, depth);
            }
        }
        complete
    }

    /// A schema and those that it refers to for the same value.
    fn schemas(&self, schema: &'a Value) -> Vec<&'a Value> {
        let mut all = vec![schema];
        let mut at = 0;
        while at < all.len() && all.len() < MOST_SCHEMAS {
            let target = all[at].get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
            let members = all[at].get("allOf").and_then(Value::as_array).into_iter().flatten();
            let next: Vec<_> = target.and_then(|target| self.root.pointer(target)).into_iter().chain(members).collect();
            for schema in next {
                if !all.iter().any(|known| std::ptr::eq(*known, schema)) {
                    all.push(schema);
                }
            }
            at += 1;
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(schema: &Value, config: Value) -> Value {
        check(schema).expect("its defaults fit");
        let mut value = config;
        fill(schema, &mut value);
        value
    }

    #[test]
    fn defaults_are_filled_in_where_one_place_says_what_they_are() {
        let schema = json!({
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": { "type": "string" },
                "count": { "type": "integer", "default": 3 },
                "none": { "type": ["string", "null"], "default": null },
                "pool": { "$ref": "#/$defs/pool" },
                "spare": { "$ref": "#/$defs/pool", "default": { "size": 1 } },
                "kind": { "$ref": "#/$defs/kind" },
                "pools": { "type": "array", "items": { "$ref": "#/$defs/pool" } },
                "by_name": { "additionalProperties": { "$ref": "#/$defs/pool" } },
                "both": { "allOf": [{ "default": "a" }, { "type": "string" }] },
                "either": { "anyOf": [{ "default": 1 }, { "properties": { "x": { "default": 2 } } }] },
            },
            "$defs": {
                "pool": { "type": "object", "properties": {
                    "size": { "type": "integer", "default": 2 },
                    "inner": { "properties": { "deep": { "default": [] } }, "default": {} },
                } },
                "kind": { "enum": ["a", "b"], "default": "b" },
            },
        });
        assert_eq!(
            filled(&schema, json!({ "name": "n" })),
            json!({
                "name": "n", "count": 3, "none": null, "kind": "b", "both": "a",
                "spare": { "size": 1, "inner": { "deep": [] } },
            })
        );
        let given = json!({
            "name": "n", "count": 0, "none": "x", "kind": "a", "both": "b", "either": {},
            "spare": "<<net/ec2.vpc/main#id>>",
            "pool": {}, "pools": [{ "size": 9 }, 1], "by_name": { "x": { "inner": { "deep": [1] } } },
        });
        assert_eq!(
            filled(&schema, given),
            json!({
                "name": "n", "count": 0, "none": "x", "kind": "a", "both": "b", "either": {},
                "spare": "<<net/ec2.vpc/main#id>>",
                "pool": { "size": 2, "inner": { "deep": [] } },
                "pools": [{ "size": 9, "inner": { "deep": [] } }, 1],
                "by_name": { "x": { "size": 2, "inner": { "deep": [1] } } },
            })
        );
    }

    #[test]
    fn a_default_has_to_fit_its_own_schema() {
        for (schema, error) in [
            (
                json!({ "properties": { "a": { "properties": { "n": { "type": "integer", "default": "x" } } } } }),
                "the default of 'a.n' does not fit its schema: \"x\" is not of type \"integer\"",
            ),
            (
                json!({ "properties": { "a b/c": { "$ref": "#/$defs/k", "default": "z" } }, "$defs": { "k": { "enum": ["x"] } } }),
                "the default of 'a b/c' does not fit its schema: \"z\" is not one of \"x\"",
            ),
            (
                json!({ "properties": { "a": { "default": {}, "required": ["b"], "properties": { "b": {} } } } }),
                "the default of 'a' does not fit its schema: \"b\" is a required property",
            ),
            (
                json!({ "$ref": "#/$defs/node", "$defs": { "node": { "properties": {
                    "left": { "$ref": "#/$defs/node", "default": {} }, "right": { "$ref": "#/$defs/node", "default": {} },
                } } } }),
                "the default of 'node (in $defs).left' contains itself",
            ),
        ] {
            assert_eq!(check(&schema).expect_err("a bad default").to_string(), error);
        }
        for schema in [
            json!({ "properties": { "a": { "default": {}, "required": ["b"], "properties": { "b": { "default": 1 } } } } }),
            json!({ "$id": "https://example.com/x", "properties": { "a": { "type": "string", "default": "x" } } }),
            json!({ "$defs": { "a": { "allOf": [{ "$ref": "#/$defs/a" }] } }, "properties": { "b": { "default": 1 } } }),
        ] {
            assert!(check(&schema).expect("good defaults"), "{schema}");
        }
        assert!(!check(&json!({ "properties": { "a": {} } })).expect("no defaults"));
        assert!(!check(&json!(true)).expect("no defaults"));
    }
}
