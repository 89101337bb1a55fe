//! What `@aws-cdk/aws-service-spec` says of a type.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::keep;
use crate::handlers::Handlers;
use crate::model::{
    Definition, JsonRule, ListRule, NumberRule, Property, Reference, Replaces, Shape, TagForm, Tags, TextRule, Type,
};

/// The name of the object that the source calls `tag`.
pub(super) const TAG: &str = "Tag";

/// Numbers of definitions by the source's ids, and of the builtin tag, which comes last.
struct Ids<'a> {
    numbers: BTreeMap<&'a str, usize>,
    tag: usize,
}

pub(super) fn one_type(one: &Value) -> Result<Type, String> {
    let name = keep(text(one, "name")?);
    let nothing = Map::new();
    let sources = one["definitions"].as_object().unwrap_or(&nothing);
    let mut named: Vec<(&str, &str)> = Vec::new();
    for (id, definition) in sources {
        named.push((text(definition, "name")?, id));
    }
    named.sort_unstable();
    let numbers = named.iter().enumerate().map(|(number, (_, id))| (*id, number)).collect();
    let ids = Ids { numbers, tag: named.len() };
    let mut definitions = Vec::new();
    for (name, id) in &named {
        let properties = properties(&sources[*id]["properties"], &ids)?;
        definitions.push(Definition { name: keep(name), properties, choices: Vec::new() });
    }
    let own = properties(&one["properties"], &ids)?;
    let mut attributes = Vec::new();
    for (name, given) in one["attributes"].as_object().unwrap_or(&nothing) {
        attributes.push((keep(name), shape(given, &ids)?));
    }
    attributes.sort_by_key(|(name, _)| *name);
    let used = |shape: &Shape| uses(shape, ids.tag);
    let everywhere = definitions.iter().map(|definition| &definition.properties).chain([&own]).flatten();
    if everywhere.map(|property| &property.shape).chain(attributes.iter().map(|(_, shape)| shape)).any(used) {
        // Names are unique within a type; one that has a tag of its own has no builtin one.
        let free = definitions.iter().all(|definition| definition.name != TAG);
        definitions.push(tag(if free { TAG } else { "BuiltinTag" }));
    }
    let mut made = Type {
        name,
        properties: own,
        definitions,
        attributes,
        identifier: texts(&one["identifier"]),
        reference: texts(&one["ref"]),
        arn: one["arn"].as_str().map(keep),
        tags: tags(&one["tags"])?,
        read_only: Vec::new(),
        write_only: Vec::new(),
        choices: Vec::new(),
        order: None,
        transform: one["transform"].as_str().map(keep),
        sunset: None,
        stateful: one["stateful"] == true,
        regions: Vec::new(),
        handlers: Handlers::Unknown,
    };
    let tags = made.tags.as_ref().map(|tags| tags.property);
    for property in made.properties.iter_mut().filter(|property| Some(property.name) == tags) {
        if let Shape::List(list) = &mut property.shape {
            list.ordered = false;
        }
    }
    // A part of a property that is an attribute as well is set by AWS.
    let parts = made.attributes.iter().filter(|(name, _)| name.contains('.'));
    let mut paths: Vec<String> = parts.map(|(name, _)| format!("/{}", name.replace('.', "/"))).collect();
    paths.retain(|path| leads(&made, path));
    made.read_only = paths.iter().map(|path| keep(path)).collect();
    for path in one["also_replace"].as_array().into_iter().flatten() {
        also_replace(&mut made, &texts(path));
    }
    Ok(made)
}

fn text<'a>(of: &'a Value, key: &str) -> Result<&'a str, String> {
    of[key].as_str().ok_or_else(|| format!("the service specification has no {key} in {of}"))
}

fn texts(list: &Value) -> Vec<&'static str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(keep).collect()
}

fn tags(given: &Value) -> Result<Option<Tags>, String> {
    let [Some(property), Some(form)] = [given[0].as_str(), given[1].as_str()] else { return Ok(None) };
    let form = match form {
        "standard" => TagForm::List,
        "asg" => TagForm::ListThatPropagates,
        "map" => TagForm::Map,
        other => return Err(format!("the service specification has tags of the unknown form '{other}'")),
    };
    Ok(Some(Tags { property: keep(property), form }))
}

fn tag(name: &'static str) -> Definition {
    let property = |name| Property {
        name,
        shape: Shape::Text(TextRule::default()),
        required: true,
        replaces: Replaces::No,
        deprecated: false,
        references: Vec::new(),
    };
    Definition { name, properties: vec![property("Key"), property("Value")], choices: Vec::new() }
}

fn properties(all: &Value, ids: &Ids<'_>) -> Result<Vec<Property>, String> {
    let mut made = Vec::new();
    for (name, given) in all.as_object().into_iter().flatten() {
        let references = given["references"].as_array().into_iter().flatten();
        made.push(Property {
            name: keep(name),
            shape: shape(&given["shape"], ids)?,
            required: given["required"] == true,
            replaces: match given["replaces"].as_str() {
                Some("yes") => Replaces::Yes,
                Some("maybe") => Replaces::Maybe,
                _ => Replaces::No,
            },
            deprecated: given["deprecated"] == true,
            references: references
                .filter_map(|one| Some((one[0].as_str()?, one[1].as_str()?)))
                .map(|(type_name, attribute)| Reference { type_name: keep(type_name), attribute: keep(attribute) })
                .collect(),
        });
    }
    made.sort_by_key(|property| property.name);
    Ok(made)
}

fn shape(given: &Value, ids: &Ids<'_>) -> Result<Shape, String> {
    let allowed = texts(&given["allowed"]);
    Ok(match text(given, "type")? {
        "string" => Shape::Text(TextRule { allowed, ..TextRule::default() }),
        "date-time" => Shape::Text(TextRule { format: Some("date-time"), ..TextRule::default() }),
        "integer" => {
            let allowed = given["allowed"].as_array().into_iter().flatten().filter_map(Value::as_i64).collect();
            Shape::Integer(NumberRule { allowed, ..NumberRule::default() })
        }
        "number" => Shape::Number(NumberRule::default()),
        "boolean" => Shape::Boolean,
        "json" => Shape::Json(JsonRule::Any),
        "tag" => Shape::Object(ids.tag),
        "array" => Shape::List(Box::new(ListRule {
            element: shape(&given["element"], ids)?,
            // Tags are a map in the form of a list.
            ordered: given["element"]["type"] != "tag",
            unique: false,
            min_items: None,
            max_items: None,
        })),
        "map" => Shape::Map(Box::new(shape(&given["element"], ids)?)),
        "ref" => {
            let id = text(given, "id")?;
            Shape::Object(*ids.numbers.get(id).ok_or_else(|| format!("there is no definition {id}"))?)
        }
        "union" => {
            let types = given["types"].as_array().into_iter().flatten();
            Shape::OneOf(types.map(|one| shape(one, ids)).collect::<Result<_, _>>()?)
        }
        other => return Err(format!("the service specification has the unknown type '{other}'")),
    })
}

fn uses(shape: &Shape, number: usize) -> bool {
    match shape {
        Shape::Object(index) => *index == number,
        Shape::List(list) => uses(&list.element, number),
        Shape::Map(element) => uses(element, number),
        Shape::OneOf(shapes) => shapes.iter().any(|shape| uses(shape, number)),
        _ => false,
    }
}

/// Marks the property at a path in which `*` is any element. Some paths of the source lead nowhere.
fn also_replace(one: &mut Type, path: &[&str]) {
    let mut within: Option<usize> = None;
    for (place, name) in path.iter().filter(|name| **name != "*").enumerate() {
        let last = place + 1 == path.iter().filter(|name| **name != "*").count();
        let properties = match within {
            None => &mut one.properties,
            Some(index) => match one.definitions.get_mut(index) {
                Some(definition) => &mut definition.properties,
                None => return,
            },
        };
        let Some(property) = properties.iter_mut().find(|property| property.name == *name) else { return };
        if last {
            property.replaces = Replaces::Yes;
        }
        within = object(&property.shape);
        if within.is_none() {
            return;
        }
    }
}

fn object(shape: &Shape) -> Option<usize> {
    match shape {
        Shape::Object(index) => Some(*index),
        Shape::List(list) => object(&list.element),
        Shape::Map(element) => object(element),
        _ => None,
    }
}

/// Whether a path, in which `*` is any element, leads to a property.
pub(super) fn leads(one: &Type, path: &str) -> bool {
    let mut properties = Some(&one.properties);
    let mut shape: Option<&Shape> = None;
    for name in path.split('/').skip(1) {
        shape = match (shape, name) {
            (Some(Shape::List(list)), "*") => Some(&list.element),
            (Some(Shape::Map(element)), "*") => Some(element),
            _ => properties.and_then(|all| crate::model::find(all, name)).map(|property| &property.shape),
        };
        properties = match shape {
            Some(Shape::Object(index)) => one.definitions.get(*index).map(|definition| &definition.properties),
            Some(_) => None,
            None => return false,
        };
    }
    true
}
