//! Checks of the options of the built-in plugin `aws`, where they stand in the file.

use llmhost_engine::config_check::{ConfigCheck, ConfigProblem};
use llmhost_engine::pointer::escaped;
use serde_json::{Map, Value, json};

use super::types::{known, problems};

/// Checks options that name a type and its properties, or several: the built-in plugin `aws` asks for it.
pub(in crate::aws) struct ResourceTypes;

impl ConfigCheck for ResourceTypes {
    fn check(&self, config: &Value) -> Vec<ConfigProblem> {
        let mut found = Vec::new();
        found.extend(one_or_several(config));
        check_one(config, "", &mut found);
        for (name, one) in config.get("resources").and_then(Value::as_object).into_iter().flatten() {
            check_one(one, &format!("/resources/{}", escaped(name)), &mut found);
        }
        found
    }

    fn outputs(&self, config: &Value) -> Value {
        match (config.get("type"), config.get("resources")) {
            (None, Some(Value::Object(all))) => {
                let resources: Map<String, Value> =
                    all.iter().map(|(name, one)| (name.clone(), form_of_one(one))).collect();
                json!({ "identifier": null, "attributes": {}, "resources": resources })
            }
            (Some(_), None) => match form_of_one(config) {
                Value::Object(mut one) => {
                    one.insert("resources".to_owned(), json!({ "main": one }));
                    Value::Object(one)
                }
                other => other,
            },
            _ => Value::Null,
        }
    }
}

/// One resource is stated by its type, several by their names.
fn one_or_several(config: &Value) -> Option<ConfigProblem> {
    let stated = |key: &str| config.get(key).is_some_and(|value| !value.as_object().is_some_and(Map::is_empty));
    let (pointer, message, help) = match (stated("type"), stated("resources")) {
        (true, true) => (
            "/resources",
            "Set either one resource with 'type' and 'properties', or several in 'resources'.",
            "Move the single resource into 'resources' too, with a name of its own.",
        ),
        (false, _) if stated("properties") => {
            ("/properties", "'properties' needs a 'type'.", "Add the type of the resource: type = \"AWS::SQS::Queue\".")
        }
        (false, false) => (
            "",
            "A resource needs a 'type'.",
            "Add type = \"AWS::SQS::Queue\" and its properties, or several resources in 'resources'.",
        ),
        _ => return None,
    };
    Some(ConfigProblem { pointer: pointer.into(), is_of_keys: true, message: message.into(), help: help.into() })
}

/// The outputs of one resource: its attributes, parts of parts as objects.
fn form_of_one(one: &Value) -> Value {
    let name = one.get("type").and_then(Value::as_str);
    let unchecked = one.get("unchecked") == Some(&Value::Bool(true));
    let Some(of) = name.and_then(|name| known(name, unchecked).ok().flatten()) else { return Value::Null };
    let mut attributes = json!({});
    // Parts come after what they are part of.
    for (name, _) in of.attributes() {
        let mut here = &mut attributes;
        for part in name.split('.') {
            if !here.is_object() {
                *here = json!({});
            }
            here = &mut here[part];
        }
    }
    json!({ "identifier": null, "attributes": attributes })
}

fn check_one(one: &Value, at: &str, found: &mut Vec<ConfigProblem>) {
    let Some(name) = one.get("type").and_then(Value::as_str) else { return };
    let of = match known(name, one.get("unchecked") == Some(&Value::Bool(true))) {
        Ok(of) => of,
        Err((message, help)) => {
            found.push(ConfigProblem { pointer: format!("{at}/type"), is_of_keys: false, message, help });
            return;
        }
    };
    let empty = Map::new();
    let properties = match one.get("properties") {
        None => &empty,
        Some(Value::Object(properties)) => properties,
        Some(_) => return,
    };
    if let Some(of) = of {
        let problems = problems(&of, properties).into_iter();
        found.extend(
            problems.map(|problem| ConfigProblem { pointer: format!("{at}/properties{}", problem.pointer), ..problem }),
        );
    }
}
