//! A JSON schema, for editors.

use serde_json::{Map, Value, json};

use crate::model::{Choice, JsonRule, NumberRule, Property, Shape, TextRule, Type};

impl Type {
    /// A schema (draft 7) of the properties.
    #[must_use]
    pub fn json_schema(&self) -> Value {
        let mut schema = self.object(&self.properties, &self.choices, "");
        schema.insert("$schema".to_owned(), "http://json-schema.org/draft-07/schema#".into());
        schema.insert("title".to_owned(), self.name.into());
        let definitions: Map<String, Value> = self
            .definitions
            .iter()
            .map(|definition| {
                let mut made = self.object(&definition.properties, &definition.choices, definition.name);
                if definition.is_open() {
                    made.remove("additionalProperties");
                }
                (definition.name.to_owned(), made.into())
            })
            .collect();
        if !definitions.is_empty() {
            schema.insert("definitions".to_owned(), definitions.into());
        }
        schema.into()
    }

    fn object(&self, properties: &[Property], choices: &[Choice], definition: &str) -> Map<String, Value> {
        let mut members = Map::new();
        for property in properties {
            let mut made = self.shape_schema(&property.shape);
            if property.deprecated {
                made.insert("deprecated".to_owned(), true.into());
            }
            if definition.is_empty() && self.is_write_only(&format!("/{}", property.name)) {
                made.insert("writeOnly".to_owned(), true.into());
            }
            members.insert(property.name.to_owned(), made.into());
        }
        let required: Vec<&str> =
            properties.iter().filter(|property| property.required).map(|property| property.name).collect();
        let mut made = Map::new();
        made.insert("type".to_owned(), "object".into());
        made.insert("additionalProperties".to_owned(), false.into());
        made.insert("properties".to_owned(), members.into());
        if !required.is_empty() {
            made.insert("required".to_owned(), required.into());
        }
        let choices: Vec<Value> = choices
            .iter()
            .map(|choice| {
                let any: Vec<Value> = choice.iter().map(|names| json!({ "required": names })).collect();
                json!({ "anyOf": any })
            })
            .collect();
        if !choices.is_empty() {
            made.insert("allOf".to_owned(), choices.into());
        }
        made
    }

    fn shape_schema(&self, shape: &Shape) -> Map<String, Value> {
        match shape {
            Shape::Text(rule) => text(rule),
            Shape::Integer(rule) => number("integer", rule),
            Shape::Number(rule) => number("number", rule),
            Shape::Boolean => one("type", "boolean"),
            Shape::Json(JsonRule::Any) => Map::new(),
            Shape::Json(JsonRule::Object) => one("type", "object"),
            Shape::Json(JsonRule::ObjectOrText) => one("type", json!(["object", "string"])),
            Shape::List(list) => {
                let mut made = one("type", "array");
                made.insert("items".to_owned(), self.shape_schema(&list.element).into());
                if list.unique {
                    made.insert("uniqueItems".to_owned(), true.into());
                }
                put(&mut made, "minItems", list.min_items);
                put(&mut made, "maxItems", list.max_items);
                made
            }
            Shape::Map(element) => {
                let mut made = one("type", "object");
                made.insert("additionalProperties".to_owned(), self.shape_schema(element).into());
                made
            }
            Shape::Object(index) => match self.definition(*index) {
                Some(definition) => one("$ref", format!("#/definitions/{}", definition.name)),
                None => one("type", "object"),
            },
            Shape::OneOf(shapes) => {
                let any: Vec<Value> = shapes.iter().map(|shape| self.shape_schema(shape).into()).collect();
                one("anyOf", any)
            }
        }
    }
}

fn one(key: &str, value: impl Into<Value>) -> Map<String, Value> {
    Map::from_iter([(key.to_owned(), value.into())])
}

fn put(made: &mut Map<String, Value>, key: &str, value: Option<impl Into<Value>>) {
    made.extend(value.map(|value| (key.to_owned(), value.into())));
}

fn text(rule: &TextRule) -> Map<String, Value> {
    let mut made = one("type", "string");
    // Where upper and lower case are the same, a list in one of them would refuse the other.
    if !rule.allowed.is_empty() && !rule.any_case {
        made.insert("enum".to_owned(), rule.allowed.clone().into());
    }
    put(&mut made, "minLength", rule.min_length);
    put(&mut made, "maxLength", rule.max_length);
    put(&mut made, "pattern", rule.pattern.as_ref().map(|pattern| pattern.as_str()));
    made
}

fn number(kind: &str, rule: &NumberRule) -> Map<String, Value> {
    let mut made = one("type", kind);
    if !rule.allowed.is_empty() {
        made.insert("enum".to_owned(), rule.allowed.clone().into());
    }
    let limit = |limit: f64| if limit.fract() == 0.0 { Value::from(limit as i64) } else { limit.into() };
    put(&mut made, "minimum", rule.minimum.map(limit));
    put(&mut made, "maximum", rule.maximum.map(limit));
    made
}
