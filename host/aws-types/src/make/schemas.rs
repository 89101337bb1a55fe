//! What a schema of the registry adds to a type.

use serde_json::Value;

use super::keep;
use super::spec::{TAG, leads};
use crate::model::{
    Choice, Definition, JsonRule, ListRule, NumberRule, Property, ReplacementOrder, Shape, TextRule, Type,
};
use crate::pattern::Pattern;

pub(super) fn refine(one: &mut Type, schema: &Value) {
    let known = Schema { schema };
    for property in &mut one.properties {
        known.property(property, schema);
    }
    for definition in &mut one.definitions {
        known.definition(definition);
    }
    one.choices = choices(schema, &one.properties);
    one.write_only = known.paths("writeOnlyProperties", one);
    // At the top, what AWS sets is an attribute and no property; where people made it one, it is.
    let paths = known.paths("readOnlyProperties", one);
    one.read_only.extend(paths.into_iter().filter(|path| path.matches('/').count() > 1));
    one.read_only.sort_unstable();
    one.read_only.dedup();
    one.order = match schema["replacementStrategy"].as_str() {
        Some("create_then_delete") => Some(ReplacementOrder::CreateThenDelete),
        Some("delete_then_create") => Some(ReplacementOrder::DeleteThenCreate),
        _ => None,
    };
    if schema["lifecycle"]["status"] == "sunset" {
        one.sunset = Some(keep(schema["lifecycle"]["date"].as_str().unwrap_or_default()));
    }
    // The first source has CloudFormation's identifier for Cloud Control's in some places. A schema
    // whose identifier is a bare `Id` is of a type that Cloud Control does not have.
    let pointers = schema["primaryIdentifier"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let names: Vec<&str> = pointers.filter_map(|pointer| pointer.strip_prefix("/properties/")).collect();
    if names != ["Id"] && !names.is_empty() && (one.identifier.is_empty() || one.identifier == one.reference) {
        one.identifier = names.into_iter().map(keep).collect();
    }
}

struct Schema<'a> {
    schema: &'a Value,
}

impl<'a> Schema<'a> {
    /// The node that a reference leads to.
    fn resolve(&self, mut node: &'a Value) -> &'a Value {
        for _ in 0..8 {
            let Some(name) = node["$ref"].as_str().and_then(|path| path.strip_prefix("#/definitions/")) else { break };
            node = &self.schema["definitions"][name];
        }
        node
    }

    /// What holds of a node: itself, and all that `allOf` adds.
    fn parts(&self, node: &'a Value) -> Vec<&'a Value> {
        let node = self.resolve(node);
        let more = node["allOf"].as_array().into_iter().flatten().map(|part| self.resolve(part));
        std::iter::once(node).chain(more).collect()
    }

    /// One of these holds as well.
    fn alternatives(&self, node: &'a Value) -> Vec<&'a Value> {
        let node = self.resolve(node);
        let lists = ["oneOf", "anyOf"].into_iter().filter_map(|key| node[key].as_array());
        lists.flatten().map(|one| self.resolve(one)).collect()
    }

    /// The value of a key that all alternatives agree on.
    fn fact(&self, node: &'a Value, key: &str) -> Option<&'a Value> {
        self.parts(node).into_iter().find_map(|part| part.get(key))
    }

    fn property(&self, property: &mut Property, object: &'a Value) {
        let of = |node: &'a Value| node["properties"].get(property.name);
        let own = self.parts(object).into_iter().find_map(of);
        let node = own.or_else(|| {
            let mut found = self.alternatives(object).into_iter().filter_map(of);
            let first = found.next()?;
            // Alternatives that differ say nothing that always holds.
            found.all(|other| other == first).then_some(first)
        });
        if let Some(node) = node {
            self.shape(&mut property.shape, node);
        }
    }

    fn definition(&self, definition: &mut Definition) {
        let node = &self.schema["definitions"][definition.name];
        let node = self.resolve(node);
        if node.is_null() {
            return;
        }
        for property in &mut definition.properties {
            self.property(property, node);
        }
        if definition.name == TAG
            && let Some(required) = self.fact(node, "required").and_then(Value::as_array)
        {
            let required: Vec<&str> = required.iter().filter_map(Value::as_str).collect();
            definition.properties.iter_mut().for_each(|property| property.required = required.contains(&property.name));
        }
        definition.choices = choices(node, &definition.properties);
    }

    fn shape(&self, shape: &mut Shape, node: &'a Value) {
        match shape {
            Shape::Text(rule) => self.text(rule, node),
            Shape::Integer(rule) | Shape::Number(rule) => self.number(rule, node),
            Shape::List(list) => self.list(list, node),
            Shape::Map(element) => {
                let keys = self.fact(node, "patternProperties").and_then(Value::as_object);
                let value = keys.and_then(|keys| keys.values().next());
                if let Some(value) = value.or_else(|| self.fact(node, "additionalProperties")) {
                    self.shape(element, value);
                }
            }
            Shape::Json(rule) => {
                if let Some(known) = self.json(node) {
                    *rule = known;
                }
            }
            Shape::OneOf(shapes) => {
                let json = shapes.iter().any(|shape| matches!(shape, Shape::Json(_)));
                let simple = shapes.iter().all(|shape| matches!(shape, Shape::Json(_) | Shape::Text(_)));
                if json && simple && self.json(node) == Some(JsonRule::ObjectOrText) {
                    *shape = Shape::Json(JsonRule::ObjectOrText);
                    return;
                }
                let alternatives = self.alternatives(node);
                for shape in shapes {
                    if let Some(node) = alternatives.iter().find(|node| self.is_of(shape, node)) {
                        self.shape(shape, node);
                    }
                }
            }
            Shape::Boolean | Shape::Object(_) => {}
        }
    }

    /// Whether a node is meant by this part of a union.
    fn is_of(&self, shape: &Shape, node: &Value) -> bool {
        match shape {
            Shape::Text(_) => node["type"] == "string",
            Shape::Integer(_) => node["type"] == "integer",
            Shape::Number(_) => node["type"] == "number",
            Shape::List(_) => node["type"] == "array",
            Shape::Json(_) => self.json(node).is_some(),
            // An object is found by the name of its definition.
            _ => false,
        }
    }

    fn json(&self, node: &'a Value) -> Option<JsonRule> {
        let types = match self.fact(node, "type")? {
            Value::String(one) => vec![one.as_str()],
            Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
            _ => return None,
        };
        match types.as_slice() {
            ["object"] => Some(JsonRule::Object),
            ["object", "string"] | ["string", "object"] => Some(JsonRule::ObjectOrText),
            _ => None,
        }
    }

    fn text(&self, rule: &mut TextRule, node: &'a Value) {
        if rule.allowed.is_empty()
            && let Some(all) = self.fact(node, "enum").and_then(Value::as_array)
            && all.iter().all(Value::is_string)
        {
            rule.allowed = all.iter().filter_map(Value::as_str).map(keep).collect();
        }
        let any_case = self.fact(node, "enumCaseInsensitive").and_then(Value::as_array);
        if let Some(all) = any_case {
            rule.any_case = true;
            if rule.allowed.is_empty() {
                rule.allowed = all.iter().filter_map(Value::as_str).map(keep).collect();
            }
        }
        let formats = self.alternatives(node).into_iter().find_map(|node| node["format"].as_str());
        rule.format = self.fact(node, "format").and_then(Value::as_str).or(formats).map(keep).or(rule.format);
        if rule.allowed.is_empty() {
            // A list of values says it all.
            rule.pattern = self.fact(node, "pattern").and_then(Value::as_str).map(|source| Pattern::new(keep(source)));
            rule.min_length = self.size(node, "minLength").filter(|size| *size > 0);
            rule.max_length = self.size(node, "maxLength");
        }
    }

    fn number(&self, rule: &mut NumberRule, node: &'a Value) {
        if rule.allowed.is_empty()
            && let Some(all) = self.fact(node, "enum").and_then(Value::as_array)
        {
            rule.allowed = all.iter().filter_map(Value::as_i64).collect();
        }
        rule.minimum = self.fact(node, "minimum").and_then(Value::as_f64);
        rule.maximum = self.fact(node, "maximum").and_then(Value::as_f64);
    }

    fn list(&self, list: &mut ListRule, node: &'a Value) {
        if self.fact(node, "insertionOrder") == Some(&Value::Bool(false)) {
            list.ordered = false;
        }
        list.unique = self.fact(node, "uniqueItems") == Some(&Value::Bool(true));
        list.min_items = self.size(node, "minItems").filter(|size| *size > 0);
        list.max_items = self.size(node, "maxItems");
        if let Some(items) = self.fact(node, "items") {
            self.shape(&mut list.element, items);
        }
    }

    fn size(&self, node: &'a Value, key: &str) -> Option<u32> {
        self.fact(node, key).and_then(Value::as_u64).and_then(|size| u32::try_from(size).ok())
    }

    /// Paths that the type knows, without `/properties`.
    fn paths(&self, key: &str, one: &Type) -> Vec<&'static str> {
        let all = self.schema[key].as_array().into_iter().flatten().filter_map(Value::as_str);
        let all = all.filter_map(|path| path.strip_prefix("/properties"));
        let mut paths: Vec<&'static str> = all.filter(|path| leads(one, path)).map(keep).collect();
        paths.sort_unstable();
        paths.dedup();
        paths
    }
}

/// The sets of properties one of which a node requires.
fn choices(node: &Value, properties: &[Property]) -> Vec<Choice> {
    let names = |list: &Value| -> Option<Vec<&'static str>> {
        let names: Vec<&'static str> = list.as_array()?.iter().filter_map(Value::as_str).map(keep).collect();
        (!names.is_empty()).then_some(names)
    };
    let mut all: Vec<Choice> = Vec::new();
    for key in ["oneOf", "anyOf"] {
        let Some(alternatives) = node[key].as_array() else { continue };
        all.extend(alternatives.iter().map(|one| names(&one["required"])).collect::<Option<Choice>>());
    }
    for key in ["requiredXor", "requiredOr"] {
        all.extend(names(&node[key]).map(|names| names.into_iter().map(|name| vec![name]).collect()));
    }
    let known = |name: &&str| crate::model::find(properties, name).is_some();
    // What was renamed since is no reason to refuse anything.
    all.retain(|choice: &Choice| choice.iter().flatten().all(known));
    all
}
